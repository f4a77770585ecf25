"""Which transcripts are the same recording told twice: equal texts, and texts that are nearly contained in one another.

A recording that was uploaded twice is transcribed twice, and cut at other places the second time. So two texts are near
when most of the shorter one is found in the longer one. A text is seen as the set of its shingles: runs of five letters of
its key (``manifests.text_key``), or of two characters where most of them are syllables of their own (Chinese, Japanese,
Korean). The search is exact and not a sketch: of a text
whose share C is found in another, any n(1 - C) + k of its n shingles hold at least k that the other has too. So the rarest
ones are taken, and only texts that share k of them are compared (the prefix filter of Chaudhuri et al. 2006, "A primitive
operator for similarity joins in data cleaning"; k > 1 after Wang et al. 2012, "Can we beat the prefix filtering?"). DuckDB
does it, and spills to disk where it must.
"""

import tempfile
from typing import Final

import duckdb
import pyarrow as pa

from manifests.text_key import text_key_sql

CONTAINED: Final = 0.7
"""Share of the shorter text that the longer one must have. Among the 750,645 pairs of long texts of Emo-Emilia, those that are
another recording reach 0.45, and those that are the same one begin at 0.98. Three words in twenty may differ."""

LETTERS: Final = 5
SYLLABLES: Final = 2
"""Length of a shingle by script."""

MIN_SAME: Final = {LETTERS: 20, SYLLABLES: 8}
"""Distinct shingles of a text so that an equal one is the same recording (about five words). "Thank you very much." and "no,
no, no, no" are said by everybody: people who say the same stock phrase have nothing else in common."""

MIN_NEAR: Final = {LETTERS: 32, SYLLABLES: 12}
"""Distinct shingles of the shorter of two near texts (about eight words): stock phrases are parts of many texts."""

STOCK: Final = 500
"""A shingle in more texts than this proves nothing; this bounds the number of pairs to compare."""

_MEMORY: Final = "1GB"  # before DuckDB spills to disk
_SHARED: Final = 8  # at most what the shortest text must share: ceil(0.7 * 12) = 9
_MAX_LETTERS: Final = 2000  # of a text, beyond half a minute of the fastest speech

_SYLLABIC = "[^\\p{Han}\\p{Hiragana}\\p{Katakana}\\p{Hangul}]+"


def text_links(texts: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Find equal and near texts.

    Parameters
    ----------
    texts : ``utterance_id, text``; a null text is like no other

    Returns
    -------
    same : ``utterance_id, text_key, long``: the rows whose key another row has too; ``long`` is whether MIN_SAME is reached
    near : ``shorter, longer, contained``: pairs of rows with different keys, one row (the smallest id) for each key
    """
    with (
        tempfile.TemporaryDirectory(prefix="emotrove-texts-") as spill,
        duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": spill}) as db,
    ):
        db.register("texts", texts)
        db.execute(_SHINGLES)
        same = db.sql(_SAME).to_arrow_table()
        db.execute(_CANDIDATES)
        return same, db.sql(_NEAR).to_arrow_table()


def _enough(least: dict[int, int]) -> str:
    return f"len(shingles) >= CASE size WHEN {LETTERS} THEN {least[LETTERS]} ELSE {least[SYLLABLES]} END"


_SHINGLES = f"""
CREATE TEMP TABLE keyed AS SELECT utterance_id, {text_key_sql("text")} AS key FROM texts WHERE text IS NOT NULL;
CREATE TEMP TABLE distinct_texts AS
WITH one AS (
    SELECT key, min(utterance_id) AS first, count(*) AS n, left(key, {_MAX_LETTERS}) AS part,
        CASE WHEN 2 * length(regexp_replace(part, '{_SYLLABIC}', '', 'g')) > length(part)
             THEN {SYLLABLES} ELSE {LETTERS} END AS size
    FROM keyed WHERE key IS NOT NULL GROUP BY key
)
SELECT row_number() OVER (ORDER BY first)::INTEGER AS nth, key, first, n, size,
    list_distinct(list_transform(
        range(1, length(part) - size + 2), lambda i: hash(substr(part, i::INTEGER, size)))) AS shingles
FROM one
"""

_SAME = f"""
SELECT utterance_id, key AS text_key, {_enough(MIN_SAME)} AS long
FROM keyed JOIN distinct_texts USING (key) WHERE n > 1 ORDER BY key, utterance_id
"""

_CANDIDATES = f"""
CREATE TEMP TABLE spread AS
    SELECT nth, len(shingles)::INTEGER AS n, unnest(shingles) AS shingle FROM distinct_texts WHERE {_enough(MIN_NEAR)};
CREATE TEMP TABLE spread_in AS SELECT shingle, count(*)::INTEGER AS texts FROM spread GROUP BY shingle;
CREATE TEMP TABLE prefix AS
    SELECT nth, n, shingle FROM (
        SELECT nth, n, shingle, texts, row_number() OVER (PARTITION BY nth ORDER BY texts, shingle) AS rarity
        FROM spread JOIN spread_in USING (shingle)
    ) WHERE rarity <= n - ceil({CONTAINED} * n) + {_SHARED} AND texts BETWEEN 2 AND {STOCK};
CREATE TEMP TABLE pairs AS
    SELECT a.nth AS a, b.nth AS b FROM prefix AS a JOIN spread AS b USING (shingle)
    WHERE (a.n, a.nth) < (b.n, b.nth) GROUP BY ALL HAVING count(*) >= {_SHARED}
"""

_NEAR = f"""
SELECT x.first AS shorter, y.first AS longer,
    (len(list_intersect(x.shingles, y.shingles)) / len(x.shingles))::FLOAT AS contained
FROM pairs JOIN distinct_texts AS x ON x.nth = a JOIN distinct_texts AS y ON y.nth = b
WHERE contained >= {CONTAINED}::FLOAT
ORDER BY shorter, longer
"""
