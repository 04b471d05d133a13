"""A state as one JSON document."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from flowplan.backends.remote.http_document import KEPT_BYTES, Aside, Document, Packed
from flowplan.errors import StateError


@pytest.mark.parametrize("data", [None, b"", b"{}\n", b"\0" * 9, b"\xff\xfe", "é\N{SNOWMAN}".encode(), b"a\r\nb"])
def test_bytes_come_back_as_they_are(data: bytes | None) -> None:
    kept = (Packed.of(("a", 1), data or b""),)
    written = Document(snapshot=data, backup=data, journal=data or b"", versions=kept, aside=(Aside("x", "y"),)).next()
    found = Document.load(written.dump(), "it")
    assert found == written
    assert found.versions[0].unpacked() == (data or b"")


def test_text_can_be_read_by_a_person() -> None:
    assert json.loads(Document(snapshot=b'{"serial": 1}').next().dump())["snapshot"] == '{"serial": 1}'


def test_each_write_has_another_serial_and_name_and_the_same_lineage() -> None:
    first = Document().next()
    second = first.next(fence=7)
    assert (first.serial, second.serial, second.fence, second.lineage) == (1, 2, 7, first.lineage)
    assert first.lineage and len({first.write, second.write, ""}) == 3


def test_of_versions_that_take_too_much_room_the_oldest_go() -> None:
    noise = random.Random(1)
    made = Document()
    for serial in range(1, 9):
        new = Packed.of(("a", serial), noise.randbytes(KEPT_BYTES // 5))  # of which three fit, written as text
        made = made.next(versions=made.keeping(new, replace=False))
    assert [one.serial for one in made.versions] == [6, 7, 8]
    huge = Packed.of(("a", 9), noise.randbytes(2 * KEPT_BYTES))
    assert made.keeping(huge, replace=False) == (huge,)  # the newest stays, whatever it takes
    other = Packed.of(("a", 7), b"other")
    assert made.keeping(other, replace=False) == made.versions
    assert [one.unpacked() == b"other" for one in made.keeping(other, replace=True)] == [False, True, False]
    grown = Packed.of(("a", 7), noise.randbytes(KEPT_BYTES // 2))
    assert [one.serial for one in made.keeping(grown, replace=True)] == [7, 8]
    copied = Packed.of(("a", 1), noise.randbytes(KEPT_BYTES // 5))  # as of a state that moves, whose newest came first
    assert [one.serial for one in made.keeping(copied, replace=False)] == [7, 8, 1]
    begun = Packed.of(("b", 1), noise.randbytes(KEPT_BYTES // 5))
    assert [one.id for one in made.keeping(begun, replace=False)] == [("a", 7), ("a", 8), ("b", 1)]
    of_b = made.next(state=("b", 1), versions=made.keeping(begun, replace=False))
    larger = Packed.of(("a", 8), noise.randbytes(KEPT_BYTES // 2))  # written again, for another key
    assert [one.id for one in of_b.keeping(larger, replace=True)] == [("a", 8), ("b", 1)]


@pytest.mark.parametrize("first", ["the newest", "the one before"])
def test_of_two_versions_that_do_not_fit_beside_each_other_the_newest_stays(first: str) -> None:
    """As a save keeps them that finds no version of the state before it, or as they move from elsewhere."""
    noise = random.Random(1)
    before, newest = (Packed.of(("a", serial), noise.randbytes(KEPT_BYTES)) for serial in (7, 8))
    made = Document(state=("a", 8))
    for one in (newest, before) if first == "the newest" else (before, newest):
        made = made.next(versions=made.keeping(one, replace=False))
    assert made.versions == (newest,)


def test_what_unpacks_to_more_than_any_state_reads_as_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowplan.state.codec.SIZE_LIMIT", 1000)
    assert Packed.of(("a", 1), bytes(1000)).unpacked() == bytes(1000)
    assert Packed.of(("a", 1), bytes(1001)).unpacked() == b""


def test_versions_of_a_large_state_have_the_room_that_it_takes_itself() -> None:
    noise = random.Random(1)
    for size, count in ((0, 3), (2 * KEPT_BYTES, 7), (100 * KEPT_BYTES, 14)):
        made = Document(snapshot=bytes(size))
        for serial in range(1, 21):
            new = Packed.of(("a", serial), noise.randbytes(KEPT_BYTES // 5))
            made = made.next(versions=made.keeping(new, replace=False))
        assert len(made.versions) == count


def test_a_version_that_is_damaged_reads_as_none() -> None:
    assert [Packed("a", 1, data).unpacked() for data in ("", "%", "YQ==")] == [b"", b"", b""]


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(serial="1"),
        lambda found: found.update(serial=-1),
        lambda found: found.update(fence=True),
        lambda found: found.update(write=None),
        lambda found: found.pop("lock"),
        lambda found: found["lock"].update(fence=-1),
        lambda found: found.update(snapshot=7),
        lambda found: found.update(journal={"base64": "%"}),
        lambda found: found.update(versions=[{"lineage": "a", "serial": 1, "data": None}]),
        lambda found: found.update(versions=[{"lineage": "a"}]),
        lambda found: found.update(aside=7),
        lambda found: found.update(format_version=2),
    ],
)
def test_what_is_no_such_document_is_an_error(change: Callable[[dict[str, Any]], None]) -> None:
    found = json.loads(Document().next().dump())
    change(found)
    with pytest.raises(StateError):
        Document.load(json.dumps(found).encode(), "it")


def test_a_key_that_is_there_twice_is_an_error() -> None:
    text = Document().next().dump().decode()
    with pytest.raises(StateError, match="not a state of this flowplan"):
        Document.load(text.replace('"serial": 1', '"serial": 1, "serial": 2', 1).encode(), "it")
