"""The command that chooses what goes to the experts."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from manifests.command_line import JsonOption, RunArgument, bar, clear_errors, print_json
from pipeline.options import LanguagesOption, chosen_languages


class PolicyName(str, enum.Enum):
    """The names of ``pipeline.routing.policies.POLICIES``."""

    disagreement = "disagreement"
    rare = "rare"
    confident = "confident"


def route(
    run: RunArgument,
    per_class: Annotated[int, typer.Option(min=1, help="Select N clips for each language and emotion.")] = 100,
    policy: Annotated[
        PolicyName,
        typer.Option(help="What is useful: where voters disagree, rare emotions, or sure clips for a test set."),
    ] = PolicyName.disagreement,
    per_source: Annotated[int, typer.Option(min=1, help="At most K clips of one source.")] = 3,
    per_text: Annotated[int, typer.Option(min=1, help="At most K clips of the same text.")] = 1,
    control: Annotated[
        float,
        typer.Option(min=0, max=0.9, help="Share of the review set that chance draws, whatever the machine said."),
    ] = 0.05,
    gold: Annotated[
        Path | None,
        typer.Option(help="JSONL with id and emotion: known answers of utterances of the run.", metavar="FILE.jsonl"),
    ] = None,
    gold_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the review set whose answer is known; needs --gold.")
    ] = 0.05,
    accept_above: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Accept the machine's label where all voters agree at this confidence or above. Default: accept none.",
        ),
    ] = None,
    languages: LanguagesOption = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Ids and sources that never go to the experts, such as a test set. Repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all that chance decides. Keep it for a run.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be decided.")] = False,
    json: JsonOption = False,
) -> None:
    """Choose what goes to the experts: review, accept the machine's label, or hold, for every labelled clip.

    What is decided stays decided; run it again when the run has grown, or with a larger quota, and it adds to that.

    Examples:

        emotrove route runs/first --per-class 50 --dry-run

        emotrove route runs/first --policy rare --gold known.jsonl --exclude test-set.jsonl
    """
    with clear_errors():
        from manifests.run_folder import RunFolder
        from pipeline.route_report import print_routing
        from pipeline.routing import RoutingOptions
        from pipeline.routing import route as choose

        options = RoutingOptions(
            per_class=per_class,
            policy=policy.value,
            per_source=per_source,
            per_text=per_text,
            control=control,
            gold=gold,
            gold_share=gold_share,
            accept_above=accept_above,
            languages=chosen_languages(languages),
            exclude=exclude or (),
            seed=seed,
            dry_run=dry_run,
        )
        with bar("reading labels") as listen:
            found = choose(RunFolder(run), options, listen)
        if json:
            print_json(found.to_json())
        else:
            print_routing(found)
