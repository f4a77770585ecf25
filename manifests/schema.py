"""The Arrow schema of a label row: one row for every utterance of the input.

Structs are nested rather than JSON in strings, and numbers carry their units in their names. The schema is always passed
explicitly, because a column that is null throughout a batch would otherwise lose its type.
"""

from typing import Final, Literal

import pyarrow as pa

from manifests import SCHEMA_VERSION

Outcome = Literal["labeled", "rejected", "failed"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("labeled", "rejected", "failed")

_s, _i, _f, _d = pa.string(), pa.int32(), pa.float32(), pa.float64()

SCORE = pa.struct([("emotion", _s), ("score", _f)])
VOTE = pa.struct(
    [
        ("voter", _s),
        ("version", _s),
        ("modality", _s),  # acoustic | text | both
        ("emotion", _s),
        ("confidence", _f),
        ("scores", pa.list_(SCORE)),
    ]
)
QUALITY = pa.struct(
    [
        ("dnsmos", _f),  # as the input gave it
        ("dnsmos_sig", _f),  # P.835, where the optional annotator measured it
        ("dnsmos_bak", _f),
        ("dnsmos_ovrl", _f),
        ("loudness_lufs", _f),
        ("peak", _f),  # of full scale 1.0
        ("clipped_fraction", _f),
        ("silence_fraction", _f),
        ("speech_start_s", _f),
        ("speech_end_s", _f),
    ]
)
WORD = pa.struct([("word", _s), ("start_s", _f), ("end_s", _f), ("confidence", _f)])
TRANSCRIPT = pa.struct([("text", _s), ("annotator", _s), ("confidence", _f), ("words", pa.list_(WORD))])
STYLE = pa.struct(
    [
        ("pitch_hz", _f),
        ("pitch_std_hz", _f),
        ("voiced_fraction", _f),
        ("loudness_lufs", _f),
        ("rate_per_s", _f),
        ("rate_unit", _s),  # phones | syllables | characters | letters, per second of speech
        ("pitch_level", _s),  # low | medium | high
        ("loudness_level", _s),
        ("rate_level", _s),
    ]
)
RATIONALE = pa.struct(
    [
        ("text", _s),
        ("text_zh", _s),
        ("emotion", _s),
        ("annotator", _s),
        # Which statements the text makes; each is made only from a measured value.
        ("checks", pa.struct([(name, pa.bool_()) for name in ("rate", "pitch", "loudness", "words", "emotion")])),
    ]
)
CONSENSUS = pa.struct([("emotion", _s), ("confidence", _f), ("n_votes", _i), ("agreement", _f)])

INPUT_FIELDS: Final = [
    pa.field("utterance_id", _s, nullable=False),
    pa.field("shard", _s, nullable=False),
    pa.field("position", _i, nullable=False),  # of the utterance in its shard, in reading order
    pa.field("audio_uri", _s),
    pa.field("audio_format", _s),
    pa.field("audio_sha256", _s),  # of the encoded bytes, hexadecimal
    pa.field("language", _s),
    pa.field("speaker", _s),
    pa.field("source_id", _s),
    pa.field("license", _s),
    pa.field("sample_rate_hz", _i),  # of the encoded audio
    pa.field("duration_s", _d),  # measured
    pa.field("text", _s),
    pa.field("phone_count", _i),
]
OUTCOME_FIELDS: Final = [
    pa.field("outcome", _s, nullable=False),
    pa.field("stage", _s),  # where a rejected or failed row left the chain
    pa.field("reason", _s),  # a code, to be counted
    pa.field("reason_value", _d),  # the measured value behind a rejection
    pa.field("detail", _s),  # the error behind a failure, for people
]
ANNOTATION_FIELDS: Final = [
    pa.field("quality", QUALITY),
    pa.field("transcript", TRANSCRIPT),
    pa.field("style", STYLE),
    pa.field("votes", pa.list_(VOTE)),
    pa.field("rationale", RATIONALE),
    pa.field("consensus", CONSENSUS),
]

LABELS: Final = pa.schema(
    [*INPUT_FIELDS, *OUTCOME_FIELDS, *ANNOTATION_FIELDS],
    metadata={"emotrove.schema": "labels", "emotrove.schema_version": str(SCHEMA_VERSION)},
)
"""Schema of ``labels/outcome=…/*.parquet``."""
