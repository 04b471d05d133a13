"""The Jenkinsfile's shell steps and the hooks for pre-commit, run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, START
from tests.pipelines.runner import ENCRYPTED, RECIPES, programs
from tests.texts import task_text

HOOKS = {one["id"]: one for one in YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())}


class Agent:
    """A workspace on an agent whose disk has the state."""

    def __init__(self, path: Path) -> None:
        self.workspace, self.disk = path / "workspace", path / "disk"
        self.workspace.mkdir()
        self.disk.mkdir(mode=0o700)
        self.environ = {
            **START,
            "PATH": programs(path / "programs"),
            "PYTHONPATH": str(ROOT),
            "HOME": str(path),
            "CI": "true",
            "STATE": str(self.disk / "flowplan.json"),
            "FLOWPLAN_API_URL": f"sim:{path / 'cloud.db'}",
            "FLOWPLAN_PLAN_KEY": "a key for plans, long enough",
        }

    def write(self, text: str) -> None:
        (self.workspace / "flowplan.yaml").write_text(text)

    def sh(self, script: str, **more: str) -> tuple[int, str]:
        """As `sh` of a pipeline runs it: in /bin/sh, up to the first command that fails."""
        done = subprocess.run(
            ["/bin/sh", "-xe", "-c", script],
            cwd=self.workspace,
            env={**self.environ, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, " ".join(done.stdout.split())


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(tmp_path)


def stages() -> dict[str, str]:
    """The shell steps of the Jenkinsfile, by stage."""
    text = (RECIPES / "jenkins" / "Jenkinsfile").read_text()
    assert text.count("{") == text.count("}")
    found = re.findall(r"stage\('(\w+)'\)(?:(?!stage\().)*?sh '''\n(.*?)'''", text, re.DOTALL)
    assert len(found) == text.count("sh '''")
    return dict(found)


def test_jenkins_applies_the_plan_that_was_looked_at(agent: Agent) -> None:
    agent.write(task_text("a", "20"))
    steps = stages()
    assert agent.sh(steps["Validate"])[0] == 0
    assert agent.sh(steps["Drift"])[0] == 2
    assert agent.sh(steps["Plan"])[0] == 0
    assert (agent.workspace / "flowplan.html").read_text().startswith("<!doctype html>")
    digest = (agent.workspace / "flowplan.digest").read_text().strip()
    code, log = agent.sh(steps["Apply"], DIGEST="0" * 64)
    assert (code, "not the expected one" in log) == (3, True)
    code, log = agent.sh(steps["Apply"], DIGEST=digest)
    assert (code, "Apply complete: 1 added" in log) == (0, True), log
    assert agent.sh(steps["Drift"])[0] == 0


def test_jenkins_applies_a_plan_that_is_encrypted(agent: Agent) -> None:
    agent.environ |= ENCRYPTED
    agent.write(task_text("a", "20"))
    steps = stages()
    code, log = agent.sh(steps["Plan"])
    assert code == 0, log
    assert "bid.a" not in (agent.workspace / "flowplan.plan.json").read_text()
    code, log = agent.sh(steps["Apply"], DIGEST=(agent.workspace / "flowplan.digest").read_text().strip())
    assert (code, "Apply complete: 1 added" in log) == (0, True), log


@pytest.mark.parametrize(("branch", "runs"), [("main", True), ("PR-7", False), ("", False)])
def test_jenkins_runs_no_hook_of_what_nobody_has_read(agent: Agent, branch: str, runs: bool) -> None:
    """The Jenkinsfile of a pull request from a fork may be the trusted one; its stack file is not."""
    agent.write("version: 2\nhooks: {planned: [touch, ran]}\ntasks: {}\n")
    code, log = agent.sh(stages()["Plan"], BRANCH_NAME=branch)
    assert (code, (agent.workspace / "ran").exists()) == (0, runs), log


def test_jenkins_reads_the_problems_of_the_files(agent: Agent) -> None:
    agent.write(task_text("a", "twenty"))
    assert agent.sh(stages()["Validate"])[0] == 65
    assert '<testsuite name="flowplan validate"' in (agent.workspace / "flowplan-junit.xml").read_text()


def hook(agent: Agent, name: str, *files: str) -> tuple[int, str]:
    """As pre-commit runs a hook on the files of a commit: not at all where none is meant."""
    found: dict[str, Any] = HOOKS[name]
    meant = [one for one in files if re.search(found["files"], one)]
    assert meant
    words = [*found["entry"].split(), *(meant if found.get("pass_filenames", True) else ())]
    return agent.sh(" ".join(words))


def test_the_hook_of_fmt_rewrites_what_it_is_given(agent: Agent) -> None:
    agent.write(task_text("a", "20").replace("name: a", "name:   a"))
    (agent.workspace / "env").mkdir()
    (agent.workspace / "env" / "values.yaml").write_text("a:   1\n")
    code, log = hook(agent, "flowplan-fmt", "flowplan.yaml", "env/values.yaml")
    assert (code, "flowplan.yaml" in log) == (0, True)
    assert "name: a\n" in (agent.workspace / "flowplan.yaml").read_text()
    assert (agent.workspace / "env" / "values.yaml").read_text() == "a:   1\n"


def test_the_hook_of_validate_stops_a_commit_with_a_problem(agent: Agent) -> None:
    agent.write(task_text("a", "20"))
    assert hook(agent, "flowplan-validate", "flowplan.yaml")[0] == 0
    agent.write(task_text("a", "twenty"))
    assert hook(agent, "flowplan-validate", "flowplan.yaml")[0] == 65
