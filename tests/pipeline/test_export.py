"""An export has EMO-Emilia's form, holds the surest clips, and says where each of them is from."""

import hashlib
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from manifests.audio_uri import AudioUri
from manifests.emilia import reject
from manifests.emotions import CLASSES
from manifests.errors import EmotroveError, InputError, RunFolderError, StorageError
from manifests.release import COLUMNS
from manifests.run_folder import RunFolder
from pipeline.decode import decode_row
from pipeline.export import NOTICE, export
from tests.pipeline.small_run import Row, a_vote, finished_run
from tests.pipeline.small_shard import clip, encoded, shard_of

CLIPS = [
    clip("EN_1", "happy", 0.75),
    clip("EN_2", "happy", 0.5),
    clip("EN_4", "happy", 0.625),
    clip("EN_3", "happy", 0.625),
    clip("EN_5", "sad", 0.875, text="«…» 你好", speaker="S1", license="CC BY 4.0"),
    clip("ZH_1", "happy", 0.5, "zh", text=None),
    clip("EN_6", None),
    reject(clip("EN_7", "sad"), "quality", "silent", 0.0),
]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Six clips with an emotion, one without, one rejected; in one tar."""
    return finished_run(tmp_path / "run", shard_of(tmp_path / "in", "EN-1", CLIPS), ("quality", "seed"))


def table(out: Path) -> list[dict[str, str]]:
    return lines(out / "dataset.jsonl")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def exported(out: Path) -> list[str]:
    return [row["index"] for row in table(out)]


def assert_nothing_left(folder: Path) -> None:
    """Neither the folder asked for, nor one that was written on the way to it."""
    assert sorted(path.name for path in folder.iterdir()) == ["in", "run"]


def test_the_form_is_that_of_emo_emilia(run: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = export(run, out)
    assert found.clips == 6
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "dataset.jsonl",
        "export.json",
        "provenance.jsonl",
        "wav",
    ]
    rows = table(out)
    assert [list(row) for row in rows] == [["index", "emotion", "wav", "text"]] * 6
    assert [row["index"] for row in rows] == ["EN_1", "EN_3", "EN_4", "EN_2", "EN_5", "ZH_1"]
    by_id = {row["index"]: row for row in rows}
    assert by_id["EN_5"] == {"index": "EN_5", "emotion": "sad", "wav": "./wav/EN_5.wav", "text": "«…» 你好"}
    assert by_id["ZH_1"]["text"] == ""
    assert {str(path.relative_to(out)) for path in (out / "wav").iterdir()} == {row["wav"][2:] for row in rows}
    assert "你好" in (out / "dataset.jsonl").read_text("utf-8"), "text stays readable"


def test_the_audio_is_what_the_annotators_heard(run: RunFolder, tmp_path: Path) -> None:
    export(run, tmp_path / "out")
    for position, row in enumerate(CLIPS[:6]):
        with sf.SoundFile(tmp_path / "out" / "wav" / f"{row['utterance_id']}.wav") as file:
            assert (file.format, file.subtype, file.samplerate, file.channels) == ("WAV", "PCM_16", 16_000, 1)
            samples = file.read(dtype="int16")
        heard = decode_row({"outcome": "pending", "audio": encoded(200 + 20 * position)}, 0.1, 30.0)
        assert samples.astype("<i2").tobytes() == heard["audio"]
        assert len(samples) == 3200
        assert np.abs(samples).max() == pytest.approx(0.3 * 32768, rel=0.02), "the mean of both channels"


def test_parquet(run: RunFolder, tmp_path: Path) -> None:
    export(run, tmp_path / "a")
    export(run, tmp_path / "b", table_format="parquet")
    found = pq.read_table(tmp_path / "b" / "dataset.parquet")
    assert tuple(found.column_names) == COLUMNS == ("index", "emotion", "wav", "text")
    assert found.to_pylist() == table(tmp_path / "a")
    assert not (tmp_path / "b" / "dataset.jsonl").exists()
    assert "dataset.parquet" in (tmp_path / "b" / "README.md").read_text("utf-8")


def test_the_surest_clips_of_each_language_and_emotion_ties_by_id(run: RunFolder, tmp_path: Path) -> None:
    for per_class, expected in (
        (1, ["EN_1", "EN_5", "ZH_1"]),
        (2, ["EN_1", "EN_3", "EN_5", "ZH_1"]),
        (3, ["EN_1", "EN_3", "EN_4", "EN_5", "ZH_1"]),
    ):
        found = export(run, tmp_path / f"out{per_class}", per_class=per_class)
        assert exported(tmp_path / f"out{per_class}") == expected
        assert found.clips == len(expected)


def test_short_classes_are_reported_and_not_filled(run: RunFolder, tmp_path: Path) -> None:
    found = export(run, tmp_path / "out", per_class=2)
    assert found.counts == {"en": {"happy": 2, "sad": 1}, "zh": {"happy": 1}}
    others = {str(emotion): 2 for emotion in CLASSES if emotion not in ("happy", "sad")}
    assert found.short == {"en": {**others, "sad": 1}, "zh": {**others, "sad": 2, "happy": 1}}
    readme = (tmp_path / "out" / "README.md").read_text("utf-8")
    (said,) = [line for line in readme.splitlines() if line.startswith("Short of the number asked for in en")]
    assert "sad 1" in said and "angry 2" in said and "happy" not in said
    assert export(run, tmp_path / "all").short == {}, "without a number there is none to be short of"
    assert "Short of" not in (tmp_path / "all" / "README.md").read_text("utf-8")


def test_languages(run: RunFolder, tmp_path: Path) -> None:
    assert export(run, tmp_path / "zh", languages=["zh"]).counts == {"zh": {"happy": 1}}
    assert exported(tmp_path / "zh") == ["ZH_1"]
    assert export(run, tmp_path / "both", languages=["zh", "en"]).clips == 6
    assert json.loads((tmp_path / "zh" / "export.json").read_text())["languages"] == ["zh"]


def test_a_clip_without_a_language(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", shard_of(tmp_path / "in", "A", [clip("a", "sad", language=None)]))
    assert export(run, tmp_path / "out").counts == {"?": {"sad": 1}}
    assert exported(tmp_path / "out") == ["a"]


def test_provenance_says_where_each_row_is_from(run: RunFolder, tmp_path: Path) -> None:
    export(run, tmp_path / "out")
    rows = lines(tmp_path / "out" / "provenance.jsonl")
    assert [row["index"] for row in rows] == exported(tmp_path / "out")
    assert all(row["verified"] is False for row in rows)
    (found,) = [row for row in rows if row["index"] == "EN_5"]
    assert (found["shard"], found["position"], found["speaker"], found["license"]) == ("EN-1", 4, "S1", "CC BY 4.0")
    assert (found["language"], found["emotion"], found["duration_s"]) == ("en", "sad", 0.2)
    assert found["annotators"] == {"quality": "1", "seed": "1"}
    assert found["votes"] == [a_vote("sad", 0.875)]
    assert found["consensus"] == {"emotion": "sad", "confidence": 0.875, "n_votes": 1, "agreement": 1.0}
    audio = AudioUri.parse(found["audio_uri"]).read()
    assert hashlib.sha256(audio).hexdigest() == found["audio_sha256"]
    assert audio == encoded(200 + 20 * 4)


def test_machines_are_named_as_the_source(run: RunFolder, tmp_path: Path) -> None:
    found = export(run, tmp_path / "out")
    assert NOTICE == "These labels were given by machines. No expert has verified them."
    assert NOTICE in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert found.notice == found.to_json()["notice"] == NOTICE
    summary = json.loads((tmp_path / "out" / "export.json").read_text("utf-8"))
    assert summary["notice"] == NOTICE
    assert (summary["clips"], summary["per_class"], summary["languages"]) == (6, None, None)
    assert summary["counts"] == found.counts
    assert summary["annotators"] == {"quality": "1", "seed": "1"}


def test_the_readme_counts_by_language_and_emotion(run: RunFolder, tmp_path: Path) -> None:
    export(run, tmp_path / "out")
    readme = (tmp_path / "out" / "README.md").read_text("utf-8").splitlines()
    assert "| language | angry | disgusted | fearful | happy | neutral | sad | surprised |" in readme
    assert "| en | 0 | 0 | 0 | 4 | 0 | 1 | 0 |" in readme
    assert "| zh | 0 | 0 | 0 | 1 | 0 | 0 | 0 |" in readme


def test_an_id_that_an_earlier_shard_has_used_does_not_count(tmp_path: Path) -> None:
    # The input has B before A, and the order of the input counts.
    first = shard_of(tmp_path / "in", "B", [clip("x", "sad", 0.5), clip("y", "sad", 0.5)])
    # More sure, but later; it must not take the place of another clip either.
    second = shard_of(tmp_path / "in", "A", [clip("z", "sad", 0.625), clip("x", "sad", 1.0), clip("y", "happy", 1.0)])
    run = finished_run(tmp_path / "run", first + second)
    assert run.duplicates().num_rows == 2
    assert export(run, tmp_path / "all").counts == {"en": {"sad": 3}}
    assert exported(tmp_path / "all") == ["z", "x", "y"]
    export(run, tmp_path / "two", per_class=2)
    assert exported(tmp_path / "two") == ["z", "x"]
    assert lines(tmp_path / "two" / "provenance.jsonl")[1]["shard"] == "B"


def test_an_unfinished_run_gives_each_id_once(tmp_path: Path) -> None:
    first = shard_of(tmp_path / "in", "A", [clip("x", "sad", 0.5)])
    second = shard_of(tmp_path / "in", "B", [clip("x", "sad", 1.0), clip("y", "sad", 0.5)])
    run = finished_run(tmp_path / "run", first + second)
    run.store.delete("duplicates.parquet")  # it is written at the end
    export(run, tmp_path / "out")
    assert exported(tmp_path / "out") == ["x", "y"]
    assert lines(tmp_path / "out" / "provenance.jsonl")[0]["shard"] == "A"


def test_more_clips_than_are_read_at_once(tmp_path: Path) -> None:
    rows = [clip(f"c{i:03d}", str(CLASSES[i % 3]), 0.5 + (i * 7 % 50) / 100) for i in range(150)]
    run = finished_run(tmp_path / "run", shard_of(tmp_path / "in", "A", rows))
    heard: list[tuple[int, int]] = []
    found = export(run, tmp_path / "out", listener=lambda done, total: heard.append((done, total)))
    assert heard == [(i + 1, 150) for i in range(150)]
    assert found.counts == {"en": {str(emotion): 50 for emotion in CLASSES[:3]}}
    assert Counter(exported(tmp_path / "out")) == Counter(row["utterance_id"] for row in rows)
    assert len(list((tmp_path / "out" / "wav").iterdir())) == 150


def test_audio_that_has_changed_is_not_exported(run: RunFolder, tmp_path: Path) -> None:
    tar = tmp_path / "in" / "EN-1.tar"
    whole = bytearray(tar.read_bytes())
    with tarfile.open(tar) as file:
        place = file.getmember("EN_2.flac")
    whole[place.offset_data + place.size - 1] ^= 1
    tar.write_bytes(whole)
    with pytest.raises(InputError, match="not the audio that was labelled as EN_2: the shard has changed"):
        export(run, tmp_path / "out")
    assert_nothing_left(tmp_path)
    assert export(run, tmp_path / "out", per_class=1).clips == 3, "a clip that is not wanted may change"


def test_audio_that_is_gone(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "in" / "EN-1.tar").rename(tmp_path / "in" / "moved.tar")
    with pytest.raises(InputError, match=r"EN-1\.tar.*Was the shard moved\?"):
        export(run, tmp_path / "out")
    assert_nothing_left(tmp_path)


def test_a_folder_that_is_there_is_left_as_it_is(run: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(StorageError, match="out exists already; an export goes into a new folder"):
        export(run, out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("rows", "languages", "message"),
    [
        ([clip("a", None)], None, "has no labelled clip to export$"),
        ([clip("a", "other")], None, "has no labelled clip to export$"),
        ([reject(clip("a", "sad"), "quality", "silent")], None, "has no labelled clip to export$"),
        ([clip("a", "sad")], ["fr", "de"], "has no labelled clip to export in fr, de$"),
    ],
    ids=["no vote", "none of the seven", "rejected", "languages"],
)
def test_nothing_to_export(tmp_path: Path, rows: list[Row], languages: list[str] | None, message: str) -> None:
    run = finished_run(tmp_path / "run", shard_of(tmp_path / "in", "A", [dict(row) for row in rows]))
    with pytest.raises(InputError, match=message):
        export(run, tmp_path / "out", languages=languages)
    assert_nothing_left(tmp_path)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a run folder") as raised:
        export(RunFolder(str(tmp_path / "run")), tmp_path / "out")
    assert isinstance(raised.value, EmotroveError)
    assert not (tmp_path / "out").exists()
