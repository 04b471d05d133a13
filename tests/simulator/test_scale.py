"""Ten thousand bids: quick, and as quick as a hundred."""

from __future__ import annotations

import json
import statistics
import threading
import time
from pathlib import Path

import pytest

from flowplan.simulator import Request, Simulator

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


@pytest.mark.timed
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
    """While 50 threads keep asking, nothing is lost, and nothing comes twice."""
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


@pytest.mark.timed
def test_memory_does_not_grow(tmp_path: Path) -> None:
    """The bounded variant of long_run.py: after a warm-up, 12,000 requests leave the process as large as it was."""
    with Simulator.open(tmp_path / "s.db") as simulator:
        first, last = run(simulator, 12_000, samples=2, warm_up=3_000)
    print(f"memory after 3,000 requests {first:.1f} MB, after 15,000 {last:.1f} MB")
    assert last - first < 4


def test_what_is_not_there_is_not_searched_for_everywhere(simulator: Simulator) -> None:
    """Counted in steps of SQLite's machine: 600 bids cost a listing no more than 20 do."""
    project = simulator.handle(Request.to("GET", "/v2/projects", HEADERS)).json[0]["fid"]
    volume = {"project": project, "region": REGION, "disk_interface": "File", "size_gb": 1}
    simulator.handle(Request.to("POST", "/v2/volumes", HEADERS, json.dumps(volume | {"name": "all"}).encode()))
    shared = simulator.handle(Request.to("GET", f"/v2/volumes?project={project}", HEADERS)).json[0]["fid"]
    elsewhere = f"project={project}&region=us-east1-a"
    urls = (
        *(f"/v2/spot/bids?{elsewhere}", f"/v2/spot/bids?{elsewhere}&instance_type={H100}"),
        *(f"/v2/spot/bids?project={project}&instance_type=it_no", f"/v2/instances?{elsewhere}"),
    )
    asked = [("GET", url, None) for url in urls]
    one = simulator.handle(
        Request.to("POST", "/v2/volumes", HEADERS, json.dumps(volume | {"name": "one"}).encode())
    ).json["fid"]
    asked += [("PATCH", f"/v2/volumes/{one}", {"name": "two"}), ("PATCH", f"/v2/volumes/{one}", {"name": "one"})]
    steps = []
    for number in range(600):
        body = bid_of(project, f"t{number}", number)
        body["launch_specification"] = {"volumes": [shared], "ssh_keys": []}
        timed(simulator, "POST", "/v2/spot/bids", body)
        if number in (19, 599):
            steps.append([counted(simulator, *request) for request in asked])
    print(f"steps with 20 and with 600 bids: {steps}")
    assert all(many < 2 * few + 100 for few, many in zip(*steps, strict=True))


def counted(simulator: Simulator, method: str, url: str, body: dict[str, object] | None) -> int:
    """Steps of SQLite's machine (by tens) that a request takes."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    simulator._db.set_progress_handler(count, 10)
    timed(simulator, method, url, body)
    simulator._db.set_progress_handler(None, 0)
    return steps
