"""Signals are heard even while the main thread waits for something and is not interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from flowplan.cli.stop import Stop
from tests.processes import LONGEST, Process

# The main thread never takes the signal itself, as when it comes just before it begins to wait; another thread does.
DEAF = f"""
import os, queue, signal, threading
from flowplan.cli.stop import SIGNALS, Stop
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
tell = lambda text: os.write(1, (text + "\\n").encode())  # one write: two threads tell
results = queue.SimpleQueue()
stop = Stop(wake=lambda: results.put(None), say=lambda text: tell(text.strip()))
with stop.listening():
    tell("waiting")
    results.get(timeout={LONGEST})
    tell("woken by " + str(stop.number))
    results.get(timeout={LONGEST})
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_the_main_thread_does_not_take_is_heard_at_once(number: signal.Signals, code: int) -> None:
    with Process([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        said = [process.stdout.readline() for _ in range(2)]
        process.send_signal(number)
        assert process.wait(LONGEST) == code
        said += process.stdout.readlines()
    assert f"woken by {int(number)}\n" in said
    assert any("stopping" in line for line in said)
    assert any("stopped at once" in line for line in said)


@pytest.mark.parametrize("far", [False, True])
def test_what_is_said_then_tells_that_a_server_may_take_its_time_to_save_the_state(far: bool) -> None:
    said: list[str] = []
    Stop(say=said.append, far=far).on(signal.SIGINT)
    slow = ", for up to about a minute if its server does not answer" if far else ""
    assert said == [
        "\nstopping: nothing new starts, what is under way gets 5 s, then the state is saved"
        f"{slow} (again: stop at once)"
    ]


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """`nohup flowplan apply`: the terminal may go."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = Stop()
        with stop.listening():
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.number is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_within_is_heard_before_listening_ends_and_one_after_it_is_not_ours() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        stop = Stop()
        with stop.listening():
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.number == signal.SIGTERM
        assert heard == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
