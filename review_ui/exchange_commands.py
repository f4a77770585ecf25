"""The commands that exchange clips and answers with Label Studio."""

from typing import TYPE_CHECKING, Annotated

import typer

from manifests.command_line import JsonOption, RunArgument, bar, clear_errors, print_json, stop

if TYPE_CHECKING:
    from manifests.review_folder import ReviewFolder


def push(
    run: RunArgument,
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, help="Tasks in one import.")] = 500,
    max_rate: Annotated[
        float | None,
        typer.Option(
            min=0.1, metavar="TASKS_PER_S", help="Spare the server: import no faster. As fast as it goes, if not given."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Give the clips in review to the experts: cut them from their shards, and import a task for each and slot.

    The same command again, after a kill too, imports what is missing and nothing twice.

    Example:

        emotrove review push runs/first
    """
    with clear_errors():
        from review_ui.exchange_report import left_out_message, print_pushed
        from review_ui.push import push as run_push

        review = _review(run)
        with bar("pushing") as listen:
            found = run_push(review, batch_size=batch_size, max_rate=max_rate, listener=listen)
        if json:
            print_json({"slots": {one.slot: one.to_json() for one in found}})
        else:
            print_pushed(found, run)
        if message := left_out_message(found, run):
            stop(message)


def pull(
    run: RunArgument,
    watch: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="Pull again and again, until Ctrl-C.")
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="With --watch: have Label Studio say here when something happens. The secret is EMOTROVE_WEBHOOK_SECRET.",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read every task again, not only those that changed.")] = False,
    json: JsonOption = False,
) -> None:
    """Bring the experts' answers into the ledger: new ones, edits and deletions.

    Examples:

        emotrove review pull runs/first

        emotrove review pull runs/first --watch 60
    """
    with clear_errors():
        if webhook is not None and watch is None:
            raise typer.BadParameter("goes with --watch SECONDS", param_hint="--webhook")
        review = _review(run)
        if watch is None:
            _pull_once(review, full, json)
        else:
            _watch(review, watch, webhook, full, json)


def adjudicate(run: RunArgument, json: JsonOption = False) -> None:
    """Bring the clips on which the experts differ to the adjudication project, and take back those on which they agree by now.

    Example:

        emotrove review adjudicate runs/first
    """
    with clear_errors():
        from review_ui.adjudicate import adjudicate as run_adjudicate
        from review_ui.exchange_report import left_out_message, print_adjudicated

        review = _review(run)
        with bar("pushing") as listen:
            found = run_adjudicate(review, listen)
        if json:
            print_json(found.to_json())
        else:
            print_adjudicated(found, run)
        if message := left_out_message([found.pushed], run):
            stop(message)


def _review(run: str) -> "ReviewFolder":
    from manifests.review_folder import ReviewFolder
    from manifests.run_folder import RunFolder

    folder = RunFolder(run)
    folder.require()
    return ReviewFolder(folder)


def _pull_once(review: "ReviewFolder", full: bool, json: bool) -> None:
    from review_ui.exchange_report import print_pulled
    from review_ui.pull import pull_all
    from review_ui.standing import standing

    with bar("pulling") as listen:
        changes = pull_all(review, full=full, listener=listen)
    found = standing(review)
    if json:
        print_json({"slots": {slot: one.to_json() for slot, one in changes.items()}, **found.to_json()})
    else:
        print_pulled(changes, found, str(review.run))


def _watch(review: "ReviewFolder", every_s: float, webhook: str | None, full: bool, json: bool) -> None:
    import sys
    from contextlib import ExitStack

    from review_ui.exchange_report import print_news
    from review_ui.pull import pull_all, sources
    from review_ui.standing import standing
    from review_ui.watch import watch
    from review_ui.webhook import HintReceiver, registered, secret_from_environment

    first = True

    def pull_and_tell() -> None:
        nonlocal first
        changes = pull_all(review, full=full and first)
        if first or any(changes.values()):
            found = standing(review)
            if json:
                print_json({"slots": {slot: one.to_json() for slot, one in changes.items()}, **found.to_json()})
            else:
                print_news(changes, found)
        first = False

    with ExitStack() as stack:
        receiver = None
        if webhook is not None:
            secret = secret_from_environment()
            receiver = stack.enter_context(HintReceiver(webhook, secret))
            for source in sources(review):
                stack.enter_context(registered(source.server, source.project_id, receiver.url, secret))
        watch(
            pull_and_tell,
            every_s,
            hint=receiver.hint if receiver else None,
            excuse=lambda error: print(f"emotrove: {error}", file=sys.stderr, flush=True),
        )
