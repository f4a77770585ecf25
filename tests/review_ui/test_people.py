"""Who gave an answer."""

from review_ui.people import UNKNOWN, People
from review_ui.server import LabelStudioServer
from tests.review_ui.label_studio import RunningLabelStudio


def test_whom_an_answer_is_of(label_studio: RunningLabelStudio) -> None:
    people = People(LabelStudioServer(label_studio.url, label_studio.admin.token))
    expert = label_studio.expert_a

    def who(user_id: int | None, shown: str | None, before: str | None = None) -> str:
        return people.annotator({"completed_by": user_id, "created_username": shown}, before)

    # What Label Studio shows is enough, also of somebody who left the organisation.
    assert who(777, "Old Member Old.Member@Example.com, 777") == "old.member@example.com"
    assert who(777, " a@b.org, 777") == "a@b.org"
    # What does not fit the number is a name that looks like it.
    assert who(expert.id, "Trick x@y.org, 778") == who(expert.id, None) == who(expert.id, "Expert A") == expert.email
    assert who(778, "nobody") == UNKNOWN and who(778, "nobody", "was@here.org") == "was@here.org"
    assert who(None, "") == UNKNOWN and who(None, "", "was@here.org") == "was@here.org"
