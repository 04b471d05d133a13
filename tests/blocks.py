"""The fenced blocks of a page, and a terminal in which somebody types its shell blocks, one after the other."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from tests.conftest import ROOT, START
from tests.loaded import flowplan

FENCE = re.compile(r"^( *)```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
UNSEEN = re.compile(r"^<!-- typed before\n(.*?)^-->$", re.DOTALL | re.MULTILINE)
LEFT_OUT = "# The tests do not run these lines: "
_NAMED = re.compile(r"the data on volume ([\w-]+)[^\n]*\nType the volume's name to destroy its data: $")


@frozen
class Block:
    """A fenced block. `title`: the file that it is, for the blocks below it. `line`: that of its fence."""

    language: str
    title: str
    text: str
    line: int

    @property
    def typed(self) -> str:
        """What is typed of a shell block; nothing of any other, or of one that says that it is left out."""
        if self.language == "console":
            return "\n".join(re.findall(r"^\$ (.*)$", self.text, re.MULTILINE))
        return self.text if self.language == "bash" and not self.text.startswith(LEFT_OUT) else ""


def blocks(text: str) -> list[Block]:
    """The blocks of a page in their order, also what is typed before one is shown, which no reader needs."""
    seen = UNSEEN.sub(lambda one: f"```bash\n{one[1]}```", text)
    return [
        Block(one[2], one[3] or "", dedented(one[4], one[1]), seen.count("\n", 0, one.start()) + 1)
        for one in FENCE.finditer(seen)
    ]


def dedented(text: str, indent: str) -> str:
    return re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)


def programs(where: Path) -> Path:
    """A directory with `flowplan`, this one, its `python`, and an editor that writes an API key into an empty file."""
    where.mkdir()
    for name, text in {
        "flowplan": flowplan(),
        "python": f'exec {sys.executable} "$@"',
        "edit": '[ -s "$1" ] || echo fkey_of_the_tests > "$1"',
    }.items():
        (where / name).write_text(f"#!/bin/sh\n{text}\n")
        (where / name).chmod(0o755)
    return where


def environment(where: Path, **more: str) -> dict[str, str]:
    """What a shell in `where` knows: nobody's credentials, a home of its own, the simulator's usual start."""
    known = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    path = f"{programs(where / '.programs')}:{os.environ['PATH']}"
    (where / ".home").mkdir()
    return {
        **known,
        **START,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "HOME": str(where / ".home"),
        "TERM": "xterm",
        "EDITOR": "edit",
        "FLOWPLAN_API_URL": "sim:",
        **more,
    }


def script(page: Sequence[Block], outputs: Path) -> str:
    """A script of the shell blocks of a page. What each command of a console block prints goes into a file of `outputs`
    that is called after its line and number."""
    lines = ["set -eu"]
    for block in page:
        if block.language != "console":
            lines.append(block.typed)
            continue
        lines.append("set +e")  # what fails is shown, too
        for number, command in enumerate(block.typed.splitlines()):
            lines.append(f"{{ {command}\n}} > {outputs}/{block.line}.{number} 2>&1")
        lines.append("set -e")
    return "\n".join(lines)


def program(page: Sequence[Block]) -> str:
    """The Python of a page: what a block defines, those below it use. One with a title is a file by itself."""
    return "\n".join(block.text for block in page if block.language == "python" and not block.title)


def answers(shown: str) -> Iterator[str]:
    """What somebody types who has been shown this: the approval, or the name of the volume that is asked for."""
    if shown.endswith("Only 'yes' is accepted: "):
        yield "yes\n"
    elif found := _NAMED.search(shown):
        yield f"{found[1]}\n"


def at_a_terminal(text: str, where: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """The exit code of a script of bash that has a terminal, and what it showed. Questions are answered."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(where)
        os.execve("/bin/bash", ["bash", "-c", text], dict(environ))
    shown = ""
    with contextlib.suppress(OSError):  # a terminal whose other end is closed reads as an error
        while select.select([terminal], [], [], 120)[0] and (data := os.read(terminal, 65536)):
            shown += data.decode(errors="replace").replace("\r\n", "\n")
            for answer in answers(re.sub(r"\x1b\[[\d;]*m", "", shown)):
                os.write(terminal, answer.encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def outputs_of(block: Block, outputs: Path) -> str:
    """A console block as it is by now: its commands, each with what it printed."""
    commands = block.typed.splitlines()
    return "".join(f"$ {one}\n{(outputs / f'{block.line}.{n}').read_text()}" for n, one in enumerate(commands))
