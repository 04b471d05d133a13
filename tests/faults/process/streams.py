"""Where the output goes."""

from __future__ import annotations

import os
import subprocess

from tests import loaded
from tests.conftest import FLOWPLAN
from tests.faults.process.rows import cell
from tests.faults.world import COMMANDS, World


def shell(world: World, command: str, redirect: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of bash. What streams that are closed do is shown by a start of Python."""
    flowplan = FLOWPLAN if "&-" in redirect else loaded.client()
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirect}', "-", *flowplan, *COMMANDS[command]],
        cwd=world.path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


STREAMS = {
    "stdout-closed": (">&-", 1),
    "stdout-full": (">/dev/full", 1),
    "stdout-unread": ("> >(true)", 0),
    "stderr-closed": ("2>&-", 0),
    "stderr-full": ("2>/dev/full", 0),
    "both-full": (">/dev/full 2>&1", 1),
    "both-closed": (">&- 2>&-", 1),
    "stdin-closed": ("<&-", 0),
}


@cell("streams", "apply", variants=STREAMS)
@cell("streams", "plan", "destroy", variants=STREAMS, usual=("stdout-full", "both-closed"))
def where_output_goes_decides_nothing_but_the_exit_code(world: World, command: str, how: tuple[str, int]) -> None:
    """What is to be done is done; but that not all of stdout was written never ends as if all were well."""
    world.begin(command)
    redirect, code = how
    done = shell(world, command, redirect)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    assert ("not all of the output could be written to stdout" in done.stderr) == (redirect in (">&-", ">/dev/full"))
    if command == "apply":
        assert len(world.executed("POST")) == 4
    if command == "destroy":
        assert not world.bids()


@cell("streams", "apply", variants={"dumb": "dumb"})
@cell("streams", "plan", "destroy", variants={"dumb": "dumb"}, usual=())
def a_dumb_terminal_gets_plain_text(world: World, command: str, term: str) -> None:
    world.begin(command)
    done = shell(world, command, "", TERM=term)
    assert done.returncode == 0, done
    assert "\x1b" not in done.stdout + done.stderr


@cell("streams", "apply", "destroy", variants={"nobody-to-ask": None})
def without_approval_nothing_is_done(world: World, command: str, _: None) -> None:
    world.begin(command)
    told = world.run(*[word for word in COMMANDS[command] if word != "--auto-approve"])
    assert told.code == 1, told
    assert "--auto-approve" in told.said
    assert not told.mutations
