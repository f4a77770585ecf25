"""Nothing is exchanged with a project that is not the one ``review init`` made."""

from tests.review_ui.exchange import Exchange


def test_a_number_that_is_of_another_project(exchange: Exchange) -> None:
    exchange.server.sdk.projects.update(exchange.project_id("B"), description="Somebody else's")
    for command in ("push", "pull"):
        assert "is another project than the one that was made for slot B" in exchange.failed(command)
    assert not exchange.tasks("A") and not exchange.tasks("B")
    exchange.server.sdk.projects.update(
        exchange.project_id("B"), description=f"Of the second expert\n{exchange.settings.projects['B'].marker}"
    )
    exchange.did("push")
    exchange.assert_once_each()


def test_a_project_that_was_deleted(exchange: Exchange) -> None:
    exchange.server.sdk.projects.delete(exchange.project_id("B"))
    for command in ("push", "pull"):
        said = exchange.failed(command)
        assert "(slot B, " in said and "was deleted in Label Studio" in said and "review init RUN --repair" in said
