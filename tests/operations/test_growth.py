"""Whole commands are no more work for each resource when there are more of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.conftest import Place, many
from tests.texts import task_text
from tests.work import grows_linearly

ONE_BY_ONE = ("--auto-approve", "--parallelism", "1")  # a round for each call, in every run
APPLY = ("apply", *ONE_BY_ONE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "counted"),
    [
        (("plan",), ("validate",)),
        (("plan",), ("plan",)),
        (("plan",), ("plan", "--format", "json")),
        (("plan",), APPLY),
        (APPLY, ("plan",)),
        (APPLY, ("destroy", "--keep-volumes", *ONE_BY_ONE)),
    ],
    ids=["validate", "plan", "plan-json", "apply", "nothing-to-change", "destroy"],
)
def test_twice_as_many_tasks_are_twice_the_work(
    place: Place, monkeypatch: pytest.MonkeyPatch, before: tuple[str, ...], counted: tuple[str, ...]
) -> None:
    """Paused tasks: those that bid fill an auction at some number, from which on more is said of each."""

    def work(count: int) -> Callable[[], object]:
        path = Path(tempfile.mkdtemp(dir=place.path))
        monkeypatch.chdir(path)
        (path / "flowplan.yaml").write_text(many(count).replace("ports:", "paused: true\nports:"))
        place.ok(*before)  # the data of the simulator are made, too
        return lambda: place.ok(*counted)

    assert grows_linearly(work, 40)


def bids(count: int, gpus: Sequence[int], *, prices: int) -> str:
    """`count` tasks, each for one instance of so many `gpus` in turn, with so many `prices` of a GPU in turn."""
    texts = []
    for n in range(count):
        size, step = gpus[n % len(gpus)], n // len(gpus) % prices
        texts.append(task_text(f"task-{n:04}", f"{size * (100 + step) / 100:.2f}", f"a100-80gb.sxm.{size}x"))
    return "".join(texts)


@pytest.mark.slow
@pytest.mark.parametrize("prices", [1, 1000])
@pytest.mark.parametrize("gpus", [(8,), (1, 2, 8)], ids=["one-size", "three-sizes"])
def test_twice_as_many_bids_for_one_stock_are_twice_the_work(
    place: Place, monkeypatch: pytest.MonkeyPatch, gpus: tuple[int, ...], prices: int
) -> None:
    """From the first number on they are for more than there is: some run, and of others nobody can tell."""

    def work(count: int) -> Callable[[], object]:
        path = Path(tempfile.mkdtemp(dir=place.path))
        monkeypatch.chdir(path)
        (path / "flowplan.yaml").write_text(bids(count, gpus, prices=prices))
        place.ok("plan")  # the data of the simulator are made, too
        return lambda: place.ok("plan")

    assert grows_linearly(work, 150)
