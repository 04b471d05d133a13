"""What each field's difference means: nothing, a change in place, one with a restart, or a replacement."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, get_args

import attrs
import pytest

from flowplan.model.address import Kind
from flowplan.model.resources import (
    CLASSES,
    Bid,
    ContainerImage,
    Inputs,
    LocalDisk,
    Mount,
    PortMapping,
    PortPair,
    Resource,
    Script,
    changes_of,
)
from flowplan.planning.differences import changed_in_place, differences
from tests.builders import (
    DATA,
    HTTP,
    PORTS,
    TRAIN,
    bid,
    bound,
    live,
    live_bid,
    live_volume,
    marked,
    planned,
    state,
    volume,
)

BEFORE: dict[Kind, Any] = {
    "volume": volume(),
    "bid": bid(volumes=("vol_1",), memory_gb=64, inputs=Inputs(Script.of("echo 1\n"), HTTP)),
    "ports": PortMapping(TRAIN, HTTP),
}
# (kind, field, its new value, what the difference means)
TABLE: list[tuple[Kind, str, Any, str]] = [
    ("volume", "name", "other", "none"),
    ("volume", "size_gb", 200, "replace"),
    ("volume", "interface", "File", "replace"),
    ("volume", "region", "r2", "replace"),
    ("bid", "name", "other", "none"),
    ("bid", "instance_type", "it_2", "replace"),
    ("bid", "region", "r2", "replace"),
    ("bid", "instance_quantity", 2, "replace"),
    ("bid", "limit_price", Decimal("20.01"), "update"),
    ("bid", "ssh_keys", ("key_2",), "replace"),
    ("bid", "volumes", ("vol_2",), "restart"),
    ("bid", "paused", True, "update"),
    ("bid", "memory_gb", 128, "update"),
    ("bid", "inputs", Inputs(Script.of("echo 2\n"), HTTP), "replace"),
]


@pytest.mark.parametrize(("kind", "field", "value", "meaning"), TABLE, ids=lambda one: str(one)[:20])
def test_what_a_field_that_differs_means(kind: Kind, field: str, value: Any, meaning: str) -> None:
    before = BEFORE[kind]
    after = attrs.evolve(before, **{field: value})
    found = differences(before, after)
    shown = "startup_script" if field == "inputs" else field
    assert [one.name for one in found] == ([] if meaning == "none" else [shown])
    assert all(one.forces == (meaning == "replace") for one in found)
    change = planned({_address(kind): after}, *_placed(kind)).by_address()[_address(kind)]
    assert _meaning(change.action, change.reason) == meaning


def _address(kind: Kind) -> Any:
    return {"volume": DATA, "bid": TRAIN}[kind]


def _placed(kind: Kind) -> Any:
    if kind == "volume":
        return state(bound(DATA, "vol_1", BEFORE["volume"])), live(live_volume(BEFORE["volume"]))
    return state(bound(TRAIN, "bid_1", BEFORE["bid"])), live(live_bid(BEFORE["bid"]))


def _meaning(action: str, reason: str | None) -> str:
    if reason == "update_by_restart":
        return "restart"
    assert reason == ("replace_because_cannot_update" if action == "replace" else None)
    return {"no-op": "none"}.get(action, action)


def test_every_field_that_is_compared_has_its_row() -> None:
    """Ports follow their bid, and are changed by it alone."""
    rows = {(kind, field) for kind, field, _, _ in TABLE}
    assert rows == {(kind, field) for kind in ("volume", "bid") for field in changes_of(kind)}
    assert set(changes_of("ports")) == {"bid", "pairs"} and set(get_args(Kind)) == set(CLASSES) == set(BEFORE)


@pytest.mark.parametrize("paused", [(True, True), (True, False), (False, True)])
def test_only_a_bid_that_runs_and_is_to_run_on_restarts(paused: tuple[bool, bool]) -> None:
    before = attrs.evolve(BEFORE["bid"], paused=paused[0])
    after = attrs.evolve(before, paused=paused[1], volumes=())
    plan = planned({TRAIN: after}, state(bound(TRAIN, "bid_1", before)), live(live_bid(before)))
    assert (plan.changes[0].action, plan.changes[0].reason) == ("update", None)


@pytest.mark.parametrize(
    ("kind", "field", "value", "meaning"), [row for row in TABLE if row[3] != "none"], ids=lambda one: str(one)[:20]
)
def test_what_is_not_told_is_no_difference(kind: Kind, field: str, value: Any, meaning: str) -> None:
    before, after = BEFORE[kind], attrs.evolve(BEFORE[kind], **{field: value})
    assert differences(attrs.evolve(before, unreported=(field,)), after) == ()
    assert differences(before, attrs.evolve(after, unreported=(field,))) == ()


@pytest.mark.parametrize("resource", BEFORE.values(), ids=list(BEFORE))
def test_nothing_differs_from_itself(resource: Resource) -> None:
    assert differences(resource, resource) == ()


@pytest.mark.parametrize("name", ["ssh_keys", "volumes"])
def test_the_order_and_the_repetition_of_ids_are_no_difference(name: str) -> None:
    before = attrs.evolve(bid(), **{name: ("x", "y")})
    for ids in (("y", "x"), ("x", "y", "x")):
        assert differences(before, attrs.evolve(before, **{name: ids})) == ()
    assert differences(before, attrs.evolve(before, **{name: ("x",)})) != ()


@pytest.mark.parametrize("memory", [(None, 64), (64, None)])
def test_the_default_that_the_api_fills_in_is_no_difference(memory: tuple[int | None, int | None]) -> None:
    assert differences(bid(memory_gb=memory[0]), bid(memory_gb=memory[1])) == ()


@pytest.mark.parametrize("one", [None, Inputs()])
def test_unknown_inputs_replace_nothing(one: Inputs | None) -> None:
    other = Inputs(Script.of("echo\n"), HTTP) if one is None else None
    assert differences(bid(inputs=one), bid(inputs=other)) == ()


def test_several_fields_differ_in_the_order_of_the_class() -> None:
    found = differences(bid(), bid(limit="21", quantity=2, region="r2"))
    assert [(one.name, one.before, one.after, one.forces) for one in found] == [
        ("region", "r", "r2", True),
        ("instance_quantity", 1, 2, True),
        ("limit_price", Decimal(20), Decimal(21), False),
    ]


def test_ports_that_differ_force_nothing_by_themselves() -> None:
    (found,) = differences(PortMapping(TRAIN, HTTP), PortMapping(TRAIN, ()))
    assert (found.name, found.forces) == ("pairs", False)
    assert PORTS.name == TRAIN.name


FULL = Inputs(
    Script.of("echo 1\n"),
    HTTP,
    (Mount("vol_1", "/mnt"),),
    (LocalDisk("/dev/vdc", "/scratch"),),
    ContainerImage("nginx"),
)


@pytest.mark.parametrize(
    ("changed", "by_marker"),
    [
        ({"startup_script": None}, "inputs"),
        ({"ports": (PortPair(1, 2),)}, "ports"),
        ({"mounts": ()}, "mounts"),
        ({"local_disks": ()}, "inputs"),
        ({"container_image": None}, "inputs"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_each_part_of_the_inputs_is_named(changed: dict[str, Any], by_marker: str) -> None:
    """Of a bid whose marker alone is known, no more is named than that tells."""
    other = bid(inputs=attrs.evolve(FULL, **changed), volumes=("vol_1",))
    before = attrs.evolve(other, inputs=FULL)
    assert [(one.name, one.forces) for one in differences(before, other)] == [(next(iter(changed)), True)]
    known = attrs.evolve(other, inputs=marked(FULL))
    assert [(one.name, one.forces) for one in differences(known, other)] == [(by_marker, True)]


def test_the_mount_of_a_volume_that_is_detached_is_no_difference_where_nothing_else_replaces() -> None:
    before = bid(inputs=FULL, volumes=("vol_1",))
    after = bid(inputs=attrs.evolve(FULL, mounts=()), volumes=())
    assert [(one.name, one.forces) for one in differences(before, after)] == [("volumes", False)]
    detached = changed_in_place(before, after, differences(before, after))
    assert differences(detached, after) == ()
    replaced = attrs.evolve(after, inputs=attrs.evolve(FULL, mounts=(), ports=()))
    found = {one.name: one.forces for one in differences(before, replaced)}
    assert found == {"volumes": False, "ports": True, "mounts": False}  # it would stay, were it for that alone


def test_of_a_bid_known_by_its_marker_a_mount_that_is_detached_hides_no_script_that_differs() -> None:
    """It was taken for a change in place, which nothing could make: the run ended with an internal error."""
    before = bid(inputs=marked(FULL), volumes=("vol_1",))
    after = bid(inputs=attrs.evolve(FULL, mounts=(), startup_script=Script.of("echo 2\n")), volumes=())
    found = {one.name: one.forces for one in differences(before, after)}
    assert found == {"volumes": False, "mounts": False, "inputs": True}


def test_a_change_in_place_keeps_all_else_as_it_is() -> None:
    """The script that runs stays the one that was sent, whatever the file says of fields that do not differ."""
    before = bid(memory_gb=64, inputs=None)
    after = bid(limit="21", inputs=FULL)
    kept = changed_in_place(before, after, differences(before, after))
    assert isinstance(kept, Bid)
    assert (kept.limit_price, kept.memory_gb, kept.inputs) == (Decimal(21), 64, None)


def test_what_only_a_marker_tells_is_known_in_full_once_the_files_agree() -> None:
    known = marked(FULL)
    before, after = bid(inputs=known), bid(limit="21", inputs=FULL)
    kept = changed_in_place(before, after, differences(before, after))
    assert isinstance(kept, Bid) and kept.inputs is not None
    assert kept.inputs.complete and kept.inputs.sha256 == known.sha256
