"""The cases of a stack: each is planned in a simulated cloud of its own, in a directory that is removed after it.

Nothing of the user's is touched: no state, no lock, no API; no variable of the environment but those that a case gives.
"""

from __future__ import annotations

import operator
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from flowplan.apply.outcome import ApplyFailed
from flowplan.classes import frozen
from flowplan.config import Source
from flowplan.documents.test import Outcome
from flowplan.errors import ConfigError, FlowplanError, UsageProblem
from flowplan.files.regular import is_regular, read_regular
from flowplan.operations.apply import apply
from flowplan.operations.case_time import CaseTime
from flowplan.operations.opening.interaction import Listener
from flowplan.operations.opening.paths import CASES, DEFAULT, SUFFIXES
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import SIMULATOR, Settings
from flowplan.operations.opening.sources import find
from flowplan.operations.plan import plan
from flowplan.operations.proposing.request import Request
from flowplan.operations.running.options import RunOptions
from flowplan.operations.validate import configuration
from flowplan.pricing.units import usd

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from flowplan.config.cases import Case, Price
    from flowplan.diagnostics import Diagnostic
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.simulator import Simulator

_MARK = " (case)"  # ends the name of a file that only a case has
_LARGEST = 10_000_000  # bytes of a file of cases
_FIRST = (
    "write tests/NAME.yaml or NAME.test.yaml, with `cases: {NAME: {expect: {resource_changes: {bid.NAME: create}}}}`"
)


@frozen
class Cases:
    """The cases of one file, and the files of the stack that they are about, under names that only cases have: what was
    applied before is an earlier text of the same file. `here`: what paths are shown from."""

    file: Path
    here: Path
    stack: tuple[Source, ...]
    cases: Sequence[Case]

    def before(self, case: Case) -> tuple[Source, ...]:
        """What was applied before. Raises ValueError."""
        if not isinstance(case.applied, tuple):
            return self.stack
        if len(case.applied) > len(self.stack):
            raise ValueError(f"applied names {len(case.applied)} files, and the stack has {len(self.stack)}")
        try:
            texts = [read_regular(self.file.parent / path, _LARGEST) for path in case.applied]
        except OSError as error:
            raise ValueError(f"{', '.join(case.applied)} cannot be read: {error.strerror}") from error
        return tuple(Source(one.name, text) for one, text in zip(self.stack, texts, strict=False))

    def shown(self, text: str) -> str:
        """`text` with files named as people name them."""
        return text.replace(f"{self.here}/", "").replace(_MARK, "")


def cases_beside(directory: Path, path: str | None) -> list[Cases]:
    """The cases beside the stack `path` (none: flowplan.yaml, else the directory): `tests/*.yaml`, and `*.test.yaml`.
    One such file may be named itself. Raises ConfigError with everything that is wrong with them, UsageProblem where
    there are none."""
    from flowplan.config.cases import read_cases

    here = directory.absolute()
    named = here / (path or (DEFAULT if (here / DEFAULT).exists() else "."))
    if not (is_regular(named) or os.path.isdir(named)):  # noqa: PTH112 - of a name that is too long it says no
        raise UsageProblem(f"there is no file or directory {path or DEFAULT}")
    folder = named if named.is_dir() else named.parent
    if _holds_cases(named):
        files, folder = [named], folder.parent if folder.name == "tests" else folder
        stack = folder / DEFAULT if (folder / DEFAULT).exists() else folder
    else:
        files, stack = [*_files(folder), *_files(folder / "tests")], named
    if not files:
        raise UsageProblem(f"there are no cases beside {path or '.'}", hint=_FIRST)
    sources = find([str(stack)], directory, here)[0]
    texts = tuple(Source(f"{here / one.name}{_MARK}", one.data) for one in sources)
    found: list[Cases] = []
    problems: list[Diagnostic] = []
    for file in files:
        name = str(file.relative_to(here)) if file.is_relative_to(here) else str(file)
        try:
            found.append(Cases(file, here, texts, read_cases(Source(name, read_regular(file, _LARGEST)))))
        except OSError as error:
            raise UsageProblem(f"{name} cannot be read: {error.strerror}") from error
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


def _holds_cases(path: Path) -> bool:
    return path.is_file() and (path.name.endswith(CASES) or path.parent.name == "tests")


def _files(folder: Path) -> list[Path]:
    """The files of cases in a directory: in `tests` all, elsewhere those that are called so."""
    if not folder.is_dir():
        return []
    suffixes = SUFFIXES if folder.name == "tests" else CASES
    return sorted(file for file in folder.iterdir() if file.name.endswith(suffixes) and not file.name.startswith("."))


def run(found: Sequence[Cases], listener: Listener) -> Iterator[Outcome]:
    """What comes of each case, one after another."""
    for cases in found:
        for case in cases.cases:
            began = time.monotonic()
            failures = tuple(map(cases.shown, _failures(cases, case, listener)))
            yield Outcome(case.name, case.source, failures, time.monotonic() - began)


def _failures(cases: Cases, case: Case, listener: Listener) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="flowplan-test-") as place:
        settings = _settings(Path(place), cases, case)
        quiet = attrs.evolve(listener, note=lambda _: None, log=None)
        try:
            _furnish(settings, cases, case, quiet)
        except (ConfigError, FlowplanError, ValueError) as error:
            yield f"the given state could not be set up: {_said(error)}"
            return
        try:
            with Session(settings, quiet) as session:
                document = plan(session, _request(cases.stack, case)).sealed
        except ConfigError as error:
            yield from _problems(case, error)
            return
        except FlowplanError as error:
            yield f"there is no plan: {error}"
            return
        if case.problems:
            yield f"expected problems {_list(case.problems)}, but there are none"
        yield from _differences(case, document)


def _settings(place: Path, cases: Cases, case: Case) -> Settings:
    """Everything in `place`, and the simulator's project, whatever the stack calls its own."""
    from flowplan.simulator.furnish import PROJECT

    directory = place / (cases.file.parent.name or "stack")
    directory.mkdir()
    return Settings(
        directory=directory,
        given_api_url=SIMULATOR,
        project=PROJECT,
        environ=dict(case.environ),
        variables=case.variables,
        command=lambda: "flowplan test",
    )


def _request(paths: tuple[Source, ...], case: Case) -> Request:
    return Request(paths, destroy=case.destroy, destroyable=frozenset(case.destroyable), complete=True)


# ---- what is given ------------------------------------------------------------------------------------------


def _furnish(settings: Settings, cases: Cases, case: Case, listener: Listener) -> None:
    """Make what the case gives. Raises ValueError, FlowplanError."""
    from flowplan.simulator import Simulator, furnish

    before = cases.before(case)
    with Simulator.open(settings.simulator_data) as simulator:  # at a fixed time: cases pass on any day
        for name in sorted(_ssh_keys(settings, [*cases.stack], [*before], listener=listener)):
            furnish.add_ssh_key(simulator, name)
        for volume in case.volumes:
            furnish.add_volume(simulator, volume.name, volume.size_gb, volume.interface, volume.region)
        hold = partial(_set_prices, simulator, case.prices if case.hours is None else ())
        hold()
        if case.applied:
            _apply(settings, before, CaseTime(simulator=simulator, hold=hold), listener)
        if case.hours is not None:
            simulator.advance(float(case.hours) * 3600)
            _set_prices(simulator, case.prices)


def _apply(settings: Settings, before: tuple[Source, ...], case_time: CaseTime, listener: Listener) -> None:
    """Apply what was applied before. Raises ValueError where a step failed, with why, and FlowplanError."""
    try:
        with Session(settings, listener, case_time) as session:
            apply(session, Request(before), RunOptions(), case_time.jobs, case_time.jobs)
    except ApplyFailed as error:
        why = "; ".join(f"{step.address}: {one}" for step, one in error.outcome.failed.items())
        raise ValueError(f"{why}{_WAITED if case_time.passed else ''}") from error


_WAITED = (  # time has passed: something waited
    ", in the simulated market of the case; raise the limit, give prices without hours, or say applied: FILE, an"
    " earlier text of the stack without what waits"
)


def _set_prices(simulator: Simulator, prices: Sequence[Price]) -> None:
    """Make `prices` those of now. Raises ValueError."""
    from flowplan.simulator import furnish

    for price in prices:
        furnish.set_price(simulator, price.instance_type, price.region, price.price)


def _ssh_keys(settings: Settings, *stacks: Sequence[Source], listener: Listener) -> set[str]:
    """The keys that tasks name; what is wrong with the files shows when they are planned."""
    names: set[str] = set()
    for sources in stacks:
        with Session(settings, listener) as session, suppress(FlowplanError):
            tasks = configuration(session, sources).tasks.values()
            names.update(key for task in tasks for key in task.ssh_keys)
    return names


# ---- what is expected ---------------------------------------------------------------------------------------


def _problems(case: Case, error: ConfigError) -> Iterator[str]:
    found = [one for one in error.problems if one.severity == "error"]
    codes = {one.code for one in found}
    yield from (f"expected the problem {code}, but it is not there" for code in case.problems if code not in codes)
    for one in found:
        if one.code not in case.problems:
            yield f"{one.position}: [{one.code}] {one.summary}" if one.position else f"[{one.code}] {one.summary}"


def _differences(case: Case, document: SealedPlan) -> Iterator[str]:
    """Where the plan is not what is expected."""
    entries = {one["address"]: one for one in document["resource_changes"]}
    for address, action in case.actions:
        if address not in entries:
            yield f"{address}: expected {action}, but the plan does not have it"
        elif (got := _action(entries[address]["change"]["actions"])) != action:
            reason = entries[address]["action_reason"]
            yield f"{address}: expected {action}, but it is {got}{f' ({reason})' if reason else ''}"
    summary: Mapping[str, Any] = document["summary"]
    for action, count in case.summary:
        if summary[action] != count:
            yield f"summary: expected {count} to {action}, but there are {summary[action]}"
    yield from _cost(case, document)
    refused = [one["detail"] for one in document["diagnostics"] if one["severity"] == "error"]
    for word in case.refused:
        if word not in refused:
            yield f"expected to be refused by {word}, but it is refused by {_list(refused) or 'nothing'}"
    for one in document["diagnostics"]:
        if one["severity"] == "error" and one["detail"] not in case.refused:
            yield f"refused: [{one['detail']}] {one['summary']}"


def _action(actions: Sequence[str]) -> str:
    return "replace" if len(actions) > 1 else actions[0]


def _cost(case: Case, document: SealedPlan) -> Iterator[str]:
    planned: Mapping[str, Any] = document["cost"]["planned"]
    written = planned[case.basis]
    cost = None if written is None else Decimal(written)
    for key, bound, holds in (
        ("at most", case.max_hourly_cost, operator.le),
        ("at least", case.min_hourly_cost, operator.ge),
    ):
        if bound is not None and (cost is None or not holds(cost, bound)):
            yield f"cost: expected {key} {usd(bound)} an hour ({case.basis}), but it is {usd(cost)}"


def _list(words: Sequence[str | None]) -> str:
    return ", ".join(map(str, words))


def _said(error: Exception) -> str:
    if isinstance(error, ConfigError):
        return "; ".join(f"[{one.code}] {one.summary}" for one in error.problems if one.severity == "error")
    return str(error)
