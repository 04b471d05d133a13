"""--format github: annotations on stdout; the job's summary and the step's outputs in the files of the runner."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.conftest import APPLY, Place, bid_id
from tests.reports.github_files import parsed
from tests.texts import task_text


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a runner's files."""
    directory = tmp_path / "runner"
    directory.mkdir()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(directory / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(directory / "output"))
    monkeypatch.setenv("CI", "true")
    return directory


def test_a_step_has_annotations_a_summary_and_outputs(place: Place, runner: Path) -> None:
    place.write(task_text("old", "20") + task_text("kept", "20"))
    place.ok(*APPLY)
    place.write(task_text("kept", "30") + "networking: {}\n")
    (runner / "output").write_text("earlier=1")
    result = place.run("plan", "--format", "github", "--out", "p", "--detailed-exitcode")
    assert result.code == 2
    lines = result.out.splitlines()
    assert lines[0].startswith("::warning file=flowplan.yaml,line=")
    assert lines[-1].startswith(
        "::notice title=flowplan%3A work::Plan: 0 to add, 1 to change, 1 to destroy. An hour now"
    )
    assert all(re.match(r"::(error|warning|notice)[ :]", line) for line in lines)
    assert (runner / "summary").read_text() == place.ok("show", "p", "--format", "markdown")
    first, _, rest = (runner / "output").read_text().partition("\n")
    found = parsed(rest)
    assert (first, found["has_changes"], found["update"], found["delete"]) == ("earlier=1", "true", "1", "1")
    assert (found["hourly_cost_before"], found["hourly_cost_after"]) == ("16.00", "8.00")
    assert found["plan_path"] == str(place.path / "p")
    assert found["destroyed"] == "bid.old"
    place.ok("apply", found["plan_path"], "--expect", found["plan_sha256"])
    assert "has_changes<<" in (runner / "output").read_text()


@pytest.mark.parametrize(
    ("tasks", "arguments", "pending"),
    [
        ("one: {T}", (), False),
        ("one: {T, paused: true}", (), True),
        ("two: {T}\nmoved: [{from: task.one, to: task.two}]", (), True),
        ("one: {T}\noutputs: {said: hello}", (), True),
        ("one: {T}", ("--refresh-only",), False),
        ("one: {T, paused: true}", ("--refresh-only",), False),
    ],
)
def test_a_step_has_changes_where_the_exit_code_says_so(
    place: Place, runner: Path, tasks: str, arguments: tuple[str, ...], pending: bool
) -> None:
    """A later step that goes by has_changes applied no move, as if there were nothing to do."""

    def stack(tasks: str) -> str:
        kind = "resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}"
        return f"version: 2\nname: s\nproject_name: my-foundry-project\ntasks:\n  {tasks}\n".replace("T", kind)

    place.write(stack("one: {T}"))
    place.ok(*APPLY)
    place.write(stack(tasks))
    result = place.run("plan", "--format", "github", "--detailed-exitcode", *arguments)
    found = parsed((runner / "output").read_text())
    assert (result.code, found["has_changes"]) == ((2, "true") if pending else (0, "false"))


def test_a_step_has_changes_where_a_refresh_records_what_changed_outside(place: Place, runner: Path) -> None:
    place.write(task_text("kept", "20"))
    place.ok(*APPLY)
    place.call("PATCH", f"/v2/spot/bids/{bid_id(place, 'bid.kept')}", b'{"limit_price": "$25.00"}')
    assert place.run("plan", "--refresh-only", "--format", "github", "--detailed-exitcode").code == 2
    found = parsed((runner / "output").read_text())
    assert (found["has_changes"], found["drift"], found["update"]) == ("true", "1", "0")


def test_a_limit_that_is_raised_says_what_changes_of_an_hour(place: Place, runner: Path) -> None:
    """The price of now does not: it said that it costs as much as before, instead of it."""
    place.write(task_text("kept", "20"))
    place.ok(*APPLY)
    place.write(task_text("kept", "30"))
    last = place.ok("plan", "--format", "github").splitlines()[-1]
    assert last.endswith("An hour now costs $8.00 as before; at most $30.00 instead of $20.00 (+$10.00).")


def test_a_saved_plan_says_the_same_in_a_later_step(place: Place, runner: Path) -> None:
    place.write(task_text("a", "20"))
    out = place.ok("plan", "--format", "github", "--out", "p")
    said = (runner / "output").read_text()
    assert place.ok("show", "p", "--format", "github") == out
    assert (runner / "output").read_text() == said * 2


def test_a_failure_is_annotated_and_summarized(place: Place, runner: Path) -> None:
    place.write(task_text("a", "twenty"))
    result = place.run("plan", "--format", "github")
    assert result.code == 65
    assert re.match(r"::error file=flowplan.yaml,line=\d+,col=\d+::", result.out)
    assert "**Failed, with 1 problem.**" in (runner / "summary").read_text()
    assert parsed((runner / "output").read_text()) == {"errored": "true"}


def test_a_refusal_fails_the_step_and_is_in_its_outputs(place: Place, runner: Path) -> None:
    place.write(task_text("a", "20"))
    result = place.run("plan", "--format", "github", "--max-hourly-cost", "1")
    assert (result.code, result.out.startswith("::error")) == (3, True)
    assert parsed((runner / "output").read_text())["errored"] == "true"


def test_without_a_runner_there_are_only_annotations(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
    place.write(task_text("a", "20"))
    place.ok("plan")
    before = set(place.path.iterdir())
    assert place.ok("plan", "--format", "github").startswith("::notice")
    assert set(place.path.iterdir()) == before


@pytest.mark.parametrize("variable", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_outputs_that_cannot_be_written_fail_the_step(
    place: Place, runner: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    place.write(task_text("a", "20"))
    monkeypatch.setenv(variable, str(runner / "missing" / "file"))
    result = place.run("plan", "--format", "github")
    assert result.code == 1
    assert f"error: {variable} (/" in " ".join(result.err.split()) and "cannot be written" in result.err
    place.write(task_text("a", "twenty"))
    assert place.run("plan", "--format", "github").code == 65


def test_a_summary_keeps_to_what_github_takes(place: Place, runner: Path) -> None:
    place.write(task_text("a", "20"))
    (runner / "summary").write_text("x" * 1024 * 1021)
    assert "no room left for the plan" in place.run("plan", "--format", "github").err
    (runner / "summary").write_text("x" * 1024 * 1019 + "\n")
    place.ok("plan", "--format", "github")
    assert 1024 * 1019 + 300 < (runner / "summary").stat().st_size <= 1024 * 1024


def test_no_secret_reaches_the_files_of_the_runner(place: Place, runner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_KEY", "a-key-that-is-secret")
    place.write(task_text("a-key-that-is-secret", "20"))
    place.run("plan", "--format", "github", "--out", "p")
    for name in ("summary", "output"):
        assert "a-key-that-is-secret" not in (runner / name).read_text()


def test_a_name_in_a_plan_is_no_command_of_the_runner(place: Place, runner: Path) -> None:
    place.write(task_text("a", "20").replace("name: a", 'name: "::error::x ##[error]y"'))
    out = place.run("plan", "--format", "github").out
    assert not re.search(r"^::error::x", out, re.MULTILINE) and "##[" not in out
    for name in ("summary", "output"):
        assert not re.search(r"^::", (runner / name).read_text(), re.MULTILINE)


def test_annotations_name_files_from_the_top_of_the_repository(place: Place, runner: Path) -> None:
    """GitHub finds no line of `flowplan.yaml` where that is infra/flowplan.yaml."""
    (place.path / ".git").mkdir()
    (place.path / "infra").mkdir()
    place.write(task_text("a", "20") + "networking: {}\n", "infra/flowplan.yaml")
    place.write(task_text("b", "twenty"), "infra/bad.yaml")
    top = Path.cwd()
    for words in ("plan --format github --out p", "show p --format github", "plan bad.yaml --format github"):
        out = place.run("--chdir", "infra", *words.split()).out
        os.chdir(top)
        assert re.match(r"::(warning|error) file=infra/(flowplan|bad)\.yaml,line=\d+,col=\d+::", out), words
