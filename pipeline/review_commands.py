"""The commands of this room that come after review."""

from manifests.command_line import JsonOption, RunArgument, clear_errors, print_json


def curate(run: RunArgument, json: JsonOption = False) -> None:
    """Work out what is verified from the answers pulled so far, and say what to do next.

    The same answers always give the same file, so it may be run as often as you like.

    Example:

        emotrove curate runs/first
    """
    with clear_errors():
        from manifests.run_folder import RunFolder
        from pipeline.curation import curate_run
        from pipeline.review_report import print_curation

        found = curate_run(RunFolder(run))
        if json:
            print_json(found.to_json())
        else:
            print_curation(found)
