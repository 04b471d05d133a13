"""Many requests to one simulator, and the memory of the process while they run.

python -m tests.simulator.long_run [REQUESTS (1000000)] [FILE]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from flowplan.simulator import Request, Simulator

HEADERS = {"authorization": "Bearer fkey_x"}
H100, REGION = "it_5ECSoHQjLBzrp5YM", "us-central1-b"


def run(simulator: Simulator, requests: int, *, samples: int, warm_up: int) -> list[float]:
    """Megabytes of resident memory after `warm_up` requests and then at even intervals, `samples` in all."""
    asking = Asking(simulator)
    for _ in range(warm_up):
        asking.ask()
    found = [resident()]
    for _ in range(samples - 1):
        for _ in range(requests // (samples - 1)):
            asking.ask()
        found.append(resident())
    return found


def resident() -> float:
    """Megabytes of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


class Asking:
    """Request after request, of all kinds: bids placed, changed, cancelled, read and listed; volumes; prices; time."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._project = self._send("GET", "/v2/projects")[0]["fid"]
        self._bid = ""
        self._count = 0

    def ask(self) -> None:
        self._count += 1
        kind = self._count % 10
        if kind == 0:
            self._bid = self._send("POST", "/v2/spot/bids", self._body(), f"key-{self._count}")["fid"]
        elif kind == 1:
            self._send("PATCH", f"/v2/spot/bids/{self._bid}", {"limit_price": "$21.00"}) if self._bid else None
        elif kind == 2:
            self._send("GET", f"/v2/spot/bids?project={self._project}&limit=20")
        elif kind == 3:
            self._send("GET", f"/v2/pricing/history?instance_types={H100}&region={REGION}&num_samples=-1")
        elif kind == 9 and self._bid:
            self._send("DELETE", f"/v2/spot/bids/{self._bid}")
            if self._count % 1_000 == 9:
                self._simulator.advance(600)
        else:
            self._send("GET", f"/v2/pricing/current?instance_type={H100}&region={REGION}")

    def _body(self) -> dict[str, object]:
        return {
            "project": self._project,
            "region": REGION,
            "instance_type": H100,
            "limit_price": "$20.00",
            "instance_quantity": 1,
            "name": f"task-{self._count}",
            "launch_specification": {"volumes": [], "ssh_keys": [], "startup_script": "x" * 500},
        }

    def _send(self, method: str, path: str, body: object = None, key: str = "") -> object:
        headers = HEADERS | ({"idempotency-key": key} if key else {})
        data = json.dumps(body).encode() if body is not None else b""
        answer = self._simulator.handle(Request.to(method, path, headers, data))
        assert answer.status < 300, answer.body
        return answer.json if answer.body else None


def main(requests: int, path: Path) -> None:
    start = time.perf_counter()
    with Simulator.open(path) as simulator:
        memory = run(simulator, requests, samples=11, warm_up=min(10_000, requests // 10))
    took = time.perf_counter() - start
    print(f"{requests:,} requests in {took:.0f} s ({requests / took:.0f} a second)")
    print(f"the data: {path.stat().st_size / 1e6:.0f} MB")
    print("resident memory, MB: " + " ".join(f"{megabytes:.1f}" for megabytes in memory))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000,
            Path(sys.argv[2] if len(sys.argv) > 2 else f"{directory}/simulator.db"),
        )
