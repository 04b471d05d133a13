"""Runs of the Python API that are stopped at one of their calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import define, field

import flowplan
from flowplan.cloud.http.transport import Transport
from flowplan.operations.opening.interaction import Event
from tests.processes import LONGEST


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Set once a run knows that it is to stop."""
    known, stop = threading.Event(), Event.stop
    monkeypatch.setattr(Event, "stop", lambda self: (stop(self), known.set()))
    yield known


def ended(act: Callable[[], Any]) -> flowplan.Interrupted:
    """What a call ends with in a thread of its own."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - it is looked at
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(LONGEST)
    [error] = raised
    assert isinstance(error, flowplan.Interrupted), error
    assert error.exit_code == 130
    return error


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, asked: threading.Event) -> Calls:
    """The attempts of calls. The `nth` sets `stop`, and goes on once the run knows it."""
    made, exchange = Calls(), Transport._exchange

    def counted(transport: Transport, *given: Any) -> Any:
        made.count += 1
        if made.count == made.nth:
            made.stop.set()
            assert asked.wait(LONGEST)
        return exchange(transport, *given)

    monkeypatch.setattr(Transport, "_exchange", counted)
    return made


@define
class Calls:
    count: int = 0
    nth: int = 0
    stop: threading.Event = field(factory=threading.Event)
