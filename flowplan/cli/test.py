"""flowplan test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from flowplan.cli import options
from flowplan.cli.base import Command
from flowplan.cli.context import Context
from flowplan.errors import UsageProblem

_BY_CASE = "each case says what its variables are: given.variables"
_SIMULATED = "cases run in a simulated cloud, where every project and SSH key that the stack names exists"
_OWN_STATE = "each case has a state of its own, which nothing else uses: given.applied"
# Global options that could change nothing here -> why.
_REFUSED = {
    "var": _BY_CASE,
    "var_file": _BY_CASE,
    "api_url": _SIMULATED,
    "project": _SIMULATED,
    "ssh_key": _SIMULATED,
    "state": _OWN_STATE,
    "lock_timeout": _OWN_STATE,
    "no_lock": _OWN_STATE,
}


@click.command(cls=Command)
@click.argument("path", required=False, metavar="[PATH]", type=click.Path())
@options.form("test")
@click.pass_context
def test(ctx: click.Context, path: str | None, form: str) -> int:
    """Run the cases beside a stack: tests/*.yaml, and *.test.yaml. Each says what is given (variables, prices, what was
    applied before) and what the plan is expected to say. PATH is the stack (flowplan.yaml), or one file of cases.

    Every case has a simulated cloud of its own. Your state, your environment and the real API are not touched.

    Exit codes: 0 all pass; 1 some fail; 64 no cases, or an option that has no meaning for them; 65 a file of cases that
    cannot be read.
    """
    from flowplan.operations.test import cases_beside, run

    _hold_alone(ctx.find_root().obj)
    here = Context.of(ctx)
    found = cases_beside(here.session.settings.directory, path)
    with here.session.listener.busy("running the cases"):
        outcomes = list(run(found, here.session.listener))
    here.report("test", form, outcomes)
    return 0 if all(one.passed for one in outcomes) else 1


def _hold_alone(given: Mapping[str, Any]) -> None:
    """Raise UsageProblem for a global option that cases would not heed."""
    for name, why in _REFUSED.items():
        if given.get(name):
            raise UsageProblem(f"flowplan test takes no --{name.replace('_', '-')}", hint=why)
