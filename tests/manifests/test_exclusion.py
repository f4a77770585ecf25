"""What must stay out of a data set: published test ids, their sources, takedowns."""

from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import InputError
from manifests.exclusion import EXCLUSION, Exclusion, ExclusionError, exclusion_reason_sql, read_exclusion


def _list(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "list.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def _reasons(found: Exclusion, *rows: tuple[str, str | None]) -> list[str | None]:
    """Why each ``utterance_id, source_id`` stays out."""
    with duckdb.connect() as db:
        db.register("exclusion", found.table())
        db.execute("CREATE TABLE clips (nth INT, utterance_id TEXT, source_id TEXT)")
        db.executemany("INSERT INTO clips VALUES (?, ?, ?)", [(n, *row) for n, row in enumerate(rows)])
        reason = exclusion_reason_sql("utterance_id", "source_id")
        by_sql = [why for (why,) in db.execute(f"SELECT {reason} FROM clips ORDER BY nth").fetchall()]
    assert by_sql == [found.reason(*row) for row in rows]
    return by_sql


def test_the_published_test_set_is_1400_ids_of_1234_sources(shared_data: Path) -> None:
    found = read_exclusion(str(shared_data / "emo_emilia" / "Emo-Emilia-ALL.jsonl"))
    assert (len(found.ids), len(found.sources)) == (1400, 1234)
    rows = (
        ("ZH_B00090_S00350_W000000", "ZH_B00090_S00350"),
        ("ZH_B00090_S00350_W000777", "ZH_B00090_S00350"),
        ("ZH_B00090_S00350_W000777", None),
        ("EN_B00090_S00350_W000000", "EN_B00090_S00350"),
    )
    assert _reasons(found, *rows) == ["id", "source", "source", None]
    assert found.table().schema == EXCLUSION and found.table().num_rows == 2634


def test_plain_lines_hold_ids_and_sources(tmp_path: Path) -> None:
    text = "\ufeff# asked for on 3 May\nEN_B00000_S00001_W000002  # her clip\n\nEN_B00000_S00009\r\nActor 07\nrow~1a2b\n#end"
    found = read_exclusion(_list(tmp_path, text))
    assert found.ids == {"EN_B00000_S00001_W000002", "Actor 07", "row~1a2b"}
    assert found.sources == {"EN_B00000_S00001", "EN_B00000_S00009", "Actor 07", "row~1a2b"}
    assert _reasons(found, ("03-01", "Actor 07"), ("row~ffff", None)) == ["source", None]


def test_rows_may_name_their_source(tmp_path: Path) -> None:
    text = '{"index": "a", "source_id": "tape 1"}\n{"source_id": "tape 2"}\n{"id": "b", "source_id": null}\n'
    found = read_exclusion(_list(tmp_path, text))
    assert found == Exclusion(frozenset({"a", "b"}), frozenset({"tape 1", "tape 2"}))


def test_an_id_used_twice_by_the_input_is_still_that_id() -> None:
    found = Exclusion(frozenset({"EN_B0_S1_W2"}), frozenset({"EN_B0_S1"}))
    assert _reasons(found, ("EN_B0_S1_W2~17", None), ("EN_B0_S1_W3~17", "another")) == ["id", "source"]


def test_two_lists_are_joined() -> None:
    both = Exclusion(frozenset({"a"})) | Exclusion(frozenset({"b"}), frozenset({"s"}))
    assert both == Exclusion(frozenset({"a", "b"}), frozenset({"s"}))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("EN_B00000_S00001_W000002\nid,emotion\n", "line 2"),
        ("ok\n./wav/a.wav\n", "line 2.*one id on each line"),
        ("ok\nEN_B00000_S00001_W000002.mp3\n", "line 2.*one id on each line"),
        ("EN_B00000_S00001.tar\n", "line 1.*one id on each line"),
        ('ok\n{"emotion": "sad"}\n', "line 2.*neither 'index' nor 'id'"),
        ('{"id": 7}\n', "line 1.*text that is not empty"),
        ('{"id": ""}\n', "line 1.*text that is not empty"),
        ('\n\n{"id": "a"\n', "line 3.*not valid JSON"),
        ('["a", "b"]\n', "line 1"),
        (b"ok\n\xff\xfe\n", "line 2.*UTF-8"),
    ],
)
def test_a_line_that_would_keep_nothing_out_is_an_error(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(ExclusionError, match=f"list.txt, {says}"):
        read_exclusion(_list(tmp_path, text))


@pytest.mark.parametrize("text", ["", "# nothing yet\n\n"])
def test_a_list_that_names_nothing_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="names nothing"):
        read_exclusion(_list(tmp_path, text))


def test_a_missing_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-list.txt cannot be read: No such file"):
        read_exclusion(str(tmp_path / "no-list.txt"))
    with pytest.raises(InputError, match="Is a directory"):
        read_exclusion(str(tmp_path))


_UTTERANCES = st.sampled_from(
    ["EN_B0_S1_W1", "EN_B0_S1_W2", "EN_B0_S2_W1", "EN_B0_S2_W1~4", "a", "a~1", "b'", "", "EN_B0_S1"]
)
_SOURCES = st.sampled_from(["EN_B0_S1", "EN_B0_S2", "a", "b'", ""])


@settings(deadline=None)
@given(
    st.frozensets(_UTTERANCES),
    st.frozensets(_SOURCES),
    st.lists(st.tuples(_UTTERANCES, st.none() | _SOURCES), min_size=1, max_size=30),
)
def test_what_holds_for_any_lists(
    ids: frozenset[str], sources: frozenset[str], rows: list[tuple[str, str | None]]
) -> None:
    # A list never holds an empty name: a plain line is not empty, and a row with one is refused.
    found = Exclusion(ids - {""}, sources - {""})

    def expected(utterance_id: str, source_id: str | None) -> str | None:
        emilia = utterance_id.split("~")[0] if utterance_id.startswith("EN_B0_S1_W") or "_S2_" in utterance_id else None
        if (emilia or utterance_id) in found.ids:
            return "id"
        return "source" if {source_id, emilia and emilia[:8]} & found.sources else None

    assert _reasons(found, *rows) == [expected(*row) for row in rows]
