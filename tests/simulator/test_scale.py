"""Ten thousand bids: quick, and as quick as a hundred."""

from __future__ import annotations

import json
import statistics
import threading
import time
from pathlib import Path

import pytest

from flowplan.cloud.simulator import Request, Simulator

from .conftest import H100, REGION
from .long_run import run

HEADERS = {"authorization": "Bearer fkey_x"}


def timed(simulator: Simulator, method: str, url: str, body: dict[str, object] | None = None) -> float:
    request = Request.to(method, url, HEADERS, json.dumps(body).encode() if body else b"")
    start = time.perf_counter()
    answer = simulator.handle(request)
    assert answer.status in (200, 201), answer.body
    return time.perf_counter() - start


def bid_of(project: str, name: str, number: int) -> dict[str, object]:
    return {
        "project": project,
        "region": REGION,
        "instance_type": H100,
        "limit_price": f"${9 + number % 20}.00",
        "instance_quantity": 1 + number % 2,
        "name": name,
        "launch_specification": {"volumes": [], "ssh_keys": [], "startup_script": "x" * 2_000},
    }


@pytest.mark.slow
def test_answers_stay_quick_up_to_10_000_bids(simulator: Simulator) -> None:
    project = simulator.handle(Request.to("GET", "/v2/projects", HEADERS)).json[0]["fid"]
    medians = {}
    times: list[float] = []
    for number in range(10_000):
        times.append(timed(simulator, "POST", "/v2/spot/bids", bid_of(project, f"task-{number}", number)))
        if number % 10 == 0:
            times.append(timed(simulator, "GET", f"/v2/spot/bids?project={project}&name=task-{number}"))
            times.append(timed(simulator, "GET", f"/v2/pricing/current?instance_type={H100}&region={REGION}"))
        if number in (199, 9_999):
            medians[number + 1] = statistics.median(times[-240:])
    print(f"median answer {medians[200] * 1e3:.2f} ms with 200 bids, {medians[10_000] * 1e3:.2f} ms with 10,000")
    assert medians[10_000] < 0.005
    assert medians[10_000] < 3 * medians[200] + 0.001
    assert timed(simulator, "GET", f"/v2/spot/bids?project={project}&limit=100&status=Open") < 0.1


def test_50_requests_in_flight(simulator: Simulator) -> None:
    """Median and worst answer while 50 threads keep asking; nothing is lost, nothing comes twice."""
    project = simulator.handle(Request.to("GET", "/v2/projects", HEADERS)).json[0]["fid"]
    times: list[float] = []
    start = threading.Barrier(50)

    def ask(thread: int) -> None:
        start.wait()
        for number in range(20):
            if number % 5:
                times.append(timed(simulator, "GET", f"/v2/spot/bids?project={project}&limit=10"))
            else:
                times.append(timed(simulator, "POST", "/v2/spot/bids", bid_of(project, f"t{thread}-{number}", number)))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"50 in flight: median {statistics.median(times) * 1e3:.2f} ms, worst {max(times) * 1e3:.1f} ms")
    assert len(times) == 1_000
    assert len({entry.subject for entry in simulator.ledger()}) == 200
    assert max(times) < 5


def test_memory_does_not_grow(tmp_path: Path) -> None:
    """The bounded variant of long_run.py: after a warm-up, 12,000 requests leave the process as large as it was."""
    with Simulator.open(tmp_path / "s.db") as simulator:
        first, last = run(simulator, 12_000, samples=2, warm_up=3_000)
    print(f"memory after 3,000 requests {first:.1f} MB, after 15,000 {last:.1f} MB")
    assert last - first < 4
