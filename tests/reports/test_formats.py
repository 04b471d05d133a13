"""The table of reports: every row has its function, every `--format` its rows, and a new format is a row."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from flowplan.cli import COMMANDS
from flowplan.errors import UsageProblem
from flowplan.reports.formats import REPORTS, Report, formats_of, report_of


@pytest.mark.parametrize("row", REPORTS.values(), ids=lambda row: f"{row.module}.{row.function}")
def test_a_row_names_a_function(row: Report) -> None:
    assert callable(getattr(import_module(row.module), row.function))


def test_every_choice_of_a_format_comes_from_the_table() -> None:
    offered = {}
    for name, (module, attribute, _) in COMMANDS.items():
        for parameter in getattr(import_module(f"flowplan.cli.{module}"), attribute).params:
            if "--format" in parameter.opts:
                assert isinstance(parameter.type, click.Choice)
                offered[name] = list(parameter.type.choices)
                assert parameter.default == offered[name][0]
    shown = {name: formats_of("plan" if name == "show" else name) for name in offered}
    assert offered == shown
    assert set(shown) - {"show"} == {subject for subject, _ in REPORTS} - {"state"}


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

    assert "--format [text|json|addresses]" in run("--help").stdout
    assert run("--format", "addresses").stdout == "bid.t\n"
    (tmp_path / "flowplan.yaml").write_text("name: 1\n")
    assert run("--format", "addresses").stdout == "no plan\n"
