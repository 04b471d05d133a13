"""Answers in which one value is odd: whatever the API says, a command ends with what it can say about it.

Every value that a command reads is replaced, one at a time, by what no client expects. A command may fail with a
message, or go on with what it knows. It never ends in a traceback, and `destroy` never says that what runs is gone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import TASK, Place, live_ids
from tests.faults.world import World

READ = {
    "/v2/projects": "/v2/projects",
    "/v2/ssh-keys": "/v2/ssh-keys?project={project}",
    "/v2/instance-types": "/v2/instance-types",
    "/v2/spot/availability": "/v2/spot/availability",
    "/v2/pricing/current": "/v2/pricing/current?instance_type={type}&region=us-central1-b&instance_quantity=1",
    "/v2/pricing/history": "/v2/pricing/history?instance_types={type}&region=us-central1-b&num_samples=-1",
    "/v2/spot/bids": "/v2/spot/bids?project={project}",
    "/v2/spot/bids/{bid_fid}": "/v2/spot/bids/{bid}",
    "/v2/spot/bids/{bid_fid}/history": "/v2/spot/bids/{bid}/history",
    "/v2/volumes": "/v2/volumes?project={project}",
    "/v2/instances": "/v2/instances?project={project}",
    "/v2/instances/pricing/history": "/v2/instances/pricing/history?project={project}",
}
COMMANDS = (
    ("plan",),
    ("plan", "--what-if", "1h"),
    ("plan", "--format", "json", "--horizon", "7d"),
    ("plan", "--destroy"),
    ("apply", "--auto-approve"),
    ("status",),
    ("market",),
    ("market", "h100-80gb.sxm.8x", "--limit", "5", "--history", "14d"),
    ("cost",),
    ("cost", "--horizon", "30d", "--format", "json"),
    ("orphans",),
    ("recover",),
    ("recover", "--from-live"),
    ("show",),
    ("graph",),
    ("destroy", "--auto-approve", "--allow-volume-destroy", "*", "--timeout", "2s"),
)
MISSING = "MISSING"
# JSON texts: some no encoder writes.
ODD = (
    MISSING, "null", '""', "0", "-1", "1.5", "1e308", "1e999999", "-1e999999", "1e-999999", "1" + "0" * 40, "true",
    '"1e999999"', '"$1e999999"', '"-$5.00"', '"NaN"', '"Infinity"', '"$1,000,000,000,000.00"', '"not a date"',
    '"9999-12-31T23:59:59Z"', '"0001-01-01T00:00:00+14:00"', "[]", "{}", "[[]]", "[{}]", "[null]", "[1]",
    '{"a": null}', '"\\ud800"', '"Köln \\u202e\\u0000\\u001b[2J"', '"' + "x" * 20_000 + '"', '"::error::x"',
    "[" * 60 + "]" * 60,
)  # fmt: skip


@frozen
class Case:
    """`path`: the keys and places that lead to the value in the answer to `route`, `odd` what stands there instead."""

    route: str
    path: tuple[str | int, ...]
    odd: str


def paths(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a JSON value, of lists the first item and the last."""
    yield before
    if isinstance(value, dict):
        for key, child in value.items():
            yield from paths(child, (*before, key))
    elif isinstance(value, list):
        for index in sorted({0, len(value) - 1}) if value else ():
            yield from paths(value[index], (*before, index))


def replaced(value: Any, path: tuple[str | int, ...], odd: str) -> str:
    """`value` as JSON with `odd` at `path`."""
    sentinel = "@here@"
    if not path:
        return "" if odd == MISSING else odd
    copy = json.loads(json.dumps(value))
    holder = copy
    for step in path[:-1]:
        holder = holder[step]
    if odd == MISSING:
        del holder[path[-1]]
    else:
        holder[path[-1]] = sentinel
    return json.dumps(copy).replace(json.dumps(sentinel), odd)


class Cloud:
    """A stack that runs since an hour, its cloud's answers, and the way back to them."""

    def __init__(self, place: Place, kept: Path) -> None:
        self.place, self.kept = place, kept
        place.write(TASK)
        place.ok("apply", "--auto-approve")
        place.ok("simulator", "advance", "1h")
        place.ok("cost")  # forecasts are kept
        words = {"project": self.first("/v2/projects"), "bid": "", "type": ""}
        bid = json.loads(place.call("GET", "/v2/spot/bids?project=" + words["project"]).body)["data"][0]
        words |= {"bid": bid["fid"], "type": bid["instance_type"]}
        self.answers = {route: json.loads(self.get(target.format(**words))) for route, target in READ.items()}
        shutil.copytree(place.path, kept)

    def first(self, target: str) -> str:
        return str(json.loads(self.get(target))[0]["fid"])

    def get(self, target: str) -> bytes:
        answer = self.place.call("GET", target)
        assert answer.status == 200, (target, answer)
        return answer.body

    def restore(self) -> None:
        for entry in self.place.path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.copytree(self.kept, self.place.path, dirs_exist_ok=True)

    def meet(self, case: Case, command: tuple[str, ...]) -> None:
        """Run `command` while `route` answers like this; whatever it says, it is no traceback."""
        self.restore()
        body = replaced(self.answers[case.route], case.path, case.odd)
        with self.place.simulator() as simulator:
            simulator.faults.add(f"GET {case.route}", "status", status=200, body=body, times=None)
        told = self.place.run(*command)
        said = told.out + told.err
        assert "internal error" not in said and "Traceback" not in said, (case, command, said[-3000:])
        if command[0] == "destroy" and told.code == 0:
            with self.place.simulator() as simulator:
                simulator.faults.clear()
            assert not live_ids(self.place), (case, said)  # what is said to be over is


@pytest.fixture
def cloud(world: World, tmp_path: Path) -> Cloud:
    """In a time that no wait takes."""
    return Cloud(world.place, tmp_path / "kept")


def meet_some(cloud: Cloud, data: st.DataObject, commands: Sequence[tuple[str, ...]]) -> None:
    route = data.draw(st.sampled_from(sorted(cloud.answers)))
    path = data.draw(st.sampled_from(sorted(paths(cloud.answers[route]), key=str)))
    cloud.meet(Case(route, path, data.draw(st.sampled_from(ODD))), data.draw(st.sampled_from(commands)))


FEW = settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = settings(max_examples=2_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
DESTROY = COMMANDS[-1:]


@FEW
@given(st.data())
def test_no_odd_answer_ends_in_a_traceback(cloud: Cloud, data: st.DataObject) -> None:
    meet_some(cloud, data, COMMANDS)


@FEW
@given(st.data())
def test_no_odd_answer_makes_destroy_say_that_what_runs_is_gone(cloud: Cloud, data: st.DataObject) -> None:
    meet_some(cloud, data, DESTROY)


@pytest.mark.slow
@MANY
@given(st.data())
def test_many_odd_answers(cloud: Cloud, data: st.DataObject) -> None:
    meet_some(cloud, data, (*COMMANDS, *DESTROY * 4))
