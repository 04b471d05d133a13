"""Answers of the API that are spoilt."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import Place, live_ids

LAUNCH = ("startup_script", "ssh_keys", "volumes", "memory_gb")


def answers(place: Place, path: str, rows: Any) -> None:
    """From now on `rows` are the answer to a GET of `path`."""
    with place.simulator() as simulator:
        simulator.faults.add(f"GET {path}", "status", times=None, status=200, body=json.dumps(rows))


def get(place: Place, path: str) -> Any:
    return json.loads(place.call("GET", path).body)


def spoilt(row: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """`row` as an answer has it, with another value for a field; of a launch specification too."""
    row = json.loads(json.dumps(row))
    (row["launch_specification"] if name in LAUNCH else row)[name] = value
    return row


def live_of(place: Place) -> list[str]:
    with place.simulator() as simulator:
        simulator.faults.clear()
    return live_ids(place)
