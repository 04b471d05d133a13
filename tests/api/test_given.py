"""What a program gives in place of what is asked for: each argument of each call is refused by its name, before
anything is looked at. A bot has no type checker, and a variable that is not set is empty."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import flowplan
from flowplan.model.address import Address
from tests.api.stacks import TASK, stack_in, untyped
from tests.conftest import Place

CALLS: dict[str, Callable[..., object]] = {
    "load": lambda stack, **given: flowplan.load(TASK, **{"directory": stack.directory, **given}),
    "plan": lambda stack, **given: stack.plan(**given),
    "apply": lambda stack, **given: stack.apply("plan.json", **given),
    "destroy": lambda stack, **given: stack.destroy(**given),
    "watch": lambda stack, **given: stack.watch(**given),
    "recover": lambda stack, **given: stack.recover(**given),
    "market": lambda stack, **given: stack.market(**given),
    "cost": lambda stack, **given: stack.cost(**given),
    "move": lambda stack, **given: stack.move(**{"old": "bid.a", "new": "bid.b", **given}),
    "release": lambda stack, **given: stack.release(**{"address": "bid.a", **given}),
    "import_": lambda stack, **given: stack.import_(**{"address": "bid.a", "id": "bid_1", **given}),
    **{
        look: lambda stack, look=look, **given: getattr(stack, look)(**given)
        for look in ("status", "outputs", "offers", "doctor", "orphans")
    },
}
OTHERS = {"self", "sources", "task", "proposal", "how", "types"}  # no keywords, or those of another call
FLAGS = {"destroy", "keep_volumes", "refresh_only", "refresh", "hooks", "once"}
PATHS = {"directory", "state", "out", "policies", "variable_files"}
ARGUMENTS = [
    (call, name)
    for call in CALLS
    for name in inspect.signature(flowplan.load if call == "load" else getattr(flowplan.Stack, call)).parameters
    if name not in OTHERS
]


@pytest.mark.parametrize(("call", "name"), ARGUMENTS)
def test_each_argument_is_held_to_its_type(call: str, name: str, place: Place) -> None:
    stack = stack_in(place.path, TASK)
    wrong: list[Any] = [object(), 2.5j, [object()], b"x", [b"x"], ""]
    wrong += ["false", "no", None] if name in FLAGS else [True, False]
    wrong += ["a\0b", Path("a\0b")] if name in PATHS else []
    for value in wrong:
        with pytest.raises(flowplan.UsageProblem) as caught:
            CALLS[call](stack, **{name: value})
        assert name in str(caught.value) and "\0" not in str(caught.value)
    assert os.listdir(place.path) == []  # noqa: PTH208 - so no simulator was asked


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda stack: stack_in(stack.directory, ""), "a path is empty"),
        (lambda stack: stack_in(stack.directory, Path("a\0b")), "a path has a NUL character"),
        (
            lambda stack: stack_in(stack.directory, [TASK, TASK]),
            "what load is given must be a path or a task, not list",
        ),
        (lambda stack: stack_in(stack.directory, b"tasks.yaml"), "must be a path or a task, not bytes"),
        (lambda stack: stack_in(stack.directory, None), "must be a path or a task, not None"),
        (lambda stack: stack.apply(""), "the file of a plan is empty"),
        (lambda stack: stack.apply("a\0b"), "the file of a plan has a NUL character"),
        (lambda stack: stack.market(8), "a type must be text, not int"),
        (lambda stack: stack.market(["h100"]), "a type must be text, not list"),
        (lambda stack: stack.market(""), "a type is empty"),
        (lambda stack: stack.plan(max_hourly_cost=float("nan")), "max_hourly_cost: write dollars per hour, such as"),
        (lambda stack: stack.plan(target="train"), "target: 'train' is not an address"),
        (
            lambda stack: flowplan.load(TASK, environ=untyped({"FLOWPLAN_API_KEY": 1})),
            "environ: FLOWPLAN_API_KEY must be text",
        ),
        (lambda stack: flowplan.load(TASK, variables=untyped({1: 2})), "variables: 1 is not a name"),
        (lambda stack: stack.move("a", "bid.b"), "'a' is not an address: expected volume.NAME, bid.NAME"),
        (lambda stack: stack.release("bdi.a"), "did you mean bid.a?"),
        (lambda stack: stack.import_("bid.a", "\ud800"), "id has half a character"),
        (lambda stack: stack.release(3), "address must be text or an Address, not int"),
        (lambda stack: stack.recover(cancel=None), "cancel must be an id, or several in a list, not None"),
        (lambda stack: stack.recover(cancel=[Address("bid", "a")]), "cancel must be text, not Address"),
        (lambda stack: stack.import_("ports.a", "bid_1"), "ports.a: ports come with their bid"),
        (lambda stack: stack.recover(cancel=["bid_1", ""]), "cancel is empty"),
        (
            lambda stack: stack.apply("plan.json", reporter=flowplan.Silent),
            "reporter is the class Silent, not an object",
        ),
    ],
)
def test_what_is_given_by_mistake_is_named(act: Callable[[Any], object], said: str, place: Place) -> None:
    with pytest.raises(flowplan.UsageProblem) as caught:
        act(untyped(stack_in(place.path, TASK)))
    assert said in str(caught.value)


def test_a_reporter_that_would_fail_at_the_first_bid_is_refused_before_it(place: Place) -> None:
    class Deaf:
        def planned(self, body: Any) -> None: ...

    stack = stack_in(place.path, TASK)
    for begin in (lambda given: stack.apply(stack.plan(), reporter=given), lambda given: stack.watch(reporter=given)):
        with pytest.raises(flowplan.UsageProblem, match="has no method started, progress, done, failed") as caught:
            begin(untyped(Deaf()))
        assert caught.value.hint == "give an object of a class that derives from flowplan.Silent"
    assert not stack.state().bindings


def test_a_secret_that_stands_in_a_wrong_place_is_not_shown(place: Place) -> None:
    secret = "fkey_abcdefghijklmnop1234567890"
    for given in (
        {"api_url": secret.encode()},
        {"environ": {"FLOWPLAN_API_KEY": secret.encode()}},
        {"environ": [secret]},
    ):
        with pytest.raises(flowplan.UsageProblem) as caught:
            flowplan.load(TASK, directory=place.path, **untyped(given))
        assert secret not in str(caught.value)


def test_an_api_that_is_not_set_is_not_the_public_one(place: Place) -> None:
    """`load(api_url=os.environ.get("API", ""))`: money would be spent where nobody meant it."""
    with pytest.raises(flowplan.UsageProblem, match="api_url is empty") as caught:
        flowplan.load(TASK, directory=place.path, api_url="")
    assert caught.value.hint == "give a value, or leave it out"


def test_a_target_of_no_address_is_not_all(place: Place) -> None:
    """`destroy(target=finished)` where nothing has finished: every bid would be cancelled."""
    stack = stack_in(place.path, TASK)
    stack.apply(stack.plan())
    for call in (stack.plan, stack.destroy):
        for given in ([], (), set(), iter(())):
            with pytest.raises(flowplan.UsageProblem, match="target names no address") as caught:
                untyped(call)(target=given)
            assert caught.value.hint == "skip the call where there is none; leave target out to mean all"
    assert stack.plan(target=None, exclude=[], replace=[]).plan.empty


def test_what_is_as_good_as_the_type_is_taken(place: Place) -> None:
    stack = stack_in(place.path, TASK, variables=None)
    stack.apply(stack.plan(destroy=untyped(0), refresh=untyped(1), max_hourly_cost=untyped(100.0)))
    address = Address.parse("bid.train")
    for given in ("bid.train", untyped(address), iter([address])):
        assert [one.action for one in stack.plan(replace=untyped(given)).plan.changes] == ["replace"]
    assert stack.plan(max_hourly_cost=Decimal("100.00"), policies=()).plan.empty


def test_a_working_directory_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(flowplan.UsageProblem, match="the working directory cannot be used") as caught:
        flowplan.load(TASK)
    assert caught.value.hint == "give an absolute path as directory"
    assert stack_in(tmp_path, TASK).plan().plan.changes
