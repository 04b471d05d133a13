"""The table of reports: every row has its function, every `--format` its rows, and a new format is a row."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from flowplan.cli import COMMANDS
from flowplan.errors import UsageProblem
from flowplan.reports.formats import REPORTS, RUNNING, Report, Running, formats_of, report_of
from flowplan.reports.text.paint import Paint
from tests.conftest import Place


@pytest.mark.parametrize("row", [*REPORTS.values(), *RUNNING.values()], ids=lambda row: f"{row.module}.{row.function}")
def test_a_row_names_a_function(row: Report | Running) -> None:
    assert callable(getattr(import_module(row.module), row.function))


SUBJECTS = {
    "show": "plan",
    "lock show": "lock",
    "simulator market": "books",
    "state list": "addresses",
    "state show": "resource",
    "state rm": "released",
    "state mv": "moved",
    "state migrate": "migrated",
    "state pull": "pulled",
    "state push": "pushed",
    "recover": "recovered",
    "state rekey": "rekeyed",
    "state restore": "restored",
    "state history": "history",
}


RUN = ("apply", "destroy", "watch")  # they are reported while they happen


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command and those below it, each by what one types."""
    yield name, command
    for word, below in command.commands.items() if isinstance(command, click.Group) else ():
        yield from commands(f"{name} {word}", below)


def test_every_choice_of_a_format_comes_from_the_table() -> None:
    offered = {}
    for top, (module, attribute, _) in COMMANDS.items():
        for name, command in commands(top, getattr(import_module(f"flowplan.cli.{module}"), attribute)):
            for parameter in command.params:
                if "--format" in parameter.opts:
                    assert isinstance(parameter.type, click.Choice)
                    offered[name] = list(parameter.type.choices)
                    assert parameter.default == offered[name][0]
    for name in RUN:
        assert offered.pop(name) == list(RUNNING)
    subjects = {name: SUBJECTS.get(name, name) for name in offered}
    assert offered == {name: formats_of(subject) for name, subject in subjects.items()}
    # `show` without a plan; a version restored; a schema have one; `fmt --diff`; a failure
    unasked = {"state", "put_back", "offers", "schema", "fmt", "failure"}
    assert set(subjects.values()) == {subject for subject, _ in REPORTS} - unasked


def test_what_is_in_no_row_is_refused_with_what_there_is() -> None:
    with pytest.raises(UsageProblem, match="there is no dot of the state") as raised:
        report_of("state", "dot")
    assert raised.value.hint == "there are: json, text"


NEW_FORMAT = """
import sys
from flowplan.reports.formats import REPORTS, Report

REPORTS["plan", "addresses"] = Report("addresses", "listed", whole=True)
sys.argv = ["flowplan", *sys.argv[1:]]
from flowplan.__main__ import main

sys.exit(main())
"""
ITS_FUNCTION = """
def listed(body, paint):
    return "".join(f"{one['address']}\\n" for one in body.get("resource_changes", [])) or "no plan\\n"
"""
TASK = """name: t
project_name: my-foundry-project
resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
"""


def test_a_new_format_is_a_row_and_a_function(tmp_path: Path) -> None:
    """Nothing else is touched: the option offers it, the plan is printed by it, and so is the failure of one."""
    (tmp_path / "addresses.py").write_text(ITS_FUNCTION)
    (tmp_path / "start.py").write_text(NEW_FORMAT)
    (tmp_path / "flowplan.yaml").write_text(TASK)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "start.py", "--api-url", "sim:", "plan", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "--format [text|json|markdown|github|gitlab-terraform|html|addresses]" in run("--help").stdout
    assert run("--format", "addresses").stdout == "bid.t\n"
    (tmp_path / "flowplan.yaml").write_text("name: 1\n")
    assert run("--format", "addresses").stdout == "no plan\n"


def test_a_plan_is_a_page_for_a_browser(place: Place) -> None:
    """Complete in itself, with what its text has; nothing from outside is markup in it."""
    place.write(TASK + "networking: {}\n")  # which is warned of
    page = place.ok("plan", "--format", "html", "--what-if", "1h")
    assert page.startswith("<!doctype html>")
    assert page.endswith("</body>\n</html>\n")
    for part in ("<title>flowplan: work</title>", "<b>bid.t</b>", "Plan: 1 to add", "What if: "):
        assert part in page
    place.ok("plan", "--out", "p")
    saved = json.loads((place.path / "p").read_text())
    saved["stack"]["name"] = "<script src=x>"
    note = {"severity": "note", "detail": None, "source": None, "hint": None}
    saved["diagnostics"] = [{**note, "summary": "<script src=x>"}]
    assert "<script src" not in report_of("plan", "html")(saved, Paint(on=False))
    assert place.ok("show", "p", "--format", "html").startswith("<!doctype html>")
    there = place.run("show", "--format", "html")
    assert there.code == 64 and "there is no html of the state" in there.err
