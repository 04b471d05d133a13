"""The pictures of a terminal in the README and the docs: what flowplan prints now, on the simulator, whose time and
market are the same at each run. `python docs/pictures/make.py` writes them; tests/test_pictures.py holds them to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from terminal import svg

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
_START = "2026-11-02T09:00:00Z"
_WHEN_SLOW = "asking for the prices"  # said only on a machine that is busy


class Picture(NamedTuple):
    """`unseen`: what is typed before, of which nothing is shown; `typed`: the command in the picture."""

    name: str
    title: str
    unseen: tuple[str, ...]
    typed: str


_RAISED = "sed -i 's/utility_threshold_price: 17.92/utility_threshold_price: 21.50/' flowplan.yaml"
_MISTAKEN = "sed -e 's/num_instances/instances/' -e 's/8080/80800/' -e 's/ *#.*//' flowplan.yaml > mistaken.yaml"
# One after the other, in one directory.
PICTURES = (
    Picture(
        "plan",
        "flowplan plan shows that a limit price is raised, and what that costs",
        (
            f"cp '{ROOT}/examples/task/flowplan.yaml' .",
            "flowplan apply --auto-approve",
            "flowplan simulator advance 1h",
            _RAISED,
        ),
        "flowplan plan",
    ),
    Picture(
        "refused",
        "flowplan plan refuses what would cost more than the budget, and says what to do",
        (),
        "flowplan plan --max-hourly-cost 20",
    ),
    Picture("apply", "flowplan apply raises the limit price", (), "flowplan apply --auto-approve"),
    Picture("status", "flowplan status shows what runs and what it is charged", (), "flowplan status"),
    Picture(
        "market",
        "flowplan market shows the past prices of an auction, what a limit of $22 would do, and advice",
        (),
        "flowplan market h100 --region us-central1-a --limit 22",
    ),
    Picture(
        "problems",
        "flowplan validate shows each problem of a file at its place",
        (_MISTAKEN,),
        "flowplan validate mistaken.yaml",
    ),
)


def drawn() -> Iterator[tuple[str, str]]:
    """The name of each picture, and the SVG that shows what is printed now. Raises CalledProcessError where what is
    typed before fails."""
    with tempfile.TemporaryDirectory() as name:
        directory, environ = Path(name) / "training", _environ(Path(name))
        directory.mkdir()
        for one in PICTURES:
            for command in one.unseen:
                _run(command, directory, environ).check_returncode()
            printed = _run(one.typed, directory, environ).stdout.rstrip("\n").split("\n")
            shown = (line for line in printed if not line.startswith(_WHEN_SLOW))
            yield one.name, svg(one.title, [f"\x1b[1m$ {one.typed}\x1b[0m", *shown])


def _environ(directory: Path) -> dict[str, str]:
    """Nothing of this machine: `flowplan` is this one."""
    programs = directory / "programs"
    programs.mkdir()
    program = programs / "flowplan"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flowplan "$@"\n')
    program.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(directory),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "80",
        "FORCE_COLOR": "1",
        "FLOWPLAN_API_URL": "sim:",
        "FLOWPLAN_SIMULATOR_START": _START,
    }


def _run(command: str, directory: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash") or "/bin/bash"
    return subprocess.run(  # noqa: S603 - the commands above
        [bash, "-c", command],
        cwd=directory,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


if __name__ == "__main__":
    for name, picture in drawn():
        (HERE / f"{name}.svg").write_text(picture, encoding="utf-8")
