"""What the commands that exchange with Label Studio print for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich.table import Table

from manifests.review import FLAGS
from manifests.terminal import console, escape
from review_ui.adjudicate import Adjudicated
from review_ui.pull import Changes
from review_ui.push import Pushed
from review_ui.standing import Standing

_LISTED = 10


def print_pushed(found: Sequence[Pushed], run: str) -> None:
    """What the experts have now."""
    out = console()
    for one in found:
        out.print(f"slot {one.slot}: [bold]{one.there:,}[/bold] of {one.wanted:,} clips are there, {_did(one)}")
        _print_begun_twice(one)
    out.print(f"Next: the experts answer; bring it in with: emotrove review pull {escape(run)} --watch 60")


def _did(one: Pushed) -> str:
    parts = [f"{one.new:,} new"]
    if one.deleted:
        parts.append(f"of these {one.deleted:,} again, because somebody deleted their task in Label Studio")
    if one.adopted:
        parts.append(f"{one.adopted:,} of a push that was stopped")
    if one.removed:
        parts.append(f"{one.removed:,} double tasks removed")
    return ", ".join(parts)


def _print_begun_twice(one: Pushed) -> None:
    if one.begun_twice:
        console().print(
            f"[yellow]{len(one.begun_twice):,} clips have several tasks that somebody has begun;[/yellow] delete all but one of "
            f"each in Label Studio: {_some(one.begun_twice)}"
        )


def left_out_message(found: Sequence[Pushed], run: str) -> str | None:
    """What to say, and end with an error, where clips could not be given to the experts."""
    left_out = {utterance: why for one in found for utterance, why in one.left_out.items()}
    if not left_out:
        return None
    lines = [f"{utterance}: {why}" for utterance, why in sorted(left_out.items())[:_LISTED]]
    if len(left_out) > _LISTED:
        lines.append(f"… and {len(left_out) - _LISTED:,} more; --json lists them all")
    return (
        f"{len(left_out):,} clips were not pushed, all others were:\n  "
        + "\n  ".join(lines)
        + f"\nPut their shards back where the run has them, and run the same command again: emotrove review push {run}"
    )


def print_pulled(changes: Mapping[str, Changes], found: Standing, run: str) -> None:
    """What came, how far each slot is, and what does not count."""
    out = console()
    table = Table("slot", box=None, pad_edge=False)
    for name in ("new", "edited", "deleted", "done", "of"):
        table.add_column(name, justify="right")
    for slot, one in changes.items():
        figures = (one.new, one.edited, one.deleted, found.done[slot], found.total[slot])
        table.add_row(slot, *(f"{figure:,}" for figure in figures))
    out.print(table)
    for flag, count in found.flagged.items():
        which = [
            f"{one['utterance_id'] or 'a task of others'} ({one['slot']})"
            for one in found.flagged_answers
            if flag in one["flags"]
        ]
        out.print(f"[yellow]{count:,} do not count[/yellow] ({flag}): {FLAGS[flag]}: {_some(which)}")
    if found.blocked:
        out.print(
            f"{found.blocked:,} of these stand alone, and Label Studio offers their clips to nobody again: to have them answered "
            "anew, delete the answers there and pull"
        )
    if found.with_adjudicator:
        out.print(f"{found.with_adjudicator:,} clips are with the adjudicator")
    if fresh := found.conflicts - found.with_adjudicator:
        out.print(f"{fresh:,} clips on which the experts differ. Next: emotrove review adjudicate {escape(run)}")


def print_news(changes: Mapping[str, Changes], found: Standing) -> None:
    """One line of a watching pull."""
    came = (
        f"slot {slot}: {one.new:,} new, {one.edited:,} edited, {one.deleted:,} deleted, {found.done[slot]:,} of "
        f"{found.total[slot]:,} done"
        for slot, one in changes.items()
        if one or found.total[slot]
    )
    flagged = f"; {sum(found.flagged.values()):,} flags" if found.flagged else ""
    console().print(f"{datetime.now():%H:%M:%S}  {'; '.join(came) or 'nothing yet'}{flagged}")


def print_adjudicated(found: Adjudicated, run: str) -> None:
    """What the adjudicator has now."""
    out = console()
    out.print(
        f"[bold]{found.conflicts:,}[/bold] clips wait for the adjudicator, {found.settled:,} are settled: "
        f"{found.pushed.new:,} new, {found.updated:,} with other answers than before, {found.withdrawn:,} taken back"
    )
    _print_begun_twice(found.pushed)
    for one in found.refused:
        out.print(
            f"[yellow]refused:[/yellow] {escape(one['annotator'])} answered {escape(one['utterance_id'])} as an expert and "
            "may not settle it. Delete that answer in Label Studio and pull, so that somebody else gets the clip"
        )
    if found.conflicts:
        out.print(f"Next: the adjudicator answers; bring it in with: emotrove review pull {escape(run)}")


def _some(utterances: Iterable[str]) -> str:
    names = sorted(utterances)
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(map(escape, names[:_LISTED])) + more
