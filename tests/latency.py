"""`make bench`: how long a command waits for an API that is far away, beside what its calls would take at least; and
how much longer an apply takes with the state on a server, across a network, than with it in a file.

The API answers after 100 ms and the server that keeps the state after 50 ms, each through a relay on the loopback
address. A ratio is of the least of several runs, near and far in turn. What a command takes is its time less the CPU
that it used itself; the simulator works on the same machine, and what it takes for 50 calls at once counts.
"""

from __future__ import annotations

import os
import queue
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

API, SERVER = 0.1, 0.05  # seconds until an answer comes
GOAL = 1.25
RUNS = 3


class Far:
    """What stands before the server at `port`, and makes it `seconds` farther away."""

    def __init__(self, port: int, seconds: float) -> None:
        self._server, self._seconds = ("127.0.0.1", port), seconds
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listening.getsockname()[1]
        _begin(self._accept)

    def _accept(self) -> None:
        while True:
            client, _ = self._listening.accept()
            server = socket.create_connection(self._server)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _begin(_pass, client, server, 0.0)
            _begin(_pass, server, client, self._seconds)


def _begin(work: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


def _pass(source: socket.socket, sink: socket.socket, seconds: float) -> None:
    said: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
    if seconds:
        _begin(_say, said, sink)
    data = b"begun"
    while data:
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        if seconds:
            said.put((time.monotonic() + seconds, data))
        else:
            _send(sink, data)


def _say(said: queue.SimpleQueue[tuple[float, bytes]], sink: socket.socket) -> None:
    data = b"begun"
    while data:
        when, data = said.get()
        time.sleep(max(when - time.monotonic(), 0.0))
        _send(sink, data)


def _send(sink: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        sink.sendall(data) if data else sink.shutdown(socket.SHUT_WR)


@contextmanager
def simulator(directory: Path) -> Iterator[int]:
    """The simulated API in a process of its own, with data of its own; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "flowplan", "simulator", "serve", "--port", str(port), "--db", "sim.db"]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as served:
        try:
            until = time.monotonic() + 30
            while served.poll() is None and time.monotonic() < until:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield port
        finally:
            served.terminate()


def seconds_of(tasks: str, state: str, environ: Mapping[str, str]) -> float:
    """The wall time of an apply of `tasks` with the state at `state` ("": in a file), on a machine that has found out
    before whether the server there can keep one."""
    with tempfile.TemporaryDirectory() as name, simulator(Path(name)) as port:
        directory = Path(name)
        around = {
            **os.environ,
            **environ,
            **_environ(directory, Far(port, API).port),
            "FLOWPLAN_STATE": state,
        }
        for text in ("version: 2\ntasks: {}\n", tasks):  # the first begins the state
            (directory / "flowplan.yaml").write_text(text)
            seconds, _ = _took(["apply", "--auto-approve"], directory, around)
        return seconds


def waits(tasks: Callable[[int], str], count: int = 100, parallelism: int = 50) -> None:
    """Print how long each command takes beside its CPU, and the least that its calls take, one round after the other:
    what is listed, with the pages of the longest list, the prices, and the waves of changes."""
    pages, waves = -(-count // 100), -(-count // parallelism)
    rounds = {
        "plan": 3,
        "apply": 3 + 2 * waves,  # volumes, then bids
        "plan, nothing to change": pages + 1,
        "status": pages + 1,
    }
    print(f"\n{count} tasks, {parallelism} calls at a time, the API {API * 1000:.0f} ms away:")
    with tempfile.TemporaryDirectory() as name, simulator(Path(name)) as port:
        directory = Path(name)
        (directory / "flowplan.yaml").write_text(tasks(count))
        around = {**os.environ, **_environ(directory, Far(port, API).port)}
        for case, words in {
            "plan": ["plan"],
            "apply": ["apply", "--auto-approve", "--parallelism", str(parallelism)],
            "plan, nothing to change": ["plan"],
            "status": ["status"],
        }.items():
            wall, cpu = _took(words, directory, around)
            bound = rounds[case] * API
            print(
                f"{case:<24} {wall:6.2f} s, {cpu:5.2f} s CPU; {rounds[case]:3d} rounds take {bound:5.2f} s; "
                f"beside both {wall - cpu - bound:5.2f} s   (goal 0.5)"
            )


def _took(words: list[str], directory: Path, around: Mapping[str, str]) -> tuple[float, float]:
    """The wall time and the CPU of a command. One that fails ends the measurement."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "flowplan", *words]
    done = subprocess.run(command, cwd=directory, env=around, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"flowplan {' '.join(words)} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return seconds, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _environ(directory: Path, port: int) -> dict[str, str]:
    """What leads to the API at `port`, and keeps what a machine remembers in `directory`."""
    return {
        "FLOWPLAN_API_URL": f"http://127.0.0.1:{port}",
        "FLOWPLAN_API_KEY": "fkey_latency0123456789",
        "XDG_STATE_HOME": str(directory / "kept"),
    }


def compare(tasks: Callable[[int], str], count: int = 100) -> None:
    """Print how many times longer an apply of so many tasks takes with the state on each kind of server."""
    from tests.faults.state_servers import SERVERS

    print(f"\napply of {count} tasks, the API {API * 1000:.0f} ms away, the state's server {SERVER * 1000:.0f} ms:")
    for name, server in SERVERS.items():
        there = server()
        there.port = Far(there.port, SERVER).port
        near, far = zip(*(_pair(tasks(count), there.new, there.environ()) for _ in range(RUNS)), strict=True)
        ratio = min(far) / min(near)
        print(f"{name:<10} {min(far):6.2f} s, in a file {min(near):6.2f} s: {ratio:5.2f} times   (goal {GOAL})")


def _pair(tasks: str, new: Callable[[], str], environ: Mapping[str, str]) -> tuple[float, float]:
    return seconds_of(tasks, "", {}), seconds_of(tasks, new(), environ)
