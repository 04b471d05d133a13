"""What `moved` blocks make of a state: (what the state knows, the blocks) -> addresses, or what is wrong."""

from __future__ import annotations

import pytest

from flowplan.config import Config, read
from flowplan.config.config import Source
from flowplan.model.address import Address
from flowplan.model.resources import Inputs, PortMapping
from flowplan.planning.moves import readdress
from flowplan.state.state import State
from tests.builders import HTTP, bid, bound, state, volume

TASK = "{resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}}"


def config(moved: str, *tasks: str, volumes: str = "", more: str = "") -> Config:
    def no_file(source: str, path: str) -> bytes:
        raise AssertionError

    each = {name: TASK.replace("{", "{for_each: [x, y], ", 1) if name.endswith("*") else TASK for name in tasks}
    lines = [f"  {name.removesuffix('*')}: {what}\n" for name, what in each.items()]
    made = f"volumes: {{{', '.join(f'{one}: {{size: 1}}' for one in volumes.split())}}}\n" if volumes else ""
    text = f"version: 2\n{made}tasks:\n{''.join(lines)}moved: [{moved}]\n{more}"
    return read([Source("s.yaml", text.encode())], no_file)


def move(old: str, new: str) -> str:
    return f"{{from: {old}, to: {new}}}"


def known(*names: str) -> State:
    """Bids with a port and the volume `data` each, by their ids."""
    bindings = [bound(Address("volume", "data"), "vol_1", volume())]
    for name in names:
        at, data = Address("bid", name), Address("volume", "data")
        bindings.append(bound(at, f"bid_{name}", bid(name, inputs=Inputs(ports=HTTP)), needs=(data,)))
        bindings.append(bound(Address("ports", name), f"bid_{name}", PortMapping(at, HTTP), needs=(at,)))
    return state(*bindings)


AX = "'task.a[\"x\"]'"
A_B, B_C = move("task.a", "task.b"), move("task.b", "task.c")


@pytest.mark.parametrize(
    ("there", "moved", "tasks", "ids"),
    [
        ("a", A_B, "b", {"b": "a"}),
        ("", A_B, "b", {}),
        ("b", A_B, "b", {"b": "b"}),
        ("a x", A_B, "b x", {"b": "a", "x": "x"}),
        ("a", f"{A_B}, {B_C}", "c", {"c": "a"}),
        ("a", f"{B_C}, {A_B}", "c", {"c": "a"}),
        ("b", f"{A_B}, {B_C}", "c", {"c": "b"}),
        ("a b", f"{move('task.a', 'task.x')}, {move('task.b', 'task.y')}", "x y", {"x": "a", "y": "b"}),
        ('a["x"] a["y"]', A_B, "b*", {'b["x"]': 'a["x"]', 'b["y"]': 'a["y"]'}),
        ('a["x"] a["y"]', f"{A_B}, {B_C}", "c*", {'c["x"]': 'a["x"]', 'c["y"]': 'a["y"]'}),
        ("a", move("task.a", AX), "a*", {'a["x"]': "a"}),
        ('a["x"]', move(AX, "task.a"), "a", {"a": 'a["x"]'}),
        ('a["x"] a["y"]', f"{A_B}, {move(AX, 'task.c')}", "b* c", {'b["y"]': 'a["y"]', "c": 'a["x"]'}),
        ("a a@g1", A_B, "b", {"b": "a", "b@g1": "a@g1"}),
    ],
)
def test_what_a_bid_is_called_now(there: str, moved: str, tasks: str, ids: dict[str, str]) -> None:
    before = known(*there.split())
    found, problems = readdress(before, config(moved, *tasks.split()))
    after = found.state.bindings
    assert not problems
    assert {one.name: b.id for one, b in after.items() if one.kind == "bid"} == {a: f"bid_{b}" for a, b in ids.items()}
    assert {one.name: b.id for one, b in after.items() if one.kind == "ports"} == {
        a: f"bid_{b}" for a, b in ids.items()
    }
    for name in ids:
        ports = after[Address("ports", name)]
        assert (ports.address, ports.needs) == (Address("ports", name), (Address("bid", name),))
        assert isinstance(ports.applied, PortMapping)
        assert ports.applied.bid == Address("bid", name)
    assert {str(new): str(old) for new, old in found.previous.items()} == {
        f"{kind}.{new}": f"{kind}.{old}" for new, old in ids.items() if new != old for kind in ("bid", "ports")
    }


def test_what_needs_a_volume_needs_it_by_its_new_address() -> None:
    found, problems = readdress(known("a"), config(move("volume.data", "volume.kept"), "a", volumes="kept"))
    assert not problems
    assert found.state.bindings[Address("bid", "a")].needs == (Address("volume", "kept"),)


@pytest.mark.parametrize(
    ("there", "moved", "tasks", "what"),
    [
        ("a b", A_B, "b", "bid.a (bid_a) cannot become bid.b: bid.b is in the state as bid_b"),
        ("a b", f"{A_B}, {B_C}", "c", "bid.b (bid_b) cannot become bid.c: bid.a (bid_a) becomes bid.c too"),
        ("a", A_B, "x", "bid.a is to become bid.b, which is not configured here: it would be destroyed"),
    ],
)
def test_a_move_that_cannot_be(there: str, moved: str, tasks: str, what: str) -> None:
    before = known(*there.split())
    _, problems = readdress(before, config(moved, *tasks.split()))
    assert [one.summary for one in problems] == [what]
    assert problems[0].position is not None


def test_of_an_address_with_a_slip_in_it_the_likely_one_is_named() -> None:
    _, problems = readdress(known("a"), config("{from: task.a, to: task.trian}", "train", "other"))
    assert str(problems[0].hint).startswith("did you mean bid.train? give the file that has it")
    _, problems = readdress(known("a"), config("{from: task.a, to: task.evaluate}", "train", volumes="evaluat"))
    assert str(problems[0].hint).startswith("give the file")  # a task becomes no volume


def test_a_bid_may_move_to_be_removed() -> None:
    removed = "removed: [{address: task.b, destroy: false}]\n"
    found, problems = readdress(known("a"), config(A_B, "x", more=removed))
    assert (problems, found.state.bindings[Address("bid", "b")].id) == ([], "bid_a")
