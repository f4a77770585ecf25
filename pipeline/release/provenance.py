"""Where a row of a data set comes from: the audio, every vote, every measure, and what made them."""

from typing import Any


def released_text(row: dict[str, Any]) -> str | None:
    """What is said in a clip: the input's own text, or else the transcript of a machine."""
    transcript = row["transcript"] or {}
    return row["text"] or transcript.get("text")


def provenance(
    row: dict[str, Any], record: dict[str, Any], audio: dict[str, str], label: dict[str, Any]
) -> dict[str, Any]:
    """One line of ``provenance.jsonl``.

    Parameters
    ----------
    row : of LABELS
    record : ``run.yaml``
    audio : where the clip's encoded bytes are
    label : ``emotion``, ``verified`` and whatever else is said of the label
    """
    return {
        "index": row["utterance_id"],
        "emotion": label["emotion"],
        "text": released_text(row),
        **label,
        **{
            name: row[name]
            for name in ("language", "speaker", "source_id", "license", "duration_s", "shard", "position")
        },
        **audio,
        **{name: row[name] for name in ("audio_sha256", "consensus", "votes", "quality", "style")},
        "transcript": row["transcript"],
        "rationale": row["rationale"],
        "annotators": record["annotators"],
        "emotrove": record["emotrove"],
    }
