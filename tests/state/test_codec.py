"""Bytes and digests that files out there hold: a state, a journal, a marker and a saved plan of an earlier version must
still be read, and say the same."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from flowplan.clock import Moment
from flowplan.config import Config, GpuWanted, LimitPrice, Task, VolumeUse, VolumeWanted
from flowplan.config.positions import Positions
from flowplan.diagnostics import Position
from flowplan.documents.plan import plain
from flowplan.documents.plan_shape import misfit
from flowplan.errors import StateError
from flowplan.model.address import Address
from flowplan.model.digest import digest
from flowplan.model.lifecycle import After, Bounds, Lifecycle, Lifetime
from flowplan.model.resources import (
    Bid,
    ContainerImage,
    Ends,
    Inputs,
    LocalDisk,
    Mount,
    PortMapping,
    PortPair,
    Script,
    Volume,
)
from flowplan.state.codec import converter, dump, load
from flowplan.state.form import Form
from flowplan.state.journal import JOURNAL_VERSION, Header, frame_of, header_entry, read_journal
from flowplan.state.records import Closed, Done, Intent, Record
from flowplan.state.state import AppliedPlan, Binding, State, by_api

frame, header_frame = Form().frame, Form().header_frame

V, B, P = Address("volume", "data"), Address("bid", "train"), Address("ports", "train")
PAIR = PortPair(8441, 8001, "udp")
DISK = LocalDisk("/dev/nvme0n1", "/mnt/scratch")
MOUNT = Mount("vol_1", "/mnt/data", "File", "data-1", created=True)
IMAGE = ContainerImage("nvcr.io/nvidia/pytorch:24.05-py3", "./app", "--gpus all -e TOKEN=secret")
SCRIPT = Script.of("echo hello\n")
INPUTS = Inputs(SCRIPT, (PAIR,), (MOUNT,), (DISK,), IMAGE)
VOLUME = Volume("data", 10, "File", "us-central1-b", 16, ("size_gb",))
REPORTED = attrs.evolve(VOLUME, unreported=())
BID = Bid(
    name="train",
    instance_type="it_1",
    region="us-central1-b",
    instance_quantity=2,
    limit_price=Decimal("17.9"),
    ssh_keys=("sshkey_1",),
    volumes=("vol_1", V),
    paused=True,
    memory_gb=64,
    inputs=INPUTS,
    instance_type_name="h100-80gb.sxm.8x",
    ssh_key_names=("me",),
    gpus=8,
    unreported=("memory_gb",),
)
PORTS = PortMapping(B, (PAIR,))
BINDINGS = {
    V: Binding(V, "vol_1", VOLUME, (), 1, "flowplan.yaml"),
    B: Binding(B, "bid_1", BID, (V,), 2, "b\udcff.yaml"),
    P: Binding(P, "bid_1", PORTS, (B,), 2, "flowplan.yaml"),
}
APPLIED = AppliedPlan("1" * 64, "2026-01-02T03:04:05Z", 3)
STATE = State(
    lineage="a-lineage",
    serial=7,
    stack="llm",
    api_url="sim:",
    project="proj_1",
    project_name="ml",
    bindings=BINDINGS,
    outputs={"address": "1.2.3.4"},
    released=frozenset(["bid_9", "bid_8"]),
    adopted=frozenset(["vol_1"]),
    plans=(APPLIED,),
    ended={"bid_7": 1000.5, "bid_6": 900.0},
)
INTENT = Intent(
    "i1", "update", B, 2, "train", "flowplan-i1", "0" * 64, Moment(1000.5, 12.5, "boot", 1001.0), "bid_1", BID, (V,),
    "flowplan.yaml", "sim:", "proj_1", resent=True, since=Moment(900.5, 2.5, "boot", 901.0),
)  # fmt: skip
RECORDS = (
    INTENT,
    attrs.evolve(INTENT, since=None),
    Done("i1", B, BINDINGS[B]),
    Done("i2", V, None),
    Closed("i3", "no"),
)
SOURCE = Position("flowplan.yaml", 1, 7)
TASK = Task(
    address=B,
    name="train",
    source=SOURCE,
    project="ml",
    ssh_keys=("me",),
    priority="high",
    limit_price=LimitPrice(Decimal("17.90"), "instance"),
    instance_types=("h100.8x.SXM5.IB",),
    gpu=GpuWanted("H100", 8, "SXM5", "InfiniBand"),
    instance_quantity=2,
    region="us-central1-b",
    optimize="budget",
    estimated_hours=Decimal("1E+2"),
    ports=(PAIR,),
    volumes=(VolumeUse(V, "/mnt/data", SOURCE), VolumeUse("vol_2", None, SOURCE, "us-central1-b")),
    local_disks=(DISK,),
    container_image=IMAGE,
    startup_script=SCRIPT,
    paused=True,
)
WANTED = VolumeWanted(V, "data", 10, "File", "us-central1-b", "/mnt/data", SOURCE)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def kept(state: State) -> bytes:
    """The state file without what depends on the version of flowplan."""
    return re.sub(rb'^ "(flowplan_version|sha256)": .*\n', b"", dump(state), flags=re.MULTILINE)


def digest_of(task: Task) -> bytes:
    return Config({B: task}, {V: WANTED}).sha256.encode()


BARE = attrs.evolve(
    TASK,
    limit_price=LimitPrice(Decimal("2.24"), "gpu"),
    startup_script=None,
    container_image=None,
    estimated_hours=None,
    ports=(),
)


@pytest.mark.parametrize(
    ("found", "pinned"),
    [
        pytest.param(kept(STATE), "19b67b5abe2daa3f16932e985c265c0231b80edec999654b4d85ec2d0a145865", id="state"),
        pytest.param(
            json.loads(dump(STATE))["sha256"].encode(),  # as it was when everything was indented: each reads the other
            sha256(b"d70262cd8ae5493671d28352170f4f68d6d377155e741796669d6d8ba35e8a90"),
            id="digest of a state",
        ),
        pytest.param(
            kept(State("bare")), "85d2c32280874c88f8343df10d4125541ac85b87252679346bebf3331981188a", id="bare state"
        ),
        pytest.param(
            header_frame(Header.of(STATE)),
            "2409e64fe041a343c53763fdf4d89dd3b0fda5ceee74e010dcb116d0b155d2fe",
            id="header",
        ),
        pytest.param(
            frame([*RECORDS, APPLIED]), "5b1247ad3327ee217d6ad6a1e03a3ed26464a9c76538787bcea84ad6fee949eb", id="records"
        ),
        pytest.param(
            INPUTS.sha256.encode(), "4154c936202978aeae83569e07167393927ebe54d304203fa1cca2aeca6fb5ed", id="inputs"
        ),
        pytest.param(
            Inputs().sha256.encode(), "00741470a4306dd928c13443598d3934e3ae77cd1e69ff7cbaf92446b22bd7df", id="no inputs"
        ),
        pytest.param(
            digest_of(TASK), "17e4cb20292cb667cdc40264165c9ba6f409e0cd18107a5808223968c96a5f00", id="configuration"
        ),
        pytest.param(
            digest_of(BARE), "79e4f4637774d5bd79716dec9bb924b3c8836b0a32e202c8759929e238841e1f", id="a bare task"
        ),
        pytest.param(
            text([plain(one) for one in (REPORTED, BID, PORTS, None)]),
            "10271ca2359f5e655e1c33c09e8c1e624383d98b48bcd84e4f30809e1f95e99b",
            id="values of a plan",
        ),
        pytest.param(
            text(plain(attrs.evolve(BID, inputs=Inputs(given_sha256="2" * 64)))),
            "8766f893d2d49de8b813b10472cac9521ea39fdcde62a99333bd41f15e4f1e4b",
            id="of a marker",
        ),
        pytest.param(
            text(plain(attrs.evolve(BID, inputs=None))),
            "51aabe608264b553beabf0c2699d1f8bd95a43a6519822ded2328e6a7dfa9340",
            id="of a foreign bid",
        ),
    ],
)
def test_bytes_and_digests_stay(found: bytes, pinned: str) -> None:
    assert sha256(found) == pinned


def test_what_was_written_is_read() -> None:
    applied = attrs.evolve(BID, inputs=attrs.evolve(INPUTS.shown, mounts=(attrs.evolve(MOUNT, created=False),)))
    read = load(dump(STATE), "state")
    assert read.bindings[B].applied == applied
    assert attrs.evolve(read, bindings=STATE.bindings) == STATE
    found = read_journal(header_frame(Header.of(STATE)) + frame([*RECORDS, APPLIED]), "journal")
    assert found.header == Header.of(STATE)
    assert found.records[2:] == (attrs.evolve(RECORDS[2], binding=read.bindings[B]), *RECORDS[3:], APPLIED)
    assert found.records[0] == attrs.evolve(INTENT, resource=applied)


# ---- no field is forgotten ----------------------------------------------------------------------------------


def changed(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field below `value` that can be another, with the whole in which it is."""
    if attrs.has(type(value)) and not isinstance(value, Address):
        for one in attrs.fields(type(value)):
            if one.init:
                for name, new in changed(getattr(value, one.name), f"{type(value).__name__}.{one.name}"):
                    yield name, attrs.evolve(value, **{one.name: new})
    elif isinstance(value, dict):
        for key, item in value.items():
            for name, new in changed(item, path):
                yield name, {**value, key: new}
    elif isinstance(value, tuple) and value and attrs.has(type(value[0])) and not isinstance(value[0], Address):
        for name, new in changed(value[0], path):
            yield name, (new, *value[1:])
    else:
        yield path, _another(value)


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if value is None:
        return "x"
    if isinstance(value, Positions):
        return Positions({"name": 1})
    if isinstance(value, Address):
        return Address(value.kind, f"{value.name}-2")
    if isinstance(value, int | float | Decimal):
        return value + 1
    if isinstance(value, datetime):
        return value + timedelta(days=1)
    return value + ("x" if isinstance(value, str) else ("x",)) if isinstance(value, str | tuple) else value | {"x"}


def frames(*records: Record) -> bytes:
    return frame(records)


def digest_with(volume: VolumeWanted) -> bytes:
    return Config({}, {V: volume}).sha256.encode()


MANAGED = attrs.evolve(
    TASK,
    lifecycle=Lifecycle(source=SOURCE),
    depends_on=(After(Address("bid", "other"), "running", SOURCE),),
    lifetime=Lifetime(Decimal(8), Decimal(100), datetime(2027, 1, 1, tzinfo=UTC), True, SOURCE),
)
BOUNDS = Bounds(Decimal("8.1255"), Decimal(100), datetime(2027, 1, 1, tzinfo=UTC), True)
BOUND = {
    address: attrs.evolve(binding, lifetime=BOUNDS, raised_from=Decimal(17)) for address, binding in BINDINGS.items()
}
ENDING = attrs.evolve(
    BOUND[B], applied=attrs.evolve(BID, inputs=attrs.evolve(INPUTS, ends=Ends(720, 1, when_done=True)))
)
# What each form is made of, how it is written, and the fields that it leaves out on purpose.
SCRIPT_TEXT = {"Script.text"}  # it is what the digest beside it is of
NOT_PLACED = {"Bid.runs"}  # the script that a bid of somebody else runs: it may hold a secret
FORMS: dict[str, tuple[Any, Callable[[Any], bytes], set[str]]] = {
    "state": (attrs.evolve(STATE, bindings={}), kept, set()),
    "volume": (BOUND[V], lambda one: frames(Done("i", V, one)), set()),
    "bid": (
        ENDING,
        lambda one: frames(Done("i", B, one)),
        {"Mount.created", "Inputs.unordered_sha256", *NOT_PLACED, *SCRIPT_TEXT},
    ),
    "ports": (BOUND[P], lambda one: frames(Done("i", P, one)), set()),
    "header": (Header.of(STATE), header_frame, set()),
    "intent": (attrs.evolve(INTENT, resource=None, lifetime=BOUNDS, raised_from=Decimal(17)), frames, set()),
    "closed": (Closed("i3", "no"), frames, set()),
    "applied plan": (APPLIED, frames, set()),
    "marker": (
        INPUTS,
        lambda one: one.sha256.encode(),
        # What people may rename, and what follows from the rest, replaces no bid.
        {
            "Inputs.ends",
            "Inputs.unordered_sha256",
            "Script.size",
            "Mount.interface",
            "Mount.volume_name",
            "Mount.created",
            *SCRIPT_TEXT,
        },
    ),
    "task": (
        MANAGED,
        digest_of,
        # The place in the files, what the limit price says already, and where a volume of others must be.
        {
            "Task.address",
            "Task.named",
            "Task.priority",
            "Task.positions",
            "Position.file",
            "Position.line",
            "Position.column",
            "VolumeUse.region",
            "Script.size",
            *SCRIPT_TEXT,
        },
    ),
    "volume wanted": (
        WANTED,
        digest_with,
        {
            "VolumeWanted.address",
            "VolumeWanted.mount_point",
            "VolumeWanted.named",
            "VolumeWanted.positions",
            "Lifecycle.source",
            "Position.file",
            "Position.line",
            "Position.column",
        },
    ),
    "values of a volume": (REPORTED, lambda one: text(plain(one)), {"Volume.unreported"}),
    "values of a bid": (
        BID,
        lambda one: text(plain(one)),
        # Ports are a resource of their own; the rest is the API's, or the digest beside it.
        {
            "Bid.gpus",
            "Bid.unreported",
            "PortPair.external",
            "PortPair.internal",
            "PortPair.protocol",
            "Mount.interface",
            "Mount.volume_name",
            "Mount.created",
            "Inputs.given_sha256",
            "Inputs.unordered_sha256",
            "Inputs.ends",
            "ContainerImage.run_options",  # the value in it that is masked: the configuration has its digest
            *NOT_PLACED,
            *SCRIPT_TEXT,
        },
    ),
    "values of ports": (PORTS, lambda one: text(plain(one)), {"PortMapping.bid"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_field_is_in_it_but_those_named(form: str) -> None:
    value, write, left_out = FORMS[form]
    before = write(value)
    missing = {path for path, other in changed(value) if write(other) == before}
    assert missing == left_out


@pytest.mark.parametrize("wrong", [{"serial": "7"}, {"serial": None}, {"serial": True}, {"stack": 1}, {"surprise": 1}])
def test_a_header_is_read_as_strictly_as_the_rest(wrong: dict[str, object]) -> None:
    """A serial that is no number would be compared with that of the snapshot."""
    payload = header_frame(Header.of(STATE))[18:-1]  # between the head of the frame and its newline
    edited = json.dumps([{**json.loads(payload)[0], **wrong}]).encode()
    data = b"%08x %08x " % (len(edited), zlib.crc32(edited)) + edited + b"\n"
    with pytest.raises(StateError, match="holds a record that cannot be read"):
        read_journal(data, "journal")


def test_what_is_still_to_be_replaced_by_a_trigger_is_kept() -> None:
    triggers = {Address("bid", 'pre["x"]'): "bid_0", P: ""}
    state = attrs.evolve(STATE, bindings={**BINDINGS, B: attrs.evolve(BINDINGS[B], triggers=triggers)})
    assert load(dump(state), "").bindings[B].triggers == triggers


def test_when_a_bid_was_placed_last_is_kept() -> None:
    placed = {"bid_9": Moment(990.0, 12.5, "boot", 1000.5), "bid_8": Moment(900.0, 2.5, "boot")}
    state = attrs.evolve(STATE, placed=placed)
    assert load(dump(state), "") == attrs.evolve(load(dump(STATE), ""), placed=state.placed)
    assert json.loads(dump(state))["placed_at"] == 1000.5, "all that an earlier flowplan reads of it"
    assert json.loads(dump(state))["placed"] == {"bid_8": 900.0, "bid_9": 1000.5}, "nor does the one after it read more"
    for wrong in ({"placed_at": "yesterday"}, {"placed": {"bid_9": "yesterday"}}):
        with pytest.raises(StateError, match="expected seconds since the epoch"):
            load(edited(dump(state), wrong), "")
    for told in ({"bid_9": 5.0}, {"bid_9": {"wall": 1.0}}, {"bid_9": None}, 5):
        with pytest.raises(StateError):
            load(edited(dump(state), {"placed_by": told}), "")


def test_when_a_bid_was_placed_is_read_from_a_state_of_which_an_earlier_flowplan_saved_it() -> None:
    """It drops what other clocks showed, or keeps that of another moment."""
    state = attrs.evolve(STATE, placed={"bid_9": Moment(990.0, 12.5, "boot", 1000.5)})
    without = {key: value for key, value in json.loads(dump(state)).items() if key not in ("sha256", "placed_by")}
    assert load(signed(without), "").placed == by_api({"bid_9": 1000.5})
    later = edited(dump(state), {"placed": {"bid_9": 2000.5}, "placed_at": 2000.5})
    assert load(later, "").placed == by_api({"bid_9": 2000.5})


@pytest.mark.parametrize(
    "placed",
    [{}, {"bid_9": 900.0}, {"bid_1": 900.0}],
    ids=["none", "one that was placed before", "one of ours that was placed before"],
)
def test_a_bid_that_an_earlier_flowplan_placed_last_may_be_any(placed: dict[str, float]) -> None:
    """It says when, and not which."""
    data = edited(dump(attrs.evolve(STATE, placed=by_api(placed))), {"placed_at": 1000.5})
    ours = {one.id for address, one in STATE.bindings.items() if address.kind == "bid"}
    assert ours
    assert load(data, "").placed == by_api(dict.fromkeys(ours, 1000.5) | placed)
    assert load(dump(load(data, "")), "").placed == load(data, "").placed


def edited(data: bytes, new: Mapping[str, object]) -> bytes:
    """The state file `data` with other values, and their digest."""
    body = {key: value for key, value in json.loads(data).items() if key != "sha256"} | new
    return signed(body)


def signed(body: Mapping[str, object]) -> bytes:
    return json.dumps({**body, "sha256": digest(body)}).encode()


@pytest.mark.parametrize(
    "bounds", [BOUNDS, Bounds(None, None, None, True), Bounds(Decimal(100_000), None, None, False)]
)
def test_a_lifetime_is_kept_to_the_last_place(bounds: Bounds) -> None:
    """Hours are no cents."""
    state = attrs.evolve(STATE, bindings={**BINDINGS, B: attrs.evolve(BINDINGS[B], lifetime=bounds)})
    assert load(dump(state), "").bindings[B].lifetime == bounds
    intent = attrs.evolve(INTENT, lifetime=bounds, resource=None)
    (read,) = read_journal(header_frame(Header.of(STATE)) + frame([intent]), "").records
    assert read == intent


@pytest.mark.parametrize("wrong", [{"max_hours": 8}, {"end_at": "soon"}, {"end_at": "2027-01-01"}, {"max_cost": "-1"}])
def test_a_lifetime_that_is_none_is_a_problem_of_the_state(wrong: dict[str, object]) -> None:
    state = attrs.evolve(STATE, bindings=BOUND)
    body = json.loads(dump(state))
    (bid,) = (one for one in body["resources"] if one["type"] == "bid")
    bid["lifetime"].update(wrong)
    del body["sha256"]
    with pytest.raises(StateError, match="is not a state file of flowplan"):
        load(json.dumps({**body, "sha256": digest(body)}).encode(), "state")


class Alarm(Exception):
    """What a signal handler of a program raises."""


@pytest.mark.parametrize("error", [TimeoutError("alarm"), Alarm("alarm")], ids=repr)
def test_what_a_signal_handler_raises_meanwhile_is_no_damage(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes it for damage is told to restore a state that is whole."""

    class Interrupted:
        def structure(self, value: object, cls: object) -> None:
            raise error

    state, journal = dump(STATE), header_frame(Header.of(STATE))
    for where in ("state.codec.converter", "state.journal.converter", "documents.plan_shape._reader"):
        monkeypatch.setattr(f"flowplan.{where}", Interrupted)
    reads: list[Callable[[], object]] = [lambda: load(state, ""), lambda: read_journal(journal, ""), lambda: misfit({})]
    for read in reads:
        with pytest.raises(type(error)) as caught:
            read()
        assert caught.value is error


def test_the_journal_of_a_later_flowplan_is_not_read() -> None:
    """What this one does not know of its records would be lost with the next save."""
    later = frame_of([{**header_entry(Header.of(STATE)), "journal_version": JOURNAL_VERSION + 1}])
    with pytest.raises(StateError, match="this flowplan cannot read the journal of-now"):
        read_journal(later, "of-now")


@pytest.mark.parametrize("wrong", [{"pre": "bid_0"}, {"bid.pre": 1}, ["bid.pre"]])
def test_triggers_that_are_none_are_a_problem_of_the_state(wrong: object) -> None:
    done = {"record": "done", **converter().unstructure(Done("i", B, attrs.evolve(BINDINGS[B], needs=())))}
    wrong_frame = frame_of([{**done, "binding": {**done["binding"], "triggers": wrong}}])
    with pytest.raises(StateError, match="holds a record that cannot be read"):
        read_journal(header_frame(Header.of(STATE)) + wrong_frame, "journal")


@pytest.mark.parametrize("key", ["api_url", "moved_to", "moving_from", "moved_as"])
def test_the_name_of_a_place_may_have_bytes_that_are_no_characters(key: str) -> None:
    """As that of a file may: a state that has one must be readable."""
    state = attrs.evolve(STATE, **{key: "\udcff.json"})
    assert getattr(load(dump(state), "a.json"), key) == "\udcff.json"


def test_what_cannot_be_written_for_what_it_lacks_names_no_version_that_is_restored() -> None:
    """As where an older state was put back in mid-apply, and only results of the run know what came of it since."""
    lost = {address: one for address, one in STATE.bindings.items() if address.kind != "volume"}
    with pytest.raises(StateError, match="which is missing") as raised:
        dump(attrs.evolve(STATE, bindings=lost))
    said = str(raised.value.hint)
    assert "flowplan import volume." in said and "restore" not in said
    with pytest.raises(StateError, match="is missing") as raised:
        load(_without_volumes(dump(STATE)), "state")
    assert "`flowplan state restore`" in str(raised.value.hint)


def _without_volumes(data: bytes) -> bytes:
    body = json.loads(data)
    body["resources"] = [one for one in body["resources"] if one["type"] != "volume"]
    del body["sha256"]
    return json.dumps({**body, "sha256": digest(body)}).encode()
