"""One fault is one problem, at its line: what follows from it is not reported besides."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from flowplan.config import Source, read
from flowplan.config.stack.given import Given
from flowplan.diagnostics import Diagnostic
from flowplan.errors import ConfigError
from tests.conftest import EXAMPLES, Place

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


def problems(text: str, **options: str) -> list[Diagnostic]:
    """The errors of a stack. `options`: the values of --var."""

    def no_file(source: str, path: str) -> bytes:
        raise OSError(2, "No such file")

    try:
        read([Source("a.yaml", text.encode())], no_file, Given(options))
    except ConfigError as error:
        return [one for one in error.problems if one.severity == "error"]
    return []


def found(text: str, **options: str) -> list[str]:
    """The same as text: place, code."""
    return [f"{one.position}: {one.code}" for one in problems(text, **options)]


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


VARIABLE = f"""\
version: 2
variables: {{rate: {{type: int, default: 8080}}}}
tasks: {{a: {{{TYPE}, ports: ["${{var.rate}}"]}}}}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("type: int", "type: inx", "a.yaml:2:26: value"),
        ("default: 8080", "defaults: 3", "a.yaml:2:31: unknown-key"),
        ("variables:", "variable:", "a.yaml:2:1: unknown-key"),
        ("variables: {rate: {type: int, default: 8080}}", "variables: 5", "a.yaml:2:12: type"),
        ("version: 2", "versions: 2", "a.yaml:1:1: unknown-key"),
        ("version: 2\n", "\n", "a.yaml:2:1: version"),
        (f"a: {{{TYPE}", f"a: {{for_eachs: [b], name: '${{each.key}}', {TYPE}", "a.yaml:3:13: unknown-key"),
    ],
)
def test_what_a_faulty_variable_or_key_leaves_open_is_no_problem_of_its_own(old: str, new: str, said: str) -> None:
    assert found(VARIABLE) == []
    assert VARIABLE.count(old) == 1
    assert found(VARIABLE.replace(old, new)) == [said]


def test_a_misspelt_value_of_a_variable_is_no_missing_one_besides() -> None:
    text = VARIABLE.replace(", default: 8080", "")
    assert found(text, rate="7000") == []
    assert found(text, rat="7") == ["None: variable-unknown"]
    assert found(text, colour="7") == ["None: variable-unknown", "a.yaml:2:13: variable-missing"]


@pytest.mark.parametrize(
    ("declared", "given", "hint"),
    [
        ('type: int, default: "3"', None, "quotes make it text: write 3"),
        ('type: int, default: "abc"', None, "write a whole number, such as 500"),
        ("type: int", "x", "write a whole number, such as 500"),
        ("type: int", "", "write a whole number, such as 500"),
        ("type: int", "'3'", "quotes make it text: write 3"),
        ("type: bool", "yes", "write true or false"),
        ("type: list", "a", "write a list, such as [a, b]"),
        ("default: 3, type: string", None, 'put it in quotes: "3", or declare another type'),
    ],
)
def test_the_advice_for_a_value_fits_it(declared: str, given: str | None, hint: str) -> None:
    text = VARIABLE.replace("type: int, default: 8080", declared)
    (problem,) = problems(text, **({} if given is None else {"rate": given}))
    assert problem.hint == hint


# ---- a fault at every place

NAMES = ("tasks", "volumes", "variables", "outputs", "priorities", "x-hangers")


def faults(text: str, node: Node, within: str = "") -> Iterator[tuple[int, str]]:
    """`text` with one fault each, and the line where it is."""
    for key, value in node.value if isinstance(node, MappingNode) else ():
        line, (start, end) = key.start_mark.line + 1, (key.start_mark.index, key.end_mark.index)
        if within not in NAMES:  # where a name is another one, others name nothing
            yield line, f"{text[:end]}s{text[end:]}"
        if isinstance(value, ScalarNode) and not value.style:
            here, behind = value.start_mark.index, value.end_mark.index
            between = ", " if node.flow_style else f"\n{' ' * key.start_mark.column}"
            yield line, f"{text[:behind]}{between}{text[start:]}"  # twice
            for wrong in ("{}", "[[]]", "true", "-1", "'not one'"):
                yield line, f"{text[:here]}{wrong}{text[behind:]}"
        yield from faults(text, value, str(key.value))


@pytest.mark.parametrize("text", [NAMED, VARIABLE, (EXAMPLES / "stack" / "flowplan.yaml").read_text()], ids=range(3))
def test_a_fault_anywhere_is_one_problem_that_names_its_line(text: str) -> None:
    count = 0
    for line, faulty in faults(text, YAML(typ="rt").compose(text)):
        said = problems(faulty)
        places = {one.position for one in said} | {place for one in said for _, place in one.also}
        assert len(said) <= 1, (said, faulty)
        assert not said or line in {place.line for place in places if place}, (said, faulty)
        count += bool(said)
    assert count > 30


# ---- every place that has a part in it

PLACES = f"""\
version: 2
x-ports: &ports [70000]
defaults: {{{TYPE}}}
tasks:
  a: {{ports: *ports}}
  b: {{ports: *ports}}
  c:
    for_each: [x, z]
    ports: ["${{each.key}}"]
"""


def test_what_several_use_is_one_problem_that_names_them_all() -> None:
    (found, *_) = problems(PLACES)
    assert found.summary == "ports: 70000 is not a port"
    assert [f"{what} {place}" for what, place in found.also] == [f"used here, by *ports a.yaml:{n}:14" for n in (5, 6)]


def test_what_a_key_of_for_each_says_is_given_in_the_list() -> None:
    (_, x, z) = problems(PLACES)
    assert [str(one.position) for one in (x, z)] == ["a.yaml:9:13", "a.yaml:9:13"]
    assert [str(place) for one in (x, z) for _, place in one.also] == ["a.yaml:8:16", "a.yaml:8:19"]


def test_an_entry_that_an_instance_lacks_is_said_with_the_place_of_its_value() -> None:
    """Of a sweep with one line in a file of variables for each point, that is the line to mend."""
    sweep = f"version: 2\ntasks:\n  s: {{for_each: VALUES, {TYPE}, ports: ['${{each.value.port}}']}}\n"
    points = "{a: {port: 1024}, b: {prot: 1}, c: {port: 1025}, d: {}}"
    (found,) = problems(sweep.replace("VALUES", points))
    assert (found.summary, found.hint) == ("each.value has no entry 'port'", "did you mean prot? there are: prot")
    where = sweep.replace("VALUES", points).splitlines()[2]
    columns = [where.index(text) + 1 for text in ("{prot", "{}")]
    assert [f"{what} {place}" for what, place in found.also] == [
        f"its value is given here a.yaml:3:{column}" for column in columns
    ]


def test_the_json_has_every_place_and_the_text_the_first(place: Place) -> None:
    more = "".join(f"  d{n}: {{ports: *ports}}\n" for n in range(100))
    place.write(PLACES + more)
    shown = place.run("validate").err
    assert shown.count("used here, by *ports") == 5
    assert "and at more places: --verbose shows more of them" in shown
    shown = place.run("--verbose", "validate").err
    assert (shown.count("used here, by *ports"), "and at more places" in shown) == (50, False)
    (found, *_) = json.loads(place.run("validate", "--format", "json").out)["diagnostics"]
    assert found["related"][1] == {
        "message": "used here, by *ports",
        "source": {"file": "flowplan.yaml", "line": 6, "column": 14},
    }
    assert len(found["related"]) == 50


def test_an_attribute_that_there_is_not_is_a_problem_of_a_faulty_task_too() -> None:
    text = NAMED.replace(f"c: {{{TYPE}}}", "c: 5").replace("id: ${task.c.id}", '"id": "${task.c.id} ${task.c.idd}"')
    assert [one.summary for one in problems(text)] == [
        "tasks.c must be a mapping, not a number",
        "output id: a task has no attribute idd",
    ]


def test_what_is_below_a_name_that_cannot_be_is_read_for_what_else_is_wrong() -> None:
    text = NAMED.replace("  c: {", "  my task: {num_instance: 2, ").replace("  data: {", "  My data!: {sizze: 5, ")
    found = [one.summary for one in problems(text)]
    assert "'my task' is not a name under tasks" in found and "'My data!' is not a name under volumes" in found
    assert "unknown key 'num_instance' in tasks.'my task'" in found
    assert "unknown key 'sizze' in volumes.'My data!'" in found


def test_a_name_that_cannot_be_is_in_no_example() -> None:
    found = problems(NAMED.replace(f"c: {{{TYPE}}}", "my task: 5"))
    assert [one.hint for one in found if one.summary == "tasks.'my task' must be a mapping, not a number"] == [
        "write tasks: {NAME: {...}}"
    ]


def test_two_names_that_cannot_be_are_two_problems() -> None:
    """Also where both would be the same name, or that of a task that there is."""
    text = f"version: 2\ntasks:\n  a b: {{{TYPE}}}\n  a/b: {{{TYPE}}}\n  a-b: {{{TYPE}}}\n"
    assert [one.summary for one in problems(text)] == [
        "'a b' is not a name under tasks",
        "'a/b' is not a name under tasks",
    ]
    twice = [one.summary for one in problems(text.replace(f"  a-b: {{{TYPE}}}\n", ""))]
    assert twice == ["'a b' is not a name under tasks", "'a/b' is not a name under tasks"]


# ---- a key at the wrong depth


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"tasks:\ntrain:\n  {TYPE}\n",
            ["a.yaml:3:1: unknown key 'train'; indent it: it belongs under tasks"],
        ),
        (
            f"volumes:\ndata: {{size: 5}}\ntasks:\n  a: {{{TYPE}, persistent_storage: {{attach: {{volume: data}}}}}}\n",
            ["a.yaml:3:1: unknown key 'data'; indent it: it belongs under volumes"],
        ),
        (
            f"tasks:\n  train:\n  {TYPE}\n  ports: [8888]\noutputs: {{id: '${{task.train.id}}'}}\n",
            ["a.yaml:4:3: 'resources_specification' is a key of a task, not a task; indent it, under train"],
        ),
        (
            f"tasks:\n  a: {{{TYPE}}}\n  lifetime: {{max_hours: 1}}\n  ports: [1]\n  b: {{{TYPE}}}\n  paused: true\n",
            [
                "a.yaml:4:3: 'lifetime' is a key of a task, not a task; indent it, under a",
                "a.yaml:7:3: 'paused' is a key of a task, not a task; indent it, under b",
            ],
        ),
        (
            f"tasks:\n  {TYPE}\n",
            [
                "a.yaml:3:3: 'resources_specification' is a key of a task, not a task; "
                "write tasks: {NAME: {resources_specification: ...}}"
            ],
        ),
        (
            f"volumes:\n  d:\n  size: 5\ntasks:\n  a: {{{TYPE}, persistent_storage: {{attach: {{volume: d}}}}}}\n",
            ["a.yaml:4:3: 'size' is a key of a volume, not a volume; indent it, under d"],
        ),
        (
            f"tasks:\n  a:\n    {TYPE}\n    volumes: {{}}\n    variables: {{}}\n",
            [
                "a.yaml:5:5: unknown key 'volumes' in tasks.a; write persistent_storage: {attach: {volume: NAME, "
                "mount_point: /mnt/NAME}}; the volumes themselves belong at the top of the stack",
                "a.yaml:6:5: unknown key 'variables' in tasks.a; it belongs at the top of the stack",
            ],
        ),
        (
            "tasks:\n  a:\n    resources_specification: {fcp_instance: 8xh100, guards: {}, depends_on: b}\n",
            [
                "a.yaml:4:53: unknown key 'guards' in resources_specification; it belongs at the top of the stack",
                "a.yaml:4:65: unknown key 'depends_on' in resources_specification; it belongs at the top of the task",
            ],
        ),
        (
            f"tasks:\n  a:\n    {TYPE}\n    budget: 200\n    max_hourly_cost: 9\n",
            [
                "a.yaml:5:5: unknown key 'budget' in tasks.a; write lifetime: {max_cost: 200}, dollars in all; "
                "guards: {max_hourly_cost: 60} at the top of the stack limits an hour",
                "a.yaml:6:5: unknown key 'max_hourly_cost' in tasks.a; write guards: {max_hourly_cost: 60} at the top "
                "of the stack",
            ],
        ),
        (
            f"budget: {{max_hourly_cost: 9}}\ntasks:\n  a: {{{TYPE}}}\n",
            [
                "a.yaml:2:1: unknown key 'budget'; write guards: {max_hourly_cost: 60}, dollars per hour; "
                "lifetime: {max_cost: 200} in a task is dollars in all",
            ],
        ),
        ("for_each: [a]\n", ["a.yaml:2:1: unknown key 'for_each'; it belongs in a task, or in defaults"]),
        (f"tasks:\n  lifetime: {{{TYPE}}}\n  ports: {{{TYPE}, ports: [8888]}}\n", []),
        (f"defaults: {{{TYPE}}}\ntasks:\n  ports:\n  paused: {{}}\n  lifecycle: {{ports: [8888]}}\n", []),
    ],
)
def test_a_key_at_the_wrong_depth_is_sent_where_it_belongs(text: str, said: list[str]) -> None:
    assert [f"{one.position}: {one.summary}; {one.hint}" for one in problems(f"version: 2\n{text}")] == said
