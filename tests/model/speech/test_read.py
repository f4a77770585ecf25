"""From what the user names to clips, with nothing lost on the way."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from manifests.errors import EmotroveError, InputError, RunFolderError
from manifests.review_folder import ReviewFolder
from model.speech import SpeechClip, load_waveform, measured, read_speech
from pipeline.curation import curate_run
from pipeline.export import export
from pipeline.release.verified import Wanted, release_verified
from tests.pipeline.reviewed_run import heard, reviewed_run
from tests.pipeline.small_run import finished_run
from tests.pipeline.small_shard import clip, encoded, shard_of
from tests.speech import Member, write_tar


def lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def metadata(name: str, **more: object) -> bytes:
    return json.dumps({"id": name, "text": f"the words of {name}", "language": "EN", **more}).encode()


def utterance(name: str, pitch_hz: float = 200, **more: object) -> list[Member]:
    return [(f"{name}.json", metadata(name, **more)), (f"{name}.flac", encoded(pitch_hz))]


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    content = [
        *utterance("EN_B00000_S00001_W000000", 200, speaker="EN_B00000_S00001", duration=0.2),
        *utterance("EN_B00000_S00001_W000001", 300),
        *utterance("EN_B00000_S00002_W000000", 400),
        ("EN_B00000_S00003_W000000.flac", encoded(500)),
    ]
    return write_tar(tmp_path / "in" / "EN-B000000.tar", content)


def test_a_tar_with_a_truth(tar: Path, tmp_path: Path) -> None:
    truth = lines(
        tmp_path / "truth.jsonl",
        [
            {"id": "EN_B00000_S00001_W000000", "emotion": "Happiness", "actor": 7, "emobox_test_fold": 2},
            {"id": "EN_B00000_S00002_W000000", "emotion": "calm", "fold": 1},
            {"id": "EN_B00009_S00000_W000000", "emotion": "sad"},
        ],
    )
    found = read_speech([str(tar.parent / "*.tar")], truth)
    first, second = found.clips
    assert first.id == "EN_B00000_S00001_W000000"
    assert (first.emotion, first.speaker, first.fold) == ("happy", "7", 2)
    assert (first.source_id, first.language, first.duration_s) == ("EN_B00000_S00001", "en", 0.2)
    assert first.text == "the words of EN_B00000_S00001_W000000"
    assert (second.id, second.emotion, second.fold, second.duration_s) == ("EN_B00000_S00001_W000001", None, None, None)
    assert [(clip.id, clip.emotion) for clip in found.others] == [("EN_B00000_S00002_W000000", "calm")]
    assert found.other_classes == {"calm": 1} and found.labelled == [first]
    assert found.left_out == {"missing_json": 1} and "EN_B00000_S00003_W000000" in found.examples[0]
    assert found.not_found == ["EN_B00009_S00000_W000000"]


def test_a_waveform_is_what_a_labelling_job_hears(tar: Path) -> None:
    clips = read_speech([str(tar)]).clips
    assert all(clip.emotion is None for clip in clips)
    samples = load_waveform(clips[1])
    assert samples.dtype == np.float32 and len(samples) == 3200
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() * 16_000 / len(samples) == 300
    assert np.array_equal(np.rint(samples * 32768), samples * 32768), "16 bits, as the annotators hear it"
    assert [clip.duration_s for clip in measured(clips)] == [0.2, 0.2, 0.2]


def test_what_a_list_excludes_stays_out(tar: Path, tmp_path: Path) -> None:
    listed = lines(tmp_path / "test-set.jsonl", [{"index": "EN_B00000_S00001_W000077", "emotion": "sad"}])
    found = read_speech([str(tar)], exclude=[str(listed)])
    assert [clip.id for clip in found.clips] == ["EN_B00000_S00002_W000000"], "its whole source stays out"
    assert found.left_out == {"excluded": 2, "missing_json": 1}


def test_an_id_counts_once(tar: Path) -> None:
    other = write_tar(tar.parent.parent / "again" / "B.tar", utterance("EN_B00000_S00001_W000000", 900))
    found = read_speech([str(tar), str(other)])
    assert len(found.clips) == 3 and found.left_out == {"missing_json": 1, "duplicate_id": 1}
    assert str(tar) in found.clips[0].audio


def test_lines_of_jsonl(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "set" / "wav").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "wav" / f"{name}.flac").write_bytes(encoded(200))
    absolute = str(tmp_path / "set" / "wav" / "c.flac")
    table = lines(
        tmp_path / "set" / "all.jsonl",
        [
            {"index": "ZH_B00001_S00002_W000003", "emotion": "生气", "wav": "./wav/a.flac", "text": "…"},
            {"id": "b", "audio": "wav/b.flac", "speaker": "s", "language": " EN ", "fold": 3, "duration": 0.5},
            {"id": "c", "audio_filepath": absolute, "emotion": "other", "source_id": "tape"},
            {"id": "d", "audio_filepath": "wav/absent.flac", "emotion": "sad"},
        ],
    )
    found = read_speech([str(table)])
    first, second = found.clips
    assert (first.emotion, first.language, first.source_id) == ("angry", "zh", "ZH_B00001_S00002")
    assert (second.emotion, second.speaker, second.language) == (None, "s", "en")
    assert (second.fold, second.duration_s) == (3, 0.5)
    assert [(clip.emotion, clip.source_id) for clip in found.others] == [("other", "tape")]
    assert found.left_out == {"missing_audio": 1} and "wav/absent.flac: No such file" in found.examples[0]
    assert len(load_waveform(first)) == 3200


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "b", "wav": "x.wav", "emotion": "blissful"}', "'blissful' is not a known emotion"),
        ('{"id": "b"}', "the id or the path is missing"),
        ('{"id": 3, "wav": "x.wav"}', "the id or the path is missing or not text"),
        ('{"id": "b", "wav": "x.wav", "fold": "2"}', "the fold is '2', not a whole number"),
        ('{"id": "b", "wav": "x.wav", "language": 5}', "language must be text"),
        ('{"id": "b", "wav": "x.wav", "duration": "long"}', "the duration is 'long'"),
        ('{"id": "b", "wav": "x.wav", "duration": NaN}', "the duration is nan, not a number of seconds"),
        ('{"id": "b", "wav": "x.wav", "duration_s": Infinity}', "the duration is inf, not a number of seconds"),
        ('{"id": "b", "wav": "x.wav", "duration": 1e300}', "the duration is 1e+300, not a number of seconds"),
        ('{"id": "b", "wav": "x.wav", "duration": -1}', "the duration is -1, not a number of seconds"),
        ("b x.wav", "each line must be one JSON object"),
        ("[1]", "not a JSON object"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, message: str) -> None:
    table = tmp_path / "all.jsonl"
    table.write_text('{"id": "a", "wav": "a.wav"}\n\n' + line + "\n")
    with pytest.raises(InputError) as raised:
        read_speech([str(table)])
    assert str(raised.value).startswith(f"{table}, line 3: ") and message in str(raised.value)


def test_an_exported_duration_that_is_no_number_is_named(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", shard_of(tmp_path / "in", "A", [clip("a", "sad")]))
    export(run, tmp_path / "machine")
    table = tmp_path / "machine" / "provenance.jsonl"
    row = json.loads(table.read_text())
    table.write_text(json.dumps({**row, "duration_s": float("nan")}) + "\n")
    with pytest.raises(InputError, match=r"provenance\.jsonl, line 1: the duration is nan.*Export again"):
        read_speech([str(tmp_path / "machine")])


def test_a_run_without_and_with_machine_labels(tmp_path: Path) -> None:
    rows = shard_of(tmp_path / "in", "A", [clip("a", "sad", speaker="s"), clip("b", None)])
    again = shard_of(tmp_path / "in", "B", [clip("a", "happy"), clip("c", "happy")])
    run = finished_run(tmp_path / "run", [*rows, *again])
    (run.store.root / Path("takedown.txt")).write_text("c\n")
    found = read_speech([str(run)])
    assert [(clip.id, clip.emotion, clip.speaker) for clip in found.clips] == [("a", None, "s"), ("b", None, None)]
    assert found.left_out == {"duplicate_id": 1, "taken_down": 1}
    assert [clip.emotion for clip in read_speech([str(run)], machine_labels=True).clips] == ["sad", None]
    assert len(load_waveform(found.clips[0])) == 3200


def test_a_curated_run_and_its_release(tmp_path: Path) -> None:
    clips = [
        heard("v", "happy", "happy"),
        heard("s", "sad", "angry", "angry"),
        heard("n", "sad", "angry"),
        heard("g", "fearful", "fearful", arm="gold", gold_emotion="fearful"),
    ]
    run = reviewed_run(tmp_path, clips)
    assert {clip.emotion for clip in read_speech([str(run)]).clips} == {None}, "not curated yet"
    curate_run(run)
    expected = {"v": "happy", "s": "angry", "n": None, "g": None}
    assert {clip.id: clip.emotion for clip in read_speech([str(run)]).clips} == expected
    with_machine = read_speech([str(run)], machine_labels=True).clips
    assert {clip.id: clip.emotion for clip in with_machine} == {"v": "happy", "s": "angry", "n": "sad", "g": "sad"}
    release_verified(run, tmp_path / "release", Wanted("emo"))
    found = {clip.id: clip for clip in read_speech([str(tmp_path / "release")]).clips}
    assert {name: clip.emotion for name, clip in found.items()} == {"v": "happy", "s": "angry"}
    assert (found["v"].speaker, found["v"].source_id, found["v"].language) == ("speaker-v", "source-v", "en")
    samples, rate = sf.read(tmp_path / "release" / "wav" / "v.wav", dtype="float32")
    assert rate == 16_000 and np.array_equal(samples, load_waveform(found["v"]))
    export(run, tmp_path / "machine")
    assert {clip.emotion for clip in read_speech([str(tmp_path / "machine")]).clips} == {None}
    machine = read_speech([str(tmp_path / "machine")], machine_labels=True).clips
    assert {clip.emotion for clip in machine} == {"sad"} and len(machine) == 4


def test_a_run_that_was_answered_since_it_was_curated(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path, [heard("v", "happy", "happy"), heard("n", "sad", "angry")])
    curate_run(run)
    review = ReviewFolder(run)
    late = review.ledger().slice(0, 1).to_pylist()[0]
    late.update(seq=900, answer="sad", pulled_at=late["pulled_at"] + dt.timedelta(days=1))
    late["updated_at"] += dt.timedelta(hours=1)
    import pyarrow as pa

    review.append_ledger(pa.Table.from_pylist([late], schema=review.ledger().schema))
    with pytest.raises(RunFolderError, match="emotrove curate"):
        read_speech([str(run)])


def test_what_cannot_be_read_is_named(tmp_path: Path, tar: Path) -> None:
    with pytest.raises(EmotroveError, match=r"absent\.tar"):
        read_speech([str(tmp_path / "absent.tar")])
    text = tmp_path / "text.tar"
    text.write_text("no tar " * 200)
    with pytest.raises(InputError, match=r"text\.tar is not a tar.*leave it out"):
        read_speech([str(text)])
    empty = lines(tmp_path / "empty.jsonl", [{"id": "a", "wav": "a.wav"}])
    with pytest.raises(InputError, match=r"No clip of .*: missing_audio 1; first: a: .*a\.wav"):
        read_speech([str(empty)])
    other = lines(tmp_path / "other.jsonl", [{"id": "z", "emotion": "sad"}])
    with pytest.raises(InputError, match=r"other\.jsonl names no clip of"):
        read_speech([str(tar)], other)
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no audio")
    for heard_by in (load_waveform, lambda clip: measured([clip])):
        with pytest.raises(InputError, match=r"x cannot be decoded: .*broken\.wav"):
            heard_by(SpeechClip("x", f"{broken}#0+13"))
        with pytest.raises(InputError, match=r"gone\.wav.*Was the shard moved"):
            heard_by(SpeechClip("x", f"{tmp_path / 'gone.wav'}#0+13"))


def test_all_of_ravdess(shared_data: Path) -> None:
    folder = shared_data / "ravdess"
    steps: list[tuple[int, int | None]] = []
    found = read_speech(
        [str(folder / "*.tar")], folder / "truth.jsonl", progress=lambda done, total: steps.append((done, total))
    )
    assert (len(found.labelled), found.other_classes, found.not_found) == (1248, {"calm": 192}, [])
    assert {clip.fold for clip in found.clips} == {1, 2, 3, 4, 5, 6}
    assert len({clip.speaker for clip in found.clips}) == 24 and not found.left_out
    assert steps == [(n, 6) for n in range(1, 7)]


def test_an_object_store(s3: str, tar: Path) -> None:
    import s3fs

    store = s3fs.S3FileSystem()
    store.put_file(str(tar), f"{s3}/in/EN-B000000.tar")
    store.pipe_file(f"{s3}/set/wav/a.flac", encoded(200))
    store.pipe_file(f"{s3}/set/all.jsonl", b'{"id": "a", "wav": "./wav/a.flac", "emotion": "sad"}\n')
    store.pipe_file(f"{s3}/set/gone.jsonl", b'{"id": "b", "wav": "wav/b.flac"}\n')
    found = read_speech([f"s3://{s3}/in/*.tar", f"s3://{s3}/set/all.jsonl", f"s3://{s3}/set/gone.jsonl"])
    assert [clip.id[:18] for clip in found.clips] == ["EN_B00000_S00001_W"] * 2 + ["EN_B00000_S00002_W", "a"]
    assert found.left_out == {"missing_json": 1, "missing_audio": 1}
    assert [len(load_waveform(clip)) for clip in found.clips] == [3200] * 4
    with pytest.raises(EmotroveError, match="absent"):
        read_speech([f"s3://{s3}/absent.tar"])
