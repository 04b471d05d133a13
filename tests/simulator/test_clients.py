"""The public FCP clients, unchanged from PyPI, against a served simulator. Each has an environment of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowplan.simulator import Simulator
from flowplan.simulator.serve import Server
from tests.processes import LONGEST, Process

pytestmark = pytest.mark.clients
ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".venv-clients"
OFFLINE = r"establish a new connection|name resolution|Network is unreachable|Connection refused|timed out|ProxyError"


def installed(requirement: str) -> Path:
    """The directory of the programs of a client, which is installed when it is not yet.

    Skips when there is no network; any other failure to install is a failure.
    """
    where = ENVIRONMENTS / requirement
    mark = where / "installed"
    if not mark.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", where], check=True, timeout=LONGEST)
        pip = [where / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=900)
        if done.returncode and re.search(OFFLINE, done.stderr):
            pytest.skip(f"PyPI cannot be reached to install {requirement}: {done.stderr.strip()[-300:]}")
        assert done.returncode == 0, done.stderr
        mark.touch()
    return where / "bin"


class Client:
    """A client's programs, in an environment in which they know nothing but the simulator."""

    def __init__(self, programs: Path, home: Path, url: str) -> None:
        self._programs = programs
        self._home = home
        self._environment = {
            "PATH": os.defpath,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            "MITHRIL_API_URL": url,
            "MITHRIL_API_KEY": "fkey_client",
        }

    def set(self, **variables: str) -> None:
        self._environment |= variables

    def __call__(self, program: str, *arguments: str) -> str:
        """What it prints. A program that fails fails the test."""
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{program} {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def at_a_terminal(self, answers: dict[bytes, bytes], program: str, *arguments: str) -> str:
        """What it prints at a terminal, where each question that it asks gets its answer, once."""
        ours, theirs = pty.openpty()
        command = [self._programs / program, *arguments]
        environment = self._environment | {"TERM": "xterm"}
        process = Process(
            command, cwd=self._home, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
        )
        os.close(theirs)
        shown, left = b"", dict(answers)
        deadline = threading.Timer(120, process.kill)
        deadline.start()
        try:
            while part := read_terminal(ours):
                shown += part
                for question in [question for question in left if question in shown]:
                    os.write(ours, left.pop(question))
            assert process.wait() == 0, shown.decode()
        finally:
            deadline.cancel()
            os.close(ours)
        return shown.decode()


def read_terminal(ours: int) -> bytes:
    """What is shown next; nothing when the program has ended."""
    try:
        return os.read(ours, 4096)
    except OSError:  # Linux's way to say so
        return b""


@pytest.fixture
def server(simulator: Simulator) -> Iterator[Server]:
    with Server(simulator) as running:
        yield running


def project_of(simulator: Simulator) -> str:
    return str(simulator._db.execute("SELECT fid FROM projects WHERE mine = 1").fetchone()[0])


def test_flow_compute(simulator: Simulator, server: Server, tmp_path: Path) -> None:
    client = Client(installed("flow-compute==3.28.2"), tmp_path, server.url)
    client.set(MITHRIL_PROJECT="my-foundry-project", FLOW_HTTP_CACHE_DIR="/dev/null")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)

    def flow(*arguments: str) -> str:
        return client("flow", *arguments)

    def data(*arguments: str) -> Any:
        return json.loads(flow(*arguments, "--json"))["data"]

    flow(
        "volume",
        "create",
        "--size",
        "10",
        "--name",
        "data",
        "--interface",
        "file",
        "--region",
        "us-central1-b",
        "--yes",
    )
    assert [(row["name"], row["size_gb"]) for row in data("volume", "list")] == [("data", 10)]
    assert "us-central1-b" in flow("volume", "info", "data")

    assert "mine" in flow("ssh-key", "upload", "key.pub", "--name", "mine")
    assert "mine" in flow("ssh-key", "list")

    rows = data("availability", "-i", "h100", "-r", "us-central1-b")["availability"]
    assert [row["price_per_instance_hour"] for row in rows] == [8.0]
    assert "H100" in flow("pricing", "-i", "h100")
    assert data("quota")["quotas"][0]["used_quantity"] == 10

    run = data(
        "run", "nvidia-smi", "-i", "8xh100", "-r", "us-central1-b", "-n", "job", "--wait-until", "submitted", "-y"
    )
    bid = run["task_id"]
    simulator.advance(600)
    assert bid in flow("status")
    assert [row["fid"] for row in data("bid", "list")["bids"]] == [bid]
    assert "$70.00" in flow("bid", "update", bid, "-m", "70", "--yes")
    flow("bid", "pause", bid, "--yes")
    assert status_of(simulator, bid) == "Paused"
    flow("bid", "unpause", bid)
    assert status_of(simulator, bid) in ("Open", "Allocated")

    flow("cancel", bid, "--yes")
    assert status_of(simulator, bid) == "Terminated"
    flow("volume", "delete", "data", "--yes")
    flow("ssh-key", "delete", "mine", "--yes")
    assert all(entry.status < 400 for entry in simulator.ledger(everything=True))


def test_what_the_readme_says_of_flow(simulator: Simulator, server: Server, tmp_path: Path) -> None:
    client = Client(installed("flow-compute==3.28.2"), tmp_path, server.url)
    client.set(MITHRIL_PROJECT="my-foundry-project")
    commands = re.findall(
        r"^(?:[A-Z][a-z ]+)? {2,}([a-z][a-z0-9-]+) {2,}", client("flow", "--help", "--all"), re.MULTILINE
    )
    assert "run" in commands and "logs" in commands and "plan" not in commands
    options = client("flow", "run", "--help")
    assert all(one in options for one in ("--dry-run", "--upload-code", "high-spend confirmation"))
    assert "Open one or more public ports" in client("flow", "ports", "--help")
    run = ("run", "nvidia-smi", "-i", "8xh100", "-r", "us-central1-b", "--dry-run")
    shown = client("flow", *run)
    assert "Max Bid" in shown and "nothing was submitted" in shown
    assert [entry for entry in simulator.ledger() if entry.method == "POST"] == []


def status_of(simulator: Simulator, bid: str) -> str:
    return str(simulator._db.execute("SELECT status FROM bids WHERE fid = ?", (bid,)).fetchone()[0])


def test_mithril_client(simulator: Simulator, server: Server, tmp_path: Path) -> None:
    client = Client(installed("mithril-client==0.1.0rc3"), tmp_path, server.url)
    client.set(MITHRIL_PROJECT=project_of(simulator))
    driven = client("python", str(Path(__file__).with_name("drive_bindings.py")))
    assert driven.count("ok ") > 30

    assert "h100-80gb.sxm.8x" in client("ml", "instance", "list-types")
    body = {
        "project": project_of(simulator),
        "region": "us-central1-b",
        "instance_type": "it_5ECSoHQjLBzrp5YM",
        "limit_price": "$17.92",
        "instance_quantity": 1,
        "name": "listed",
        "launch_specification": {"volumes": [], "ssh_keys": []},
    }
    bid = simulator.faults.third_party("POST", "/v2/spot/bids", body).json["fid"]
    assert "listed" in client("ml", "instance", "list", "--json")
    assert "17.92" in client("ml", "instance", "info", "listed")
    client("ml", "instance", "delete", "listed", "--yes")
    assert status_of(simulator, bid) == "Terminated"

    order = ("instance", "create", "-i", "8xh100", "-r", "us-central1-b", "-m", "25.5", "-n", "made")
    shown = client.at_a_terminal({b"Select SSH key": b" \r"}, "ml", *order)
    assert "Bid created" in shown
    made = simulator.faults.third_party("GET", "/v2/spot/bids?name=made").json["data"][0]
    assert made["fid"] in shown
    assert (made["limit_price"], len(made["launch_specification"]["ssh_keys"])) == ("$25.50", 1)

    assert "billing=ok" in client("ml", "setup", "--check")
    assert "No active clusters" in client("ml", "k8s", "list")
