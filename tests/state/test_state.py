"""State and journal as data: round trips, and every kind of damage refused."""

from __future__ import annotations

import json
import zlib
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.apply.working_state import WorkingState
from flowplan.clock import Moment
from flowplan.errors import StateError
from flowplan.model.address import Address
from flowplan.model.resources import (
    Bid,
    Inputs,
    Mount,
    PortMapping,
    PortPair,
    Resource,
    Script,
    Volume,
)
from flowplan.state.codec import dump, load
from flowplan.state.form import Form
from flowplan.state.journal import Header, fold, read_journal
from flowplan.state.records import Closed, CreateIntent, Done, Intent, Record
from flowplan.state.state import Binding, State, by_api, may_not_show
from tests.builders import bid, bound, create_of, volume

frame, header_frame = Form().frame, Form().header_frame

V, B, P = Address("volume", "data"), Address("bid", "train"), Address("ports", "train")
PAIRS = (PortPair(8080, 8080), PortPair(8441, 8001))
BID = Bid(
    name="train",
    instance_type="it_1",
    region="us-central1-b",
    instance_quantity=1,
    limit_price=Decimal("17.92"),
    ssh_keys=("sshkey_1",),
    volumes=("vol_1",),
    inputs=Inputs(Script.of("echo secret\n"), PAIRS, (Mount("vol_1", "/mnt/data"),)),
    instance_type_name="h100-80gb.sxm.8x",
    gpus=8,
)
STATE = State(
    lineage="a-lineage",
    serial=3,
    stack="llm",
    api_url="sim:",
    project="proj_1",
    project_name="ml",
    bindings={
        V: Binding(V, "vol_1", Volume("data", 10, "Block", "us-central1-b"), source="flowplan.yaml"),
        B: Binding(B, "bid_1", BID, (V,), 2, "flowplan.yaml"),
        P: Binding(P, "bid_1", PortMapping(B, PAIRS), (B,), 2, "flowplan.yaml"),
    },
)
AT = Moment(1000.5, 12.5, "boot", 1001.0)
INTENT = CreateIntent("i1", "create", B, 1, "train", "flowplan-i1", "0" * 64, AT, resource=BID, needs=(V,))


def test_state_round_trip() -> None:
    assert load(dump(STATE), "state") == STATE


def test_the_text_of_a_script_is_kept_nowhere() -> None:
    assert b"secret" not in dump(STATE)
    assert b"secret" not in frame([INTENT])


def test_money_is_text_in_the_file() -> None:
    bid = next(one for one in json.loads(dump(STATE))["resources"] if one["type"] == "bid")
    assert bid["applied"]["limit_price"] == "17.92"


def test_equal_states_are_equal_bytes() -> None:
    backwards = dict(reversed(STATE.bindings.items()))
    assert dump(State(**{**_fields(STATE), "bindings": backwards})) == dump(STATE)


def _fields(state: State) -> dict[str, object]:
    return {name: getattr(state, name) for name in State.__match_args__}


DAMAGED = {
    "empty": b"",
    "NULs": b"\0" * 4096,
    "white space": b" \n\n",
    "cut off": dump(STATE)[:-40],
    "one byte changed": dump(STATE).replace(b"vol_1", b"vol_2", 1),
    "not JSON": b"hello",
    "NaN": b'{"format_version": NaN}',
    "a list": b"[]",
    "another tool's": b'{"version": 4, "terraform_version": "1.11.4"}',
    "a key twice": b'{"format_version": 1, "format_version": 1}',
    "too deep": b"[" * 100_000,
    "a newer format": b'{"format_version": 4, "flowplan_version": "9.9.0"}',
    "not UTF-8": b"\xff\xfe{}",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_an_error_never_an_empty_state(name: str) -> None:
    with pytest.raises(StateError) as caught:
        load(DAMAGED[name], "flowplan.state.json")
    assert "flowplan.state.json" in str(caught.value)
    assert caught.value.hint


def test_a_newer_format_names_both_versions() -> None:
    with pytest.raises(StateError, match=r"9\.9\.0.*0\.1\.0"):
        load(DAMAGED["a newer format"], "state")


@given(st.integers(0, len(dump(STATE)) - 1))
def test_every_truncation_is_refused(length: int) -> None:
    if dump(STATE)[:length].rstrip() == dump(STATE).rstrip():
        return  # only the last newline is missing
    with pytest.raises(StateError):
        load(dump(STATE)[:length], "state")


def tampered(change: object) -> bytes:
    from flowplan.model.digest import digest

    body = json.loads(dump(STATE))
    change(body)  # type: ignore[operator]
    body.pop("sha256")
    body["sha256"] = digest(body)
    return json.dumps(body).encode()


def test_invariants() -> None:
    with pytest.raises(StateError, match="twice"):
        load(tampered(lambda body: body["resources"].append(body["resources"][0])), "state")
    with pytest.raises(StateError, match="needs"):
        load(tampered(lambda body: body["resources"].pop()), "state")
    with pytest.raises(StateError, match="not a state file"):
        load(tampered(lambda body: body["resources"][0].update(surprise=1)), "state")
    with pytest.raises(StateError, match="not a state file"):
        load(tampered(lambda body: body["resources"][0]["applied"].update(limit_price=17.92)), "state")


# ---- the journal ------------------------------------------------------------------------------------------

RECORDS: list[list[Record]] = [
    [INTENT],
    [Done("i1", B, STATE.bindings[B]), Intent("i2", "delete", V, 1, "data", "flowplan-i2", "", AT, id="vol_1")],
    [Closed("i2", "Refused")],
]
JOURNAL = header_frame(Header.of(STATE)) + b"".join(map(frame, RECORDS))


def test_journal_round_trip() -> None:
    found = read_journal(JOURNAL, "journal")
    assert found.header == Header.of(STATE)
    assert list(found.records) == [record for records in RECORDS for record in records]
    assert (found.length, found.torn) == (len(JOURNAL), False)


def test_what_is_allocated_ahead_is_not_read() -> None:
    assert read_journal(JOURNAL + b"\0" * 5000, "journal").length == len(JOURNAL)


@given(st.integers(0, len(JOURNAL)), st.sampled_from([b"", b"\0" * 64]))
def test_cut_anywhere_only_the_last_frame_is_lost(length: int, rest: bytes) -> None:
    found = read_journal(JOURNAL[:length] + rest, "journal")
    ends = [len(header_frame(Header.of(STATE)))]
    for records in RECORDS:
        ends.append(ends[-1] + len(frame(records)))
    complete = [end for end in ends if end <= length]
    assert found.length == (complete[-1] if complete else 0)
    assert len(found.records) == sum(len(records) for records in RECORDS[: max(len(complete) - 1, 0)])


@given(st.integers(0, len(JOURNAL) - len(frame(RECORDS[-1])) - 1), st.integers(1, 255))
def test_damage_before_the_last_frame_is_refused(at: int, flip: int) -> None:
    damaged = bytearray(JOURNAL)
    damaged[at] ^= flip
    if damaged[at] == 0:
        return  # reads as the end of what was written: see the next test
    with pytest.raises(StateError, match="damaged"):
        read_journal(bytes(damaged), "journal")


def test_nuls_in_the_middle_are_damage_too() -> None:
    start = len(header_frame(Header.of(STATE)))
    with pytest.raises(StateError, match="damaged"):
        read_journal(JOURNAL[:start] + b"\0" * 40 + JOURNAL[start + 40 :], "journal")


def test_fold_gives_the_state_and_what_is_in_doubt() -> None:
    fresh = Header.of(STATE).fresh()
    state, pending = fold(fresh, RECORDS[0])
    assert not state.bindings
    assert list(pending) == ["i1"]
    state, pending = fold(fresh, RECORDS[0] + RECORDS[1])
    assert list(state.bindings) == [B]
    assert list(pending) == ["i2"]
    state, pending = fold(fresh, RECORDS[0] + RECORDS[1] + RECORDS[2])
    assert not pending


def test_fold_drops_needs_of_what_is_gone() -> None:
    state, _ = fold(STATE, [Done("", V, None)])
    assert state.bindings[B].needs == ()
    assert load(dump(state), "state") == state


sizes = st.integers(1, 10_000)
resources: st.SearchStrategy[Resource] = st.one_of(
    st.builds(Volume, st.from_regex(r"[a-z]{1,9}", fullmatch=True), sizes, st.just("File"), st.just("r")),
    st.builds(
        Bid,
        name=st.text(max_size=9),
        instance_type=st.text(max_size=5),
        region=st.just("r"),
        instance_quantity=sizes,
        limit_price=st.decimals("0.01", "999", places=2),
        ssh_keys=st.lists(st.text("abc", max_size=3)).map(tuple),
        volumes=st.lists(st.sampled_from(["vol_1", V])).map(tuple),
        paused=st.booleans(),
        memory_gb=st.none() | sizes,
        inputs=st.none() | st.builds(Inputs, startup_script=st.none() | st.text(max_size=9).map(Script.of)),
    ),
)


@given(resources)
def test_any_intent_comes_back(resource: Resource) -> None:
    intent = CreateIntent("i", "create", V, 1, "n", "k", "", AT, resource=resource)
    assert read_journal(header_frame(Header("l", 0)) + frame([intent]), "journal").records == (intent,)


def test_the_intent_of_a_create_is_written_like_any_other_and_carries_what_it_makes() -> None:
    written = json.loads(frame([INTENT])[18:])[0]
    other = json.loads(frame([Intent("i2", "update", B, 1, "", "k", "", AT)])[18:])[0]
    assert list(written) == list(other)
    edited = json.dumps([{**written, "resource": None}]).encode()
    data = b"%08x %08x " % (len(edited), zlib.crc32(edited)) + edited + b"\n"
    with pytest.raises(StateError, match="holds a record that cannot be read"):
        read_journal(header_frame(Header("l", 0)) + data, "journal")
    with pytest.raises(ValueError, match="carries what is made"):
        Intent("i3", "create", B, 1, "", "k", "", AT)


# ---- how long ago an attempt was -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "now", "age"),
    [
        pytest.param(Moment(1000, 50, "a"), Moment(1000, 60, "a"), 10, id="same-boot"),
        pytest.param(Moment(1000, 50, "a", 900), Moment(90_000, 60, "a", 990), 10, id="same-boot-clock-set-ahead"),
        pytest.param(Moment(1000, 50, "a"), Moment(500, 60, "a"), 10, id="same-boot-clock-set-back"),
        pytest.param(Moment(1000, 50, "a"), Moment(1030, 5, "b"), 30, id="another-boot"),
        pytest.param(Moment(1000, 50, "a", 900), Moment(87_400, 5, "b", 930), 30, id="clock-set-ahead-between-boots"),
        pytest.param(Moment(1000, 50, "a", 900), Moment(1030, 5, "b", 87_300), 30, id="server-ahead-between-boots"),
        pytest.param(Moment(1000, 50, "a", 900), Moment(400, 5, "b", 930), 0, id="clock-set-back-between-boots"),
        pytest.param(Moment(1000, 50, "a", 900), Moment(1030, 5, "b"), 30, id="server-silent"),
        pytest.param(Moment(1000, 50, ""), Moment(1030, 9000, ""), 30, id="a-machine-that-has-no-boot-id"),
    ],
)
def test_the_age_of_an_attempt_is_never_overstated(then: Moment, now: Moment, age: float) -> None:
    assert then.age(now) == age


@pytest.mark.parametrize("bids", [True, False], ids=["a bid", "a volume"])
def test_a_journal_tells_when_a_bid_was_placed_last(bids: bool) -> None:
    """As the working state does: a run may be killed before it saves."""
    address, made = (Address("bid", "a"), bid()) if bids else (Address("volume", "a"), volume())
    intent, binding = create_of(address, made), bound(address, "x_1", made)
    folded, _ = fold(State("lineage"), [intent, Done(intent.intent, address, binding)])
    working = WorkingState(State("lineage"))
    working.intend(intent)
    working.finish(intent, binding)
    assert folded.placed == working.snapshot().placed == ({"x_1": intent.at} if bids else {})
    assert may_not_show(folded, Moment.of_api(1119.0)) == ({"x_1"} if bids else set())
    assert not may_not_show(folded, Moment.of_api(1121.0))


def test_a_journal_tells_when_a_bid_was_placed_that_an_import_block_names() -> None:
    address, made = Address("bid", "a"), bid()
    now = State("lineage", bindings={address: bound(address, "x_1", made)}, placed=by_api({"x_1": 1000.0}))
    working = WorkingState(State("lineage"))
    folded, _ = fold(State("lineage"), working.restate(now))
    assert folded.placed == working.snapshot().placed == by_api({"x_1": 1000.0})


def test_what_was_sent_again_was_placed_when_it_was_sent_last() -> None:
    """The first attempt waited for its turn (429), and was announced anew."""
    address, made = Address("bid", "a"), bid()
    intent, binding = create_of(address, made), bound(address, "x_1", made)
    anew = intent.again(Moment(1100.0, 1100.0, "boot", 1100.0), resent=False)
    folded, _ = fold(State("lineage"), [intent, anew, Done(intent.intent, address, binding)])
    working = WorkingState(State("lineage"))
    working.intend(intent)
    working.intend(anew)
    working.finish(intent, binding)
    assert folded.placed == working.snapshot().placed == {"x_1": anew.at}


@pytest.mark.parametrize(("before", "is_kept"), [(870.0, False), (900.0, True), (5000.0, True), (900_000.0, True)])
def test_what_must_show_by_now_is_forgotten_and_what_was_placed_by_a_clock_ahead_is_not(
    before: float, is_kept: bool
) -> None:
    address, made = Address("bid", "a"), bid()
    intent, binding = create_of(address, made), bound(address, "x_1", made)
    known = State("lineage", placed=by_api({"bid_0": before}))
    folded, _ = fold(known, [intent, Done(intent.intent, address, binding)])
    working = WorkingState(known)
    working.intend(intent)
    working.finish(intent, binding)
    kept = dict(known.placed) if is_kept else {}
    assert folded.placed == working.snapshot().placed == kept | {"x_1": intent.at}
    assert WorkingState(known).snapshot().placed == fold(known, [])[0].placed == known.placed


def test_a_bid_whose_clock_was_ahead_may_be_new_until_the_clock_has_caught_up() -> None:
    """The clock was set back since, and nobody knows when: it may have been a moment after the bid was placed."""
    placed = State("lineage", placed=by_api({"bid_1": 5000.0}))
    times = [Moment.of_api(now) for now in (4000.0, 4881.0, 5119.0, 5120.0)]
    assert [bool(may_not_show(placed, now)) for now in times] == [True, True, True, False]


def test_what_stands_aside_for_a_new_bid_was_not_placed_with_it() -> None:
    """Both are results of one intent, in one frame."""
    address, made = Address("bid", "a"), bid()
    before = State("lineage", bindings={address: bound(address, "bid_1", made)})
    intent, binding = attrs.evolve(create_of(address, made), generation=2), bound(address, "bid_2", made)
    working = WorkingState(before)
    working.intend(intent)
    records = [intent, *working.set_aside(intent), working.finish(intent, binding)]
    assert fold(before, records)[0].placed == working.snapshot().placed == {"bid_2": intent.at}
