"""A program has settings of its own, and other stacks at work: neither changes what a stack does, nor is changed."""

from __future__ import annotations

import decimal
import functools
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import flowplan
from flowplan.cloud.http.transport import Transport
from flowplan.documents import doctor, market, offers, status
from flowplan.simulator import Simulator
from tests.api.stacks import TASK, addresses, stack_in
from tests.processes import LONGEST

COARSE = decimal.Context(
    prec=3, rounding=decimal.ROUND_UP, traps=[decimal.Inexact, decimal.FloatOperation, decimal.Rounded]
)

DEAR = {**TASK, "task_management": {"utility_threshold_price": "17.92"}}


@pytest.fixture
def coarse() -> Iterator[decimal.Context]:
    """A program that computes with three digits, and wants to hear of each that is lost."""
    with decimal.localcontext(COARSE) as context:
        yield context


@pytest.fixture
def coarse_threads() -> Iterator[None]:
    """What a thread that begins computes with, is that."""
    default = decimal.DefaultContext
    kept = default.copy()
    default.prec, default.traps = COARSE.prec, COARSE.traps
    yield
    default.prec, default.traps = kept.prec, kept.traps


def look(directory: Path) -> list[str]:
    """What a stack says of its money, from the plan to the end, but for when, and by which run."""
    directory.mkdir(parents=True)
    volume = {"volume_name": "data", "size": 1234, "mount_point": "/data"}
    stack = stack_in(directory, {**DEAR, "persistent_storage": {"create": volume}})
    proposal = stack.plan(max_hourly_cost="100.00")
    said: list[object] = [proposal, proposal.costs.totals.delta, stack.apply(proposal).done]
    for change in proposal.costs.changes:
        said += [change.cost and (change.cost.now, change.cost.if_won, change.cost.worst)]
        said += [change.forecast and change.forecast.at_limit]
    found, auctions = stack.status(), stack.market("h100.8x.SXM5.IB", region="us-central1-b", limit="17.92")
    said += [found.hour, found.paid, [(row.hour, row.to_win, row.wins) for row in found.bids]]
    said += [(row.hour, row.month) for row in found.volumes]
    said += [(one.per_gpu, one.steady, one.bid and one.bid.worst) for one in auctions.offers]
    said += [status.document(found), market.document(auctions), offers.document(stack.offers()), stack.cost()]
    said += [[(one["subject"], one["verdict"]) for one in doctor.document(stack.doctor())["checks"]]]
    return [re.sub(r"[0-9a-f]{8}-[-0-9a-f]{27}|[0-9-]{10}T[0-9:]{8}Z", "_", str(one)) for one in said]


def test_money_is_as_exact_where_a_program_computes_with_three_digits(tmp_path: Path, coarse: decimal.Context) -> None:
    with decimal.localcontext(decimal.Context()):
        expected = look(tmp_path / "exact" / "stack")
    assert look(tmp_path / "coarse" / "stack") == expected
    assert any("17.92" in one for one in expected)
    assert (coarse.prec, coarse.rounding, any(coarse.flags.values())) == (3, decimal.ROUND_UP, False)


def test_a_run_is_as_exact_where_every_thread_begins_with_three_digits(
    tmp_path: Path, coarse: decimal.Context, coarse_threads: None
) -> None:
    stack = stack_in(tmp_path, DEAR)
    proposal = stack.plan()
    shown = (str(proposal), proposal.markdown(), proposal._repr_html_())
    assert all("$17.92" in one for one in shown)
    assert addresses(stack.apply(proposal)) == ["bid.train"]
    assert [told.error for told in stack.watch(once=True)] == [None]
    assert addresses(stack.destroy()) == ["bid.train"]


def test_no_module_computes_with_them_while_it_is_imported() -> None:
    """It would keep what came of that."""
    program = """
import decimal, importlib, pkgutil
decimal.setcontext(decimal.Context(prec=3, traps=[decimal.Inexact]))
import flowplan
for module in pkgutil.walk_packages(flowplan.__path__, "flowplan."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def open_files(directory: Path) -> list[str]:
    """The files below `directory` that this process has open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the list itself
            found.append(str(link.readlink()))
    return [one for one in found if one.startswith(str(directory))]


def test_a_run_closes_what_it_opened_while_another_stack_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    slow.mkdir()
    quick.mkdir()
    under_way, go_on, exchange = threading.Event(), threading.Event(), Transport._exchange

    def held(transport: Transport, wire: Any, request: Any, path: str, deadline: float) -> Any:
        if request.method == "POST" and not under_way.is_set():
            under_way.set()
            assert go_on.wait(LONGEST)
        return exchange(transport, wire, request, path, deadline)

    monkeypatch.setattr(Transport, "_exchange", held)
    first, second = stack_in(slow, TASK), stack_in(quick, TASK)
    outcomes: list[flowplan.Outcome] = []
    other = threading.Thread(target=lambda: outcomes.append(first.apply(first.plan())))
    other.start()
    assert under_way.wait(LONGEST)
    second.apply(second.plan())
    meanwhile = open_files(quick)
    go_on.set()
    other.join(LONGEST)
    assert (meanwhile, open_files(tmp_path), [addresses(one) for one in outcomes]) == ([], [], [["bid.train"]])


def test_no_file_is_left_to_be_closed_by_chance(tmp_path: Path) -> None:
    """Python warns of each, where it is asked to, once the garbage collector finds it."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", ResourceWarning)
        stack = stack_in(tmp_path, TASK)
        stack.apply(stack.plan(out="plan.json"))
        stack.status()
        stack.cost()
        list(stack.watch(once=True))
        stack.destroy()
    assert [str(one.message) for one in heard if issubclass(one.category, ResourceWarning)] == []
    assert open_files(tmp_path) == []


def kept() -> dict[str, int]:
    """How much each cache of flowplan that has no bound keeps."""
    modules = [vars(module) for name, module in [*sys.modules.items()] if name.startswith("flowplan.")]
    named = ((one["__name__"], name, value) for one in modules for name, value in one.items())
    caches = {
        f"{module}.{name}": value.cache_info()
        for module, name, value in named
        if isinstance(value, functools._lru_cache_wrapper)
    }
    return {name: info.currsize for name, info in caches.items() if info.maxsize is None}


def test_a_program_that_runs_for_days_keeps_nothing_of_yesterday(tmp_path: Path) -> None:
    """A cache without a bound is for what the code says, not for what the market or a user does."""
    prices = []

    def day(number: int) -> None:
        task = {**DEAR, "name": f"day-{number}", "task_management": {"utility_threshold_price": f"20.{number}0"}}
        stack = stack_in(tmp_path, task)
        look, asked = (
            stack.market("h100.8x.SXM5.IB", limit=f"20.{number}0"),
            stack.offers(),
        )
        with suppress(flowplan.ConfigError):  # what a user asks for, who types anything
            stack.market(f"h100:{20 + number}")
        prices.append([one.market.spot for one in look.offers])
        proposal = stack.plan(horizon=f"{number + 24}h")
        assert str(proposal) and market.document(look) and offers.document(asked) and proposal.markdown()
        stack.apply(proposal)
        assert [told.error for told in stack.watch(once=True)] == [None]
        assert status.document(stack.status()) and stack.cost() and stack.orphans() and stack.history()
        assert doctor.document(stack.doctor()) and stack.destroy()
        with Simulator.open(tmp_path / ".flowplan" / "simulator.db") as simulator:
            simulator.advance(86400)

    for number in range(1, 4):
        day(number)
    before = kept()
    for number in range(4, 7):
        day(number)
    assert prices[0] != prices[1] != prices[2] and "flowplan.model.resources.changes_of" in before
    assert kept() == before
