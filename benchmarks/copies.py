"""Many shards from a few: the same clips under other ids, so that a benchmark has enough to do."""

import io
import json
import tarfile
from pathlib import Path


def copies(tars: list[Path], folder: Path, times: int) -> list[Path]:
    """Write each tar ``times`` over; copy k of a key ``EN_B00000_…`` is ``EN_B00k00_…``. Copies that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(times):
        for tar in tars:
            path = folder / f"{tar.stem.replace('B0000', f'B{number:02d}00')}.tar"
            made.append(path)
            if path.exists():
                continue
            aside = path.with_suffix(".tmp")
            with tarfile.open(tar) as source, tarfile.open(aside, "w") as target:
                for info in source:
                    file = source.extractfile(info)
                    assert file is not None
                    data = file.read()
                    info.name = info.name.replace("_B000", f"_B{number + 1:01d}00", 1)
                    if info.name.endswith(".json"):
                        fields = json.loads(data)
                        for key in ("id", "speaker"):
                            fields[key] = fields[key].replace("_B000", f"_B{number + 1:01d}00", 1)
                        data = json.dumps(fields).encode()
                        info.size = len(data)
                    target.addfile(info, io.BytesIO(data))
            aside.rename(path)
    return made
