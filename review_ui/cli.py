"""The commands of this room: review in Label Studio."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from manifests.command_line import JsonOption, RunArgument, clear_errors, print_json
from review_ui import exchange_commands
from review_ui.agreement.command import agree

app = typer.Typer(no_args_is_help=True, help="Have two experts verify clips in Label Studio.")


@app.callback()
def review() -> None:
    """Have two experts verify clips in Label Studio.

    The token comes from the environment: EMOTROVE_LABEL_STUDIO_TOKEN, or one for each slot with _A, _B or _ADJUDICATION
    behind it.
    """


class ScreenOption(str, enum.Enum):
    """In which language the experts' screen speaks."""

    en = "en"
    zh = "zh"
    both = "both"


@app.command()
def init(
    run: RunArgument,
    url: Annotated[
        str | None, typer.Option(help="Label Studio's front page. Needed the first time; later if it has moved.")
    ] = None,
    url_b: Annotated[
        str | None, typer.Option(help="A Label Studio of its own for slot B, so that nobody there can see slot A.")
    ] = None,
    screen: Annotated[
        ScreenOption | None, typer.Option(help="Language of the experts' screen; both, if not given.")
    ] = None,
    show_machine: Annotated[
        bool | None, typer.Option("--show-machine", help="Show the machine's label and rationale; that is recorded.")
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Of the projects; the name of the run folder, if not given.")
    ] = None,
    document_root: Annotated[
        Path | None,
        typer.Option(
            help="LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT of the server; the folder that holds RUN, if not given."
        ),
    ] = None,
    clips: Annotated[
        str | None, typer.Option(help="Where the clips go instead of RUN/review/clips, e.g. s3://bucket/prefix.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the order in which each expert gets the clips; 0, if not given.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put back what was changed or deleted by hand in Label Studio.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make the Label Studio projects of a run: one for each expert slot, and one for adjudication.

    The same command again makes nothing twice.

    Examples:

        emotrove review init runs/first --url http://localhost:8080

        emotrove review init runs/first --url https://ls.example.com --clips s3://bucket/clips --screen zh
    """
    with clear_errors():
        from manifests.review import Slot
        from manifests.review_folder import ReviewFolder
        from manifests.run_folder import RunFolder
        from manifests.terminal import console, escape
        from review_ui.projects import Did, Wanted
        from review_ui.projects import init as make

        folder = ReviewFolder(RunFolder(run))
        done: dict[Slot, Did] = {}
        wanted = Wanted(
            url, url_b, screen.value if screen else None, show_machine, title, document_root, clips, seed, repair
        )
        settings = make(folder, wanted, done.__setitem__)
        if json:
            projects = {
                slot: {"url": project.url, "project_id": project.project_id, "title": project.title, "did": done[slot]}
                for slot, project in settings.projects.items()
            }
            print_json({"projects": projects, "screen": settings.screen, "show_machine": settings.show_machine})
            return
        out = console()
        for slot, project in settings.projects.items():
            out.print(f"{_DID[done[slot]]} slot {slot}: '{escape(project.title)}' {project.page}")
        out.print(f"Clips are served from {escape(settings.clips.folder)}")
        out.print(f"Next: emotrove review push {escape(run)}")


_DID = {"made": "made", "found": "found again", "there": "as it was", "repaired": "put back"}

for _command in (exchange_commands.push, exchange_commands.pull, agree, exchange_commands.adjudicate):
    app.command()(_command)
