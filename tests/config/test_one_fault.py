"""One fault is one problem: what names something that is declared and faulty is not reported besides."""

from __future__ import annotations

import pytest

from flowplan.config import Source, read
from flowplan.config.stack.variables import Given
from flowplan.errors import ConfigError

TYPE = "resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}"
NAMED = f"""\
version: 2
volumes:
  data: {{size: 5, disk_interface: File}}
tasks:
  c: {{{TYPE}}}
  user:
    {TYPE}
    depends_on: c
    lifecycle: {{replace_triggered_by: [task.c]}}
    persistent_storage: {{attach: {{volume: data, mount_point: /mnt/data}}}}
outputs:
  id: ${{task.c.id}}
  volume: ${{volume.data.id}}
import:
- {{address: task.c, id: bid_1}}
moved:
- {{from: task.b, to: task.c}}
"""


def found(text: str) -> list[str]:
    """The problems of a stack: place, code."""

    def no_file(source: str, path: str) -> bytes:
        raise OSError(2, "No such file")

    try:
        read([Source("a.yaml", text.encode())], no_file, Given())
    except ConfigError as error:
        return [f"{one.position}: {one.code}" for one in error.problems if one.severity == "error"]
    return []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f"c: {{{TYPE}}}", "c: 5", "a.yaml:5:6: type"),
        (f"c: {{{TYPE}}}", "c: []", "a.yaml:5:6: type"),
        (f"c: {{{TYPE}}}", f"c: {{name: 5, {TYPE}}}", "a.yaml:5:13: type"),
        (f"c: {{{TYPE}}}", f"c: {{for_each: 5, {TYPE}}}", "a.yaml:5:17: type"),
        (f"c: {{{TYPE}}}", f'c: {{for_each: "${{var.x}}", {TYPE}}}', "a.yaml:5:17: reference"),
        ("data: {size: 5, disk_interface: File}", "data: 5", "a.yaml:3:9: type"),
        ("data: {size: 5,", "data: {volume_name: 5, size: 5,", "a.yaml:3:23: type"),
        (f"tasks:\n  c: {{{TYPE}}}", f"task:\n  c: {{{TYPE}}}", "a.yaml:4:1: unknown-key"),
        ("volumes:\n", "volume:\n", "a.yaml:2:1: unknown-key"),
        ("volumes:\n  data: {size: 5, disk_interface: File}", "volumes: 5", "a.yaml:2:10: type"),
    ],
)
def test_what_names_a_faulty_resource_is_no_problem_of_its_own(old: str, new: str, said: str) -> None:
    assert found(NAMED) == []
    assert NAMED.count(old) == 1
    assert found(NAMED.replace(old, new)) == [said]


def test_what_names_nothing_is_still_one() -> None:
    text = NAMED.replace("task.c.id", "task.d.id").replace("depends_on: c", "depends_on: d")
    assert found(text) == ["a.yaml:8:17: depends-on", "a.yaml:12:3: reference"]
