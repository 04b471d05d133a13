"""What a startup script does: the user's part of it, whose bytes and exit code are the user's."""

from __future__ import annotations

import base64
import gzip
import os
import sys
from pathlib import Path

import attrs
import pytest

from flowplan.model.resources import Script
from tests.startup.node import EXAMPLE, Node, copies_only, inputs, long, rendered

KEEP = 'cp "$0" "$NODE/ran"\n'


def test_the_exit_code_is_the_users(node: Node):
    node.boot(inputs(f"{KEEP}echo from the user\nexit 7\n"))
    assert node.code == 7
    assert node.status == ["script=running", "script=exit 7"]
    assert node.output.splitlines() == ["from the user", "flowplan: script: exit code 7"]


def test_without_a_script_the_exit_code_is_0(node: Node):
    node.boot(inputs(None))
    assert (node.code, node.output, node.status) == (0, "", ["script=none"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "exit",  # no newline at the end
        "exit\n\n\n",
        "exit\r\n# CRLF\r\n",
        "exit\n\tdéjà vu \N{SNOWMAN} \N{PILE OF POO}\N{RIGHT-TO-LEFT OVERRIDE}\n",
        'a=(1 2)\nexit ${#a[@]}; b="#}"; echo LOST\n',
        "exit\n{{ 1 }} {% if %} {# no #} @{ x }@ @% if %@ @# x #@\n#% if x\n",
        "exit\nEND\nEOF\n'END'\nmain\n",
        "exit\n\0\1\x7f\x80\xff\0\n",
        "exit\n" + "".join(map(chr, range(1, 256))),
        "exit\n" + "$(reboot) `reboot` '\"\\\n",
        "exit\n" + "\\",
        " #!/bin/false",
        "#",
    ],
    ids=repr,
)
@pytest.mark.parametrize("form", ["inline", "compressed"])
def test_the_users_bytes_come_out_unchanged(node: Node, text: str, form: str):
    text = text if form == "inline" else f"{text}\n{long()}{text}"
    copies_only(node)
    given_inputs = inputs(text)
    assert ("gzip" in rendered(given_inputs)) == (form == "compressed")
    node.boot(given_inputs)
    assert node.ran == text.encode()
    assert node.status == ["script=running", "script=exit 0"]


@pytest.mark.parametrize("size", [0, 9000])
def test_its_own_shebang_is_honoured(node: Node, size: int):
    program = f"#!{sys.executable}\nimport sys\nprint(sys.executable)\nsys.exit(3)\n{long(size)}"
    node.boot(inputs(program))
    assert node.code == 3
    assert sys.executable in node.output


def test_a_shebang_to_nowhere_is_the_users_failure(node: Node):
    node.boot(inputs("#!/no/such/interpreter\n"))
    assert node.code in (126, 127)
    assert node.status[-1] == f"script=exit {node.code}"


@pytest.mark.parametrize("size", [0, 9000])
def test_it_runs_alone_in_a_private_directory_that_stays(node: Node, size: int):
    text = 'echo "$0"; ls=$(cd "${0%/*}" && echo *); echo "$ls"; umask; read -r line || echo "no input"\n'
    node.boot(inputs(text + long(size)))
    path, listing, mask, rest, _ = node.output.splitlines()
    assert path.startswith(f"{node.root}/var/lib/flowplan.") and Path(path).parent.stat().st_mode & 0o777 == 0o700
    assert list((node.root / "var/lib").iterdir()) == [Path(path).parent]
    assert (listing, rest) == ("script", "no input")
    assert int(mask, 8) == current_umask()


def current_umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("size", [0, 9000])
def test_the_directory_and_the_script_are_the_owners_only(node: Node, size: int):
    python = f"#!{sys.executable}\nimport os, sys\nfor p in (sys.argv[0], os.path.dirname(sys.argv[0])):"
    node.boot(inputs(f"{python}\n    print(oct(os.stat(p).st_mode & 0o777))\n{long(size)}"))
    assert node.output.splitlines()[:2] == ["0o700", "0o700"]


def test_home_user_and_path_are_set_for_it_only_when_unset(node: Node):
    show = 'echo "$HOME $USER"; bash -c "echo \\$PATH"'
    assert node.boot(inputs(show)).output.splitlines()[0] == "/root root"
    path = node.output.splitlines()[1]
    assert path.startswith(f"{node.stubs}:") and path.endswith(":/sbin") is (str(node.root) == "")
    node.environ |= {"HOME": "/home/me", "USER": "me"}
    assert node.boot(inputs(show)).output.splitlines()[0] == "/home/me me"


def test_the_log_is_private_and_holds_what_was_printed(node: Node):
    node.boot(inputs("echo out; echo err >&2"))
    log = node.root / "var/log/flowplan-startup.log"
    assert log.read_text() == node.output == "out\nerr\nflowplan: script: exit code 0\n"
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("size", [0, 9000])
@pytest.mark.parametrize("option", ["-x", "-o xtrace"])
def test_tracing_does_not_show_the_users_script(node: Node, option: str, size: int):
    text = f"true SECRET\n{long(size)}"
    node.boot(inputs(text), *option.split())
    assert node.code == 0
    assert "+ main" in node.output
    assert "SECRET" not in node.output
    assert base64.b64encode(text.encode()).decode()[:40] not in node.output
    assert long()[1:40] not in node.output


@pytest.mark.parametrize("size", [0, 9000])
def test_a_damaged_script_is_not_run(node: Node, size: int):
    given_inputs = inputs(f"{KEEP}{long(size)}")
    text = rendered(given_inputs, root=str(node.root))
    start = text.index("<<'END'") + (200 if size else 30)
    for damaged in (text[:start] + ("A" if text[start] != "A" else "B") + text[start + 1 :], text[:start]):
        node.run(damaged)
        assert not (node.path / "ran").exists()
        if damaged.endswith("main\n") or size:
            assert node.code != 0
            assert "damaged" in node.output


def test_damaged_steps_are_not_run(node: Node):
    """Tampered with by somebody who left the checksum as it was, or cut off on the way."""
    text = rendered(inputs(KEEP + long()), root=str(node.root))
    head, start, rest = text.partition("<<'END'")
    pipe, packed, end = rest.split("\n", 2)
    tampered = base64.b64encode(gzip.compress(gzip.decompress(base64.b64decode(packed)) + b"\n")).decode()
    for damaged in (tampered, packed[:400], ""):
        node.run("".join([head, start, pipe, "\n", damaged, "\n", end]))
        assert node.code == 1
        assert node.output.splitlines()[-1] == "flowplan: damaged, nothing was run"
        assert not (node.path / "ran").exists()
        assert list((node.root / "var/lib").iterdir()) == []


def test_half_a_script_does_nothing(node: Node):
    text = rendered(attrs.evolve(EXAMPLE, startup_script=Script.of(KEEP)), root=str(node.root))
    for end in range(0, len(text) - len("main\n"), 97):
        node.run(text[:end])
        assert node.calls() == []
        assert not (node.path / "ran").exists()


def test_what_the_environment_says_changes_nothing(node: Node):
    node.disk()
    node.environ |= {"SECONDS": "99999", "IFS": "0", "root": "/nowhere", "patience": "x", "work": "/", "log": "/x"}
    node.environ |= {"status": "/x", "code": "1", "mounts": "x", "BASH_ENV": "/nowhere", "TMPDIR": "/nowhere"}
    node.boot(attrs.evolve(EXAMPLE, startup_script=Script.of("exit 4")), patience=1)
    assert node.code == 4
    assert all(line.endswith("=ok") for line in node.status[:12])
