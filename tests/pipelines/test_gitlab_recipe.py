"""The component for GitLab, run: the scripts of its jobs, with what GitLab hands from one to the next."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from ruamel.yaml import YAML

from tests.conftest import ROOT, START
from tests.contracts.state_servers import JSON, PASSWORD, Answer, Server, State
from tests.pipelines.checkout import Origin
from tests.pipelines.runner import ENCRYPTED, RECIPES, programs
from tests.texts import task_text

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
FILE = RECIPES / "gitlab" / "templates" / "flowplan.yml"


def jobs() -> dict[str, Any]:
    """The jobs of the component, its inputs filled in."""
    spec, _, text = FILE.read_text().partition("\n---\n")
    inputs = {name: one.get("default", "given") for name, one in YAML(typ="safe").load(spec)["spec"]["inputs"].items()}
    filled = re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda found: str(inputs[found[1]]), text)
    return dict(YAML(typ="safe").load(filled))


@define
class Project:
    """A project on GitLab. `number`: of the last job."""

    origin: Origin
    path_of_programs: str
    server: Server = field(factory=Server, init=False)
    number: int = field(default=0, init=False)

    @property
    def state(self) -> State:
        """What GitLab keeps of the stack."""
        return self.server.state("flowplan")

    def made(self) -> list[str]:
        """The addresses in the state."""
        document = json.loads(self.state.latest or b"{}")
        return [one["address"] for one in json.loads(document["snapshot"])["resources"]]

    def job(self, name: str, artifacts: Path | None = None, **more: str) -> tuple[int, str, Path]:
        """The exit code of a job, what it printed, and its artifacts. `artifacts`: those of the job that it needs."""
        self.number += 1
        whole = jobs()
        own, base = whole[f"flowplan {name}: flowplan"], whole[".flowplan"]
        checkout = self.origin.clone(f"runner-{self.number}")
        if artifacts is not None:
            shutil.copytree(artifacts, checkout / "flowplan-report")
            for line in (artifacts / "plan.env").read_text().splitlines():
                more[line.partition("=")[0]] = line.partition("=")[2]
        environ = {
            **base["variables"],
            **START,
            "PATH": self.path_of_programs,
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.origin.path),
            "CI": "true",
            "CI_BUILDS_DIR": str(checkout.parent),
            "CI_PROJECT_DIR": str(checkout),
            "CI_API_V4_URL": self.server.url("gitlab", "").partition("/projects/")[0],
            "CI_PROJECT_ID": "42",
            "CI_JOB_TOKEN": PASSWORD,
            "CI_JOB_ID": str(self.number),
            "FLOWPLAN_API_URL": f"sim:{self.origin.path / 'cloud.db'}",
            "FLOWPLAN_PLAN_KEY": "a key for plans, long enough",
            **more,
        }
        script = "\n".join([*base["before_script"], *own["script"]])
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=checkout,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split()), checkout / "flowplan-report"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(Origin.at(tmp_path), programs(tmp_path / "programs"))


def test_a_plan_is_counted_and_exactly_that_is_applied(project: Project) -> None:
    project.origin.commit(task_text("a", "20"))
    assert project.job("validate")[0] == 0
    code, log, files = project.job("plan")
    assert (code, "will be created" in log) == (0, True)
    assert json.loads((files / "terraform.json").read_text()) == {"create": 1, "update": 0, "delete": 0}
    assert (files / "plan.md").read_text().startswith("<!-- flowplan stack=")
    code, log, _ = project.job("apply", files)
    assert (code, "Apply complete: 1 added" in log) == (0, True), log
    assert (project.made(), project.state.lock) == (["bid.a"], None)
    code, log, _ = project.job("apply", files)
    assert (code, "was applied already" in log) == (3, True)


def test_a_plan_that_is_encrypted_is_applied(project: Project) -> None:
    project.origin.commit(task_text("a", "20"))
    code, log, files = project.job("plan", **ENCRYPTED)
    assert code == 0, log
    assert "bid.a" not in (files / "plan.json").read_text()
    code, log, _ = project.job("apply", files, **ENCRYPTED)
    assert (code, "Apply complete: 1 added" in log) == (0, True), log


def test_another_plan_is_refused(project: Project) -> None:
    project.origin.commit(task_text("a", "20"))
    _, _, files = project.job("plan")
    (files / "plan.env").write_text(f"FLOWPLAN_DIGEST={'0' * 64}\n")
    code, log, _ = project.job("apply", files)
    assert (code, "not the expected one" in log) == (3, True)


def test_problems_are_in_the_report_and_fail_the_job(project: Project) -> None:
    project.origin.commit(task_text("a", "twenty"))
    code, _, files = project.job("validate")
    (problem,) = json.loads((files / "codequality.json").read_text())
    assert (code, problem["location"]["path"]) == (65, "flowplan.yaml")
    code, _, files = project.job("plan")
    assert code == 65
    assert json.loads((files / "terraform.json").read_text())["errored"] is True
    assert not (files / "plan.json").exists()


def test_a_schedule_fails_while_something_differs(project: Project) -> None:
    project.origin.commit(task_text("a", "20"))
    code, log, _ = project.job("drift")
    assert (code, "are not the same" in log) == (2, True)
    assert project.job("apply", project.job("plan")[2])[0] == 0
    assert project.job("drift")[0] == 0


def test_where_gitlab_goes_away_in_mid_apply_the_next_job_goes_on(project: Project) -> None:
    """On another runner, which has nothing of the first."""
    project.origin.commit(task_text("a", "20"))

    def goes_away(wanted: str) -> Answer | None:
        away = b"intent" in (project.state.latest or b"")
        return (502, b'{"message":"502 Bad Gateway"}', JSON) if away else None

    _, _, planned = project.job("plan")
    project.state.asked = goes_away
    code, log, files = project.job("apply", planned)
    assert (code, "502 Bad Gateway" in log, "the results are kept in" in log) == (5, True, True), log
    assert list(files.glob("unsaved/flowplan/*.spill"))
    project.state.asked = lambda _: None
    of_the_job = {"machine": "of another runner", "boot": "of another runner", "id": "of-the-job"}
    project.state.edit(lambda document: document["lock"]["holder"].update(of_the_job))
    code, log, planned = project.job("plan")
    assert (code, "is changing things" in log) == (0, True)  # a look needs no lock
    code, log, _ = project.job("apply", planned, CI="false")
    assert (code, "flowplan force-unlock of-the-job" in log) == (4, True), log
    project.state.lock = None  # somebody unlocks it on the page of the states
    assert project.job("apply", project.job("plan")[2])[0] == 0
    assert project.made() == ["bid.a"]
    assert project.job("drift")[0] == 0


def test_without_a_state_that_it_may_read_nothing_is_planned(project: Project) -> None:
    project.origin.commit(task_text("a", "20"))
    code, log, files = project.job("plan", CI_JOB_TOKEN="another")
    assert (code, "refuses the credentials" in log, (files / "plan.json").exists()) == (5, True, False)
    code, log, files = project.job("plan", CI_PROJECT_ID="43")
    assert (code, "no such project" in log, (files / "plan.json").exists()) == (5, True, False)


def test_every_report_and_artifact_is_written_by_its_job() -> None:
    for name, one in jobs().items():
        artifacts = one.get("artifacts", {})
        for path in (*artifacts.get("reports", {}).values(), *artifacts.get("paths", ())):
            folder, _, file = str(path).partition("/")
            assert folder == "flowplan-report"
            assert f"$files/{file}" in "".join(one["script"]), name
