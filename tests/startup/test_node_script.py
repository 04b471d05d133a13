"""Where the user's script lies on the instance while it runs, and how it is started there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import until
from tests.startup.node import BASH, Node, inputs, long, rendered

SHOW = f'#!{BASH} -u\necho "$0 $-"\ncat "$0" >"$NODE/ran"\nexit 7\n'


@pytest.fixture
def node(tmp_path: Path, stubs: Path) -> Node:
    return Node(tmp_path / "node", stubs)


def forbid(node: Node, *places: str) -> None:
    """Files in these places cannot be executed: as on a file system that is mounted noexec."""
    directory = node.path / "forbidding"
    directory.mkdir()
    pattern = "|".join(f'"$NODE/root/{place}"/*' for place in places)
    real = shutil.which("chmod")
    (directory / "chmod").write_text(
        f'#!{BASH}\ncase ${{!#}} in {pattern}) exec {real} 0600 "${{!#}}" ;; esac\nexec {real} "$@"\n'
    )
    (directory / "chmod").chmod(0o755)
    node.environ["PATH"] = f"{directory}:{node.stubs}"


PLACES = ("var/lib", "opt", "root", "var/tmp")


@pytest.mark.parametrize("size", [0, 9000])
@pytest.mark.parametrize("count", range(len(PLACES)))
def test_it_runs_from_the_first_place_where_files_may_be_executed(node: Node, count: int, size: int) -> None:
    for place in PLACES:
        (node.root / place).mkdir(parents=True, exist_ok=True)
    forbid(node, *PLACES[:count]) if count else None
    text = SHOW + long(size)
    node.boot(inputs(text))
    assert node.code == 7, node.output
    path, flags = node.output.splitlines()[0].split()
    assert path.startswith(f"{node.root}/{PLACES[count]}/flowplan.")
    assert "u" in flags and Path(path).read_text() == node.ran.decode() == text
    assert [one for place in PLACES[:count] for one in (node.root / place).iterdir()] == []


def nowhere(node: Node) -> None:
    """No place at all allows it, mktemp's own choice included."""
    directory = node.path / "forbidding"
    directory.mkdir()
    (directory / "chmod").write_text(f'#!{BASH}\nexec {shutil.which("chmod")} 0600 "${{!#}}"\n')
    (directory / "chmod").chmod(0o755)
    node.environ["PATH"] = f"{directory}:{node.stubs}"


@pytest.mark.parametrize(
    ("first", "prints"),
    [
        (f"#!{BASH} -u", "u"),
        (f"#! \t{BASH} \t -u \t", "u"),
        (f"#!{BASH}", ""),
        ("#!", ""),
        (f"#!{shutil.which('env')} {BASH}", ""),
    ],
)
def test_where_none_does_its_interpreter_is_given_the_file(node: Node, first: str, prints: str) -> None:
    nowhere(node)
    text = first + SHOW[SHOW.index("\n") :]
    node.boot(inputs(text))
    assert node.code == 7, node.output
    path, flags = node.output.splitlines()[0].split()
    assert path.startswith(f"{node.root}/var/lib/flowplan.") and Path(path).read_text() == node.ran.decode() == text
    assert prints in flags
    assert Path(path).parent.stat().st_mode & 0o777 == 0o700


def test_all_that_follows_the_interpreter_is_one_word(node: Node) -> None:
    nowhere(node)
    show = node.path / "show"
    show.write_text(f'#!{BASH}\nprintf "[%s]" "$@"\n')
    show.chmod(0o755)
    node.boot(inputs(f"#!{show} -a  b 'c\n"))
    assert node.output.startswith(f"[-a  b 'c][{node.root}/var/lib/flowplan.")


def test_an_interpreter_that_is_none_fails_as_it_would_otherwise(node: Node) -> None:
    nowhere(node)
    node.boot(inputs("#!/no/such/interpreter\n"))
    assert node.code in (126, 127)
    assert node.status[-1] == f"script=exit {node.code}"


@pytest.mark.parametrize("size", [0, 9000])
def test_what_runs_on_in_the_background_may_still_read_it(node: Node, size: int) -> None:
    """The main process is over, and with it flowplan's; `$0` is there, and its digest is the same."""
    text = (
        f'#!{BASH}\n(trap "" HUP; until [ -e "$NODE/over" ]; do sleep 0.01; done; cat "$0" >"$NODE/late.part"; '
        'cp "$NODE/late.part" "$NODE/late") </dev/null >/dev/null 2>&1 &\nexit 4\n'
    ) + long(size)
    script = node.path / "sent"
    script.write_text(rendered(inputs(text), root=str(node.root)))
    environ = {"PATH": str(node.stubs), "NODE": str(node.path)}
    done = subprocess.run([BASH, script], env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 4, done.stdout
    (node.path / "over").touch()
    late = node.path / "late"
    until(lambda: late.exists() and late.stat().st_size == len(text))
    assert late.read_text() == text


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")
def test_on_a_real_noexec_file_system(node: Node) -> None:
    """/var/lib is a tmpfs mounted noexec; in a mount namespace of its own."""
    (node.root / "opt").mkdir()
    script = node.path / "sent"
    script.write_text(rendered(inputs(SHOW), root=str(node.root)))
    mount = f'mount -t tmpfs -o noexec none "{node.root}/var/lib" || exit 99; PATH="{node.stubs}" {BASH} "{script}"'
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NODE": str(node.path)}
    done = subprocess.run(
        ["unshare", "--mount", BASH, "-c", mount], env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    assert done.returncode == 7, done.stdout + done.stderr
    assert done.stdout.startswith(f"{node.root}/opt/flowplan.")
