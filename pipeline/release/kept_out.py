"""What stays out of every data set made from a run: clips that were asked to be taken down, and test sets of others."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_

import duckdb

from manifests.exclusion import TAKEDOWN, Exclusion, exclusion_reason_sql, read_exclusion
from manifests.run_folder import RunFolder

TAKEN_DOWN, EXCLUDED = "taken_down", "excluded"


def kept_out(run: RunFolder, exclude: Sequence[str] = (), takedown: Sequence[str] = ()) -> dict[str, Exclusion]:
    """The lists by why they are there. The run's own takedown list holds for every export of it.

    Raises
    ------
    InputError : a list is missing, unreadable, or names nothing
    ExclusionError : a line of a list cannot be understood
    """
    own = [run.store.path(TAKEDOWN)] if run.store.exists(TAKEDOWN) else []
    return {
        why: reduce(or_, map(read_exclusion, paths), Exclusion())
        for why, paths in ((TAKEN_DOWN, [*own, *takedown]), (EXCLUDED, exclude))
    }


def kept_out_sql(db: duckdb.DuckDBPyConnection, lists: Mapping[str, Exclusion]) -> str:
    """A SQL expression over ``utterance_id, source_id``: the first of the lists that keeps a clip out, or null.

    Parameters
    ----------
    db : in which the lists are registered
    lists : as ``kept_out`` gives them
    """
    cases = []
    for why, exclusion in lists.items():
        db.register(f"list_{why}", exclusion.table())
        reason = exclusion_reason_sql("utterance_id", "source_id", f"list_{why}")
        cases.append(f"WHEN ({reason}) IS NOT NULL THEN '{why}'")
    return f"CASE {' '.join(cases)} END"
