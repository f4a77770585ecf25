"""Whatever is in a tar gets its row, and nothing in it stops the reader."""

import io
import json
import tarfile
import tracemalloc
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.emilia import PENDING, Row
from manifests.tar_shard import MAX_AUDIO_BYTES, MAX_JSON_BYTES, Entry, TarShard, UnreadableShard
from tests.speech import Member, write_tar

URL = "/data/EN-B000000.tar"


def metadata(name: str, **more: object) -> bytes:
    return json.dumps({"id": name, "text": f"the words of {name}", "language": "en", **more}).encode()


def clip(name: str, size: int = 700) -> list[Member]:
    """The two members of one utterance; the audio is opaque to the reader."""
    return [(f"{name}.json", metadata(name)), (f"{name}.mp3", (name.encode() * size)[:size])]


def packed(members: Iterable[Member], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar with the end mark and the padding of a real one."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=format) as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def reader(data: bytes) -> TarShard:
    return TarShard(URL, io.BytesIO(data), len(data), "EN-B000000")


def read(data: bytes, skip: Container[int] = (), audio: bool = True) -> list[Entry]:
    return list(reader(data).entries(skip, audio))


def rows(data: bytes) -> list[Row]:
    found = [entry.row for entry in read(data)]
    assert all(row is not None for row in found)
    return [row for row in found if row is not None]


def by_id(data: bytes) -> dict[str, Row]:
    found = rows(data)
    assert [row["position"] for row in found] == list(range(len(found)))
    assert len({row["utterance_id"] for row in found}) == len(found)
    return {row["utterance_id"]: row for row in found}


def ending(row: Row) -> tuple[str, str | None, str | None]:
    return row["outcome"], row.get("stage"), row.get("reason")


GOOD = [member for name in ("a", "b", "c") for member in clip(name)]


def test_a_good_tar(tmp_path: Path) -> None:
    found = by_id(packed(GOOD))
    assert list(found) == ["a", "b", "c"]
    for name, row in found.items():
        assert ending(row) == (PENDING, None, None)
        assert row["audio"] == dict(GOOD)[f"{name}.mp3"] and row["audio_format"] == "mp3"
        assert (row["text"], row["language"], row["shard"]) == (f"the words of {name}", "en", "EN-B000000")
    tar = write_tar(tmp_path / "a.tar", GOOD)
    with tar.open("rb") as file:
        entries = list(TarShard(str(tar), file, tar.stat().st_size, "a").entries())
    with tarfile.open(tar) as file_:
        place = file_.getmember("b.mp3")
    assert entries[1].row is not None
    assert entries[1].row["audio_uri"] == f"{tar}#{place.offset_data}+{place.size}"
    assert [entry.size for entry in entries] == [700] * 3


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_every_format_of_tar(format: int) -> None:
    folder = "/".join(["a-long-folder-name"] * 7)  # beyond the 100 bytes of the plain header
    found = rows(packed([(f"{folder}/{name}", data) for name, data in clip("a")], format))
    assert [ending(row) for row in found] == [(PENDING, None, None)] and found[0]["utterance_id"] == "a"


def test_folders_and_other_members_are_no_utterances() -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as file:
        folder = tarfile.TarInfo("EN")
        folder.type = tarfile.DIRTYPE
        file.addfile(folder)
        for name, data in [("EN/a.json", metadata("a")), ("EN/a.mp3", b"x"), ("EN/a.lab", b"sil")]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    assert list(by_id(sink.getvalue())) == ["a"]


# -- what one key may lack or hold -------------------------------------------------------------------------------------

BAD_JSON = {
    "not UTF-8": (b'{"id": "x", "text": "\xff\xfe", "language": "en"}', "invalid_json"),
    "UTF-16": ('{"id": "x"}'.encode("utf-16"), "invalid_json"),
    "not JSON": (b"id: x", "invalid_json"),
    "empty": (b"", "invalid_json"),
    "cut": (metadata("x")[:-3], "invalid_json"),
    "an array": (b'["x"]', "invalid_json"),
    "a string": (b'"x"', "invalid_json"),
    "null": (b"null", "invalid_json"),
    "nested without end": (b"[" * 100_000, "invalid_json"),
    "a number of 5,000 digits": (b'{"id": ' + b"1" * 5000 + b"}", "invalid_json"),
    "lacks the id": (b'{"text": "t", "language": "en"}', "missing_field"),
    "lacks the text": (b'{"id": "x", "language": "en"}', "missing_field"),
    "text is null": (b'{"id": "x", "text": null, "language": "en"}', "missing_field"),
    "id is a number": (metadata("x", id=7), "invalid_field"),
    "text is a list": (metadata("x", text=["t"]), "invalid_field"),
    "language is a number": (metadata("x", language=1), "invalid_field"),
    "speaker is an object": (metadata("x", speaker={}), "invalid_field"),
    "dnsmos is text": (metadata("x", dnsmos="3.2"), "invalid_field"),
    "dnsmos is true": (metadata("x", dnsmos=True), "invalid_field"),
    "dnsmos is NaN": (metadata("x", dnsmos=float("nan")), "invalid_field"),
    "dnsmos is infinite": (metadata("x", dnsmos=float("inf")), "invalid_field"),
    "dnsmos has 400 digits": (metadata("x", dnsmos=10**400), "invalid_field"),
    "dnsmos is beyond a row's number": (metadata("x", dnsmos=1e300), "invalid_field"),
    "phone_count beyond a row's number": (metadata("x", phone_count=1e12), "invalid_field"),
    "phone_count is negative": (metadata("x", phone_count=-1), "invalid_field"),
    "duration is text": (metadata("x", duration="2 s"), "invalid_field"),
}


@pytest.mark.parametrize(("raw", "reason"), BAD_JSON.values(), ids=BAD_JSON)
def test_json_that_cannot_be_used(raw: bytes, reason: str) -> None:
    found = by_id(packed([*clip("a"), ("x.json", raw), ("x.mp3", b"audio"), *clip("b")]))
    assert {name: ending(row) for name, row in found.items()} == {
        "a": (PENDING, None, None),
        "x": ("failed", "read", reason),
        "b": (PENDING, None, None),
    }
    assert found["x"]["detail"].startswith(("the JSON", "not JSON")) and found["x"]["audio_uri"]


def test_one_member_without_the_other() -> None:
    found = by_id(packed([*clip("a"), clip("x")[0], clip("y")[1], ("z.txt", b"?"), ("no suffix", b"?"), *clip("b")]))
    assert list(found)[:2] == ["a", "b"]
    assert ending(found["x"]) == ("failed", "read", "missing_audio")
    assert ending(found["y"]) == ("failed", "read", "missing_json")
    assert ending(found["z"]) == ending(found["no suffix"]) == ("failed", "read", "missing_audio")
    assert "there is txt" in found["z"]["detail"]
    assert len(found) == 6


def test_members_of_one_key_that_stand_apart() -> None:
    (a_json, a_mp3), (b_json, b_mp3) = clip("a"), clip("b")
    found = by_id(packed([a_json, b_mp3, *clip("c"), b_json, a_mp3]))
    assert {name: ending(row)[0] for name, row in found.items()} == dict.fromkeys("abc", PENDING)
    assert {name: row["audio"] for name, row in found.items()} == {n: dict(GOOD)[f"{n}.mp3"] for n in "abc"}


def test_two_utterances_with_one_id() -> None:
    twice = [("y.json", metadata("a")), ("y.mp3", b"other")]
    found = rows(packed([*clip("a"), *twice, *clip("a"), *clip("b")]))
    assert [(row["utterance_id"], *ending(row)) for row in found] == [
        ("a", PENDING, None, None),
        ("a~1", "rejected", "read", "duplicate_id"),
        ("a~2", "rejected", "read", "duplicate_id"),
        ("b", PENDING, None, None),
    ]


@pytest.mark.parametrize("bad", ["a/b", "..", "../a", "a\nb", "a\0b", "a~b", "", " a", "x" * 201, "\ud800"])
def test_an_id_that_cannot_be_kept(bad: str) -> None:
    members = [("k.json", metadata(bad)), ("k.mp3", b"audio"), ("l.json", metadata(bad)), ("l.mp3", b"audio")]
    found = rows(packed([*members, *clip("a")]))
    assert [ending(row) for row in found] == [("rejected", "read", "invalid_id")] * 2 + [(PENDING, None, None)]
    assert all("~" in row["utterance_id"] and "/" not in row["utterance_id"] for row in found[:2])
    assert len({row["utterance_id"] for row in found}) == 3


def test_a_key_that_cannot_be_an_id() -> None:
    found = rows(packed([("../../etc/passwd.mp3", b"audio"), ("..json", b"{}"), ("caf\udce9.mp3", b"audio")]))
    assert [ending(row)[0] for row in found] == ["failed"] * 3
    for row in found:
        assert "/" not in row["utterance_id"] and not row["utterance_id"].startswith(".")
        row["utterance_id"].encode()
        row["detail"].encode()


def test_too_large() -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as file:
        for name, size in (("a.json", MAX_JSON_BYTES + 1), ("a.mp3", 3), ("b.json", 0), ("b.mp3", 0)):
            info = tarfile.TarInfo(name)
            info.size = size
            file.addfile(info, io.BytesIO(metadata("b") if name == "b.json" else b"x" * size))
    assert ending(rows(sink.getvalue())[0]) == ("failed", "read", "invalid_json")
    # The audio is in a file with a hole, so that the test needs no memory for it.
    huge = packed([("b.json", metadata("b")), ("b.mp3", b"")])[: 3 * 512]
    info = tarfile.TarInfo("b.mp3")
    info.size = MAX_AUDIO_BYTES + 1
    data = huge[:1024] + info.tobuf()
    (entry,) = TarShard(URL, _Hole(data), 2 * MAX_AUDIO_BYTES, "s").entries()
    assert entry.row is not None and ending(entry.row) == ("rejected", "read", "too_large")
    assert entry.row["reason_value"] == MAX_AUDIO_BYTES + 1 and not entry.row.get("audio")


class _Hole(io.BytesIO):
    """A file of zeros behind its beginning, of which nobody may read much at once."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None and 0 <= size <= MAX_JSON_BYTES, "the whole audio was read"
        return super().read(size).ljust(size, b"\0")


def test_links_and_devices_are_no_audio() -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as file:
        for name, kind in (("a.mp3", tarfile.SYMTYPE), ("b.mp3", tarfile.CHRTYPE), ("c.lab", tarfile.SYMTYPE)):
            key = name[0]
            info = tarfile.TarInfo(f"{key}.json")
            info.size = len(metadata(key))
            file.addfile(info, io.BytesIO(metadata(key)))
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "/etc/passwd"
            file.addfile(link)
            if key == "c":
                audio = tarfile.TarInfo("c.mp3")
                audio.size = 1
                file.addfile(audio, io.BytesIO(b"x"))
    assert {name: ending(row) for name, row in by_id(sink.getvalue()).items()} == {
        "a": ("failed", "read", "not_a_file"),
        "b": ("failed", "read", "not_a_file"),
        "c": (PENDING, None, None),
    }


# -- what the file may be ----------------------------------------------------------------------------------------------


def test_what_is_no_tar() -> None:
    for data, why in (
        (b"", "is empty"),
        (b"ID3\x04" * 300, "is not a tar"),
        (b"short", "is not a tar"),
        (b"\x1f\x8b\x08" + bytes(2000), "is not a tar"),  # gzip
    ):
        with pytest.raises(UnreadableShard, match=f"{URL} {why}"):
            read(data)


def test_a_tar_without_members() -> None:
    assert read(packed([])) == []
    assert read(bytes(1024)) == []


def test_no_end_mark() -> None:
    data = packed(GOOD)
    without = data[: len(data) - len(data[data.rindex(b"c" * 700) + 700 :].lstrip(b"\0")) or None]
    last = tarfile.open(fileobj=io.BytesIO(data)).getmembers()[-1]  # noqa: SIM115  of bytes in memory
    end = last.offset_data + 1024
    for cut in (end, end + 1, end + 511, end - 1, end - 300):
        tar = reader(without[:cut])
        assert [entry.row["utterance_id"] for entry in tar.entries() if entry.row] == ["a", "b", "c"]
        assert tar.note and "no end mark" in tar.note


def test_tars_joined_with_cat_are_noted() -> None:
    tar = reader(packed(GOOD) + packed(clip("d")))
    assert len(list(tar.entries())) == 3
    assert tar.note and "are not read" in tar.note
    padded = reader(packed(GOOD) + bytes(1 << 20))
    assert len(list(padded.entries())) == 3 and padded.note is None


def test_a_damaged_header_ends_the_reading_with_a_row() -> None:
    data = bytearray(packed(GOOD))
    place = data.index(b"c.json")
    data[place : place + 512] = b"\xa5" * 512
    found = rows(bytes(data))
    assert [ending(row) for row in found] == [(PENDING, None, None)] * 2 + [("failed", "read", "corrupt_tar")]
    assert f"from byte {place} on" in found[2]["detail"]
    assert found[2]["utterance_id"] == f"EN-B000000~{place}"


def test_a_negative_size_does_not_send_the_reader_back() -> None:
    info = tarfile.TarInfo("b.mp3")
    info.size = -4096
    data = packed(clip("a"))[:2560] + info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    found = rows(data)
    assert [row["reason"] for row in found if row["outcome"] == "failed"] == ["corrupt_tar"]
    assert found[0]["utterance_id"] == "a" and len(found) == 2


@pytest.mark.parametrize("size", [1 << 33, 1 << 70, -1, -(1 << 40)])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_extension_header_of_an_impossible_size_is_not_read(kind: bytes, size: int) -> None:
    info = tarfile.TarInfo("b.mp3")
    info.type, info.size = kind, size
    head = packed(clip("a"))[:2560]
    tar = TarShard(URL, _Hole(head + info.tobuf(tarfile.GNU_FORMAT)), 1 << 34, "s")
    found = [entry.row for entry in tar.entries() if entry.row]
    assert [(row["utterance_id"], *ending(row)) for row in found] == [
        ("a", PENDING, None, None),
        ("s~2560", "failed", "read", "corrupt_tar"),
    ]


# -- properties --------------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c", "d")
ALL = [member for name in NAMES for member in clip(name, 300 + 400 * (name > "b"))]
orders = st.permutations(ALL)


def headers(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getmembers()


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.just(ALL), orders), st.integers(0, 20_480))
def test_a_tar_cut_at_any_byte(members: Sequence[Member], cut: int) -> None:
    data = packed(members)
    infos = headers(data)
    part = data[:cut]
    try:
        found = rows(part)
    except UnreadableShard:
        assert cut < 512
        return
    assert [row["position"] for row in found] == list(range(len(found)))
    assert len({row["utterance_id"] for row in found}) == len(found)
    heads = {info.name.split(".")[0] for info in infos if info.offset_data <= cut}
    readable = {info.name for info in infos if info.offset_data + info.size <= cut and info.offset_data <= cut}
    in_header = [info for info in infos if info.offset < cut < info.offset_data]
    rest = [row for row in found if row.get("reason") == "corrupt_tar"]
    assert len(rest) == len(in_header)
    of_keys = [row for row in found if row not in rest]
    assert sorted(row["utterance_id"] for row in of_keys) == sorted(heads)
    whole = {row["utterance_id"]: row for row in rows(data)}
    for row in of_keys:
        name = row["utterance_id"]
        if {f"{name}.json", f"{name}.mp3"} <= readable:
            assert {**row, "position": 0} == {**whole[name], "position": 0}
        else:
            assert row["outcome"] == "failed" and row["reason"] in ("missing_audio", "missing_json", "truncated_tar")


@settings(max_examples=200, deadline=None)
@given(orders, st.sets(st.integers(0, 5)), st.integers(1024, 20_480))
def test_skipping_changes_nothing_for_the_rest(members: Sequence[Member], skip: set[int], cut: int) -> None:
    data = packed([*members, ("a.json", metadata("a")), ("a.mp3", b"again")])[:cut]
    everything, some = read(data), read(data, skip)
    assert [entry.size for entry in some] == [entry.size for entry in everything]
    for position, (entry, same) in enumerate(zip(everything, some, strict=True)):
        assert entry.row is not None and entry.row["position"] == position
        if position in skip and entry.row.get("reason") != "corrupt_tar":
            assert same.row is None
        else:
            assert same.row == entry.row


@settings(max_examples=200, deadline=None)
@given(orders)
def test_members_anywhere_still_make_one_utterance(members: Sequence[Member]) -> None:
    found = by_id(packed(members))
    assert {name: (ending(row)[0], row["audio"]) for name, row in found.items()} == {
        name: (PENDING, dict(ALL)[f"{name}.mp3"]) for name in NAMES
    }


@settings(max_examples=200, deadline=None)
@given(orders)
def test_a_survey_gives_the_same_rows_without_audio(members: Sequence[Member]) -> None:
    data = packed([*members, ("x.json", b"{")])
    surveyed = [entry.row for entry in read(data, audio=False)]
    assert surveyed == [{k: v for k, v in row.items() if k != "audio"} for row in rows(data)]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(packed(ALL)) - 1), st.integers(0, 255)), max_size=4), st.data())
def test_damaged_bytes_never_stop_the_reader(damage: list[tuple[int, int]], pick: st.DataObject) -> None:
    data = bytearray(packed(ALL, pick.draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))))
    for place, value in damage:
        data[place] = value
    # A header is only looked at when its sum is right, so give some damaged ones the right sum.
    for info in headers(packed(ALL)):
        if pick.draw(st.booleans()):
            block = bytearray(data[info.offset : info.offset + 512])
            block[148:156] = b" " * 8
            data[info.offset + 148 : info.offset + 156] = b"%06o\0 " % sum(block)
    try:
        found = rows(bytes(data))
    except UnreadableShard:
        return
    assert [row["position"] for row in found] == list(range(len(found)))
    assert len({row["utterance_id"] for row in found}) == len(found)
    assert all(row["outcome"] in (PENDING, "failed", "rejected") for row in found)


def test_parts_that_wait_for_each_other_hold_no_audio() -> None:
    """All audio first, then all JSON: what waits is the place of the audio, not the audio."""
    count, size = 48, 1 << 20
    data = packed(
        [
            *((f"{i}.mp3", bytes([i]) * size) for i in range(count)),
            *((f"{i}.json", metadata(str(i))) for i in range(count)),
        ]
    )
    tar = reader(data)
    tracemalloc.start()
    try:
        heard = 0
        for entry in tar.entries():
            assert entry.row is not None and entry.row["outcome"] == PENDING and len(entry.row["audio"]) == size
            heard += 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert heard == count and peak < 8 * size
