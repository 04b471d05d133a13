"""What the recipes install: nothing until somebody says what, and with hashes nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pipelines.runner import RECIPES, yaml

WORKFLOWS = sorted((RECIPES / "github" / "workflows").glob("*.yml"))


def steps() -> dict[str, str]:
    """The shell of every place that installs flowplan, up to where it does."""
    action = yaml(RECIPES / "github" / "action" / "action.yml")["runs"]["steps"][0]
    fork = yaml(RECIPES / "github" / "workflows" / "flowplan-plan.yml")["jobs"]["fork"]["steps"][-1]
    gitlab = yaml_of_component()[".flowplan"]["before_script"][0]
    found = {"action": action["run"], "fork": fork["run"], "gitlab": gitlab}
    return {
        name: re.split(r"^(?:.*flowplan\" validate|set -euo)", text, flags=re.MULTILINE)[0]
        for name, text in found.items()
    }


def yaml_of_component() -> dict[str, dict[str, list[str]]]:
    from ruamel.yaml import YAML

    _, _, text = (RECIPES / "gitlab" / "templates" / "flowplan.yml").read_text().partition("\n---\n")
    return dict(YAML(typ="safe", pure=True).load(re.sub(r"\$\[\[.*?\]\]", "given", text)))


def installed(text: str, package: str, place: Path) -> subprocess.CompletedProcess[str]:
    """The step, in a checkout at `place`; pip is one that says what it is given."""
    programs = place / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("pip", "python3"):
        (programs / name).write_text('#!/bin/sh\nprintf "%s " pip "$@"\n')
        (programs / name).chmod(0o755)
    venv = place / "temp" / "flowplan" / "bin"
    venv.mkdir(parents=True, exist_ok=True)
    (venv / "pip").write_bytes((programs / "pip").read_bytes())
    (venv / "pip").chmod(0o755)
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "RUNNER_TEMP": str(place / "temp"), "CI_PROJECT_DIR": "/checkout"}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", text],
        cwd=place,
        env={**environ, "PACKAGE": package},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("package", ["", "SET-THIS"])
@pytest.mark.parametrize("where", ["action", "fork", "gitlab"])
def test_until_it_is_set_nothing_is_installed_and_it_says_what_to_write(
    tmp_path: Path, where: str, package: str
) -> None:
    done = installed(steps()[where], package, tmp_path)
    assert (done.returncode, "pip" in done.stdout.replace("what pip installs", "")) == (1, False)
    assert "flowplan==VERSION" in done.stdout and "docs/ci.md" in done.stdout


@pytest.mark.parametrize("where", ["action", "fork", "gitlab"])
def test_a_file_of_requirements_needs_hashes_and_anything_else_is_one_requirement(tmp_path: Path, where: str) -> None:
    done = installed(steps()[where], "ci/flowplan.txt", tmp_path)
    file = "/checkout/ci/flowplan.txt" if where == "gitlab" else "ci/flowplan.txt"
    assert done.returncode == 0, done
    assert f"--require-hashes --only-binary :all: --requirement {file} " in done.stdout
    done = installed(steps()[where], "flowplan @ git+https://h/flowplan@0123", tmp_path)
    assert done.stdout.rstrip().endswith("flowplan @ git+https://h/flowplan@0123")
    assert "--require-hashes" not in done.stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_names_no_package_that_an_index_could_have(file: Path) -> None:
    text = file.read_text()
    assert re.findall(r"^  PACKAGE: (.*)$", text, re.MULTILINE) == ["SET-THIS"]
    assert "# SET THIS" in "".join(text.splitlines(keepends=True)[:15])
    assert "## What is installed" in (ROOT / "docs" / "ci.md").read_text()


@pytest.mark.slow
def test_pip_takes_what_the_hash_says_and_nothing_else(tmp_path: Path) -> None:
    wheel = tmp_path / "flowplan-9.9-py3-none-any.whl"
    info = "flowplan-9.9.dist-info"
    files = {
        "flowplan_stub.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: flowplan\nVersion: 9.9\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    with zipfile.ZipFile(wheel, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(text)}")
        packed.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    for sha256, code in ((hashlib.sha256(wheel.read_bytes()).hexdigest(), 0), ("0" * 64, 1)):
        (tmp_path / "pins.txt").write_text(
            f"--no-index\n--find-links {tmp_path}\nflowplan==9.9 --hash=sha256:{sha256}\n"
        )
        done = subprocess.run(
            ["bash", "-e", "-c", steps()["action"]],
            cwd=tmp_path,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "RUNNER_TEMP": str(tmp_path / f"t{code}"),
                "PACKAGE": "pins.txt",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, done
