"""The page of a run: whole, escaped, with the figures of the rows, for any run."""

import base64
import hashlib
import io
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile as sf

from manifests.audio_uri import AudioUri
from manifests.emotions import CLASSES
from manifests.errors import RunFolderError
from manifests.run_folder import RunFolder, Shard, ShardCounts, chunk_file, encode_parquet
from manifests.schema import LABELS, OUTCOMES
from manifests.votes import consensus
from pipeline.page import write_page
from pipeline.page.clips import MAX_CLIP_BYTES
from pipeline.page.figures import EXAMPLES
from pipeline.reference_pass import REFERENCE
from tests.html_text import Page

ATTACK = '<script>alert(1)</script><img src=x onerror="alert(2)">'
Row = dict[str, Any]


def page_of(run: RunFolder, folder: Path) -> Page:
    path = folder / "report.html"
    write_page(run, path)
    return Page(path.read_text("utf-8"))


def make_run(
    folder: Path, rows: list[Row], annotators: tuple[str, ...] = ("quality", "style", "seed", "rationale")
) -> RunFolder:
    """A run of one shard with these rows, as the job would leave it."""
    run = RunFolder(str(folder / "run"))
    run.write_shards([Shard("S-1", "tar", str(folder / "S-1.tar"), 1)])
    run.write_run(
        {
            "profile": "embedded",
            "emotrove": "0",
            "config": {},
            "annotators": dict.fromkeys(annotators, "1"),
            "input": {"shards": 1, "fingerprint": ""},
        }
    )
    for outcome in OUTCOMES:
        members = [row for row in rows if row["outcome"] == outcome]
        if members:
            table = pa.Table.from_pylist(members, schema=LABELS)
            run.store.write_bytes(chunk_file(outcome, "S-1", 0), encode_parquet(table))
    counts = [sum(row["outcome"] == outcome for row in rows) for outcome in OUTCOMES]
    if rows:
        run.mark_done(ShardCounts("S-1", len(rows), *counts, sum(row.get("duration_s") or 0.0 for row in rows), 1))
    return run


def wav(seconds: float = 0.5) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, np.zeros(int(16_000 * seconds), np.float32), 16_000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def labeled(folder: Path, position: int, emotion: str | None, **other: Any) -> Row:
    """A row that went through the whole chain, with a clip on disk."""
    audio = wav()
    path = folder / f"{position}.wav"
    path.write_bytes(audio)
    sure = 0.5 + 0.4 * (position % 7) / 7
    rest = (1 - sure) / (len(CLASSES) - 1)
    scores = [{"emotion": str(e), "score": sure if e == emotion else rest} for e in CLASSES]
    vote = {
        "voter": "seed",
        "version": "1",
        "modality": "acoustic",
        "emotion": emotion,
        "confidence": sure,
        "scores": scores,
    }
    votes = [vote] if emotion else []
    row = {
        "utterance_id": f"U{position:03d}",
        "shard": "S-1",
        "position": position,
        "audio_uri": str(AudioUri(str(path), 0, len(audio))),
        "audio_format": "wav",
        "audio_sha256": hashlib.sha256(audio).hexdigest(),
        "language": "en" if position % 3 else "zh",
        "duration_s": 36.0,
        "text": f"Words of clip {position}",
        "outcome": "labeled",
        "style": {
            "pitch_hz": 100.0 + position,
            "loudness_lufs": -20.0 - position / 10,
            "rate_per_s": 4.0,
            "rate_unit": "syllables",
            "pitch_level": "medium",
            "loudness_level": "low",
            "rate_level": None,
        },
        "votes": votes,
        "consensus": consensus(votes),
        "rationale": {"text": f"A rationale for {position}.", "text_zh": f"说明{position}。", "emotion": emotion},
    }
    return {**row, **other}


def ended(position: int, outcome: str, stage: str, reason: str, **other: Any) -> Row:
    return {
        "utterance_id": f"U{position:03d}",
        "shard": "S-1",
        "position": position,
        "language": "en",
        "duration_s": 36.0,
        "outcome": outcome,
        "stage": stage,
        "reason": reason,
        **other,
    }


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("many")
    rows = [labeled(folder, i, str(CLASSES[i % 7])) for i in range(42)]
    rows += [ended(42 + i, "rejected", "quality", "silent") for i in range(5)]
    rows += [ended(47 + i, "failed", "decode", "undecodable_audio") for i in range(3)]
    run = make_run(folder, rows)
    limits = {"mean": 120.0, "std": 10.0, "n": 42}
    run.store.write_text(REFERENCE, json.dumps({"languages": {"en": {"pitch_hz": limits}, "zh": {"pitch_hz": limits}}}))
    return run


@pytest.fixture(scope="module")
def page(many: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of many, written once: its plots take a second or two."""
    return page_of(many, tmp_path_factory.mktemp("page"))


def test_figures_are_those_of_the_rows(page: Page) -> None:
    for figure in ("50 clips", "30.0 min of audio", "42 labeled 84.0%", "5 rejected 10.0%", "3 failed 6.0%"):
        assert figure in page.seen
    assert "rejected quality silent 5 10.0%" in page.seen
    assert "failed decode undecodable_audio 3 6.0%" in page.seen
    assert "en 4 4 4 4 4 4 4 28 16.8 min" in page.seen  # positions that 3 does not divide
    assert "zh 2 2 2 2 2 2 2 14 8.4 min" in page.seen
    assert "seed 1 acoustic 42 100.0%" in page.seen


def test_machines_are_named_as_the_source(page: Page) -> None:
    assert "These labels were given by machines. No expert has verified them." in page.seen
    assert "on synthetic speech, such as that of the demo, they mean nothing" in page.seen


def test_clips_cover_emotions_and_languages_and_can_be_heard(page: Page) -> None:
    assert page.tags["article"] == page.tags["audio"] == EXAMPLES
    articles = re.findall(r"<article>.*?</article>", page.text, re.DOTALL)
    emotions = {emotion for emotion in CLASSES for article in articles if f">{emotion} {emotion.zh}<" in article}
    assert emotions == set(CLASSES)
    languages = Counter("zh" if "zh · " in article else "en" for article in articles)
    assert languages == {"en": 4, "zh": 4}
    sounds = [value for tag, name, value in page.attributes if (tag, name) == ("audio", "src")]
    assert all(base64.b64decode((sound or "").removeprefix("data:audio/wav;base64,")) == wav() for sound in sounds)
    assert all("A rationale for " in article and "说明" in article for article in articles)


def test_the_same_run_gives_the_same_page(many: RunFolder, page: Page, tmp_path: Path) -> None:
    assert page_of(many, tmp_path).text == page.text


def test_nothing_is_loaded_from_elsewhere_and_ids_are_unique(page: Page) -> None:
    assert page.tags["svg"] == 4
    assert max(page.ids.values()) == 1
    assert page.tags["script"] == page.tags["link"] == page.tags["img"] == page.tags["iframe"] == 0
    references = [
        value or "" for _, name, value in page.attributes if name in ("src", "href", "xlink:href", "srcset", "data")
    ]
    assert references
    assert all(value.startswith(("#", "data:audio/")) for value in references)
    inside = {value[1:] for value in references if value.startswith("#")} | set(
        re.findall(r"url\(#([^)]+)\)", page.text)
    )
    assert inside <= set(page.ids)
    assert "url(" not in page.text.replace("url(#", "")
    assert "default-src 'none'" in page.text


def test_plots_are_well_formed_and_their_text_is_text(page: Page) -> None:
    plots = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page.text, re.DOTALL)]
    words = [" ".join(plot.itertext()) for plot in plots]
    assert "en: 28 clips" in words[1]
    assert all(
        name in words[3] for name in ("en: pitch", "zh: loudness", "syllables per s", "limits", "low", "no word")
    )


@pytest.mark.parametrize(
    "hostile",
    [
        {"text": ATTACK},
        {"language": ATTACK},
        {"language": "$\\frac{x$"},
        {"language": "中文", "text": "\x00\x1b[31m \u202e"},
        {"language": 'en"><script>', "utterance_id": ATTACK},
        {"audio_format": ATTACK},
        {"audio_uri": f"/nowhere/{ATTACK}#0+4"},
        {"rationale": {"text": ATTACK, "text_zh": ATTACK}},
        {"style": {"pitch_hz": float("nan"), "loudness_lufs": float("-inf"), "rate_per_s": 1.0, "rate_unit": ATTACK}},
        {
            "votes": [
                {
                    "voter": ATTACK,
                    "version": ATTACK,
                    "modality": ATTACK,
                    "emotion": ATTACK,
                    "scores": [
                        {"emotion": ATTACK, "score": float("nan")},
                        {"emotion": 'x;background:url("http://a")', "score": 9.0},
                    ],
                }
            ]
        },
        {"consensus": {"emotion": ATTACK, "confidence": float("nan"), "n_votes": 1, "agreement": 1.0}},
    ],
    ids=lambda hostile: "+".join(hostile),
)
@pytest.mark.filterwarnings("error")
def test_text_of_the_data_stays_text(hostile: Row, tmp_path: Path) -> None:
    rows = [
        labeled(tmp_path, 0, "sad", **hostile),
        ended(1, "failed", ATTACK, ATTACK),
        ended(2, "rejected", "x", "y", language=ATTACK),
    ]
    page = page_of(make_run(tmp_path, rows), tmp_path)
    assert page.tags["script"] == page.tags["img"] == 0
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)" in page.seen
    for svg in re.findall(r"<svg.*?</svg>", page.text, re.DOTALL):
        ET.fromstring(svg)


def test_a_run_without_rows(tmp_path: Path) -> None:
    page = page_of(make_run(tmp_path, []), tmp_path)
    assert "0 clips" in page.seen
    assert "This run has no rows yet." in page.seen
    assert "1 shards are not done yet." in page.seen


def test_a_run_in_which_everything_failed(tmp_path: Path) -> None:
    page = page_of(
        make_run(tmp_path, [ended(0, "failed", "read", "missing_audio", language=None, duration_s=None)]), tmp_path
    )
    assert "1 failed 100.0%" in page.seen
    assert "No clip has an emotion" in page.seen
    assert page.tags["article"] == 0


def test_a_run_without_voters_style_and_rationales(tmp_path: Path) -> None:
    rows = [labeled(tmp_path, i, None, style=None, rationale=None, votes=None, consensus=None) for i in range(3)]
    page = page_of(make_run(tmp_path, rows, annotators=("quality",)), tmp_path)
    assert "No clip has an emotion" in page.seen
    assert "synthetic" not in page.seen
    assert page.tags["article"] == page.tags["audio"] == 3


def test_clips_that_are_gone_changed_or_too_large_are_named_as_such(tmp_path: Path) -> None:
    rows = [labeled(tmp_path, i, str(CLASSES[i])) for i in range(4)]
    (tmp_path / "0.wav").unlink()
    (tmp_path / "1.wav").write_bytes(wav()[:-1] + b"x")
    rows[2]["audio_uri"] = str(AudioUri(str(tmp_path / "2.wav"), 0, MAX_CLIP_BYTES + 1))
    page = page_of(make_run(tmp_path, rows), tmp_path)
    assert page.tags["article"] == 4
    assert page.tags["audio"] == 1
    for words in ("Was the shard moved?", "the shard has changed", "Too large"):
        assert words in page.seen


def test_many_languages_and_reasons_are_cut_and_said_to_be(tmp_path: Path) -> None:
    rows = [labeled(tmp_path, i, "sad", language=f"l{i:02d}") for i in range(30)]
    rows += [ended(30 + i, "rejected", "quality", f"reason {i:02d}") for i in range(30)]
    page = page_of(make_run(tmp_path, rows), tmp_path)
    assert "25 others" in page.seen
    assert "6 largest languages of 31" in page.seen
    assert "10 more reasons" in page.seen


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError):
        write_page(RunFolder(str(tmp_path)), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
