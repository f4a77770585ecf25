"""Everything that can be wrong with an input, in one real job: each thing gets its row, and its neighbours keep their labels."""

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import soxr
from typer.testing import CliRunner, Result

from manifests.run_folder import RunFolder
from pipeline.cli import app
from pipeline.config import load_config
from pipeline.label import Progress, label
from pipeline.status import failures, status
from tests.packages import missing
from tests.pipeline.command import emotrove
from tests.pipeline.rows import assert_same, judged, rows_of
from tests.speech import Member, members, write_tar

ANNOTATORS = ""
PROFILE = f"""
{ANNOTATORS}
chunk: {{clips: 4, megabytes: 1}}
reference: {{clips: 30, shards: 20, min_clips: 4}}
engine: {{in_flight_megabytes: 32}}
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


@pytest.fixture(scope="module")
def speech(shared_data: Path) -> Speech:
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


@pytest.fixture(scope="module")
def case(speech: Speech, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("bad") / "in"
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


@dataclass
class Done:
    """The run over the bad input, and what it said."""

    run: RunFolder
    inputs: list[str]
    profile: str
    progress: Progress
    vanished: Path


@pytest.fixture(scope="module")
def done(local_ray: object, case: Case, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """ONE job over everything; a shard vanishes after the planning and before the reading."""
    root = tmp_path_factory.mktemp("run")
    profile = root / "profile.yaml"
    profile.write_text(PROFILE)
    tar = case.folder / f"{VANISHING}.tar"
    vanished = root / tar.name

    def vanish(progress: Progress) -> None:
        if progress.stage == "starting Ray":
            shutil.move(tar, vanished)

    run = RunFolder(str(root / "run"))
    inputs = [str(case.folder / name) for name in ("*.tar", "EN-files", "EN-list.jsonl")]
    progress = label(inputs, run, load_config(str(profile)), str(profile), listener=vanish)
    return Done(run, inputs, str(profile), progress, vanished)


def table(run: RunFolder) -> dict[tuple[str, str], dict[str, Any]]:
    rows = run.dataset().to_table().to_pylist()
    found = {(row["shard"], row["utterance_id"]): row for row in rows}
    assert len(found) == len(rows), "a row is there twice"
    assert len({(row["shard"], row["position"]) for row in rows}) == len(rows)
    return found


def endings(run: RunFolder) -> dict[tuple[str, str], Ending]:
    return {key: (row["outcome"], row["stage"], row["reason"]) for key, row in table(run).items()}


@pytest.mark.ray
def test_each_thing_gets_its_row(done: Done, case: Case) -> None:
    found = endings(done.run)
    invalid = {key: ending for key, ending in found.items() if key[0] == IDS and ending[2] == "invalid_id"}
    assert list(invalid.values()) == [("rejected", "read", "invalid_id")] * 3
    assert all("~" in name and "/" not in name and "\n" not in name for _, name in invalid)
    assert {key: ending for key, ending in found.items() if key not in invalid} == case.expected


@pytest.mark.ray
def test_the_sum_of_the_outcomes_is_the_number_of_keys(done: Done, case: Case) -> None:
    keys = len(list((case.folder / "EN-files").iterdir())) + len(
        (case.folder / "EN-list.jsonl").read_text().splitlines()
    )
    for name in (CLEAN, CUT, JSON, AUDIO, IDS, "EN-empty"):
        with tarfile.open(case.folder / f"{name}.tar") as tar:
            try:
                names = tar.getnames()
            except tarfile.ReadError:
                names = [info.name for info in tar.members]
        keys += len({name.split(".")[0] for name in names})
    progress, account = done.progress, status(done.run)
    assert progress.rows == account.rows == keys == len(case.expected) + 3
    assert progress.labeled + progress.rejected + progress.failed == keys
    assert account.labeled + account.rejected + account.failed == keys


@pytest.mark.ray
def test_the_account(done: Done, case: Case) -> None:
    account = status(done.run)
    assert account.unreconciled == [] and not account.complete
    assert account.unreadable.keys() == done.progress.unreadable.keys() == case.unreadable.keys()
    for name, said in case.unreadable.items():
        assert said in account.unreadable[name] and str(case.folder / name) in account.unreadable[name]
    assert (account.shards, account.done, account.in_progress, account.not_started) == (12, 8, 0, 0)
    assert "ends inside" in account.notes[CUT]
    by_shard: dict[str, int] = {}
    for shard, _ in table(done.run):
        by_shard[shard] = by_shard.get(shard, 0) + 1
    assert {c.shard: c.rows for c in done.run.done()} == {**by_shard, "EN-empty": 0}
    assert all(c.reconciles for c in done.run.done())


@pytest.mark.ray
def test_measured_values_and_errors_are_kept(done: Done, speech: Speech) -> None:
    found = {name: row for (shard, name), row in table(done.run).items() if shard == AUDIO}
    assert found["40-minutes"]["reason_value"] == found["40-minutes"]["duration_s"] == 2400.0
    assert found["zero-samples"]["reason_value"] == 0.0
    assert found["nan"]["reason_value"] == pytest.approx(1 / len(speech.samples))
    assert found["inf"]["reason_value"] == pytest.approx(2 / len(speech.samples))
    assert found["silence"]["reason_value"] == 0.0 and found["silence"]["quality"]["peak"] == 0.0
    assert {name: found[name]["sample_rate_hz"] for name in ("8-khz", "96-khz", "stereo")} == {
        "8-khz": 8_000,
        "96-khz": 96_000,
        "stereo": speech.rate,
    }
    for name in ("8-khz", "96-khz", "stereo", "24-bit", "float", "aiff-as-wav"):
        assert found[name]["duration_s"] == pytest.approx(len(speech.samples) / speech.rate, abs=1e-3)
        assert found[name]["style"]["pitch_hz"] == pytest.approx(found["float"]["style"]["pitch_hz"], rel=0.02)
    for row in failures(done.run):
        assert row["detail"] and row["stage"] and row["reason"]


@pytest.mark.ray
def test_the_same_id_in_two_shards(done: Done, speech: Speech) -> None:
    """Both rows are there; the later one is written down as not counting."""
    found = done.run.duplicates().to_pylist()
    assert found == [{"utterance_id": speech.good(0), "shard": IDS, "position": 1}]
    assert status(done.run).duplicates == done.progress.duplicates == 1


@pytest.mark.ray
def test_neighbours_keep_their_labels(done: Done, case: Case, speech: Speech, tmp_path: Path) -> None:
    """Against a clean run of the good clips alone, in another tar, another order, and other chunks."""
    spoilt = [n for n, _ in enumerate(speech.json[:20]) if n not in (8, 9, 11, 12, 18, 19)]
    tar = write_tar(tmp_path / "EN-good.tar", [m for n in reversed(spoilt) for m in speech.clip(n)])
    clean = RunFolder(str(tmp_path / "run"))
    # The words low, medium and high stand against the run's own sample, so both runs take the same.
    clean.store.write_text("reference.json", done.run.store.read_text("reference.json"))
    profile = tmp_path / "profile.yaml"
    profile.write_text(PROFILE.replace("{clips: 4", "{clips: 7"))
    label([str(tar)], clean, load_config(str(profile)), str(profile))
    wanted = rows_of(clean)
    assert len(wanted) == len(spoilt) and {row["outcome"] for row in wanted.values()} == {"labeled"}
    assert all(row["style"]["pitch_level"] and row["style"]["rate_level"] for row in wanted.values())
    beside = {
        name: {**row, "shard": "EN-good", "position": wanted[name]["position"]}
        for (shard, name), row in table(done.run).items()
        if name in wanted and (shard, name) != (IDS, speech.good(0))
    }
    assert_same(wanted, beside)
    assert {name: row["style"] for name, row in wanted.items()} == {name: row["style"] for name, row in beside.items()}


@pytest.mark.ray
def test_a_repaired_input_heals_the_run(done: Done, case: Case, speech: Speech, tmp_path: Path) -> None:
    """``failures --retry`` on a copy of the run, after the cut tar, the vanished shard and the missing file are back."""
    run = RunFolder(str(tmp_path / "run"))
    shutil.copytree(done.run.store.path(), run.store.path())
    before = table(run)
    cut_tar, lines = case.folder / f"{CUT}.tar", case.folder / "EN-list.jsonl"
    cut, broken_lines = cut_tar.read_bytes(), lines.read_text()
    link = case.folder / "EN-files" / "f2.wav"
    target = case.folder.parent / "f2-is-not-here.wav"
    try:
        cut_tar.write_bytes(case.whole_cut_tar)
        lines.write_text(case.whole_list)
        shutil.copy(done.vanished, case.folder / f"{VANISHING}.tar")
        shutil.copy(case.folder.parent / "f2.wav", target)
        again = cli("failures", run.store.path(), "--retry", "--json")
        assert again.exit_code == 1, again.output
        assert "3 of 12 shards could not be read" in again.stderr and "EN-text.tar is not a tar" in again.stderr

        found = {key: ending for key, ending in endings(run).items() if ending[2] != "invalid_id"}
        assert found == {key: ending for key, ending in {**case.expected, **case.heal}.items() if ending is not None}
        account = status(run)
        assert account.unreconciled == [] and account.done == 9
        assert account.unreadable.keys() == case.unreadable.keys() - {VANISHING}
        for key, row in table(run).items():
            if key in before and key not in case.heal:
                assert judged({**row, "position": 0}) == judged({**before[key], "position": 0})

        # The run knows its input as it is now: the same command is not refused, and finds nothing to do.
        same = cli("label", *done.inputs, run.store.path(), "--profile", done.profile, "--json")
        event = json.loads(same.stdout.splitlines()[-1])
        assert (same.exit_code, event["rows"], event["shards_skipped"]) == (1, 0, 9)
    finally:
        cut_tar.write_bytes(cut)
        lines.write_text(broken_lines)
        (case.folder / f"{VANISHING}.tar").unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        assert link.is_symlink()


# -- what stops a command before or while it works ---------------------------------------------------------------------


def cli(*args: object) -> Result:
    """The command in this process, which has a Ray already."""
    return CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False)


def refused(result: Result, said: str) -> None:
    assert result.exit_code == 1, result.output
    assert result.stderr.strip().startswith("emotrove: ") and said in result.stderr
    assert "Traceback" not in result.output


def test_an_input_that_cannot_be_used(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (tmp_path / "nothing").mkdir()
    (tmp_path / "a.txt").touch()
    for spec, said in (
        (tmp_path / "none.tar", f"No such input: {tmp_path}/none.tar"),
        (tmp_path / "*.tar", "quoted glob such as 'data/*.tar'"),
        (tmp_path / "nothing", f"No shard in {tmp_path}/nothing: emotrove reads .tar files"),
        (tmp_path / "a.txt", "is not a .tar, a .jsonl, an audio file or a folder"),
        ("/tmp/" + "a" * 300 + ".tar", "File name too long"),
    ):
        refused(cli("label", spec, run), said)
        refused(cli("inspect", spec), said)
    assert not run.exists(), "a refused command left a run folder"


def test_a_run_folder_that_cannot_be_used(speech: Speech, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "EN-a.tar", speech.clip(0))
    (tmp_path / "file").touch()
    refused(cli("label", tar, tmp_path / "file"), f"{tmp_path}/file is a file. Give a folder for the run")
    refused(cli("status", tmp_path / "none"), "is not a run folder")
    refused(cli("failures", tmp_path / "none", "--retry"), "is not a run folder")


def test_the_real_command_refuses_a_wrong_profile(speech: Speech, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "EN-a.tar", speech.clip(0))
    profile = tmp_path / "my.yaml"
    profile.write_text("chunk: {clips: 4}\nadio: {min_duration_s: 1}\n")
    finished = emotrove("label", tar, tmp_path / "run", "--profile", profile)
    assert finished.returncode == 1
    assert finished.stderr == f"emotrove: {profile}: adio: unknown key\n"
    for text, said in (
        ("audio: {min_duration_s: soon}", "audio.min_duration_s: "),
        ("annotators: {quality: {min_peek: 1}}", "annotators.quality.min_peek: unknown key"),
        ("annotators: {nosuch: {}}", "There is no annotator 'nosuch'"),
    ):
        profile.write_text(text)
        refused(cli("label", tar, tmp_path / "run", "--profile", profile), said)
    refused(cli("label", tar, tmp_path / "run", "--profile", "huge"), "There is no profile 'huge'")
    assert not (tmp_path / "run").exists()


@pytest.mark.ray
def test_two_jobs_at_once(local_ray: object, speech: Speech, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "EN-a.tar", [m for n in range(4) for m in speech.clip(n)])
    profile = tmp_path / "my.yaml"
    profile.write_text(PROFILE)
    command = ("label", tar, tmp_path / "run", "--profile", profile)
    second: list[subprocess.CompletedProcess[str]] = []

    def listen(progress: Progress) -> None:
        if progress.stage == "labelling" and not second:
            second.append(emotrove(*command))

    run = RunFolder(str(tmp_path / "run"))
    first = label([str(tar)], run, load_config(str(profile)), str(profile), listener=listen)
    assert second[0].returncode == 1
    assert f"Another job is at work on {tmp_path}/run: process " in second[0].stderr
    assert "Traceback" not in second[0].stderr
    assert first.rows == 4 and status(run).complete
    assert cli(*command).exit_code == 0, "the lease was not given back"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        missing(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.ray
def test_a_full_disk(local_ray: object, speech: Speech, small_disk: Path, tmp_path: Path) -> None:
    tars = [
        write_tar(tmp_path / f"EN-{t}.tar", [m for n in range(10 * t, 10 * t + 10) for m in speech.clip(n)])
        for t in range(2)
    ]
    profile = tmp_path / "my.yaml"
    profile.write_text(PROFILE.replace("{clips: 4", "{clips: 1"))
    run = small_disk / "run"
    command = ("label", *tars, run, "--profile", profile, "--json")
    stopped = cli(*command)
    refused(stopped, f"emotrove: Could not write {run}/")
    assert "No space left on device. The disk is full: free some space and run the command again." in stopped.stderr
    assert stopped.stderr.count("\n") == 1
    assert not list(run.rglob(".tmp-*")), "half a file was left"
    there = RunFolder(str(run)).dataset().count_rows()
    assert 0 < there < 20, "the disk was not full in the middle of the job"
    assert not (run / "lease.json").exists()

    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    finished = cli(*command)
    assert finished.exit_code == 0, finished.output
    event = json.loads(finished.stdout.splitlines()[-1])
    assert event["rows"] == 20 - there
    rows = rows_of(str(run))
    assert rows.keys() == {speech.good(n) for n in range(20)}
    assert {row["outcome"] for row in rows.values()} == {"labeled"}
    assert status(RunFolder(str(run))).complete
