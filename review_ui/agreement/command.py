"""The command that measures agreement."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.command_line import JsonOption, RunArgument, clear_errors, print_json


def agree(
    run: RunArgument,
    resamples: Annotated[int, typer.Option(min=100, max=10_000, help="Of the bootstrap behind each interval.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap. The same seed gives the same intervals.")] = 0,
    page: Annotated[
        Path | None,
        typer.Option(metavar="OUT.html", help="Write one HTML page for the lead, too. It names people by e-mail."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure how far the experts agree, from the answers pulled so far.

    Raw agreement, Cohen's kappa, Krippendorff's alpha and Gwet's AC1, each with n and a 95 % interval over recordings; what
    people confuse, how they do on gold items, and how the machines compare.

    Examples:

        emotrove review agree runs/first

        emotrove review agree runs/first --page agreement.html

        emotrove review agree runs/first --resamples 5000 --json
    """
    with clear_errors():
        from manifests.review_folder import ReviewFolder
        from manifests.run_folder import RunFolder
        from review_ui.agreement.measure import measure
        from review_ui.agreement.terminal import print_report

        report = measure(ReviewFolder(RunFolder(run)), resamples=resamples, seed=seed)
        if json:
            print_json(report.to_json())
        else:
            print_report(report)
        if page is not None:
            from review_ui.agreement_page import write_page

            write_page(report, page)
            typer.echo(f"{page}: open it in a browser", err=json)
