"""The recipe for GitHub Actions, run: plan on a pull request, apply of what was reviewed, one issue while something
differs. The simulator is the cloud, a bare repository holds files and state, and GitHub's own side is a file."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from tests.conftest import ROOT, START
from tests.pipelines.checkout import Origin
from tests.pipelines.runner import ENCRYPTED, RECIPES, Action, Ended, programs, yaml
from tests.texts import task_text

pytestmark = pytest.mark.skipif(
    shutil.which("jq") is None or shutil.which("git") is None, reason="jq or git is not installed"
)
KEY = "a key for plans, long enough"
WAITS = """\
version: 2
name: waits
project_name: my-foundry-project
defaults: {resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}}
tasks:
  first: {}
  second: {depends_on: [{task: first, until: terminated}]}
"""


@define
class Repository:
    """A repository on GitHub, its pull requests and issues, and the cloud that it runs in."""

    origin: Origin
    world: Path
    path_of_programs: str
    jobs: int = field(default=0, init=False)
    secrets: dict[str, str] = field(factory=dict, init=False)  # more of them, in the environment of each job

    @classmethod
    def at(cls, path: Path) -> Repository:
        made = cls(Origin.at(path), path / "github.json", programs(path / "programs"))
        made.world.write_text(json.dumps({"comments": {}, "issues": [], "pulls": {}, "artifacts": {}}))
        return made

    def job(self, command: str, sha: str = "", dies_before: str = "", cancelled_at: str = "", **inputs: str) -> Ended:
        """A job in a checkout of its own, on a runner of its own, up to a step."""
        self.jobs += 1
        checkout = self.origin.clone(f"runner-{self.jobs}")
        environ = {
            "PATH": self.path_of_programs,
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.origin.path),
            "GITHUB_REPOSITORY": "an-org/a-repo",
            "GITHUB_SHA": sha or self.origin.git(checkout, "rev-parse", "HEAD"),
            "GITHUB_RUN_ID": str(self.jobs),
            "GH_FAKE": str(self.world),
            "FLOWPLAN_API_URL": f"sim:{self.origin.path / 'cloud.db'}",
            "FLOWPLAN_PLAN_KEY": KEY,
            **START,
            **self.secrets,
        }
        given = {"command": command, "package": "", **inputs}
        temp = self.origin.path / f"temp-{self.jobs}"
        ended = Action(
            given, checkout, temp, environ, left_out=("Install flowplan", dies_before), cancelled_at=cancelled_at
        )()
        if ended.outputs["plan_path"]:  # the step of the workflow that keeps the plan
            with self.changing() as world:
                world["artifacts"][ended.outputs["artifact"]] = Path(ended.outputs["plan_path"]).read_text()
        return ended

    def plan(self, text: str, number: str = "7") -> tuple[Ended, str]:
        """A pull request with this stack file, planned and then merged: the job, and the commit on main."""
        sha = self.origin.commit(text)
        ended = self.job("plan", **{"pull-request": number})
        with self.changing() as world:
            world["pulls"][sha] = [{"number": int(number), "merge_commit_sha": sha}]
        return ended, sha

    def changing(self) -> Changing:
        return Changing(self.world)

    @property
    def comments(self) -> list[str]:
        return [one["body"] for one in json.loads(self.world.read_text())["comments"].get("7", [])]

    @property
    def issues(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.world.read_text())["issues"]
        return found


@define
class Changing:
    file: Path
    world: dict[str, Any] = field(factory=dict, init=False)

    def __enter__(self) -> dict[str, Any]:
        self.world = json.loads(self.file.read_text())
        return self.world

    def __exit__(self, *_: object) -> None:
        self.file.write_text(json.dumps(self.world))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.at(tmp_path)


def digest(comment: str) -> str:
    (found,) = re.findall(r"^<!-- flowplan stack=\S+ project=\S+ plan=(\w{64}) -->$", comment, re.MULTILINE)
    return str(found)


def test_a_plan_is_reviewed_and_exactly_that_is_applied(repository: Repository) -> None:
    planned, sha = repository.plan(task_text("a", "20"))
    assert (planned.code, planned.outputs["exit_code"], planned.outputs["has_changes"]) == (0, "2", "true")
    (comment,) = repository.comments
    assert comment.startswith("<!-- flowplan of flowplan -->\n<!-- flowplan stack=")
    assert "**Plan: 1 to add, 0 to change, 0 to destroy.**" in comment
    assert digest(comment) == planned.outputs["plan_sha256"]
    assert planned.outputs["artifact"] == f"flowplan-flowplan-{digest(comment)}"
    assert planned.summary in comment
    assert "will be created" in planned.log

    applied = repository.job("apply", sha)
    assert applied.code == 0, applied.log
    assert "Apply complete: 1 added" in applied.log
    assert "\n    Apply complete: 1 added, 0 changed, 0 destroyed.\n" in applied.summary
    assert [one["address"] for one in repository.origin.state()["resources"]] == ["bid.a"]
    files = repository.origin.git(
        repository.origin.path / "origin.git", "ls-tree", "-r", "--name-only", "flowplan-state"
    ).split()
    assert "flowplan.json" in files and not [name for name in files if name.endswith((".lock", "plan.key"))]

    again = repository.job("apply", sha)
    assert (again.code, "this plan was applied already" in again.log) == (3, True)


def test_a_plan_that_is_encrypted_is_found_by_its_digest(repository: Repository) -> None:
    repository.secrets |= ENCRYPTED
    planned, sha = repository.plan(task_text("a", "20"))
    (comment,) = repository.comments
    assert planned.outputs["artifact"] == f"flowplan-flowplan-{digest(comment)}"
    applied = repository.job("apply", sha)
    assert (applied.code, "Apply complete: 1 added" in applied.log) == (0, True), applied.log


def test_a_second_push_replaces_the_comment_and_its_plan_is_the_one_that_counts(repository: Repository) -> None:
    first, _ = repository.plan(task_text("a", "20"))
    second, sha = repository.plan(task_text("b", "20"))
    (comment,) = repository.comments
    assert digest(comment) == second.outputs["plan_sha256"] != first.outputs["plan_sha256"]
    assert repository.job("apply", sha).code == 0
    assert [one["address"] for one in repository.origin.state()["resources"]] == ["bid.b"]


def test_another_plan_under_the_reviewed_digest_is_refused(repository: Repository) -> None:
    other, _ = repository.plan(task_text("other", "20"))
    reviewed, sha = repository.plan(task_text("a", "20"))
    with repository.changing() as world:
        world["artifacts"][reviewed.outputs["artifact"]] = world["artifacts"][other.outputs["artifact"]]
    applied = repository.job("apply", sha)
    assert (applied.code, "not the expected one" in applied.log) == (3, True)
    assert "Save the state" in applied.steps
    with pytest.raises(subprocess.CalledProcessError):
        repository.origin.state()


def test_files_that_were_not_planned_are_not_applied(repository: Repository) -> None:
    repository.plan(task_text("a", "20"))
    sha = repository.origin.commit(task_text("a", "30"))
    with repository.changing() as world:
        world["pulls"][sha] = [{"number": 7, "merge_commit_sha": sha}]
    applied = repository.job("apply", sha)
    assert (applied.code, "the configuration has changed since" in applied.log) == (3, True)


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("pulls", "no pull request was merged as"),
        ("comments", "has no plan of flowplan that could be applied"),
        ("artifacts", "is gone: artifacts are kept for a limited time"),
    ],
)
def test_what_nobody_reviewed_is_not_applied(repository: Repository, lost: str, says: str) -> None:
    _, sha = repository.plan(task_text("a", "20"))
    with repository.changing() as world:
        world[lost] = {}
    applied = repository.job("apply", sha)
    assert (applied.code, says in applied.log) == (1, True)
    assert "Apply it" not in applied.steps


def test_a_comment_of_somebody_else_is_no_review(repository: Repository) -> None:
    _, sha = repository.plan(task_text("a", "20"))
    with repository.changing() as world:
        world["comments"]["7"][0]["user"] = {"type": "User", "login": "somebody"}
    assert repository.job("apply", sha).code == 1


def test_of_two_comments_the_last_counts_also_where_it_has_no_plan(repository: Repository) -> None:
    """Two runs that commented at the same time: what was said last is what the reviewer read last."""
    _, sha = repository.plan(task_text("a", "20"))
    with repository.changing() as world:
        first = world["comments"]["7"][0]
        failed = "<!-- flowplan of flowplan -->\n<!-- flowplan failed -->\n### flowplan: no plan\n"
        world["comments"]["7"].append({**first, "id": first["id"] + 1, "body": failed})
    applied = repository.job("apply", sha)
    assert (applied.code, "has no plan of flowplan that could be applied" in applied.log) == (1, True)


def test_a_plan_that_fails_says_so_in_the_comment_and_then_fails_the_job(repository: Repository) -> None:
    ended, sha = repository.plan(task_text("a", "twenty"))
    assert (ended.code, ended.outputs["exit_code"], ended.outputs["plan_path"]) == (65, "65", "")
    (comment,) = repository.comments
    assert "**Failed, with 1 problem.**" in comment and comment.startswith("<!-- flowplan of flowplan -->\n")
    assert "::error file=flowplan.yaml" in ended.log
    assert repository.job("apply", sha).code == 1


def test_arguments_reach_the_plan_and_a_refused_plan_fails_the_job(repository: Repository) -> None:
    repository.origin.commit(task_text("a", "20"))
    ended = repository.job("plan", **{"pull-request": "7", "arguments": "--max-hourly-cost\n1\n"})
    assert (ended.code, ended.outputs["exit_code"]) == (3, "3")
    assert "> **Refused**" in repository.comments[0]


def test_one_issue_is_open_while_something_differs(repository: Repository) -> None:
    _, sha = repository.plan(task_text("a", "20"))
    assert repository.job("apply", sha).code == 0
    assert repository.job("drift").code == 0
    assert repository.issues == []
    repository.origin.commit(task_text("a", "25"))
    assert repository.job("drift").code == 0
    repository.origin.commit(task_text("a", "30"))
    assert repository.job("drift").code == 0
    (issue,) = repository.issues
    assert (issue["state"], issue["title"]) == ("open", "flowplan: flowplan differs from what is live")
    assert "! limit_price = $20.00 -> $30.00" in issue["body"]
    repository.origin.commit(task_text("a", "20"))
    assert repository.job("drift").code == 0
    assert [one["state"] for one in repository.issues] == ["closed"]


def test_a_look_that_fails_leaves_the_issue_alone_and_fails(repository: Repository) -> None:
    repository.origin.commit(task_text("a", "20"))
    assert repository.job("drift").code == 0
    repository.origin.commit(task_text("a", "twenty"))
    assert repository.job("drift").code == 65
    assert [one["state"] for one in repository.issues] == ["open"]


def test_without_the_branch_of_the_state_nothing_is_planned(repository: Repository) -> None:
    repository.origin.commit(task_text("a", "20"))
    repository.origin.git(repository.origin.path / "origin.git", "branch", "-D", "flowplan-state")
    ended = repository.job("plan", **{"pull-request": "7"})
    assert (ended.code, "flowplan-state cannot be fetched" in ended.log) == (1, True)
    assert repository.comments == []


def test_what_a_runner_made_that_died_before_it_saved_is_not_bought_again(repository: Repository) -> None:
    _, sha = repository.plan(task_text("a", "20"))
    assert repository.job("apply", sha, dies_before="Save the state").code == 0
    again = repository.job("plan", **{"pull-request": "7"})
    assert (again.code, again.outputs["exit_code"]) == (65, "65")
    assert repository.job("apply", sha).code != 0


def test_a_state_that_cannot_be_saved_fails_the_job(repository: Repository) -> None:
    _, sha = repository.plan(task_text("a", "20"))
    repository.origin.refuse_pushes()
    applied = repository.job("apply", sha)
    assert (applied.code, "the state could not be saved" in applied.log) == (1, True)


def test_a_job_that_is_cancelled_stops_its_apply_and_saves_the_state(repository: Repository) -> None:
    """The runner tells one process: were that a shell, flowplan would go on, beside the step that saves the state."""
    _, sha = repository.plan(WAITS)
    applied = repository.job("apply", sha, cancelled_at="bid.first: created")
    assert (applied.code, "what was done is saved" in applied.log) == (130, True), applied.log
    assert "what was done is saved" in " ".join(applied.summary.split())
    assert [one["address"] for one in repository.origin.state()["resources"]] == ["bid.first"]
    assert repository.job("plan", **{"pull-request": "7"}).outputs["exit_code"] == "2"


def kept(origin: Origin, word: str, runner: str, name: str) -> subprocess.CompletedProcess[str]:
    """`state.sh` with this word, on a runner that may have begun before others have saved."""
    temp = origin.path / f"temp-{runner}"
    temp.mkdir(exist_ok=True)
    checkout = origin.clone(runner) if word == "fetch" else origin.path / runner / "a-repo"
    environ = {"NAME": name, "STATE_BRANCH": "flowplan-state", "RUNNER_TEMP": str(temp), "HOME": str(origin.path)}
    script = RECIPES / "github" / "action" / "state.sh"
    return subprocess.run(
        [str(script), word], cwd=checkout, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )


def test_stacks_that_are_applied_at_once_all_keep_their_state(tmp_path: Path) -> None:
    """Each has a concurrency group of its own, and all have one branch. Two runs of one stack are never mixed."""
    origin = Origin.at(tmp_path)
    runs = (("one", "a"), ("two", "b"), ("three", "c"), ("four", "a"))
    for runner, name in runs:
        assert kept(origin, "fetch", runner, name).returncode == 0
        for file, text in ((f"{name}.json", f"the state of {name}"), (f"{name}.version-{runner}", runner)):
            (tmp_path / f"temp-{runner}" / "flowplan-state" / file).write_text(text)
    ended = [kept(origin, "save", runner, name) for runner, name in runs]
    assert [one.returncode for one in ended] == [0, 0, 0, 1], ended
    assert "the state could not be saved" in ended[3].stdout
    files = origin.git(tmp_path / "origin.git", "ls-tree", "-r", "--name-only", "flowplan-state").split()
    assert files == [f"{name}.{end}" for runner, name in runs[:3] for end in ("json", f"version-{runner}")]


def test_the_state_of_each_job_of_a_workflow_is_an_artifact_of_its_own() -> None:
    """GitHub refuses the second of two that are called alike: with it the only copy of a state would be gone."""
    (job,) = yaml(RECIPES / "github" / "workflows" / "flowplan-apply.yml")["jobs"].values()
    name = job["steps"][-1]["with"]["name"]
    names = set()
    for one, index in (("apply", "0"), ("apply", "1"), ("other", "0")):  # two of a matrix, and another one
        runs = {"github.job": one, "strategy.job-index": index, "github.run_id": "7", "github.run_attempt": "1"}
        names.add(re.sub(r"\$\{\{ (\S+) \}\}", lambda found, runs=runs: runs[found[1]], name))
    assert len(names) == 3, names


def test_a_name_that_could_forge_something_is_refused(repository: Repository) -> None:
    repository.origin.commit(task_text("a", "20"))
    assert repository.job("plan", name="a --> x").code == 64
