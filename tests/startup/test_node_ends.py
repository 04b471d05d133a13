"""When an instance shuts itself down: after its minutes, at its moment, or once the user's script has ended."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import attrs
import pytest

from flowplan.model.resources import Ends
from tests.processes import LONGEST
from tests.startup.node import BASH, HELLO, Node, inputs, long, rendered

FUTURE = 253_402_300_799


def booted(node: Node, ends: Ends | None, text: str | None = "echo hello\n") -> Node:
    return node.boot(inputs(text, ends=ends))


def minute(node: Node) -> list[str]:
    """What the timer does each minute; the calls it makes."""
    before = len(node.calls("systemctl"))
    tools = node.path / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("date", "mv"):
        if not (tools / name).exists():
            (tools / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    environ = {**os.environ, "PATH": f"{node.stubs}:{tools}", "NODE": str(node.path)}
    subprocess.run([BASH, node.root / "var/lib/flowplan-ends"], env=environ, check=True, timeout=LONGEST)
    return node.calls("systemctl")[before:]


def test_it_counts_the_minutes_that_it_runs_also_over_reboots(node: Node) -> None:
    booted(node, Ends(3, None, when_done=False))
    assert node.units == ["flowplan-ends.service", "flowplan-ends.timer"]
    assert "systemctl enable --now flowplan-ends.timer" in node.calls()
    assert "ends=ok" in node.status
    assert "ExecStart=" in node.text("etc/systemd/system/flowplan-ends.service")
    assert [minute(node) for _ in range(3)] == [[], [], ["systemctl poweroff"]]
    assert minute(node) == ["systemctl poweroff"]  # it was started again: its time is over


@pytest.mark.parametrize(("moment", "calls"), [(FUTURE, []), (1, ["systemctl poweroff"])])
def test_it_ends_at_its_moment(node: Node, moment: int, calls: list[str]) -> None:
    booted(node, Ends(None, moment, when_done=False))
    assert minute(node) == calls


def test_a_disk_that_is_full_does_not_stop_the_clock(node: Node) -> None:
    booted(node, Ends(60, 1, when_done=False))
    (node.root / "var/lib/flowplan-minutes").mkdir()  # what cannot be written to
    assert minute(node) == ["systemctl poweroff"]


def test_a_minute_that_cannot_be_written_takes_none_of_those_counted(node: Node) -> None:
    booted(node, Ends(60, None, when_done=False))
    assert minute(node) == minute(node) == []
    full = f"trap '' XFSZ; ulimit -f 0; {BASH} {node.root}/var/lib/flowplan-ends"  # every write fails
    subprocess.run([BASH, "-c", full], check=True, timeout=LONGEST, capture_output=True)
    assert node.text("var/lib/flowplan-minutes") == "2\n"


@pytest.mark.parametrize("text", ["exit 7\n", f"exit 7\n{long()}"])
@pytest.mark.parametrize("when_done", [True, False])
def test_it_shuts_down_once_the_script_has_ended_if_that_is_wanted(node: Node, text: str, *, when_done: bool) -> None:
    booted(node, Ends(None, None, when_done=when_done), text)
    assert node.code == 7
    assert ("systemctl poweroff" in node.calls()) == when_done
    assert node.status[-1] == "script=exit 7"


def test_without_a_script_nothing_is_done_with(node: Node) -> None:
    booted(node, Ends(None, None, when_done=True), None)
    assert "systemctl poweroff" not in node.calls()


def test_without_systemd_it_counts_in_the_background(node: Node) -> None:
    shutil.rmtree(node.root / "run/systemd")
    booted(node, Ends(3, None, when_done=False))
    assert node.units == []
    assert "ends=ok" in node.status
    assert (node.root / "var/lib/flowplan-ends").exists()


def test_a_lifetime_changes_no_digest_and_no_script_without_one(tmp_path: Path) -> None:
    """Another lifetime replaces nothing that runs."""
    without = inputs(HELLO)
    ending = attrs.evolve(without, ends=Ends(60, None, when_done=True))
    assert without.sha256 == ending.sha256
    assert without.alike(ending)
    assert "flowplan-ends" in rendered(ending)
    assert "poweroff" not in rendered(without)
