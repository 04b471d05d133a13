"""A task's name, project, keys, price and pause."""

from __future__ import annotations

from decimal import Decimal

import pytest

from flowplan.config import PRIORITIES, LimitPrice, Source, read
from flowplan.errors import ConfigError
from flowplan.model.address import Address
from tests.config.task_texts import TYPE, line, problems_of, read_texts, task_of


def test_a_task_without_name_takes_that_of_its_file() -> None:
    assert list(read_texts(TYPE).tasks) == [Address("bid", "a")]


def test_a_name_cannot_be_derived_for_several_tasks() -> None:
    problems = problems_of(f"{TYPE}---\n{TYPE}")
    hint = "several tasks in one file need names: add `name: my-task` to each"
    assert [line(problem) for problem in problems] == [
        f"a.yaml:1:1: [missing] this task has no name; {hint}",
        f"a.yaml:3:1: [missing] this task has no name; {hint}",
    ]


def test_a_name_cannot_be_derived_from_any_file_name() -> None:
    with pytest.raises(ConfigError) as caught:
        read([Source("dir/my task.yaml", TYPE.encode())], lambda source, path: b"")
    (problem,) = caught.value.problems
    assert problem.summary == "this task has no name, and the name of its file, 'my task', is not a valid one"


def test_project_and_ssh_keys() -> None:
    task = task_of(f"project_name: proj_1\nssh_key_name: [laptop, my other key]\n{TYPE}")
    assert (task.project, task.ssh_keys) == ("proj_1", ("laptop", "my other key"))


@pytest.mark.parametrize(("priority", "price"), [*PRIORITIES.items()])
def test_priorities_are_dollars_per_gpu_hour(priority: str, price: Decimal) -> None:
    task = task_of(f"task_management: {{priority: {priority}}}\n{TYPE}")
    assert task.limit_price == LimitPrice(price, "gpu")


def test_the_table_of_priorities() -> None:
    assert {name: str(price) for name, price in PRIORITIES.items()} == {
        "critical": "14.99",
        "high": "12.29",
        "standard": "4.24",
        "low": "2.00",
    }


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("17.92", "17.92"),
        ("'17.92'", "17.92"),
        ("17.9200", "17.92"),
        ("18", "18.00"),
        ("17.9", "17.90"),
        ("1e3", "1000.00"),
        ("0.01", "0.01"),
    ],
)
def test_prices_are_read_from_their_text(text: str, price: str) -> None:
    task = task_of(f"task_management: {{priority: high, utility_threshold_price: {text}}}\n{TYPE}")
    assert (str(task.limit_price.amount), task.limit_price.per) == (price, "instance")


def test_a_price_per_gpu() -> None:
    task = task_of(f"task_management: {{priority: low, utility_threshold_price_per_gpu: 2.24}}\n{TYPE}")
    assert task.limit_price == LimitPrice(Decimal("2.24"), "gpu")


def test_paused() -> None:
    assert task_of(f"paused: true\n{TYPE}").paused
    assert not task_of(f"paused: false\n{TYPE}").paused
