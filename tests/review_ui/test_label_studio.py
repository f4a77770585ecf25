"""The server that tests run on, and our view of it."""

import pytest

from review_ui.server import LabelStudioServer, NotOnServer, ServerUnavailable, TokenRefused
from tests.review_ui.label_studio import RunningLabelStudio


def test_every_user_has_an_account(label_studio: RunningLabelStudio) -> None:
    found = [LabelStudioServer(label_studio.url, user.token).check() for user in label_studio.users]
    assert [(who.email, who.user_id) for who in found] == [(user.email, user.id) for user in label_studio.users]
    assert len({who.user_id for who in found}) == 5


def test_a_wrong_token_and_a_missing_project(label_studio: RunningLabelStudio) -> None:
    with pytest.raises(TokenRefused, match=r"\(401: Invalid token\.\)"):
        LabelStudioServer(label_studio.url, "0" * 40).check()
    server = LabelStudioServer(label_studio.url, label_studio.admin.token)
    with pytest.raises(NotOnServer), server.calling("read a project"):
        server.sdk.projects.get(10**6)


def test_a_personal_access_token(label_studio: RunningLabelStudio) -> None:
    admin = LabelStudioServer(label_studio.url, label_studio.spare.token)
    with admin.calling("make a token"):
        token = admin.sdk.tokens.create().token
    server = LabelStudioServer(label_studio.url, token)
    assert server.check().email == label_studio.spare.email
    with server.calling("revoke it"):
        server.sdk.tokens.blacklist(refresh=token)
    with pytest.raises(TokenRefused) as caught:
        LabelStudioServer(label_studio.url, token).check()
    assert token not in str(caught.value)


def test_it_stops_and_starts_again(label_studio: RunningLabelStudio) -> None:
    label_studio.stop()
    with pytest.raises(ServerUnavailable, match="nothing answers there"):
        LabelStudioServer(label_studio.url, label_studio.admin.token).check()
    label_studio.start()
    assert LabelStudioServer(label_studio.url, label_studio.admin.token).check().email == label_studio.admin.email
