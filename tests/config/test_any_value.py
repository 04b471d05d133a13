"""Any value at any key is read, or is a problem."""

from __future__ import annotations

import json
import random
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from flowplan.errors import ConfigError
from tests.config.task_texts import line, read_texts

TASK: dict[str, Any] = {
    "name": "x",
    "project_name": "p",
    "ssh_key_name": ["k", "l"],
    "task_management": {"priority": "low", "utility_threshold_price": "17.92", "num_instances": 2},
    "resources_specification": {
        "fcp_instance": ["h100.8x.SXM5.IB", "8xa100"],
        "num_gpus": 8,
        "cluster_id": "r",
        "num_instances": 2,
        "advanced": {"optimize": "budget", "nearest_estimated_duration": 36},
    },
    "ports": ["8080", {"external": "9000-9002", "internal": "8000-8002", "protocol": "tcp"}],
    "persistent_storage": {
        "create": {"volume_name": "v", "size": 1, "disk_interface": "File", "mount_point": "/mnt/v", "region_id": "r"},
        "attach": [{"volume_name": "w", "mount_point": "/mnt/w"}],
    },
    "ephemeral_storage_config": {"mounts": {"/dev/nvme0n1": "/mnt/x", "/dev/nvme1n1": "/mnt/y"}},
    "container_image": {"image_name": "a/b:c", "build_context": ".", "run_options": "--gpus all"},
    "startup_script": "#!/bin/bash\ntrue\n",
    "paused": True,
    "version": 1.2,
}


def shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(st.randoms(use_true_random=False))
def test_shuffling_keys_changes_nothing(order: random.Random) -> None:
    expected, actual = read_texts(json.dumps(TASK)), read_texts(json.dumps(shuffled(TASK, order), indent=2))
    assert (actual.tasks, actual.volumes, actual.sha256) == (expected.tasks, expected.volumes, expected.sha256)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["22", "80-90", "8080:", ":", "-", "1-", "/", "//", "/mnt/../x", "vol_", "it_", "${x}", "1e309", "0", "-1"]
    ),
)
ALL_KEYS = sorted(
    {key for part in (TASK, *(v for v in TASK.values() if isinstance(v, dict))) for key in part}
    | set(TASK["persistent_storage"]["create"])
    | {"mount_dir", "size_unit", "startup_script_file", "api_key", "x", "<<"}
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(ALL_KEYS), inner, max_size=5),
    max_leaves=15,
)


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A good task in which some values, anywhere, were replaced."""
    task = json.loads(json.dumps(TASK))
    for _ in range(draw(st.integers(1, 3))):
        node: Any = task
        while True:
            key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
            if not isinstance(node[key], dict | list) or not node[key] or draw(st.booleans()):
                node[key] = draw(VALUES)
                break
            node = node[key]
    return task


@given(st.one_of(spoilt(), VALUES))
def test_any_value_anywhere_is_read_or_is_a_problem(value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    try:
        text.encode()
        config = read_texts(text)
    except UnicodeEncodeError:
        return
    except ConfigError as error:
        rows = text.split("\n")
        for problem in error.problems:
            for place in (problem.position, *(place for _, place in problem.also)):
                assert place is not None
                if problem.code != "character":
                    assert 1 <= place.line <= len(rows)
                    assert 1 <= place.column <= len(rows[place.line - 1]) + 1
    else:
        for task in config.tasks.values():
            assert task.limit_price.amount > 0
            attrs.evolve(task, name=task.name)


@given(st.sampled_from(sorted(TASK)), VALUES)
def test_a_problem_of_one_key_points_into_its_value(key: str, value: Any) -> None:
    """Each top-level value is on a line of its own: every problem is there, or in what it must agree with."""
    task = {**TASK, key: value}
    text = "{\n" + ",\n".join(f"{json.dumps(one)}: {json.dumps(task[one])}" for one in task) + "\n}\n"
    try:
        read_texts(text)
    except ConfigError as error:
        own = list(task).index(key) + 2
        for problem in error.problems:
            places = [problem.position, *(place for _, place in problem.also)]
            lines = {place.line for place in places if place is not None}
            assert own in lines or problem.code in ("missing", "conflict"), line(problem)
