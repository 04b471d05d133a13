"""Ten thousand bids: quick, and as quick as a hundred."""

from __future__ import annotations

import json
import statistics
import time

import pytest

from flowplan.cloud.simulator import Request, Simulator

from .conftest import H100, REGION

HEADERS = {"authorization": "Bearer fkey_x"}


def timed(simulator: Simulator, method: str, url: str, body: dict[str, object] | None = None) -> float:
    request = Request.to(method, url, HEADERS, json.dumps(body).encode() if body else b"")
    start = time.perf_counter()
    answer = simulator.handle(request)
    assert answer.status in (200, 201), answer.body
    return time.perf_counter() - start


@pytest.mark.slow
def test_answers_stay_quick_up_to_10_000_bids(simulator: Simulator) -> None:
    project = simulator.handle(Request.to("GET", "/v2/projects", HEADERS)).json[0]["fid"]
    medians = {}
    times: list[float] = []
    for number in range(10_000):
        body: dict[str, object] = {
            "project": project,
            "region": REGION,
            "instance_type": H100,
            "limit_price": f"${9 + number % 20}.00",
            "instance_quantity": 1 + number % 2,
            "name": f"task-{number}",
            "launch_specification": {"volumes": [], "ssh_keys": [], "startup_script": "x" * 2_000},
        }
        times.append(timed(simulator, "POST", "/v2/spot/bids", body))
        if number % 10 == 0:
            times.append(timed(simulator, "GET", f"/v2/spot/bids?project={project}&name=task-{number}"))
            times.append(timed(simulator, "GET", f"/v2/pricing/current?instance_type={H100}&region={REGION}"))
        if number in (199, 9_999):
            medians[number + 1] = statistics.median(times[-240:])
    assert medians[10_000] < 0.005
    assert medians[10_000] < 3 * medians[200] + 0.001
    assert timed(simulator, "GET", f"/v2/spot/bids?project={project}&limit=100&status=Open") < 0.1
