"""An input that holds everything that can be wrong, beside good clips of real speech, and what must become of it."""

import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import soxr

from tests.speech import Member, members, write_tar

PROFILE = """
chunk: {clips: 4, megabytes: 1}
reference: {clips: 30, shards: 20, min_clips: 4}
engine: {in_flight_megabytes: 32}
"""
SECONDS = 2.5

Ending = tuple[str, str | None, str | None]
GOOD: Ending = ("labeled", None, None)


def encoded(samples: np.ndarray, rate: int, format: str = "WAV", subtype: str | None = None) -> bytes:
    sink = io.BytesIO()
    sf.write(sink, samples, rate, format=format, subtype=subtype)
    return sink.getvalue()


@dataclass
class Speech:
    """Real clips: their JSON, their mp3 and their samples."""

    json: list[dict[str, Any]]
    mp3: list[bytes]
    samples: np.ndarray  # of one of them
    rate: int

    def good(self, n: int) -> str:
        """The id of a clip."""
        return str(self.json[n]["id"])

    def clip(self, n: int) -> list[Member]:
        return [(f"{self.good(n)}.json", json.dumps(self.json[n]).encode()), (f"{self.good(n)}.mp3", self.mp3[n])]

    def spoilt(self, name: str, data: bytes, suffix: str = "wav") -> list[Member]:
        """A clip with its own id and other audio."""
        text = {**self.json[0], "id": name}
        return [(f"{name}.json", json.dumps(text).encode()), (f"{name}.{suffix}", data)]


def real_speech(shared_data: Path) -> Speech:
    content = list(islice(members(shared_data / "ravdess" / "EN-B000000.tar"), 80))
    audio = dict(content)
    found: dict[str, dict[str, Any]] = {}
    for name, data in content:
        if name.endswith(".json"):
            key = name.removesuffix(".json")
            found[key] = json.loads(data)
    mp3 = [_shortened(audio[f"{key}.mp3"]) for key in found]
    samples, rate = sf.read(io.BytesIO(mp3[0]), dtype="float32")
    return Speech(list(found.values()), mp3, samples, rate)


def _shortened(mp3: bytes) -> bytes:
    """The middle of a clip, so that the test is short."""
    samples, rate = sf.read(io.BytesIO(mp3), dtype="float32")
    spare = max(0, len(samples) - int(SECONDS * rate)) // 2
    return encoded(samples[spare : len(samples) - spare], rate, "MP3")


def bad_json(name: str, speech: Speech) -> dict[str, tuple[bytes, str]]:
    whole = {**speech.json[0], "id": name}
    return {
        "not-utf8": (json.dumps(whole).encode().replace(b'"text": "', b'"text": "\xff'), "invalid_json"),
        "no-object": (json.dumps([whole]).encode(), "invalid_json"),
        "no-json": (b"id: x", "invalid_json"),
        "no-fields": (json.dumps({"id": name}).encode(), "missing_field"),
        "wrong-type": (json.dumps({**whole, "text": 7}).encode(), "invalid_field"),
        "too-large-a-number": (json.dumps({**whole, "phone_count": 10**30}).encode(), "invalid_field"),
    }


def bad_audio(speech: Speech) -> dict[str, tuple[bytes, str, Ending]]:
    """Encoded audio, the suffix of its file, and how it must end."""
    x, rate = speech.samples, speech.rate
    nan, inf = x.copy(), x.copy()
    nan[1000] = np.nan
    inf[2000], inf[3000] = np.inf, -np.inf
    non_finite = ("rejected", "decode", "non_finite_samples")
    return {
        "text-as-mp3": (b"This is no mp3.\n" * 400, "mp3", ("failed", "decode", "undecodable_audio")),
        "zero-bytes": (b"", "wav", ("rejected", "decode", "empty_audio")),
        "zero-samples": (encoded(x[:0], rate), "wav", ("rejected", "decode", "too_short")),
        "nan": (encoded(nan, rate, subtype="FLOAT"), "wav", non_finite),
        "inf": (encoded(inf, rate, subtype="FLOAT"), "wav", non_finite),
        "40-minutes": (
            encoded(np.zeros(2400 * 16_000, np.int16), 16_000, "FLAC"),
            "flac",
            ("rejected", "decode", "too_long"),
        ),
        "silence": (encoded(np.zeros(2 * rate, np.int16), rate), "wav", ("rejected", "quality", "silent")),
        "8-khz": (encoded(soxr.resample(x, rate, 8_000), 8_000), "wav", GOOD),
        "96-khz": (encoded(soxr.resample(x, rate, 96_000), 96_000), "wav", GOOD),
        "stereo": (encoded(np.stack([x, x], axis=1), rate), "wav", GOOD),
        "24-bit": (encoded(x, rate, subtype="PCM_24"), "wav", GOOD),
        "float": (encoded(x, rate, subtype="FLOAT"), "wav", GOOD),
        "aiff-as-wav": (encoded(x, rate, "AIFF"), "wav", GOOD),
    }


@dataclass
class Case:
    """An input that holds every bad thing at once, and what must become of it."""

    folder: Path
    expected: dict[tuple[str, str], Ending]  # by shard and id
    unreadable: dict[str, str]  # text in the error by shard
    heal: dict[tuple[str, str], Ending | None]  # what changes when the input has been repaired; None: the row goes
    whole_cut_tar: bytes
    whole_list: str


CLEAN, CUT, JSON, AUDIO, IDS = "EN-clean", "EN-cut", "EN-json", "EN-audio", "EN-ids"
VANISHING, FILES, LIST = "EN-vanishing", "EN-files-00000", "EN-list-00000"


def make_case(speech: Speech, folder: Path) -> Case:
    """Write every bad thing into a folder."""
    folder.mkdir()
    expected: dict[tuple[str, str], Ending] = {}
    good, clip = speech.good, speech.clip

    write_tar(folder / f"{CLEAN}.tar", [m for n in (0, 1, 2, 3) for m in clip(n)])
    expected |= {(CLEAN, good(n)): GOOD for n in (0, 1, 2, 3)}

    # Cut in the middle of the last but one clip; the members of the first stand apart.
    apart_json, apart_mp3 = clip(4)
    whole = write_tar(folder / f"{CUT}.tar", [apart_json, *clip(5), *clip(6), apart_mp3, *clip(7), *clip(8), *clip(9)])
    whole_cut_tar = whole.read_bytes()
    with tarfile.open(whole) as tar:
        last = tar.getmember(f"{good(8)}.mp3")
    whole.write_bytes(whole_cut_tar[: last.offset_data + last.size // 2])
    expected |= {(CUT, good(n)): GOOD for n in (4, 5, 6, 7)}
    expected[CUT, good(8)] = ("failed", "read", "truncated_tar")
    heal: dict[tuple[str, str], Ending | None] = {(CUT, good(8)): GOOD, (CUT, good(9)): GOOD}

    content = clip(10)
    for name, (raw, reason) in bad_json("x", speech).items():
        content += [(f"{name}.json", raw), (f"{name}.mp3", speech.mp3[0])]
        expected[JSON, name] = ("failed", "read", reason)
    content += [*clip(11)[:1], *clip(12)[1:], *clip(13)]
    write_tar(folder / f"{JSON}.tar", content)
    expected |= {(JSON, good(n)): GOOD for n in (10, 13)}
    expected[JSON, good(11)] = ("failed", "read", "missing_audio")
    expected[JSON, good(12)] = ("failed", "read", "missing_json")

    content = clip(14)
    for name, (data, suffix, ending) in bad_audio(speech).items():
        content += speech.spoilt(name, data, suffix)
        expected[AUDIO, name] = ending
    write_tar(folder / f"{AUDIO}.tar", [*content, *clip(15)])
    expected |= {(AUDIO, good(n)): GOOD for n in (14, 15)}

    content = [*clip(16), *clip(0), *clip(17)]  # the id of clip 0 is in another shard too
    content += [("again.json", clip(16)[0][1]), ("again.mp3", speech.mp3[1])]
    for key, bad in (("slash", "a/b"), ("up", ".."), ("line", "a\nb")):
        content += [(f"{key}.json", json.dumps({**speech.json[0], "id": bad}).encode()), (f"{key}.mp3", speech.mp3[0])]
    write_tar(folder / f"{IDS}.tar", content)
    expected |= {(IDS, good(n)): GOOD for n in (0, 16, 17)}
    expected[IDS, f"{good(16)}~3"] = ("rejected", "read", "duplicate_id")

    write_tar(folder / "EN-empty.tar", [])
    (folder / "EN-nothing.tar").touch()
    (folder / "EN-folder.tar").mkdir()
    (folder / "EN-text.tar").write_text("This is no tar.\n" * 100)
    write_tar(folder / f"{VANISHING}.tar", [*clip(18), *clip(19)])
    heal |= {(VANISHING, good(n)): GOOD for n in (18, 19)}

    # Files of 500 kB: the chunks are cut by size, and the missing file has none until it is there.
    files = folder / "EN-files"
    files.mkdir()
    x, rate = speech.samples, speech.rate
    at_96 = soxr.resample(x, rate, 96_000)
    for n in range(6):
        sf.write(files / f"f{n}.wav", at_96 * (1 - n / 10), 96_000, subtype="PCM_16")
        expected[FILES, f"f{n}"] = GOOD
    shutil.move(files / "f2.wav", folder.parent / "f2.wav")
    (files / "f2.wav").symlink_to(folder.parent / "f2-is-not-here.wav")
    expected[FILES, "f2"] = ("failed", "read", "missing_audio")
    heal[FILES, "f2"] = GOOD

    lines = [json.dumps({"index": f"line-{n}", "wav": f"EN-files/f{n}.wav", "language": "en"}) for n in range(2)]
    (folder / "EN-list.jsonl").write_text(f"{lines[0][:-1]}\n{lines[1]}\n")
    expected |= {(LIST, f"{LIST}~line1"): ("failed", "read", "invalid_json"), (LIST, "line-1"): GOOD}
    heal |= {(LIST, f"{LIST}~line1"): None, (LIST, "line-0"): GOOD}
    return Case(
        folder,
        expected,
        {
            "EN-nothing": "is empty",
            "EN-folder": "Is a directory",
            "EN-text": "is not a tar",
            VANISHING: "No such file or directory",
        },
        heal,
        whole_cut_tar,
        "\n".join(lines) + "\n",
    )
