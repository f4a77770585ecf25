"""The labelling screen in a real browser, as an expert and as an adjudicator meet it."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile as sf

from manifests.review import ADJUDICATION, Slot
from manifests.review_folder import ReviewFolder
from review_ui.label_config import adjudication_data, parse_result, task_data, validate_task
from review_ui.projects import Wanted, init
from review_ui.server import TOKEN_VARIABLE, LabelStudioServer
from review_ui.settings import ReviewSettings
from tests.packages import require
from tests.review_ui.label_studio import RunningLabelStudio, User
from tests.review_ui.made_run import run_on

pytestmark = [pytest.mark.browser]

WORDS = "<script>alert(1)</script><b>x</b> $audio {{text}} ${1+1} $text kids are talking by the door"
OTHERS_NOTE = "heard by the other expert as xylophonic"
RATIONALE = "the machine found a quivering pitch"
SECRETS = (RATIONALE, "secret-source-7", "secret-policy", "secret-gold", "secret-arm")


@dataclass
class Set:
    """A review with three real clips in each expert's project."""

    settings: ReviewSettings
    admin: LabelStudioServer
    routes: list[dict[str, Any]]
    clips: list[Path]

    def url(self, n: int) -> str:
        return self.settings.clips.url(self.clips[n].name)

    def give(self, slot: Slot, tasks: list[dict[str, str]]) -> list[int]:
        project = self.settings.project(slot)
        for data in tasks:
            validate_task(data, project.config)
        request: list[Any] = [{"data": data} for data in tasks]
        made = self.admin.sdk.projects.import_tasks(project.project_id, request=request, return_task_ids=True)
        return list(made.task_ids or [])

    def answers(self, slot: Slot, task: int) -> list[tuple[int | None, dict[str, Any]]]:
        """Who answered a task, and what, as ``pull`` will read it."""
        found = self.admin.sdk.annotations.list(task)
        return [
            (a.completed_by, parse_result(a.model_dump()["result"], adjudication=slot == ADJUDICATION)) for a in found
        ]


@pytest.fixture
def given(
    label_studio: RunningLabelStudio, shared_data: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Set:
    screen, show_machine = getattr(request, "param", ("both", False))
    monkeypatch.setenv(TOKEN_VARIABLE, label_studio.admin.token)
    run = run_on(label_studio, f"screen-{screen}")
    settings = init(ReviewFolder(run), Wanted(url=label_studio.url, screen=screen, show_machine=show_machine))
    clips = []
    with tarfile.open(shared_data / "ravdess" / "EN-B000001.tar") as tar:
        members = [member for member in tar if member.name.endswith(".mp3")][8:11]
        for n, member in enumerate(members):
            clips.append(Path(settings.clips.folder) / f"{n:032x}.mp3")
            content = tar.extractfile(member)
            assert content is not None
            clips[-1].write_bytes(content.read())
    routes = [
        {
            "utterance_id": f"EN_{n}",
            "text": WORDS,
            "emotion": "angry",
            "gold_emotion": "secret-gold",
            "arm": "secret-arm",
            "policy": "secret-policy",
            "source_id": "secret-source-7",
        }
        for n in range(len(clips))
    ]
    admin = LabelStudioServer(label_studio.url, label_studio.admin.token)
    return Set(settings, admin, routes, clips)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    require("playwright", "pip install playwright")
    yield tmp_path


def tasks_of(given: Set) -> list[dict[str, str]]:
    settings = given.settings
    return [
        task_data(row, given.url(n), settings.screen, show_machine=settings.show_machine, rationale=RATIONALE)
        for n, row in enumerate(given.routes)
    ]


def answered_by_the_other(given: Set, other: User) -> None:
    """Expert B answers the first clip, in words that are found again wherever they turn up."""
    first = given.give("B", tasks_of(given))[0]
    server = LabelStudioServer(given.admin.url, other.token)
    note = {"from_name": "note", "to_name": "audio", "type": "textarea", "value": {"text": [OTHERS_NOTE]}}
    choice = {"from_name": "answer", "to_name": "audio", "type": "choices", "value": {"choices": ["disgusted"]}}
    server.sdk.annotations.create(first, result=[choice, note], lead_time=9.0)
    assert given.answers("B", first)[0][1]["note"] == OTHERS_NOTE


@pytest.mark.parametrize(
    ("given", "question", "happy", "unsure", "transcript"),
    [
        (("en", False), "Which emotion does the voice express?", "happy[4]", "unsure[q]", "Show the words"),
        (("zh", False), "声音表达的是哪种情绪？", "快乐[4]", "不确定[q]", "显示文字"),
    ],
    indirect=["given"],
)
def test_an_expert_answers_three_clips_and_sees_nothing_of_the_others(
    given: Set, label_studio: RunningLabelStudio, folder: Path, question: str, happy: str, unsure: str, transcript: str
) -> None:
    from tests.review_ui.browser import person_at

    answered_by_the_other(given, label_studio.expert_b)
    tasks = given.give("A", tasks_of(given))
    expert = label_studio.expert_a
    with person_at(folder) as (person, received):
        page = person.page
        person.log_in(label_studio.url, expert)
        assert question in person.begin(given.settings.project("A"))

        # the first clip: heard, and answered by keys
        ready = person.hear()
        assert ready.duration_s == pytest.approx(sf.info(given.clips[0]).duration, abs=0.1)
        assert ready.paused and ready.volume > 0
        person.press("Space")
        page.wait_for_function("() => document.querySelector('audio').currentTime > 0.7")
        playing = person.sound()
        assert playing and not playing.paused
        person.press("Space")
        stopped = person.sound()
        assert stopped and stopped.paused and 0.7 < stopped.at_s < (stopped.duration_s or 0)
        page.get_by_text(question).first.wait_for()
        assert not page.get_by_text("kids are talking").is_visible()
        page.get_by_text(transcript).click()
        page.get_by_text("kids are talking").wait_for()
        assert WORDS in page.locator("body").inner_text()
        person.press("1", "4", "i", "i", "i", "c", "c", "Shift+6")
        assert person.chosen()[0] == happy and len(person.chosen()) == 2
        assert person.stars() == [3, 2]
        page.wait_for_timeout(1500)  # the spectrogram is drawn
        person.screenshot("first")
        person.press("Control+Enter")

        # the second: an escape, after a change of mind
        second = person.hear(after=ready)
        assert (person.chosen(), person.stars()) == ([], [0, 0])
        for key in "1234567werq":
            person.press(key)
            [only] = person.chosen()
            assert only.endswith(f"[{key}]")
        assert only == unsure
        person.screenshot("second")
        person.press("Control+Enter")

        # the third: nothing is submitted without an answer; then mouse, and a note in which keys are letters
        person.hear(after=second)
        person.press("Control+Enter")
        page.wait_for_timeout(1000)
        assert not given.answers("A", tasks[2])
        person.press("Escape")
        page.locator(".emotrove-answer .lsf-choice").nth(2).click()
        page.locator("input[name=note]").fill("")
        page.locator("input[name=note]").press_sequentially("1 quiet c q")
        person.press("Enter", "Control+Enter")
        page.wait_for_function("() => !document.querySelector('audio')")
        person.screenshot("done")
        seen = page.content()

    answers = [given.answers("A", task) for task in tasks]
    assert [len(of_task) for of_task in answers] == [1, 1, 1]
    assert {who for [(who, _)] in answers} == {expert.id}
    fields = ("answer", "second_emotion", "intensity", "confidence", "note", "unknown")
    assert [tuple(answer[name] for name in fields) for [(_, answer)] in answers] == [
        ("happy", "sad", 3, 2, None, []),
        ("unsure", None, None, None, None, []),
        ("fearful", None, None, None, "1 quiet c q", []),
    ]
    assert received.dialogs == [] and received.errors == [] and received.lost == []
    assert received.hosts() == {label_studio.url.removeprefix("http://")}
    assert received.where(WORDS), "what is shown must be found by this search, or it proves nothing"
    assert any("/data/local-files" in url for url in received.urls)
    for secret in (OTHERS_NOTE, *SECRETS):
        assert received.where(secret) == [] and secret not in seen


@pytest.mark.parametrize("given", [("both", True)], indirect=True)
def test_the_machine_is_seen_where_it_is_to_be_seen(given: Set, label_studio: RunningLabelStudio, folder: Path) -> None:
    from tests.review_ui.browser import person_at

    given.give("B", tasks_of(given))
    with person_at(folder, 1280, 800) as (person, received):
        person.log_in(label_studio.url, label_studio.expert_b)
        person.begin(given.settings.project("B"))
        person.page.get_by_text(RATIONALE).wait_for()
        assert "angry 生气" in person.page.locator(".ant-collapse").first.inner_text()
        person.page.wait_for_timeout(1500)
        person.screenshot("machine")
    assert received.where(RATIONALE)
    assert not any(received.where(secret) for secret in SECRETS if secret != RATIONALE)


def test_an_adjudicator_sees_two_nameless_answers_and_must_give_a_reason(
    given: Set, label_studio: RunningLabelStudio, folder: Path
) -> None:
    from tests.review_ui.browser import person_at

    one = {"answer": "angry", "second_emotion": "sad", "intensity": 4, "confidence": None, "annotator": "x@example.com"}
    other = {"answer": "unsure", "second_emotion": None, "intensity": None, "confidence": 2, "note": OTHERS_NOTE}
    data = adjudication_data(given.routes[0], given.url(0), (one, other), given.settings.screen)
    [task] = given.give(ADJUDICATION, [data])
    with person_at(folder) as (person, received):
        page = person.page
        person.log_in(label_studio.url, label_studio.adjudicator)
        assert "Two experts disagree" in person.begin(given.settings.project(ADJUDICATION))
        page.get_by_text("angry 生气 · also / 其次 sad 悲伤 · strength / 强度 4/5").wait_for()
        page.get_by_text("unsure 不确定 · sure / 确定程度 2/5").wait_for()
        page.wait_for_timeout(1500)
        person.screenshot("adjudication")
        person.press("t", "Control+Enter")
        page.get_by_text("Say why, in a few words. / 请简单写明理由。").wait_for()
        assert not given.answers(ADJUDICATION, task)
        person.press("Escape")
        page.locator("input[name=reason]").press_sequentially("both are there")
        person.press("Enter", "Control+Enter")
        page.wait_for_function("() => !document.querySelector('audio')")
    [(who, answer)] = given.answers(ADJUDICATION, task)
    assert who == label_studio.adjudicator.id
    assert (answer["answer"], answer["reason"], answer["unknown"]) == ("no_agreement", "both are there", [])
    assert received.dialogs == [] and received.where("x@example.com") == [] and received.where(OTHERS_NOTE) == []
