"""What the examples tell you to type works when it is typed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.blocks import environment
from tests.conftest import EXAMPLES, Place


def bash(script: str, directory: Path) -> str:
    """The output of a script, in which `flowplan` is this one, in a new simulator. It must succeed."""
    environ = environment(directory)
    done = subprocess.run(
        ["bash", "-euc", script], cwd=directory, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_prints_lines_that_can_be_pasted(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "pasted").mkdir()
    shown = bash(f"bash {EXAMPLES}/demo.sh", tmp_path / "run")
    lines = re.findall(r"^\$ (.*)$", shown, re.MULTILINE)
    assert len(lines) == 12
    again = bash("\n".join(lines), tmp_path / "pasted")
    kept = re.sub(r"^(\$ .*|# .*|)\n", "", shown, flags=re.MULTILINE)
    named = re.compile(r"^Stack [^:]*:", re.MULTILINE)  # after the directory
    assert named.sub("Stack:", re.sub(r"\n\n+", "\n", again).strip("\n")) == named.sub("Stack:", kept.strip("\n"))


def test_the_commands_beside_the_task_that_attaches(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLES / "attach", place.path, dirs_exist_ok=True)
    refused = place.run("plan")
    assert (refused.code, "there is no volume datasets" in refused.err) == (65, True)
    shutil.rmtree(place.path / ".flowplan")
    text = (place.path / "README.md").read_text()
    assert "2 added" in bash("\n".join(re.findall(r"^    (.*)$", text, re.MULTILINE)), place.path)
    assert place.run("plan", "--detailed-exitcode").code == 0
    place.ok("destroy", "--auto-approve")
    assert b'"datasets"' in place.call("GET", "/v2/volumes?project=" + project(place)).body


def project(place: Place) -> str:
    found = re.search(rb'"fid": ?"(\w+)"', place.call("GET", "/v2/projects").body)
    assert found is not None
    return found[1].decode()
