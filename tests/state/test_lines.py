"""The layout of a state file: a line for each resource, and a digest that is of the text itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.errors import StateError
from flowplan.model.digest import digest
from flowplan.state.codec import dump, load
from flowplan.state.lines import is_intact, written
from tests.builders import DATA, TRAIN, bid, bound, state, volume
from tests.work import grows_linearly

_TEXT = st.text(st.sampled_from('a"\\,:[]{} \n\u00e9\udc80'), max_size=4)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(_TEXT, one, max_size=3),
)
_KEY = st.sampled_from(["resources", "outputs", "paid", "lineage", "serial"])
KNOWN = state(
    bound(DATA, "vol_1", volume()),
    bound(TRAIN, "bid_1", bid(), needs=(DATA,)),
    outputs={"z": {"value": {"b": 1, "a": [1, 2]}}, "a": {"value": 2}},
    ended={"bid_9": 1.5},
)


@given(st.dictionaries(_KEY, _VALUE))
def test_what_is_written_reads_as_it_was_with_the_digest_of_the_whole(body: dict[str, Any]) -> None:
    data = written(body)
    stated = json.loads(data)
    is_stated = stated.pop("sha256")
    assert is_stated == digest(body)
    assert is_intact(data, body, is_stated)
    assert not is_intact(data, body, "")
    assert stated == body


def test_each_resource_has_a_line_and_what_somebody_ordered_keeps_its_order() -> None:
    lines = dump(KNOWN).decode().splitlines()
    first = lines.index(' "resources": [')
    assert [json.loads(line.rstrip(","))["id"] for line in lines[first + 1 : first + 3]] == ["bid_1", "vol_1"]
    assert lines[first + 3] == " ],"
    assert list(load(dump(KNOWN), "state").outputs) == ["z", "a"]
    assert list(load(dump(KNOWN), "state").outputs["z"]["value"]) == ["b", "a"]


@pytest.mark.parametrize("layout", [{"indent": 1}, {"indent": None}, {"separators": (",", ":"), "sort_keys": True}])
def test_any_layout_of_the_same_is_read(layout: dict[str, Any]) -> None:
    """An earlier flowplan indented everything, and somebody's tool may do as it likes."""
    assert load(json.dumps(json.loads(dump(KNOWN)), **layout).encode(), "state") == KNOWN


@given(st.data())
def test_no_damage_is_taken_for_a_state(data: st.DataObject) -> None:
    text = dump(KNOWN)
    at = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.sampled_from(b'a1"\\,:[]{} \n\xff'))
    for damaged in (text[:at] + bytes([byte]) + text[at + 1 :], text[:at] + text[at + 1 :], text[:at]):
        try:
            found = load(damaged, "state")
        except StateError:
            continue
        assert found == KNOWN


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [*lines[:-2], *lines[-1:]],  # no digest
        lambda lines: [*lines[:-2], ' "sha256": ""', *lines[-1:]],
        lambda lines: [line for line in lines if "vol_1" not in line or "bid_1" in line],
        lambda lines: [line.replace('"size_gb":100', '"size_gb":101') for line in lines],
    ],
)
def test_a_state_of_another_content_is_refused(change: Any) -> None:
    lines = dump(KNOWN).decode().splitlines()
    assert change(lines) != lines
    with pytest.raises(StateError):
        load(("\n".join(change(lines)) + "\n").encode(), "state")


@pytest.mark.parametrize("stated", ["", None, 0, False, [], "0" * 64])
@pytest.mark.parametrize("layout", [{"indent": 2}, {"indent": 1}, {"indent": None}])
def test_no_layout_makes_up_for_a_digest(layout: dict[str, Any], stated: object) -> None:
    """Somebody edited the state, and emptied its digest."""
    edited = json.loads(dump(KNOWN)) | {"serial": 99, "sha256": stated}
    with pytest.raises(StateError, match="damaged"):
        load(json.dumps(edited, **layout).encode(), "state")


def test_twice_as_much_is_twice_the_work() -> None:
    assert grows_linearly(lambda count: lambda: written({"resources": [{"n": n} for n in range(count)]}))
