"""The whole of review, on real speech and a real Label Studio: the figures are those of the answers that were given."""

import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import krippendorff
import pytest
import soundfile as sf
from sklearn.metrics import cohen_kappa_score

from manifests.emotions import CLASSES, parse_emotion
from manifests.review import ADJUDICATION, NO_AGREEMENT, UNSURE, UNUSABLE
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder
from tests.pipeline.command import cli
from tests.review_ui.label_studio import RunningLabelStudio, User
from tests.speech import Member, members, write_tar

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.label_studio]

PER_CLASS = 12
CLIPS = PER_CLASS * len(CLASSES)
NAMES = [str(emotion) for emotion in CLASSES]
COLUMNS = ("index", "emotion", "wav", "text")


def chosen_clips(data: Path, tar: Path) -> dict[str, str]:
    """Write a shard of twelve clips of each class; gives their true emotions by id."""
    truth = {}
    left = Counter(dict.fromkeys(NAMES, PER_CLASS))
    emotions = {
        row["id"]: str(parse_emotion(row["emotion"]))
        for row in map(json.loads, (data / "ravdess" / "truth.jsonl").read_text("utf-8").splitlines())
    }
    taken: list[Member] = []
    for shard in sorted((data / "ravdess").glob("*.tar")):
        for name, content in members(shard):
            key = name.rsplit(".", 1)[0]
            emotion = emotions[key]
            if key not in truth and left[emotion] > 0:
                truth[key] = emotion
                left[emotion] -= 1
            if key in truth:
                taken.append((name, content))
    assert not left.total() and len(taken) == 2 * CLIPS
    write_tar(tar, taken)
    return truth


@dataclass(frozen=True)
class Script:
    """What the people of this test answer, by utterance."""

    a: dict[str, str]
    b: dict[str, str]

    @classmethod
    def write(cls, truth: dict[str, str]) -> "Script":
        """The truth, with honest disagreement on 15 % of the clips, and escapes on six more."""
        chance = random.Random(7)
        ids = sorted(truth)
        chance.shuffle(ids)
        a, b = dict(truth), dict(truth)
        disagreed = round(0.15 * len(ids))
        for n, key in enumerate(ids[:disagreed]):
            (a if n % 2 else b)[key] = chance.choice([name for name in NAMES if name != truth[key]])
        rest = iter(ids[disagreed:])
        for first, second in (
            ("bad_audio", "bad_audio"),
            ("not_speech", "multiple_speakers"),
            (UNSURE, UNSURE),
            (UNSURE, None),
            (None, "bad_audio"),
            (None, UNSURE),
        ):
            key = next(rest)
            a[key], b[key] = first or truth[key], second or truth[key]
        return cls(a, b)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(self.a[key], self.b[key]) for key in sorted(self.a)]

    @property
    def conflicts(self) -> list[str]:
        return sorted(
            key for key in self.a if self.a[key] != self.b[key] and not {self.a[key], self.b[key]} <= set(UNUSABLE)
        )


class Project:
    """A project as one of its users."""

    def __init__(self, server: RunningLabelStudio, project_id: int, user: User) -> None:
        import httpx

        self.http = httpx.Client(
            base_url=server.url, headers={"Authorization": f"Token {user.token}"}, timeout=60, trust_env=False
        )
        self.id = project_id

    def tasks(self) -> dict[str, int]:
        """Task id by utterance; each utterance is there once."""
        answer = self.http.get("/api/tasks", params={"project": self.id, "page_size": 1000, "fields": "all"})
        tasks = answer.raise_for_status().json()["tasks"]
        found = {task["data"]["utterance_id"]: task["id"] for task in tasks}
        assert len(found) == len(tasks)
        return found

    def answer(self, task_id: int, choice: str, reason: str | None = None) -> None:
        result = [_given("answer", "choices", choices=[choice])]
        if reason is None:
            result += [_given("intensity", "rating", rating=3), _given("confidence", "rating", rating=4)]
        else:
            result.append(_given("reason", "textarea", text=[reason]))
        answer = self.http.post(f"/api/tasks/{task_id}/annotations/", json={"result": result, "lead_time": 30.0})
        assert answer.status_code == 201, answer.text


def _given(control: str, kind: str, **value: Any) -> dict[str, Any]:
    return {"from_name": control, "to_name": "audio", "type": kind, "value": value}


def done(*args: object) -> dict[str, Any]:
    """The last line of JSON of a command that must succeed."""
    result = cli(*args, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def speech(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    tar = tmp_path_factory.mktemp("speech") / "EN-B000000.tar"
    return tar, chosen_clips(shared_data, tar)


def test_from_labels_to_a_verified_release(
    local_ray: object,
    label_studio: RunningLabelStudio,
    speech: tuple[Path, dict[str, str]],
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tar, truth = speech
    run = label_studio.document_root / "loop"
    review = ReviewFolder(RunFolder(str(run)))
    monkeypatch.setenv("EMOTROVE_LABEL_STUDIO_TOKEN", label_studio.admin.token)
    script = Script.write(truth)

    # The machine's part, and the way to the experts.
    assert done("label", tar, run)["labeled"] == CLIPS
    done("route", run, "--per-class", CLIPS, "--per-source", CLIPS, "--per-text", CLIPS)
    routes = review.in_review().to_pylist()
    assert {row["utterance_id"] for row in routes} == truth.keys()
    assert Counter(row["arm"] for row in routes) == {"selected": CLIPS - 4, "control": 4}
    done(
        *("review", "init", run, "--url", label_studio.url, "--document-root", label_studio.document_root),
        *("--title", "the whole loop"),
    )
    done("review", "push", run)

    # 168 answers of two people.
    projects = review.settings()["projects"]
    for slot, user, answers in (("A", label_studio.expert_a, script.a), ("B", label_studio.expert_b, script.b)):
        project = Project(label_studio, projects[slot]["project_id"], user)
        tasks = project.tasks()
        assert tasks.keys() == truth.keys()
        for key, task_id in tasks.items():
            project.answer(task_id, answers[key])
    done("review", "pull", run)
    ledger = review.ledger().to_pylist()
    assert len(ledger) == 2 * CLIPS
    for slot, user, answers in (("A", label_studio.expert_a, script.a), ("B", label_studio.expert_b, script.b)):
        mine = [row for row in ledger if row["slot"] == slot]
        assert {row["utterance_id"]: row["answer"] for row in mine} == answers
        assert {row["annotator"] for row in mine} == {user.email}

    agreement_is_that_of(script, done("review", "agree", run), {row["utterance_id"]: row["arm"] for row in routes})

    # Conflicts go to a third person; one who has answered is refused.
    done("review", "adjudicate", run)
    adjudication = Project(label_studio, projects[ADJUDICATION]["project_id"], label_studio.adjudicator)
    cases = adjudication.tasks()
    assert sorted(cases) == script.conflicts
    rulings = {
        key: NO_AGREEMENT if n % 5 == 0 else "bad_audio" if n % 7 == 3 else truth[key]
        for n, key in enumerate(script.conflicts)
    }
    partial = Project(label_studio, projects[ADJUDICATION]["project_id"], label_studio.expert_a)
    partial.answer(cases[script.conflicts[0]], script.a[script.conflicts[0]], "I said so before")
    done("review", "pull", run)
    assert Counter(row["status"] for row in _curated(run, review))["pending"] == len(script.conflicts)
    for key, ruling in rulings.items():
        adjudication.answer(cases[key], ruling, "heard twice")
    done("review", "pull", run)

    expected = outcomes(script, rulings)
    curated = _curated(run, review)
    assert {row["utterance_id"]: (row["status"], row["emotion"]) for row in curated} == expected
    first = (run / "curated" / "curated.parquet").read_bytes()
    done("curate", run)
    assert (run / "curated" / "curated.parquet").read_bytes() == first

    release_is_that_of(expected, run, tmp_path / "ours", shared_data)


def _curated(run: Path, review: ReviewFolder) -> list[dict[str, Any]]:
    done("curate", run)
    return list(review.curated().to_pylist())


def outcomes(script: Script, rulings: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    """Status and emotion of each clip, by the rules as the guide states them."""
    found: dict[str, tuple[str, str | None]] = {}
    for key, a in script.a.items():
        b = script.b[key]
        settled = rulings.get(key)
        if settled is None and a == b and a in NAMES:
            found[key] = ("verified", a)
        elif settled is None and a in UNUSABLE:
            found[key] = ("unusable", None)
        elif settled is None or settled == NO_AGREEMENT:
            found[key] = ("no_agreement", None)
        elif settled in UNUSABLE:
            found[key] = ("unusable", None)
        else:
            found[key] = ("adjudicated", settled)
    return found


def agreement_is_that_of(script: Script, report: dict[str, Any], arms: dict[str, str]) -> None:
    """Every figure again, from the script, by the libraries of the field."""
    assert report["counts"]["answers"] == 2 * CLIPS and report["counts"]["flagged"] == 0
    assert report["counts"]["both"] == CLIPS
    categories = report["categories"]
    given = Counter(choice for pair in script.pairs for choice in pair)
    assert report["counts"]["escapes"] == {name: given[name] for name in categories if name not in NAMES}
    by_name = {part["name"]: part for part in report["slices"]}
    for name, keys in (
        ("all", sorted(script.a)),
        *((arm, sorted(key for key in script.a if arms[key] == arm)) for arm in ("control", "selected")),
    ):
        pairs = [(script.a[key], script.b[key]) for key in keys]
        figures_are_those_of(pairs, by_name[name]["answers"], categories)
        emotions = [pair for pair in pairs if set(pair) <= set(NAMES)]
        figures_are_those_of(emotions, by_name[name]["emotions"], NAMES)
        for one in by_name[name]["classes"]:
            against_rest = [(str(a == one["name"]), str(b == one["name"])) for a, b in pairs]
            figures_are_those_of(against_rest, one["figures"], ["True", "False"])
    counts = Counter(script.pairs)
    assert report["confusion"]["counts"] == [[counts[a, b] for b in categories] for a in categories]
    (language,) = report["languages"]
    assert language["language"] == "en" and language["answers"] == by_name["all"]["answers"]
    (pair,) = report["pairs"]
    assert pair["answers"]["kappa"]["value"] == by_name["all"]["answers"]["kappa"]["value"]


def figures_are_those_of(pairs: list[tuple[str, str]], figures: dict[str, Any], categories: list[str]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    agreed = sum(a == b for a, b in pairs) / len(pairs)
    assert figures["n"] == len(pairs)
    assert figures["raw"]["value"] == pytest.approx(agreed, abs=1e-12)
    if len({*first, *second}) == 1:
        assert figures["kappa"]["value"] is None and figures["kappa"]["note"]
        assert figures["alpha"]["value"] is None and figures["alpha"]["note"]
    else:
        kappa = cohen_kappa_score(first, second)
        assert figures["kappa"]["value"] == pytest.approx(kappa, abs=1e-12)
        codes = [[categories.index(choice) for choice in side] for side in (first, second)]
        alpha = krippendorff.alpha(codes, value_domain=list(range(len(categories))), level_of_measurement="nominal")
        assert figures["alpha"]["value"] == pytest.approx(alpha, abs=1e-12)
    shares = [(first.count(name) + second.count(name)) / (2 * len(pairs)) for name in categories]
    chance = sum(share * (1 - share) for share in shares) / (len(categories) - 1)
    assert figures["ac1"]["value"] == pytest.approx((agreed - chance) / (1 - chance), abs=1e-12)


def release_is_that_of(expected: dict[str, tuple[str, str | None]], run: Path, out: Path, data: Path) -> None:
    """It holds the settled clips, reads as EMO-Emilia does, and passes the validator of its metadata."""
    import datasets
    import mlcroissant

    settled = {key: emotion for key, (status, emotion) in expected.items() if status in ("verified", "adjudicated")}
    written = done("export", run, out, "--verified", "--per-class", 100, "--name", "ours", "--allow-mixed-licenses")
    assert written["clips"] == len(settled)
    asked = defaultdict(lambda: 100)
    asked.update({name: 100 - count for name, count in Counter(settled.values()).items()})
    assert written["short"] == {"en": {name: asked[name] for name in NAMES}}

    rows = [json.loads(line) for line in (out / "ours.jsonl").read_text("utf-8").splitlines()]
    assert {row["index"]: row["emotion"] for row in rows} == settled
    published = (data / "emo_emilia" / "Emo-Emilia-ALL.jsonl").read_text("utf-8").splitlines()[0]
    assert all(tuple(row) == tuple(json.loads(published)) == COLUMNS for row in rows)
    for row in rows:
        sound = sf.info(out / row["wav"])
        assert (sound.samplerate, sound.channels, sound.subtype) == (16_000, 1, "PCM_16")

    loaded = datasets.load_dataset(str(out), split="train", cache_dir=str(out.parent / "cache"))
    assert sorted(loaded["index"]) == sorted(settled)
    metadata = mlcroissant.Dataset(jsonld=out / "croissant.json").metadata
    assert not metadata.ctx.issues.errors
    detailed = [json.loads(line) for line in (out / "labels_detailed.jsonl").read_text("utf-8").splitlines()]
    assert len(detailed) == len(rows)
    everything = "".join(path.read_text("utf-8") for path in out.rglob("*.json*"))
    assert "@example.com" not in everything
