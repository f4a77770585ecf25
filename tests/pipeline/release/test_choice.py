"""Which verified clips a release takes, and what it says it lacks."""

from pathlib import Path
from typing import Any

import pytest

from manifests.errors import InputError
from manifests.exclusion import ExclusionError
from manifests.run_folder import RunFolder
from pipeline.curation import curate_run
from pipeline.export import export
from pipeline.release.verified import Release, Wanted, release_verified
from tests.pipeline.reviewed_run import heard, reviewed_run
from tests.pipeline.small_run import Row
from tests.pipeline.test_export import lines


def curated(folder: Path, clips: list[Row]) -> RunFolder:
    run = reviewed_run(folder, clips)
    curate_run(run)
    return run


def released(run: RunFolder, out: Path, **wanted: Any) -> tuple[Release, list[str]]:
    """The release, and the ids in it by its own order."""
    release = release_verified(run, out, Wanted("emo", **wanted))
    return release, [row["index"] for row in lines(out / "emo.jsonl")]


def test_only_what_experts_settled_and_never_gold(tmp_path: Path) -> None:
    run = curated(
        tmp_path,
        [
            heard("two", "sad", "sad"),
            heard("control", "sad", "sad", arm="control"),
            heard("settled", "sad", "happy", "happy"),
            heard("gold", "sad", "sad", arm="gold", gold_emotion="sad"),
            heard("open", "sad", "happy"),
            heard("none", "sad", "happy", "no_agreement"),
            heard("bad", "bad_audio", "bad_audio"),
            heard("unsure", "unsure", "unsure"),
            heard("half", "sad"),
            heard("new"),
        ],
    )
    release, ids = released(run, tmp_path / "out")
    assert ids == ["settled", "control", "two"]
    assert release["counts"] == {"en": {"happy": 1, "sad": 2}}
    assert release["statuses"] == {"adjudicated": 1, "verified": 2}
    assert release["arms"] == {"control": 1, "selected": 2}
    assert release["reviewed"] == {"verified": 2, "adjudicated": 1, "no_agreement": 2, "unusable": 1, "pending": 3}
    assert release["short"] == {} and release["per_class"] is None


def test_two_experts_come_before_a_third_and_the_rest_is_chance(tmp_path: Path) -> None:
    names = [f"v{n:02d}" for n in range(12)]
    # The machine is surest of those that come first in the alphabet.
    clips = [heard(name, "sad", "sad", confidence=0.99 - n / 100) for n, name in enumerate(names)]
    clips += [heard(f"a{n}", "sad", "happy", "sad", confidence=1.0) for n in range(3)]
    run = curated(tmp_path, clips)
    _, four = released(run, tmp_path / "four", per_class=4)
    assert len(four) == 4 and all(name.startswith("v") for name in four)
    assert four != names[:4], "the machine's confidence chose"
    assert four == sorted(four)
    _, again = released(run, tmp_path / "again", per_class=4)
    assert again == four
    _, eight = released(run, tmp_path / "eight", per_class=8)
    assert set(four) < set(eight), "a larger release holds the smaller one"
    _, other = released(run, tmp_path / "other", per_class=4, seed=1)
    assert other != four
    _, most = released(run, tmp_path / "most", per_class=13)
    assert set(names) < set(most) and len(most) == 13, "what a third settled fills the places that are left"


def test_a_class_that_falls_short_is_reported_and_not_filled(tmp_path: Path) -> None:
    clips = [heard(f"s{n}", "sad", "sad") for n in range(3)] + [heard("h", "happy", "happy")]
    run = curated(tmp_path, [*clips, heard("z", "angry", language="zh")])
    release, ids = released(run, tmp_path / "out", per_class=2)
    assert len(ids) == 3
    assert release["counts"] == {"en": {"happy": 1, "sad": 2}}
    none = dict.fromkeys(("angry", "disgusted", "fearful", "neutral", "surprised"), 2)
    assert release["short"] == {
        "en": {"angry": 2, "disgusted": 2, "fearful": 2, "happy": 1, "neutral": 2, "surprised": 2},
        "zh": {**none, "happy": 2, "sad": 2},
    }, "a language of which nothing is verified yet falls short too"
    release, _ = released(run, tmp_path / "en", per_class=2, languages=("en",))
    assert list(release["short"]) == ["en"]
    release, _ = released(run, tmp_path / "fr", per_class=2, languages=("en", "fr"))
    assert sum(release["short"]["fr"].values()) == 14


def test_exclusion_and_takedown_by_id_and_source(tmp_path: Path) -> None:
    clips = [
        heard(f"EN_B00001_S0000{source}_W00000{n}", "sad", "sad", source_id=f"EN_B00001_S0000{source}")
        for source in range(4)
        for n in range(2)
    ]
    run = curated(tmp_path, clips)
    test_set = tmp_path / "test.jsonl"
    test_set.write_text('{"index": "EN_B00001_S00000_W000000", "emotion": "sad", "wav": "x", "text": ""}\n')
    asked = tmp_path / "asked.txt"
    asked.write_text("# by mail\nEN_B00001_S00001\n")
    run.store.write_text("takedown.txt", "EN_B00001_S00002_W000001\n")
    release, ids = released(run, tmp_path / "out", exclude=(str(test_set),), takedown=(str(asked),))
    assert ids == ["EN_B00001_S00003_W000000", "EN_B00001_S00003_W000001"]
    assert release["removed"] == {"taken_down": 4, "excluded": 2}
    for path in (tmp_path / "out").rglob("*.*"):
        assert not any(f"S0000{source}".encode() in path.read_bytes() for source in range(3)), f"{path} names one"
    release, _ = released(run, tmp_path / "own")
    assert release["removed"] == {"taken_down": 2, "excluded": 0}, "the run's own list holds without being asked for"
    everything = tmp_path / "everything.txt"
    everything.write_text("".join(f"EN_B00001_S0000{source}\n" for source in range(4)))
    with pytest.raises(InputError, match=r"All 8 verified clips of .* are on a list"):
        released(run, tmp_path / "none", exclude=(str(everything),))


def test_a_damaged_shard_that_is_not_needed_does_not_matter(tmp_path: Path) -> None:
    run = curated(tmp_path, [heard("a", "sad", "sad")])
    run.store.write_bytes("labels/outcome=labeled/EN-1-00000000.parquet", b"damaged")
    assert released(run, tmp_path / "out")[1] == ["a"]


def test_a_list_that_cannot_be_read_stops_the_release(tmp_path: Path) -> None:
    run = curated(tmp_path, [heard("a", "sad", "sad")])
    with pytest.raises(InputError, match="nowhere.txt cannot be read"):
        released(run, tmp_path / "out", exclude=(str(tmp_path / "nowhere.txt"),))
    run.store.write_text("takedown.txt", '{"name": "a"}\n')
    with pytest.raises(ExclusionError, match="takedown.txt, line 1"):
        released(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_machine_labels_obey_the_lists_too(tmp_path: Path) -> None:
    run = curated(tmp_path, [heard(name, "sad", "sad") for name in ("a", "b", "c")])
    run.store.write_text("takedown.txt", "a\n")
    excluded = tmp_path / "list.txt"
    excluded.write_text("source-b\n")
    found = export(run, tmp_path / "out", exclude=[str(excluded)])
    assert [row["index"] for row in lines(tmp_path / "out" / "dataset.jsonl")] == ["c"]
    assert found.removed == {"taken_down": 1, "excluded": 1}
    assert "1 taken down, 1 excluded" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_nothing_is_verified(tmp_path: Path) -> None:
    run = curated(tmp_path, [heard("a", "sad", "happy"), heard("g", "sad", "sad", arm="gold", gold_emotion="sad")])
    with pytest.raises(InputError, match=r"no verified clip to release \(gold items do not count\).*emotrove curate"):
        released(run, tmp_path / "out")
    with pytest.raises(InputError, match="no verified clip to release in fr"):
        released(run, tmp_path / "out", languages=("fr",))
