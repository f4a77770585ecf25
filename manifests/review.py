"""What review writes down: routes, tasks, the ledger of answers, and what was curated from them.

RUN/
  routes/decided-NNNNNN.parquet    ROUTES: what was decided for good; a later routing adds a file
  routes/held.parquet              ROUTES: what waits; replaced by each routing; without what only an expert needs
  review/review.yaml               projects, their servers, the screen, the order; written by ``review init``
  review/tasks/SLOT-NNNNNN.parquet TASKS: what Label Studio has of us, a file for each batch
  review/clips/                    the clips the experts hear, under names that say nothing
  review/ledger/NNNNNN.parquet     LEDGER: append-only, a file for each pull that found something
  curated/curated.parquet          CURATED: a pure function of routes, tasks and ledger
"""

from typing import Final, Literal

import pyarrow as pa

REVIEW_VERSION = 1
"""Version of the files above."""

Decision = Literal["review", "accept_machine", "hold"]
DECISIONS: Final[tuple[Decision, ...]] = ("review", "accept_machine", "hold")

Arm = Literal["selected", "control", "gold"]
ARMS: Final[tuple[Arm, ...]] = ("selected", "control", "gold")
"""Why a clip goes to the experts: a model chose it; chance chose it; its answer is known."""

Slot = Literal["A", "B", "adjudication"]
EXPERT_SLOTS: Final[tuple[Slot, Slot]] = ("A", "B")
ADJUDICATION: Final[Slot] = "adjudication"
SLOTS: Final[tuple[Slot, ...]] = (*EXPERT_SLOTS, ADJUDICATION)

UNSURE: Final = "unsure"
UNUSABLE: Final[tuple[str, ...]] = ("multiple_speakers", "bad_audio", "not_speech")
ESCAPES: Final[tuple[str, ...]] = (UNSURE, *UNUSABLE)
"""Answers that are outcomes of their own and no emotion."""
NO_AGREEMENT: Final = "no_agreement"
"""What an adjudicator may answer besides: both answers stand."""

Status = Literal["verified", "adjudicated", "no_agreement", "unusable", "pending"]
STATUSES: Final[tuple[Status, ...]] = ("verified", "adjudicated", "no_agreement", "unusable", "pending")

FLAGS: Final[dict[str, str]] = {
    "not_pushed": "the task is not one that emotrove pushed",
    "skipped": "the task was skipped",
    "no_answer": "no emotion and no escape was chosen",
    "unknown_choice": "a choice is not in the label config",
    "no_reason": "an adjudication without a reason",
    "too_fast": "answered in less time than the clip lasts",
    "second_answer": "the same person has answered this task before",
    "same_person": "this person has answered the clip in the other slot before",
    "adjudicator_answered": "the adjudicator has answered this clip as an expert",
    "third_answer": "the slot has its answer already, of another person",
}
"""Why an answer is kept but does not count."""

_s, _i, _l, _f, _d = pa.string(), pa.int32(), pa.int64(), pa.float32(), pa.float64()
_time = pa.timestamp("us", tz="UTC")


def _schema(name: str, fields: list[pa.Field]) -> pa.Schema:
    return pa.schema(fields, metadata={"emotrove.schema": name, "emotrove.review_version": str(REVIEW_VERSION)})


ROUTES: Final = _schema(
    "routes",
    [
        pa.field("utterance_id", _s, nullable=False),
        pa.field("shard", _s, nullable=False),
        pa.field("position", _i, nullable=False),
        pa.field("decision", _s, nullable=False),
        pa.field("reason", _s, nullable=False),  # a code, to be counted
        pa.field("arm", _s),  # of a clip in review
        pa.field("policy", _s),  # the policy by which a clip was selected or ranked
        pa.field("priority", _d),  # by the policy; higher is more useful
        pa.field("language", _s),
        pa.field("emotion", _s),  # the consensus of the machines: the stratum
        pa.field("gold_emotion", _s),  # the known answer of a gold item
        pa.field("source_id", _s),
        pa.field("text_key", _s),  # manifests.text_key
        pa.field("duration_s", _d),
        pa.field("audio_uri", _s),
        pa.field("audio_format", _s),
        pa.field("audio_sha256", _s),
        pa.field("text", _s),  # the transcript an expert may ask for
        pa.field("round", _i, nullable=False),  # number of the routing that decided, from 0
        pa.field("seed", _l, nullable=False),
    ],
)

TASKS: Final = _schema(
    "tasks",
    [
        pa.field("slot", _s, nullable=False),
        pa.field("utterance_id", _s, nullable=False),
        pa.field("project_id", _l, nullable=False),
        pa.field("task_id", _l, nullable=False),
        pa.field("clip", _s, nullable=False),  # name in the folder of clips
        pa.field("show_machine", pa.bool_(), nullable=False),  # whether this task shows the machine's label
        pa.field("pushed_at", _time, nullable=False),
    ],
)

LEDGER: Final = _schema(
    "ledger",
    [
        pa.field("seq", _l, nullable=False),  # order of the ledger; of the versions of an annotation the last holds
        pa.field("slot", _s, nullable=False),
        pa.field("project_id", _l, nullable=False),
        pa.field("task_id", _l, nullable=False),
        pa.field("annotation_id", _l, nullable=False),
        pa.field("utterance_id", _s),  # null where the task is none of ours
        pa.field("state", _s, nullable=False),  # submitted | skipped | deleted
        pa.field("annotator", _s, nullable=False),  # e-mail in lower case, the same on every server
        pa.field("answer", _s),  # an emotion, an escape, in adjudication also no_agreement; null where unknown
        pa.field("second_emotion", _s),
        pa.field("intensity", _i),  # 1-5
        pa.field("confidence", _i),  # 1-5
        pa.field("note", _s),
        pa.field("reason", _s),  # of an adjudication
        pa.field("unknown", pa.list_(_s)),  # choices that the label config does not have
        pa.field("raw", _s),  # Label Studio's own result, JSON, so that nothing is lost
        pa.field("lead_time_s", _d),
        pa.field("created_at", _time),
        pa.field("updated_at", _time),
        pa.field("pulled_at", _time, nullable=False),
    ],
)

JUDGED: Final = _schema(
    "judged",
    [
        *(LEDGER.field(name) for name in LEDGER.names if name not in ("unknown", "raw", "pulled_at")),
        pa.field("flags", pa.list_(_s), nullable=False),  # sorted; of FLAGS
        pa.field("counts", pa.bool_(), nullable=False),  # no flag
        pa.field("duration_s", _d),
        pa.field("arm", _s),
        pa.field("language", _s),
        pa.field("source_id", _s),
        pa.field("gold_emotion", _s),
        pa.field("machine_emotion", _s),
        pa.field("show_machine", pa.bool_()),
    ],
)
"""The last version of each annotation that was not deleted, judged: ``manifests.answers.judged``."""

ANSWER: Final = pa.struct(
    [
        ("slot", _s),
        ("annotator", _s),
        ("answer", _s),
        ("second_emotion", _s),
        ("intensity", _i),
        ("confidence", _i),
        ("note", _s),
        ("reason", _s),
        ("lead_time_s", _d),
        ("created_at", _time),
        ("flags", pa.list_(_s)),
        ("counts", pa.bool_()),
    ]
)

CURATED: Final = _schema(
    "curated",
    [
        pa.field("utterance_id", _s, nullable=False),
        pa.field("shard", _s, nullable=False),
        pa.field("position", _i, nullable=False),
        pa.field("status", _s, nullable=False),
        pa.field("reason", _s),  # a code: why it is pending, unusable or without agreement
        pa.field("emotion", _s),  # of verified and adjudicated
        pa.field("arm", _s),
        pa.field("policy", _s),
        pa.field("machine_emotion", _s),
        pa.field("gold_emotion", _s),
        pa.field("language", _s),
        pa.field("source_id", _s),
        pa.field("answers", pa.list_(ANSWER)),  # by slot, then as they were given; flagged ones too
    ],
)
