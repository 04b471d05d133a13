"""A stack that is watched, and rounds of its watch."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from flowplan.apply.events import Silent
from flowplan.documents.watch import Round
from flowplan.documents.watched import Told
from flowplan.operations.opening.interaction import Event, Interruption, Listener
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from flowplan.operations.proposing.request import Request
from flowplan.operations.running.options import RunOptions
from flowplan.operations.watching import rounds as module
from flowplan.operations.watching.one_round import one_round
from flowplan.operations.watching.rounds import rounds
from flowplan.planning.watch_findings import Finding
from tests.conftest import Place, bid_id

ALL = "{on_preempted: rebid, raise_limit_up_to: 25, switch_region: true, max_hourly_cost: 60}"


def stack(watch: str = ALL, **tasks: str) -> str:
    """A stack with a policy, and a line for each task."""
    each = "\n".join(f"  {name}: {line}" for name, line in tasks.items())
    policy = f"watch: {watch}\n" if watch else ""
    return f"version: 2\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n{policy}tasks:\n{each}\n"


def task(limit: str = "17.92", kind: str = "h100.8x.SXM5.IB", region: str = "us-central1-b", more: str = "") -> str:
    where = f", cluster_id: {region}" if region else ""
    price = f"task_management: {{utility_threshold_price: {limit}}}"
    return f"{{resources_specification: {{fcp_instance: {kind}{where}}}, {price}{more}}}"


HOW = RunOptions(settle_window=0.2)  # as `place` has it: a create in doubt is real time


def look(place: Place, *paths: str) -> Round:
    """One round, here."""
    settings = Settings(directory=place.path, environ=dict(os.environ))
    with Session(settings) as session:
        return one_round(session, Request(paths=paths), HOW, Silent())


def only(found: Round) -> Finding:
    """The finding of a round that has one."""
    assert len(found.findings) == 1, found
    return found.findings[0]


def end(place: Place, *, by_cloud: bool = True) -> str:
    """The bid of the task ends, by the cloud or by somebody; its id."""
    id = bid_id(place, "bid.train")
    if by_cloud:
        with place.simulator() as simulator:
            simulator.faults.end(id)
    else:
        place.call("DELETE", f"/v2/spot/bids/{id}")
    return id


def posts(place: Place) -> int:
    """How many bids were placed so far."""
    return sum((one.method, one.path) == ("POST", "/v2/spot/bids") for one in place.ledger())


def watched(place: Place, monkeypatch: pytest.MonkeyPatch, *between: Callable[[], object]) -> list[Told]:
    """The rounds, with each of `between` before the next; it is stopped after the last."""
    left, told = list(between), list[Told]()

    def wait(interruption: Interruption, seconds: float) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()

    monkeypatch.setattr(module, "wait", wait)
    settings = Settings(directory=place.path, environ=dict(os.environ), command=lambda: "flowplan watch")
    with pytest.raises(KeyboardInterrupt):
        for one in rounds(settings, Listener(), Event(), Request(), HOW, Silent(), 300):
            told.append(one)
    return told
