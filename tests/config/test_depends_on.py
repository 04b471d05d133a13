"""depends_on in a stack: names, instances by their key, and names that stand for all of them."""

from __future__ import annotations

import pytest

from flowplan.config import Config
from flowplan.errors import ConfigError
from flowplan.model.address import Address
from tests.config.stacks import TYPE, said, stack

SWEEP = f"version: 2\ndefaults: {{{TYPE}}}\ntasks:\n  sweep: {{for_each: [a, b]}}\n"


def waits(config: Config, name: str) -> list[tuple[str, str]]:
    """What the task `name` waits for, each with how far."""
    return [(str(one.task), one.until) for one in config.tasks[Address("bid", name)].depends_on]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[{task: sweep, until: running}]", [('bid.sweep["a"]', "running"), ('bid.sweep["b"]', "running")]),
        ("sweep", [('bid.sweep["a"]', "placed"), ('bid.sweep["b"]', "placed")]),
        ("[task.sweep]", [('bid.sweep["a"]', "placed"), ('bid.sweep["b"]', "placed")]),
        ("'sweep[a]'", [('bid.sweep["a"]', "placed")]),
        ("'bid.sweep[\"b\"]'", [('bid.sweep["b"]', "placed")]),
        (
            "[sweep, {task: 'sweep[b]', until: terminated}]",  # the one that is named by its key says more
            [('bid.sweep["a"]', "placed"), ('bid.sweep["b"]', "terminated")],
        ),
    ],
)
def test_a_name_stands_for_all_instances_and_a_key_for_one(written: str, expected: list[tuple[str, str]]) -> None:
    config = stack(f"{SWEEP}  merge: {{depends_on: {written}}}\n")
    assert waits(config, "merge") == expected


@pytest.mark.parametrize("key", ['["${each.key}"]', "[${each.key}]"])
def test_each_instance_may_wait_for_the_one_with_its_key(key: str) -> None:
    config = stack(f"{SWEEP}  score: {{for_each: [a, b], depends_on: ['sweep{key}']}}\n")
    assert waits(config, 'score["a"]') == [('bid.sweep["a"]', "placed")]
    assert waits(config, 'score["b"]') == [('bid.sweep["b"]', "placed")]


def test_an_empty_for_each_holds_nobody_up() -> None:
    config = stack(SWEEP.replace("[a, b]", "[]") + "  merge: {depends_on: [sweep]}\n")
    assert waits(config, "merge") == []
    text = SWEEP.replace("[a, b]", "[]") + "  merge: {depends_on: ['sweep[a]']}\n"
    assert said(text) == ['a.yaml:5:24: [depends-on] there is no task.sweep["a"] to wait for']


def test_a_task_is_not_told_to_wait_for_itself() -> None:
    with pytest.raises(ConfigError) as raised:
        stack(f"{SWEEP}  merge: {{depends_on: mergee}}\n")
    assert [one.hint for one in raised.value.problems] == ['there are: task.sweep, task.sweep["a"], task.sweep["b"]']


def test_a_faulty_instance_is_the_only_problem() -> None:
    text = SWEEP.replace("[a, b]", "[a, '!']") + "  merge: {depends_on: [sweep]}\n"
    assert [one.partition("]")[0] for one in said(text)] == ["a.yaml:4:25: [for-each"]


WRONG = {
    "both by their key": (
        "merge: {depends_on: ['sweep[a]', 'sweep[\"a\"]']}",
        'a.yaml:5:36: [duplicate] depends_on names bid.sweep["a"] twice (first given here: a.yaml:5:24)',
    ),
    "no such instance": (
        "merge: {depends_on: ['sweep[c]']}",
        'a.yaml:5:24: [depends-on] there is no task.sweep["c"] to wait for',
    ),
    "itself": (
        "merge: {for_each: [a, b], depends_on: merge}",
        'a.yaml:5:41: [depends-on] task.merge["a"] waits for itself',
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_has_its_place(case: str) -> None:
    written, expected = WRONG[case]
    assert said(f"{SWEEP}  {written}\n") == [expected]


def test_quotes_of_a_key_may_be_left_out_wherever_an_address_stands() -> None:
    config = stack(
        f"{SWEEP}  merge: {{lifecycle: {{replace_triggered_by: ['task.sweep[a]']}},\n"
        "          persistent_storage: {attach: {volume: 'data[a]', mount_point: /mnt/d}}}\n"
        "volumes: {data: {for_each: [a], size: 5}}\n"
        "moved: [{from: 'task.old[a]', to: 'task.sweep[a]'}]\nremoved: [{address: 'volume.gone[a]'}]\n"
        "import: [{address: 'volume.data[a]', id: vol_1}]\noutputs: {ssh: '${task.sweep[a].ssh}'}\n"
    )
    merge = config.tasks[Address("bid", "merge")]
    assert [str(one) for one in merge.lifecycle.replace_triggered_by] == ['bid.sweep["a"]']
    assert [str(use.volume) for use in merge.volumes] == ['volume.data["a"]']
    assert [(str(one.old), str(one.new)) for one in config.moved] == [('bid.old["a"]', 'bid.sweep["a"]')]
    assert [str(one.address) for one in (*config.removed, *config.imports)] == ['volume.gone["a"]', 'volume.data["a"]']
