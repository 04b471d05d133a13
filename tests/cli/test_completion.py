"""Completion, asked for by the shells themselves."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from flowplan.cli import main
from flowplan.cli.commands import COMMANDS
from flowplan.cli.shells import SHELLS, answer
from flowplan.simulator import SIMULATOR_KEY, Simulator
from flowplan.simulator.auctions.catalogue import INSTANCE_TYPES
from flowplan.simulator.serve import Server
from tests.conftest import APPLY, Place
from tests.processes import LONGEST

STACK = """\
version: 2
project_name: my-foundry-project
tasks:
  sweep:
    for_each: [a, b]
    task_management: {utility_threshold_price: 4}
    resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}
"""
H100 = next(one.fid for one in INSTANCE_TYPES if one.name.startswith("h100"))
BIN = Path(sys.executable).parent


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"there is no {shell}: apt-get install {shell}")


@pytest.fixture
def applied(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    place.write(STACK)
    place.ok(*APPLY)
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    return place


def asked(place: Place, monkeypatch: pytest.MonkeyPatch, shell: str, line: str) -> list[str]:
    """What a shell is answered when Tab is pressed at the end of `line`."""
    monkeypatch.setenv("_FLOWPLAN_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1) if shell == "zsh" else line.split(" ")[-1])
    found = place.run()
    assert (found.code, found.err) == (0, "")
    return found.out.splitlines()


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("flowplan f", ["plain,fmt", "plain,force-unlock"]),
        ("flowplan state m", ["plain,migrate", "plain,mv"]),
        ("flowplan plan --targ", ["plain,--target"]),
        ("flowplan plan --no-c", ["plain,--no-color"]),
        ("flowplan market h1", ["plain,h100-80gb.sxm.8x"]),
        ("flowplan market --region eu", ["plain,eu-central1-a", "plain,eu-central1-b"]),
        ("flowplan --api-url sim: pl", ["plain,plan"]),
        ("flowplan show ", ["file,"]),
        ("flowplan --chdir x", ["dir,x"]),
        ("flowplan completion z", ["plain,zsh"]),
        ("flowplan plan --out p", ["file,p"]),
        ("flowplan market --for ", ["file,"]),
        ("flowplan explain no-a", ["plain,no-auction"]),
        ("flowplan submit x", [""]),
        ("flowplan plan -auto-approve ", [""]),
        ('flowplan plan "', ["file,"]),
    ],
)
def test_a_word_is_completed(place: Place, monkeypatch: pytest.MonkeyPatch, line: str, values: list[str]) -> None:
    assert asked(place, monkeypatch, "bash", line) == values
    assert list(place.path.iterdir()) == []


def parameters(command: click.Command, ctx: click.Context) -> Iterator[tuple[click.Context, click.Parameter]]:
    """Those of a command and of all below it."""
    yield from ((ctx, one) for one in command.params)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from parameters(below, click.Context(below, info_name=name, parent=ctx))


def test_where_a_file_is_meant_the_shell_completes_its_own() -> None:
    found = [
        (ctx.command_path, one.name, [item.type for item in one.shell_complete(ctx, "")])
        for ctx, one in parameters(main, click.Context(main, info_name="flowplan", obj={}))
        if (one.make_metavar(ctx) if isinstance(one, click.Argument) else one.metavar) in ("FILE", "[FILE]", "PATH")
    ]
    assert len(found) > 20
    assert [one for one in found if one[2] != ["file"]] == []


def test_outputs_are_those_of_the_state(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write("version: 2\noutputs: {region: x, rest: y}\n")
    assert asked(place, monkeypatch, "bash", "flowplan output re") == [""]
    monkeypatch.delenv("_FLOWPLAN_COMPLETE")
    place.ok(*APPLY)
    assert asked(place, monkeypatch, "bash", "flowplan output re") == ["plain,region", "plain,rest"]


def test_addresses_are_those_of_the_state(applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [r"plain,bid.sweep\[\"a\"\]", r"plain,bid.sweep\[\"b\"\]"]
    assert asked(applied, monkeypatch, "bash", "flowplan state show b") == kept
    assert asked(applied, monkeypatch, "bash", "flowplan plan --target=task.") == [
        one.replace("bid", "task") for one in kept
    ]
    assert asked(applied, monkeypatch, "bash", "flowplan --state other.json state show b") == [""]
    assert asked(applied, monkeypatch, "bash", "flowplan --state s3://b/k state show b") == [""]
    applied.write("{", "flowplan.state.json")
    assert asked(applied, monkeypatch, "bash", "flowplan state show b") == [""]


def test_types_and_regions_are_those_that_the_api_was_last_seen_to_offer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the server, which is gone by then; and the simulator has its own."""
    with Simulator.open(":memory:") as elsewhere, Server(elsewhere) as server:
        url = server.url
        with elsewhere.exclusive() as db:
            db.execute("DELETE FROM auctions WHERE region NOT LIKE 'eu-%' OR instance_type <> ?", (H100,))
        monkeypatch.setenv("FLOWPLAN_API_KEY", SIMULATOR_KEY)
        place.ok("market", "--api-url", url)
    line = f"flowplan --api-url {url} market "
    offered = asked(place, monkeypatch, "bash", line)
    assert offered and all(one.startswith("plain,h100") for one in offered)
    regions = asked(place, monkeypatch, "bash", f"{line}--region us")
    assert (regions, asked(place, monkeypatch, "bash", f"{line}--region eu") != [""]) == ([""], True)
    assert asked(place, monkeypatch, "bash", "flowplan market a100-") != [""]
    assert asked(place, monkeypatch, "bash", f"flowplan --api-url {url} simulator market a100-") != [""]
    for other in ("http://127.0.0.1:9", "https://me:secret@127.0.0.1", "::"):
        assert asked(place, monkeypatch, "bash", f"flowplan --api-url {other} market a100-") != [""]
    assert not (place.path / ".flowplan").exists()


def test_every_command_is_completed_without_importing_one(place: Place) -> None:
    script = (
        "import os, sys; os.environ.update(_FLOWPLAN_COMPLETE='bash_complete', COMP_WORDS='flowplan ');"
        "from flowplan.cli import run; run([]);"
        "sys.stderr.write(' '.join(one for one in sys.modules if one.startswith(('flowplan.operations', 'requests'))))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"plain,{name}" for name in COMMANDS]
    assert done.stderr == ""


def test_what_no_shell_asks_is_answered_with_nothing() -> None:
    assert [answer(main, one) for one in ("", "bash", "bash_source", "tcsh_complete", "_complete")] == [""] * 5


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_good_to_the_shell(place: Place, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}: apt-get install {shell}")
    done = subprocess.run(
        [shell, "-n"], input=place.ok("completion", shell), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert place.run("completion", "tcsh").code == 64


@contextmanager
def terminal(*command: str) -> Iterator[int]:
    """A shell at a terminal of its own; the descriptor of that."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, {**os.environ, "TERM": "dumb", "PS1": "> ", "HOME": "."})
    try:
        yield descriptor
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(descriptor)


def until(descriptor: int, pattern: str) -> str:
    """What is shown, up to `pattern`."""
    shown = ""
    while re.search(pattern, shown) is None:
        assert select.select([descriptor], [], [], LONGEST)[0], shown
        shown += os.read(descriptor, 4096).decode(errors="replace")
    return shown


def typed(descriptor: int, text: str) -> None:
    os.write(descriptor, text.encode())


AT_A_TERMINAL = {
    "bash": (("bash", "--norc", "--noprofile", "-i"), "source <(flowplan completion bash)"),
    "zsh": (("zsh", "-f", "-i"), "autoload -U compinit; compinit -u; source <(flowplan completion zsh)"),
}


@pytest.mark.parametrize("shell", AT_A_TERMINAL)
def test_tab_completes_at_a_terminal(applied: Place, shell: str) -> None:
    """A command, then an address whose quotation marks and brackets reach flowplan as they are."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}: apt-get install {shell}")
    command, source = AT_A_TERMINAL[shell]
    with terminal(*command) as descriptor:
        typed(descriptor, f"{source}; echo rea''dy\n")
        until(descriptor, "ready")
        typed(descriptor, "flowplan force\t\n")
        until(descriptor, "Usage: flowplan force-unlock")
        typed(descriptor, "flowplan state show bid.sw\ta\t\n")
        until(descriptor, re.escape('bid.sweep["a"] (bid_'))
        for quote, bracket in (("'", '["'), ('"', '[\\"')):
            typed(descriptor, f"flowplan state show {quote}bid.sweep{bracket}b\t\n")
            until(descriptor, re.escape('bid.sweep["b"] (bid_'))


@needs("bash")
def test_an_address_that_bash_inserts_is_the_address(applied: Place) -> None:
    """The function that Tab calls is called, and what it inserts is read by bash again."""
    script = """
        source <(flowplan completion bash)
        COMP_LINE='flowplan state show bid.sweep'; COMP_POINT=${#COMP_LINE}; COMP_WORDS=($COMP_LINE); COMP_CWORD=3
        _flowplan_completion flowplan
        for one in "${COMPREPLY[@]}"; do eval "flowplan state show $one" || exit 1; done
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'bid.sweep["a"] (bid_' in done.stdout
    assert 'bid.sweep["b"] (bid_' in done.stdout


@needs("fish")
def test_fish_completes(applied: Place) -> None:
    script = "flowplan completion fish | source; complete -C 'flowplan init'; complete -C 'flowplan state show b'"
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "init\tWrite a first flowplan.yaml, with comments."
    assert len(done.stdout.splitlines()) == 3
    assert "sweep" in done.stdout
