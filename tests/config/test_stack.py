"""Stack files: variables, defaults, for_each, `${...}`, volumes that tasks share; several files are one stack."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.config import Config, Source, Task, read
from flowplan.config.stack.given import Given
from flowplan.errors import ConfigError
from flowplan.model.address import Address
from flowplan.model.digest import named
from flowplan.model.lifecycle import Lifecycle
from tests.config.stacks import TYPE, no_file, said, stack
from tests.conftest import EXAMPLES, examples

ONE = f"version: 2\ntasks: {{train: {{{TYPE}}}}}\n"


def test_tasks_have_the_keys_of_the_defaults_and_of_the_stack_unless_they_say_otherwise() -> None:
    config = stack(
        "version: 2\nname: llm\nproject_name: ml\nssh_key_name: [laptop, desk]\n"
        "defaults: {resources_specification: {cluster_id: us-a, num_instances: 2}, task_management: {priority: high}}\n"
        "tasks:\n"
        "  a: {resources_specification: {fcp_instance: 8xh100, num_instances: 3}, ports: }\n"
        "  b: {resources_specification: {fcp_instance: 8xa100}, ssh_key_name: own, task_management: }\n"
    )
    a, b = config.tasks.values()
    assert config.stack == "llm"
    assert (a.name, a.project, a.ssh_keys, a.region, a.instance_quantity, a.priority, a.ports) == (
        *("a", "ml", ("laptop", "desk"), "us-a", 3, "high"),
        (),
    )
    assert (b.ssh_keys, b.instance_quantity, b.priority) == (("own",), 2, "high")


def test_defaults_of_one_file_hold_in_another_and_problems_name_both_places() -> None:
    first = "version: 2\ndefaults:\n  resources_specification: {cluster_id: NO}\n"
    second = "version: 2\ntasks:\n  train: {resources_specification: {fcp_instance: 8xh100}}\n"
    assert said(first, second) == [
        "a.yaml:3:41: [value] resources_specification.cluster_id 'NO' must be the name of a region, such as "
        "us-central1-b (used here: b.yaml:3:3)"
    ]
    good = stack(first.replace("NO", "us-a"), second)
    assert str(good.position_of(Address("bid", "train"), "region")) == "a.yaml:3:41"
    assert str(good.position_of(Address("bid", "train"), "instance_type")) == "b.yaml:3:51"
    assert str(good.position_of(Address("bid", "train"))) == "b.yaml:3:3"


def test_two_names_are_two_stacks() -> None:
    """As a pipeline gives them that checks all directories of a repository at once."""
    with pytest.raises(ConfigError) as caught:
        stack("version: 2\nname: one\n", ONE + "name: two\n")
    (problem,) = caught.value.problems
    assert problem.summary == "name is two here, and one in another document of this stack"
    assert problem.hint == "documents of one stack have one: keep one of the two; two stacks are two commands"


def test_each_instance_has_its_key_in_its_address_and_its_name() -> None:
    config = stack(
        f"version: 2\ntasks:\n  sweep: {{for_each: [a, 2], {TYPE}, "
        "container_image: {image_name: 'x:${each.key}'}}\n"
        f"  eval: {{for_each: {{x: {{port: 8080}}}}, {TYPE}, ports: ['${{each.value.port}}']}}\n"
        "volumes: {data: {size: 10, for_each: [a]}}\n"
    )
    assert [(str(address), task.name) for address, task in config.tasks.items()] == [
        ('bid.sweep["a"]', "sweep-a"),
        ('bid.sweep["2"]', "sweep-2"),
        ('bid.eval["x"]', "eval-x"),
    ]
    images = [task.container_image and task.container_image.image_name for task in config.tasks.values()]
    assert images[:2] == ["x:a", "x:2"]
    assert [(str(a), volume.name) for a, volume in config.volumes.items()] == [('volume.data["a"]', "data-a")]


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({}, 1),
        ({"environ": {"FLOWPLAN_VAR_gb": "2"}}, 2),
        ({"environ": {"FLOWPLAN_VAR_gb": "2"}, "one": "gb: 3"}, 3),
        ({"one": "gb: 3", "two": "gb: 4"}, 4),
        ({"environ": {"FLOWPLAN_VAR_gb": "2"}, "one": "gb: 3", "options": {"gb": "5"}}, 5),
        ({"environ": {"FLOWPLAN_VAR_gb": ""}}, 1),  # as CI hands on what it does not have
    ],
)
def test_which_value_of_a_variable_wins(given: dict[str, object], size: int) -> None:
    text = "version: 2\nvariables: {gb: {type: int, default: 1}}\nvolumes: {data: {size: '${var.gb}'}}\n"
    (volume,) = stack(text, **given).volumes.values()
    assert volume.size_gb == size


def test_an_empty_variable_of_the_environment_gives_no_value() -> None:
    """A secret that CI does not pass on is empty: nothing is bought with it."""
    with pytest.raises(ConfigError) as caught:
        stack("version: 2\nvariables: {token: {sensitive: true}}\n", environ={"FLOWPLAN_VAR_token": ""})
    (problem,) = caught.value.problems
    assert (problem.code, str(problem.hint).partition("; ")[0]) == (
        "variable-missing",
        "FLOWPLAN_VAR_token is empty, which counts as not set",
    )


SECRETS = (
    "version: 2\nvariables: {token: {sensitive: true}, pin: {sensitive: true, type: int}, "
    "on: {sensitive: true, type: bool}, users: {sensitive: true, type: list}, keys: {sensitive: true, type: map}}\n"
    "tasks: {a: {" + TYPE + ", container_image: {image_name: x, run_options: "
    "'-e T=${var.token} -e P=${var.pin} -e O=${var.on} -e K=${var.keys.hub} -e D=${var.keys.wandb.own}'}}}\n"
)


def test_files_are_checked_without_the_secrets_that_only_a_plan_needs() -> None:
    """A pull request from a fork has none."""
    source = (Source("flowplan.yaml", SECRETS.encode()),)
    config = read(source, no_file, Given(environ={"FLOWPLAN_VAR_token": ""}, checked_alone=True))
    assert [(one.code, one.severity, one.position.line if one.position else 0) for one in config.warnings] == [
        ("variable-missing", "warning", 2)
    ] * 5
    with pytest.raises(ConfigError) as caught:
        read(source, no_file, Given())
    assert [one.code for one in caught.value.problems] == ["variable-missing"] * 5


@pytest.mark.parametrize("used", ["${var.on}", "${var.users}", "${var.keys}", "${var.keys.hub}", "x${var.keys}"])
def test_without_its_value_a_secret_may_stand_nowhere_else_either(used: str) -> None:
    """Whether a file is valid does not depend on who checks it."""
    text = SECRETS.replace("tasks: {a: {", f"tasks: {{a: {{name: '{used}', ")
    with pytest.raises(ConfigError) as caught:
        read((Source("flowplan.yaml", text.encode()),), no_file, Given(checked_alone=True))
    assert [one.code for one in caught.value.problems if one.severity == "error"] == ["sensitive"]


@pytest.mark.parametrize("declared", ["{}", "{type: bool}", "{type: map}", "{sensitive: true, type: [x]}"])
def test_what_is_no_secret_or_has_no_type_needs_a_value_to_be_checked(declared: str) -> None:
    text = f"version: 2\nvariables: {{token: {declared}}}\n"
    with pytest.raises(ConfigError):
        read((Source("flowplan.yaml", text.encode()),), no_file, Given(checked_alone=True))


@pytest.mark.parametrize("environ", [{"TOKEN": ""}, {}], ids=["empty", "missing"])
def test_an_empty_variable_is_no_text_either(environ: dict[str, str]) -> None:
    """A bid would be bought with an empty secret, or a name without what tells it apart."""
    text = (
        "version: 2\ntasks: {a: {" + TYPE + ", container_image: {image_name: x, run_options: '-e T=${env.TOKEN}'}}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        stack(text, environ=environ)
    (problem,) = caught.value.problems
    assert (problem.code, problem.summary) == ("reference", "the environment has no variable 'TOKEN'")
    assert ("it is empty, which counts as not set" in str(problem.hint)) is bool(environ)


def test_a_text_keeps_its_kind_and_its_literals() -> None:
    config = stack(
        'version: 2\nvariables: {tag: {default: "12"}}\ntasks: {a: {' + TYPE + ", "
        "container_image: {image_name: '${var.tag}', run_options: '$${HOME} ${ env.WHO }'}, "
        "startup_script: 'echo ${var.tag}'}}\n",
        environ={"WHO": "me"},
    )
    (task,) = config.tasks.values()
    assert task.container_image is not None
    assert (task.container_image.image_name, task.container_image.run_options) == ("12", "${HOME} me")
    assert task.startup_script is not None
    assert task.startup_script.text == "echo ${var.tag}"


def test_tasks_share_a_volume_of_the_stack_with_its_lifecycle_and_prefix() -> None:
    config = stack(
        "version: 2\nname_prefix: stage-\n"
        "volumes: {ckpt: {size: 5, disk_interface: File, lifecycle: {prevent_destroy: true}}}\n"
        f"tasks: {{a: {{{TYPE}, persistent_storage: {{attach: {{volume: ckpt, mount_point: /mnt/c}}}}}}}}\n"
    )
    (volume,), (task,) = config.volumes.values(), config.tasks.values()
    assert (volume.name, volume.interface, volume.lifecycle) == ("stage-ckpt", "File", Lifecycle(prevent_destroy=True))
    assert task.name == "stage-a"
    assert [use.volume for use in task.volumes] == [Address("volume", "ckpt")]


def test_anchors_may_hang_on_keys_that_begin_with_x() -> None:
    config = stack(f"version: 2\nx-common: &common {{{TYPE}, x-note: 1}}\ntasks: {{a: {{<<: *common}}, b: *common}}\n")
    assert [str(address) for address in config.tasks] == ["bid.a", "bid.b"]


@pytest.mark.parametrize(
    ("entries", "ignored"),
    [
        ("tasks: {x-0: {%s}, a: {%s}}", ["tasks.x-0"]),
        ("tasks: {x-0: &unused {%s}, a: {%s}}", ["tasks.x-0"]),
        ("tasks: {x-0: &common {%s}, x-1: {<<: *common}, x-2: *common, a: {%s}}", ["tasks.x-1", "tasks.x-2"]),
        ("defaults: {%s}\ntasks: {x-0: , x-1: {}, a: {%s}}", ["tasks.x-0", "tasks.x-1"]),
        ("volumes: {x-v: {size: 5, disk_interface: File}}\ntasks: {x-0: &c {%s}, a: *c, b: {%s}}", ["volumes.x-v"]),
        ("tasks: {x-0: {of: &c {%s}, name: y}, a: *c, b: {%s}}", []),
        ("tasks: {x-note: {of: nothing}, x-text: here, x-0: &c {%s}, a: *c, b: {%s}}", []),
        ("x-0: {%s}\ntasks: {a: {%s}}", []),
    ],
)
def test_a_task_or_volume_whose_name_begins_with_x_is_ignored_with_a_warning(entries: str, ignored: list[str]) -> None:
    """Renaming t-0 to x-0 ends its bid; only what an alias refers to is of use there."""
    findings = stack(f"version: 2\n{entries.replace('%s', TYPE)}\n").warnings
    assert [one.summary.split(" is ignored")[0] for one in findings] == ignored
    assert {one.code for one in findings} <= {"ignored"}


@pytest.mark.parametrize(
    ("entries", "ignored"),
    [
        ("tasks: {a: {%s, x-lifetime: {max_hours: 1}}}", ["x-lifetime"]),
        ("x-guards: {max_hourly_cost: 3}\ntasks: {a: {%s}}", ["x-guards"]),
        ("defaults: {x-lifetime: {max_hours: 1}}\ntasks: {a: {%s}, b: {%s}}", ["x-lifetime"]),
        ("x-0: &c {x-lifetime: {max_hours: 1}, %s}\ntasks: {a: *c, b: {<<: *c}}", ["x-lifetime"]),
        ("tasks: {a: {%s, x-lifetime: &l {max_hours: 1}}, b: {%s, lifetime: *l}}", []),
        ("tasks: {a: {%s, x-lifetime: {max_hours: &h 1}}, b: {%s, lifetime: {max_hours: *h}}}", []),
        ("tasks: {a: {%s, x-note: 1, x-x-lifetime: 2}}", []),
    ],
)
def test_a_key_that_would_count_without_x_is_ignored_with_a_warning(entries: str, ignored: list[str]) -> None:
    """Who reads `x-lifetime` takes the bid for one that ends. It is told once, however many tasks have it."""
    findings = stack(f"version: 2\n{entries.replace('%s', TYPE)}\n").warnings
    assert [one.summary.split(" is ignored")[0] for one in findings] == ignored
    assert {one.code for one in findings} <= {"ignored"}


def test_what_a_plain_digest_covers() -> None:
    """Lifecycles, order, lifetime, outputs and hand-overs are part of what is asked for; x-* keys are not."""
    plain = stack(ONE).sha256
    assert stack(ONE + "x-note: 1\n").sha256 == plain
    more = [
        ONE.replace("8xh100,", "8xh100,").replace("{train: {", "{train: {lifecycle: {prevent_destroy: true}, "),
        ONE.replace("{train: {", "{train: {lifetime: {max_hours: 1}, "),
        ONE + "outputs: {ssh: '${task.train.ssh}'}\n",
        ONE + "moved: [{from: task.old, to: task.train}]\n",
        ONE + "removed: [{address: volume.old, destroy: false}]\n",
        ONE + "import: [{address: task.train, id: bid_1}]\n",
    ]
    assert len({plain, *(stack(text).sha256 for text in more)}) == len(more) + 1


def test_priorities_stand_for_what_the_defaults_of_the_stack_say() -> None:
    config = stack(
        "version: 2\ndefaults: {task_management: {priorities: {high: 9.50}}}\ntasks:\n"
        f"  a: {{{TYPE}, task_management: {{priority: high}}}}\n"
        f"  b: {{{TYPE}, task_management: {{priorities: {{high: 8}}, priority: high}}}}\n"
        f"  c: {{{TYPE}}}\n"
    )
    assert [str(task.limit_price.amount) for task in config.tasks.values()] == ["9.50", "8.00", "4.24"]


def test_a_value_is_no_template_even_under_for_each() -> None:
    """What an option says is text as it stands: it cannot name variables."""
    config = stack(
        "version: 2\nvariables: {tag: {}, other: {default: no}}\ntasks: {a: {for_each: [k], " + TYPE + ", "
        "container_image: {image_name: x, run_options: '-e ${var.tag} -e $${A} -e ${each.key}'}}}\n",
        options={"tag": "${var.other}${each.key}$${"},
    )
    (task,) = config.tasks.values()
    assert task.container_image is not None
    assert task.container_image.run_options == "-e ${var.other}${each.key}$${ -e ${A} -e k"


def test_sections_that_hold_nothing_are_absent() -> None:
    empty = "variables: \ndefaults: \nvolumes: \noutputs: \nguards: \nmoved: \nremoved: \nimport: \n"
    assert stack(ONE + empty).sha256 == stack(ONE).sha256
    assert not stack("version: 2\ntasks: \n").tasks


WRONG = {
    "a variable that is no mapping": (
        "version: 2\nvariables: {a: 1}\n",
        ["a.yaml:2:16: [type] variables.a must be a mapping, not a number"],
    ),
    "an output of nothing": (
        "version: 2\noutputs: {a: }\n",
        ["a.yaml:2:14: [type] the value of output a must be text, not nothing (null)"],
    ),
    "a priority that is none": (
        "version: 2\ndefaults: {task_management: {priorities: {huge: 1}}}\n" + ONE[len("version: 2\n") :],
        ["a.yaml:2:43: [unknown-key] unknown key 'huge' in task_management.priorities (used here: a.yaml:3:9)"],
    ),
    "one name of two volumes": (
        "version: 2\nvolumes: {a: {for_each: [b-c], size: 1}, a-b: {for_each: [c], size: 1}}\n",
        [
            'a.yaml:2:42: [duplicate] two volumes are named a-b-c: volume.a["b-c"] and volume.a-b["c"] '
            '(volume.a["b-c"] has this name here: a.yaml:2:11)'
        ],
    ),
    "what all have from the defaults": (
        "version: 2\ndefaults: {resources_specification: {cluster_id: us-a, fcp_instance: '${var.no}'}}\n"
        "tasks: {a: , b: , c: {for_each: [x, y]}}\n",
        [
            "a.yaml:2:70: [reference] no variable 'no' is declared (used here: a.yaml:3:9) "
            "(used here: a.yaml:3:14) (used here: a.yaml:3:19)"
        ],
    ),
    "no value": (
        "version: 2\nvariables: {gb: {type: int}}\nvolumes: {a: {size: '${var.gb}'}}\n",
        ["a.yaml:2:13: [variable-missing] variable gb has no value"],
    ),
    "no such variable": (
        "version: 2\nvolumes: {a: {size: '${var.gb}'}}\n",
        ["a.yaml:2:21: [reference] no variable 'gb' is declared"],
    ),
    "a value that is wrong where it is used": (
        "version: 2\nvariables:\n  gb: {default: 0}\nvolumes: {a: {size: '${var.gb}'}}\n",
        [
            "a.yaml:4:21: [value] volumes.a.size must be a whole number of GB from 1 to 32,768, not 0 "
            "(its value is given here: a.yaml:3:17)"
        ],
    ),
    "a key twice": (
        ONE.replace("{train: {", "{train: {for_each: [a, b, a], "),
        ["a.yaml:2:34: [for-each] for_each has the key 'a' twice (first given here: a.yaml:2:28)"],
    ),
    "each without for_each": (
        ONE.replace("{train: {", "{train: {name: 'a-${each.key}', "),
        ["a.yaml:2:23: [reference] ${each.key} has a meaning only under for_each"],
    ),
    "a circle": (
        f"version: 2\ntasks:\n  a: {{{TYPE}, depends_on: [b]}}\n  b: {{{TYPE}, depends_on: [{{task: a}}]}}\n",
        [
            "a.yaml:3:96: [depends-on] these tasks wait for each other: task.a -> task.b -> task.a "
            "(task.b waits for task.a here: a.yaml:4:103)"
        ],
    ),
    "a volume that is none": (
        ONE.replace("{train: {", "{train: {persistent_storage: {attach: {volume: ckpt, mount_point: /mnt/a}}, "),
        ["a.yaml:2:55: [volume-unknown] there is no volume ckpt in this stack"],
    ),
    "one name twice": (
        f"version: 2\ntasks:\n  a: {{{TYPE}, name: x}}\n  b: {{{TYPE}, name: x}}\n",
        ["a.yaml:4:89: [duplicate] two tasks are named x: bid.a and bid.b (bid.a has this name here: a.yaml:3:89)"],
    ),
    "a secret in a name": (
        "version: 2\nvariables: {who: {default: geheim, sensitive: true}}\nname: '${var.who}'\n",
        ["a.yaml:3:7: [sensitive] variable who is sensitive, and what stands here is stored and shown"],
    ),
    "a secret in an output": (
        "version: 2\nvariables: {who: {default: geheim, sensitive: true}}\noutputs: {who: '${var.who}'}\n",
        ["a.yaml:3:16: [sensitive] output who holds the value of a sensitive variable"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_problem(case: str) -> None:
    text, expected = WRONG[case]
    assert said(text) == expected


def test_a_value_for_nobody() -> None:
    assert said(ONE, options={"gb": "1"}) == ["None: [variable-unknown] --var gb: no variable of this name is declared"]
    assert said(ONE, one="gb: 1") == ["one.vars:1:1: [variable-unknown] no variable 'gb' is declared"]


def test_no_problem_shows_a_sensitive_value() -> None:
    text = "version: 2\nvariables: {size: {type: int, sensitive: true}}\nvolumes: {a: {size: '${var.size}'}}\n"
    with pytest.raises(ConfigError) as caught:
        stack(text, options={"size": "geheim17"})
    assert caught.value.problems
    assert "geheim17" not in repr(caught.value.problems)


def test_the_example_is_a_stack() -> None:
    config = stack((EXAMPLES / "stack" / "flowplan.yaml").read_text())
    assert [str(one) for one in (*config.volumes, *config.tasks)] == [
        *("volume.data", "bid.prepare"),
        *('bid.train["low"]', 'bid.train["high"]'),
    ]


KEYS = st.lists(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True), unique=True, max_size=4)
TEXTS = st.text(st.characters(max_codepoint=127, categories=("L", "N")), min_size=1, max_size=5)


@examples(40)
@given(KEYS, st.data())
def test_a_for_each_is_what_its_instances_are_written_out(names: list[str], data: st.DataObject) -> None:
    """Also where values come from defaults and variables, and whatever stands in them."""
    values = {name: data.draw(TEXTS) for name in names}
    head = "version: 2\nvariables: {v: {default: '${each.key}'}}\ndefaults: {task_management: {priority: high}}\n"
    image = "container_image: {image_name: x, run_options: '-e A=%s -e B=%s ${var.v} $${C}'}"
    body = f"for_each: {json.dumps(values)}, {TYPE}, {image % ('${each.key}', '${each.value}')}"
    written = [
        f"  t-{number}: {{name: 't-{name}', {TYPE}, {image % (name, value)}}}\n"
        for number, (name, value) in enumerate(values.items())
    ]
    one = stack(f"{head}tasks:\n  t: {{{body}}}\n")
    other = stack(f"{head}tasks:\n{''.join(written)}")
    assert list(map(asked, one.tasks.values())) == list(map(asked, other.tasks.values()))


def asked(task: Task) -> dict[str, object]:
    """What a task asks for: not where it stands, nor whether its name is written."""
    return named(task) | task.limit_price.digested


@pytest.mark.parametrize(
    ("options", "value", "hidden"),
    [
        ("-e A=${var.s}", "geheim9", True),
        ("--rm --env=A=x${var.s}y -it", "geheim9", True),
        ("-e 'A=${var.s}'", "ge heim", True),
        ("-e A=${var.s}", "a --label=geheim", False),
        ("-e A=${var.s}", "a\\\\b", False),
        ("--label q=${var.s}", "geheim9", False),
        ("-e A=1 --name ${var.s}", "geheim9", False),
        ("-e A=${var.s} --name ${var.s}", "geheim9", False),
        ("${var.s}", "geheim9", False),
        ("-e ${var.s}=1", "geheim9", False),
    ],
)
def test_a_sensitive_value_may_be_used_only_where_it_stays_hidden(options: str, value: str, hidden: bool) -> None:
    text = (
        f"version: 2\nvariables: {{s: {{sensitive: true}}}}\ntasks:\n  a:\n    {TYPE}\n"
        f'    container_image: {{image_name: x, run_options: "{options}"}}\n'
    )
    if hidden:
        (task,) = stack(text, options={"s": value}).tasks.values()
        assert task.container_image is not None
        assert value not in str(task.container_image.shown)
    else:
        assert [one.partition(": [")[2][:9] for one in said(text, options={"s": value})] == ["sensitive"]


def test_several_instances_are_no_part_of_a_text() -> None:
    text = f"version: 2\ntasks: {{a: {{for_each: [x], {TYPE}}}}}\noutputs: {{o: 'VALUE'}}\n"
    assert stack(text.replace("VALUE", "${task.a.id}")).outputs
    assert said(text.replace("VALUE", "b ${task.a.id}")) == [
        "a.yaml:3:11: [reference] output o: task.a has several instances, so it cannot be part of text"
    ]


def test_a_volume_of_a_stack_may_have_an_empty_lifecycle() -> None:
    (volume,) = stack("version: 2\nvolumes: {a: {size: 1, lifecycle: }}\n").volumes.values()
    assert volume.lifecycle == Lifecycle()


def waiting(keys: str, waits: str) -> Config:
    tasks = f"  a: {{{TYPE}, for_each: [{keys}]}}\n  b: {{{TYPE}, depends_on: [{waits}]}}\n"
    return stack(f"version: 2\ntasks:\n{tasks}")


@pytest.mark.parametrize(
    ("keys", "waits", "expected"),
    [
        ("x, y", "{task: a, until: running}", {"a['x']": "running", "a['y']": "running"}),
        ("x, y", "{task: a, until: running}, 'a[\"y\"]'", {"a['x']": "running", "a['y']": "placed"}),
        ("", "a", {}),
    ],
)
def test_a_wait_for_a_task_with_for_each_is_one_for_each_instance(
    keys: str, waits: str, expected: dict[str, str]
) -> None:
    waits_of = waiting(keys, waits).tasks[Address("bid", "b")].depends_on
    found = {str(one.task).removeprefix("bid.").replace('"', "'"): one.until for one in waits_of}
    assert found == expected


def test_a_for_each_that_makes_none_is_there_all_the_same() -> None:
    """Keys come and go: what names the task without a key stays right."""
    text = (
        f"version: 2\ntasks:\n  a: {{{TYPE}, for_each: []}}\n"
        f"  b: {{{TYPE}, lifecycle: {{replace_triggered_by: [task.a]}}}}\noutputs: {{ids: '${{task.a.id}}'}}\n"
    )
    assert stack(text).outputs.keys() == {"ids"}
    assert "there is no bid.c" in said(text.replace("[task.a]", "[task.c]"))[0]
