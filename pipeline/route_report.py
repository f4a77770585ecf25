"""What routing prints for people."""

from rich.table import Table

from manifests.terminal import console, escape
from pipeline.routing import REASONS, ArmCount, Routing


def print_routing(routing: Routing) -> None:
    """Quotas by language and emotion, the other arms, and what waits."""
    out = console()
    table = Table(box=None, pad_edge=False)
    for name in ("language", "emotion"):
        table.add_column(name)
    for name in ("asked", "selected", "new", "short"):
        table.add_column(name, justify="right")
    for row in routing.strata:
        figures = [f"{n:,}" for n in (row.asked, row.selected, row.new)]
        table.add_row(escape(row.language or "?"), row.emotion, *figures, f"{row.short:,}" if row.short else "")
    out.print(table)
    short = sum(row.short for row in routing.strata)
    if short:
        out.print(f"Short of what was asked for by {short:,} clips in all. Nothing was filled up.")
    out.print(f"control: {_arm(routing.control, routing.review)}")
    if routing.gold.asked or routing.gold.routed:
        out.print(f"gold: {_arm(routing.gold, routing.review)}")
    if routing.accepted:
        out.print(f"accepted from the machine: {routing.accepted:,} ({routing.accepted_new:,} new)")
    for reason, count in routing.held.items():
        out.print(f"held, {reason}: {count:,} ({REASONS[reason]})")
    for note in routing.notes:
        out.print(escape(note))
    if routing.dry_run:
        out.print(f"[bold]{routing.review_new:,}[/bold] clips would be new in review. Nothing was written.")
        return
    out.print(f"[bold]{routing.review:,}[/bold] clips are in review, {routing.review_new:,} of them new.")
    if routing.review_new:
        out.print(f"Next: emotrove review init {escape(routing.run)}, then emotrove review push {escape(routing.run)}")


def _arm(count: ArmCount, review: int) -> str:
    share = f", {count.routed / review:.1%} of review" if review else ""
    return f"{count.routed:,} of {count.asked:,} asked ({count.new:,} new{share})"
