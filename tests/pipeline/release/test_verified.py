"""The files of a release of verified data."""

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
import soundfile as sf

from manifests.errors import ConfigError, InputError, RunFolderError, StorageError
from manifests.review import LEDGER
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder, encode_parquet
from pipeline.curation import curate_run
from pipeline.decode import decode_row
from pipeline.release.about import About
from pipeline.release.licences import MixedLicenses
from pipeline.release.verified import Wanted, release_verified
from tests.pipeline.command import cli
from tests.pipeline.reviewed_run import PEOPLE, heard, reviewed_run
from tests.pipeline.small_shard import encoded
from tests.pipeline.test_export import lines

CLIPS = [
    heard("EN_1", "happy", "happy", text="«…» 你好", note="ann@lab.example.org heard a laugh"),
    heard("EN_2", "sad", "sad", arm="control"),
    heard("EN_3", "sad", "happy", "sad"),
    heard("ZH_1", "happy", "happy", language="zh", text=None),
    heard("EN_4", "happy", "sad"),
]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Four clips that are verified or adjudicated, one on which the experts differ."""
    made = reviewed_run(tmp_path, CLIPS)
    curate_run(made)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_table_has_the_form_of_emo_emilia(run: RunFolder, tmp_path: Path, shared_data: Path) -> None:
    release_verified(run, tmp_path / "out", Wanted("emo"))
    rows = lines(tmp_path / "out" / "emo.jsonl")
    published = lines(shared_data / "emo_emilia" / "Emo-Emilia-ALL.jsonl")
    assert {tuple(row) for row in rows} == {tuple(row) for row in published}
    assert [row["index"] for row in rows] == ["EN_1", "EN_2", "EN_3", "ZH_1"]
    assert rows[0] == {"index": "EN_1", "emotion": "happy", "wav": "./wav/EN_1.wav", "text": "«…» 你好"}
    assert rows[3]["text"] == ""


def test_the_audio_is_what_the_experts_heard(run: RunFolder, tmp_path: Path) -> None:
    release_verified(run, tmp_path / "out", Wanted("emo"))
    for row in lines(tmp_path / "out" / "emo.jsonl"):
        position = [clip["utterance_id"] for clip in CLIPS].index(row["index"])
        with sf.SoundFile(tmp_path / "out" / row["wav"]) as file:
            assert (file.format, file.subtype, file.samplerate, file.channels) == ("WAV", "PCM_16", 16_000, 1)
            samples = file.read(dtype="int16")
        original = decode_row({"outcome": "pending", "audio": encoded(200 + 20 * position)}, 0.1, 30.0)
        assert samples.astype("<i2").tobytes() == original["audio"]
        # Nothing else is in the file: no name, no software, no date.
        assert (tmp_path / "out" / row["wav"]).stat().st_size == 44 + len(original["audio"])


def test_nobody_can_be_found_in_it(run: RunFolder, tmp_path: Path) -> None:
    release_verified(run, tmp_path / "out", Wanted("emo"))
    review = ReviewFolder(run)
    tasks, ledger = review.tasks(), review.ledger()
    numbers = [*tasks["task_id"].to_pylist(), *tasks["project_id"].to_pylist(), *ledger["annotation_id"].to_pylist()]
    assert min(numbers) > 1_000_000, "a small number may be there by chance"
    secret = [*PEOPLE.values(), *(person.split("@")[0] + "@" for person in PEOPLE.values()), *map(str, numbers)]
    secret += ["heard a laugh", "trembles", str(tmp_path), "2026"]
    for name, data in contents(tmp_path / "out").items():
        if name.endswith(".wav"):
            continue
        text = data.decode("utf-8")
        assert not [word for word in secret if word in text], name
        assert not re.search(r"[\w.]+@[\w.]+\.\w+", text), f"an e-mail in {name}"


def test_every_answer_is_beside_it(run: RunFolder, tmp_path: Path) -> None:
    release = release_verified(run, tmp_path / "out", Wanted("emo"))
    rows = {row["index"]: row for row in lines(tmp_path / "out" / "labels_detailed.jsonl")}
    assert list(rows) == ["EN_1", "EN_2", "EN_3", "ZH_1"]
    assert rows["EN_3"]["status"] == "adjudicated" and rows["EN_2"]["arm"] == "control"
    given = [(said["slot"], said["answer"], said["counts"]) for said in rows["EN_3"]["answers"]]
    assert given == [("A", "sad", True), ("B", "happy", True), ("adjudication", "sad", True)]
    people = {
        slot: {s["person"] for row in rows.values() for s in row["answers"] if s["slot"] == slot} for slot in "AB"
    }
    assert len(people["A"]) == len(people["B"]) == 1 and people["A"] != people["B"]
    assert release["people"] == 3


def test_provenance_says_where_each_row_is_from(run: RunFolder, tmp_path: Path) -> None:
    release_verified(run, tmp_path / "out", Wanted("emo"))
    rows = lines(tmp_path / "out" / "provenance.jsonl")
    assert [row["index"] for row in rows] == ["EN_1", "EN_2", "EN_3", "ZH_1"]
    found = rows[2]
    assert (found["emotion"], found["verified"], found["status"]) == ("sad", True, "adjudicated")
    assert (found["license"], found["source_id"], found["speaker"]) == ("CC BY 4.0", "source-EN_3", "speaker-EN_3")
    assert found["consensus"]["emotion"] == "sad" and found["votes"][0]["voter"] == "seed"
    assert re.fullmatch(r"EN-0\.tar#\d+\+\d+", found["audio"]) and "audio_uri" not in found
    assert hashlib.sha256(encoded(200 + 20 * 2)).hexdigest() == found["audio_sha256"]


def test_the_checksums_hold_for_every_file(run: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    release_verified(run, out, Wanted("emo"))
    check = ["sha256sum", "--strict", "--check", "checksums.sha256"]
    done = subprocess.run(check, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    named = {line.split("  ", 1)[1] for line in (out / "checksums.sha256").read_text().splitlines()}
    assert named == contents(out).keys() - {"checksums.sha256"}
    (out / "wav" / "EN_1.wav").write_bytes(b"other")
    assert subprocess.run(check, cwd=out, capture_output=True, check=False).returncode == 1


def test_made_again_it_has_the_same_bytes(run: RunFolder, tmp_path: Path) -> None:
    release_verified(run, tmp_path / "a", Wanted("emo", per_class=1))
    release_verified(run, tmp_path / "b", Wanted("emo", per_class=1))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_licences_are_refused_unless_asked_for(tmp_path: Path) -> None:
    clips = [
        heard("a", "sad", "sad"),
        heard("b", "sad", "sad", license="CC BY-NC 4.0"),
        heard("c", "sad", "sad", license=" "),
    ]
    run = reviewed_run(tmp_path, clips)
    curate_run(run)
    with pytest.raises(MixedLicenses, match="1 of 3 clips state no licence"):
        release_verified(run, tmp_path / "out", Wanted("emo"))
    assert not (tmp_path / "out").exists()
    release = release_verified(run, tmp_path / "out", Wanted("emo", allow_mixed_licenses=True))
    assert release["licenses"] == {"CC BY 4.0": 1, "CC BY-NC 4.0": 1, "unknown": 1}
    found = [row["license"] for row in lines(tmp_path / "out" / "provenance.jsonl")]
    assert found == ["CC BY 4.0", "CC BY-NC 4.0", None]


def test_the_makers_may_state_the_licence_of_clips_without_one(tmp_path: Path) -> None:
    clips = [heard("a", "sad", "sad", license=None), heard("b", "sad", "sad", license=" ")]
    run = reviewed_run(tmp_path, clips)
    curate_run(run)
    release = release_verified(run, tmp_path / "out", Wanted("emo", about=About(license="CC BY-NC 4.0")))
    assert release["licenses"] == {"CC BY-NC 4.0": 2}
    assert [row["license"] for row in lines(tmp_path / "out" / "provenance.jsonl")] == ["CC BY-NC 4.0"] * 2
    run = reviewed_run(tmp_path / "other", [*clips, heard("c", "sad", "sad", license="CC BY 4.0")])
    curate_run(run)
    with pytest.raises(MixedLicenses, match=r"CC BY-NC 4.0 \(2 clips\), CC BY 4.0 \(1 clips\)"):
        release_verified(run, tmp_path / "both", Wanted("emo", about=About(license="CC BY-NC 4.0")))


def test_answers_that_came_after_curating(run: RunFolder, tmp_path: Path) -> None:
    review = ReviewFolder(run)
    last = review.ledger().to_pylist()[0]
    review.append_ledger(pa.Table.from_pylist([{**last, "seq": 10_000, "answer": "angry"}], schema=LEDGER))
    with pytest.raises(RunFolderError, match="other answers or clips than when it was curated.*emotrove curate"):
        release_verified(run, tmp_path / "out", Wanted("emo"))
    curate_run(run)
    assert release_verified(run, tmp_path / "out", Wanted("emo"))["clips"] == 3


def test_nothing_was_curated(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path, CLIPS)
    with pytest.raises(RunFolderError, match="nothing curated yet.*emotrove curate"):
        release_verified(run, tmp_path / "out", Wanted("emo"))


def test_audio_that_is_gone_or_has_changed(run: RunFolder, tmp_path: Path) -> None:
    tar = tmp_path / "in" / "EN-0.tar"
    whole = tar.read_bytes()
    tar.rename(tmp_path / "moved.tar")
    with pytest.raises(InputError, match="Was the shard moved"):
        release_verified(run, tmp_path / "out", Wanted("emo"))
    tar.write_bytes(whole.replace(encoded(200), encoded(200)[:-1] + b"\x00"))
    with pytest.raises(InputError, match="is not the audio that was labelled as EN_1"):
        release_verified(run, tmp_path / "out", Wanted("emo"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "moved.tar", "run"], "something was left behind"


def test_clips_that_are_labelled_no_longer(run: RunFolder, tmp_path: Path) -> None:
    (name,) = run.label_files(["labeled"])
    table = run.read_table(name)
    run.store.write_bytes(name, encode_parquet(table.slice(1)))
    with pytest.raises(InputError, match="1 verified clips, such as EN_1, are no longer among the labelled"):
        release_verified(run, tmp_path / "out", Wanted("emo"))
    at = table.schema.get_field_index("audio_sha256")
    other = table.set_column(at, table.schema.field(at), pa.array(["0" * 64] * len(table)))
    run.store.write_bytes(name, encode_parquet(other))
    with pytest.raises(InputError, match="4 verified clips, such as EN_1, have other audio"):
        release_verified(run, tmp_path / "out", Wanted("emo"))


@pytest.mark.parametrize("name", ["", "a b", "../up", "provenance", "labels_detailed", ".hidden", "ä"])
def test_names_that_cannot_be_files(name: str) -> None:
    with pytest.raises(ConfigError, match="--name"):
        Wanted(name)


def test_a_folder_that_is_there_is_left_as_it_is(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageError, match="exists already"):
        release_verified(run, tmp_path / "out", Wanted("emo"))


def test_the_command(run: RunFolder, tmp_path: Path) -> None:
    done = cli("export", run, tmp_path / "emo-v1", "--verified", "--per-class", "2")
    assert done.exit_code == 0
    assert "short in zh: angry 2, disgusted 2, fearful 2, happy 1, neutral 2, sad 2, surprised 2" in done.stdout
    assert "4 clips (1 adjudicated, 3 verified)" in done.stdout and "licences: CC BY 4.0 4" in done.stdout
    assert (tmp_path / "emo-v1" / "emo-v1.jsonl").exists(), "the data set has the name of its folder"
    done = cli("export", run, tmp_path / "b", "--verified", "--name", "other", "--languages", "ZH", "--json")
    found = json.loads(done.stdout)
    assert (found["clips"], found["name"], found["languages"]) == (1, "other", ["zh"])
    assert json.loads((tmp_path / "b" / "release.json").read_text("utf-8")) == {
        k: v for k, v in found.items() if k != "out"
    }


def test_options_that_do_not_go_together(run: RunFolder, tmp_path: Path) -> None:
    done = cli("export", run, tmp_path / "a", "--name", "x", "--seed", "3")
    assert done.exit_code == 2 and "--name and --seed can be given with --verified alone" in done.stderr
    done = cli("export", run, tmp_path / "a", "--verified", "--format", "parquet")
    assert done.exit_code == 2 and "--format is for machine labels" in done.stderr
    done = cli("export", run, tmp_path / "a", "--verified", "--split-by", "source")
    assert done.exit_code == 2 and "give --split too" in done.stderr
    for command in (("export", run, tmp_path / "a", "--verified"), ("export", run, tmp_path / "a"), ("route", run)):
        done = cli(*command, "--languages", ",")
        assert done.exit_code == 2 and "--languages names no language" in done.stderr
    assert not (tmp_path / "a").exists()


def test_splits_keep_what_belongs_together(tmp_path: Path) -> None:
    clips = [
        heard(
            f"u{n:02d}",
            "sad",
            "sad",
            source_id=f"s{n // 2}",
            speaker="SPEAKER_00",
            text=f"clip number {n} of many others",
        )
        for n in range(40)
    ]
    said = "It was the last train of the night and nobody was waiting on the platform any more."
    clips[3]["text"] = clips[30]["text"] = said
    clips[8]["speaker"] = clips[21]["speaker"] = "ann"
    run = reviewed_run(tmp_path, clips)
    curate_run(run)
    out = tmp_path / "out"
    release = release_verified(run, out, Wanted("emo", split="80/10/10"))
    parts = {
        name: [row["index"] for row in lines(out / f"emo.{name}.jsonl")] for name in ("train", "validation", "test")
    }
    assert {name: size["got"] for name, size in release["splits"].items()} == {k: len(v) for k, v in parts.items()}
    assert all(parts.values())
    everything = [row["index"] for row in lines(out / "emo.jsonl")]
    assert sorted(index for ids in parts.values() for index in ids) == sorted(everything) and len(everything) == 40
    split_of = {index: name for name, ids in parts.items() for index in ids}
    assert all(split_of[f"u{n:02d}"] == split_of[f"u{n + 1:02d}"] for n in range(0, 40, 2)), "a source is on two sides"
    assert split_of["u03"] == split_of["u30"], "a text is on two sides"
    assert split_of["u08"] == split_of["u21"], "a speaker is on two sides"
    report = json.loads((out / "splits.json").read_text("utf-8"))
    assert report["group_sizes"] == {"2": 16, "4": 2}
    assert {row["index"]: row["split"] for row in lines(out / "wav" / "metadata.jsonl")} == split_of
    assert release["split_warnings"] == report["warnings"]
    assert report["same_text"]["ids"] == [["u03", "u30"]]
    release_verified(run, tmp_path / "again", Wanted("emo", split="80/10/10"))
    assert contents(out) == contents(tmp_path / "again")


def test_a_split_that_cannot_be_had_is_warned_of(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path, [heard(f"u{n}", "sad", "sad", source_id="one") for n in range(10)])
    curate_run(run)
    done = cli("export", run, tmp_path / "out", "--verified", "--split", "80/0/20")
    assert done.exit_code == 0 and "One group, that of u0, holds 10 of 10 rows" in done.stdout
    tables = sorted(path.name for path in (tmp_path / "out").glob("out.*"))
    assert tables == ["out.jsonl", "out.train.jsonl"], "a file without rows cannot be loaded"


def test_what_keeps_clips_together_can_be_chosen(tmp_path: Path) -> None:
    said = "Everybody reads this very sentence, because it is on the sheet of paper before them."
    run = reviewed_run(tmp_path, [heard(f"u{n}", "sad", "sad", text=said) for n in range(10)])
    curate_run(run)
    assert cli("export", run, tmp_path / "a", "--verified", "--split", "50/0/50").exit_code == 0
    assert len(lines(tmp_path / "a" / "a.train.jsonl")) == 10
    keys = ("--split-by", "source,speaker,audio")
    assert cli("export", run, tmp_path / "b", "--verified", "--split", "50/0/50", *keys).exit_code == 0
    assert len(lines(tmp_path / "b" / "b.train.jsonl")) == 5
    assert "No two splits share a source, speaker or audio" in (tmp_path / "b" / "README.md").read_text("utf-8")


def test_a_split_that_is_none(run: RunFolder, tmp_path: Path) -> None:
    done = cli("export", run, tmp_path / "out", "--verified", "--split", "80-20")
    assert done.exit_code == 1 and "'80-20' is not a split" in done.stderr
    assert not (tmp_path / "out").exists()
