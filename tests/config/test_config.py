"""Task files -> Config: what each field comes to, what tasks share, and what every problem says."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.config import PRIORITIES, Config, GpuWanted, Source, VolumeUse, VolumeWanted, read
from flowplan.diagnostics import Position
from flowplan.errors import ConfigError
from flowplan.model.address import Address
from flowplan.model.resources import ContainerImage, LocalDisk, PortPair, Script
from tests.config.task_texts import TYPE, line, problem_of, problems_of, read_texts, task_of
from tests.conftest import EXAMPLES


def example(name: str) -> Config:
    def no_file(source: str, path: str) -> bytes:
        raise AssertionError

    return read([Source("flowplan.yaml", (EXAMPLES / name / "flowplan.yaml").read_bytes())], no_file)


def ports(*texts: str) -> list[str]:
    return [str(pair) for pair in task_of(f"ports: [{', '.join(texts)}]\n{TYPE}").ports]


def storage(text: str, more: str = TYPE) -> str:
    return f"persistent_storage: {{{text}}}\n{more}"


# ---- Foundry's example ------------------------------------------------------------------------------------


def test_the_example_of_foundry() -> None:
    config = example("task")
    address = Address("bid", "flow-sdk-batch-task-example")
    volume = Address("volume", "my-new-volume")
    (task,), (created,) = config.tasks.values(), config.volumes.values()
    assert list(config.tasks) == [address]
    assert config.warnings == ()
    assert (task.address, task.name, task.project) == (address, address.name, "my-foundry-project")
    assert task.ssh_keys == ("my-ssh-key",)
    assert (task.priority, task.limit_price, task.limit_price_per_gpu) == ("low", Decimal("17.92"), None)
    assert (task.instance_types, task.gpu) == (("h100.8x.SXM5.IB",), GpuWanted(gpus=8))
    assert (task.instance_quantity, task.region, task.paused) == (1, "us-central1-b", False)
    assert [str(pair) for pair in task.ports] == [
        "6006", "6007", "6008", "6009", "6010", "8080", "8441:8001", "8442:8002", "8443:8003", "8444:8004", "8445:8005",
    ]  # fmt: skip
    assert [(use.volume, use.mount_point) for use in task.volumes] == [(volume, "/mnt/my-new-volume")]
    expected = VolumeWanted(volume, volume.name, 1, "Block", "us-central1-b", "/mnt/my-new-volume", created.source)
    assert created == expected
    assert task.startup_script is not None
    assert task.startup_script.text == '#!/bin/bash\necho "Running on $(hostname)"\nnvidia-smi\n'


def test_the_smallest_task() -> None:
    (task,) = example("minimal").tasks.values()
    assert (task.name, task.project, task.ssh_keys, task.region) == ("hello", None, (), None)
    assert (task.priority, task.limit_price, task.limit_price_per_gpu) == ("standard", None, Decimal("4.24"))
    assert (task.ports, task.volumes, task.local_disks, task.container_image) == ((), (), (), None)


def test_an_attached_volume() -> None:
    config = example("attach")
    (task,) = config.tasks.values()
    assert config.volumes == {}
    assert [(use.volume, use.mount_point) for use in task.volumes] == [("datasets", "/mnt/datasets")]


# ---- names ------------------------------------------------------------------------------------------------


def test_a_task_without_name_takes_that_of_its_file() -> None:
    assert list(read_texts(TYPE).tasks) == [Address("bid", "a")]


def test_a_name_cannot_be_derived_for_several_tasks() -> None:
    problems = problems_of(f"{TYPE}---\n{TYPE}")
    hint = "the name of the file cannot be that of several tasks: add `name: my-task` to each"
    assert [line(problem) for problem in problems] == [
        f"a.yaml:1:1: [missing] this task has no name; {hint}",
        f"a.yaml:3:1: [missing] this task has no name; {hint}",
    ]


def test_a_name_cannot_be_derived_from_any_file_name() -> None:
    with pytest.raises(ConfigError) as caught:
        read([Source("dir/my task.yaml", TYPE.encode())], lambda source, path: b"")
    (problem,) = caught.value.problems
    assert problem.summary == "this task has no name, and that of its file, 'my task', cannot be one"


def test_project_and_ssh_keys() -> None:
    task = task_of(f"project_name: proj_1\nssh_key_name: [laptop, my other key]\n{TYPE}")
    assert (task.project, task.ssh_keys) == ("proj_1", ("laptop", "my other key"))


# ---- price ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("priority", "price"), [*PRIORITIES.items()])
def test_priorities_are_dollars_per_gpu_hour(priority: str, price: Decimal) -> None:
    task = task_of(f"task_management: {{priority: {priority}}}\n{TYPE}")
    assert (task.limit_price, task.limit_price_per_gpu) == (None, price)


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
        ("18", "18.00"),
        ("17.9", "17.90"),
        ("1e3", "1000.00"),
        ("0.01", "0.01"),
    ],
)
def test_prices_are_read_from_their_text(text: str, price: str) -> None:
    task = task_of(f"task_management: {{priority: high, utility_threshold_price: {text}}}\n{TYPE}")
    assert (str(task.limit_price), task.limit_price_per_gpu) == (price, None)


def test_a_price_per_gpu() -> None:
    task = task_of(f"task_management: {{priority: low, utility_threshold_price_per_gpu: 2.24}}\n{TYPE}")
    assert (task.limit_price, task.limit_price_per_gpu) == (None, Decimal("2.24"))


# ---- instances --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["h100.8x.SXM5.IB", "h100-80gb.sxm.8x", "8xh100", "h100:8", "it_5ECSoHQjLBzrp5YM", "cpu"]
)
def test_types_by_name(text: str) -> None:
    assert task_of(f"resources_specification: {{fcp_instance: '{text}'}}\n").instance_types == (text,)


def test_several_types_in_preferred_order() -> None:
    text = "resources_specification: {fcp_instance: [h100.8x.SXM5.IB, a100.8x.SXM4.IB], num_gpus: 8}\n"
    assert task_of(text).instance_types == ("h100.8x.SXM5.IB", "a100.8x.SXM4.IB")


def test_types_by_properties() -> None:
    text = "{gpu_type: NVIDIA H100, num_gpus: 8, intranode_interconnect: SXM5, internode_interconnect: IB_1600}"
    task = task_of(f"resources_specification: {text}\n")
    assert (task.instance_types, task.gpu) == ((), GpuWanted("NVIDIA H100", 8, "SXM5", "IB_1600"))


def test_a_region_has_two_spellings() -> None:
    for text in (
        "cluster_id: us-central1-b",
        "region: us-central1-b",
        "region: us-central1-b, cluster_id: us-central1-b",
    ):
        assert task_of(f"resources_specification: {{gpu_type: H100, {text}}}\n").region == "us-central1-b"


def test_num_instances_may_stand_in_three_places() -> None:
    for text in (
        "resources_specification: {fcp_instance: 8xh100, num_instances: 3}\n",
        f"num_instances: 3\n{TYPE}",
        f"task_management: {{num_instances: 3}}\n{TYPE}",
        "num_instances: 3\ntask_management: {num_instances: 3}\n"
        "resources_specification: {fcp_instance: 8xh100, num_instances: 3}\n",
    ):
        assert task_of(text).instance_quantity == 3


def test_advanced() -> None:
    text = "{fcp_instance: 8xh100, advanced: {optimize: budget, nearest_estimated_duration: 1.5}}"
    task = task_of(f"resources_specification: {text}\n")
    assert (task.optimize, task.estimated_hours) == ("budget", Decimal("1.5"))


# ---- ports ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080", ["8080"]),
        ("'8080'", ["8080"]),
        ("6006-6008", ["6006", "6007", "6008"]),
        ("'8441:8001'", ["8441:8001"]),
        ("'8441-8442:8001-8002'", ["8441:8001", "8442:8002"]),
        ("'8080:8080'", ["8080"]),
        ("{external: 8442, internal: 8002}", ["8442:8002"]),
        ("{external: 8442}", ["8442"]),
        ("{external: '8443-8445', internal: 8003-8005, protocol: tcp}", ["8443:8003", "8444:8004", "8445:8005"]),
        ("80", ["80"]),
        ("443", ["443"]),
        ("'2222:22'", ["2222:22"]),
        ("'65535:1'", ["65535:1"]),
    ],
)
def test_spellings_of_ports(text: str, expected: list[str]) -> None:
    assert ports(text) == expected


def test_a_pair_without_quotes_is_a_text_in_yaml_1_2() -> None:
    assert task_of(f"ports:\n  - 2222:22\n  - 6006-6007\n{TYPE}").ports == (
        PortPair(2222, 22),
        PortPair(6006, 6006),
        PortPair(6007, 6007),
    )


def test_ports_are_in_order_whatever_the_file_says() -> None:
    assert ports("9000", "80", "'1024-1026'") == ["80", "1024", "1025", "1026", "9000"]
    assert ports() == []


@pytest.mark.parametrize(
    "texts",
    [
        ("'8001:8080'", "'8080:8080'"),
        ("'8001:8080'", "'8002:8080'"),
        ("'8001:9000'", "9000"),
        ("'8000-8001:9000-9001'",),
    ],
)
def test_what_two_pairs_may_share(texts: tuple[str, ...]) -> None:
    """One program may be published under several numbers, its own among them."""
    assert ports(*texts)


@pytest.mark.parametrize(
    "texts", [("'8080:9000'", "'9000:8080'"), ("'8001:8000'", "'8002:8001'"), ("'8000-8002:8001-8003'",)]
)
def test_no_program_can_listen_where_a_forwarder_does(texts: tuple[str, ...]) -> None:
    problem = problem_of(f"ports: [{', '.join(texts)}]\n{TYPE}")
    assert problem.code == "port-conflict"
    assert "is needed twice on the instance" in problem.summary
    assert "the forwarder of" in (problem.detail or "")


# ---- storage ----------------------------------------------------------------------------------------------


def test_a_volume_by_defaults() -> None:
    config = read_texts(storage("create: {volume_name: data, size: 100}"))
    (volume,) = config.volumes.values()
    address = Address("volume", "data")
    assert volume == VolumeWanted(address, "data", 100, "Block", None, None, volume.source)
    assert config.tasks[Address("bid", "a")].volumes == (VolumeUse(address, None, volume.source),)


@pytest.mark.parametrize(
    ("text", "size"),
    [("size: 1", 1), ("size: 32768", 32768), ("size: 2, size_unit: tb", 2048), ("size: 5, size_unit: GB", 5)],
)
def test_sizes(text: str, size: int) -> None:
    (volume,) = read_texts(storage(f"create: {{volume_name: data, {text}}}")).volumes.values()
    assert volume.size_gb == size


@pytest.mark.parametrize(
    ("text", "interface"),
    [
        ("storage_type: block", "Block"),
        ("storage_type: nfs", "File"),
        ("disk_interface: Block", "Block"),
        ("disk_interface: File", "File"),
        ("storage_type: nfs, disk_interface: File", "File"),
    ],
)
def test_interfaces(text: str, interface: str) -> None:
    (volume,) = read_texts(storage(f"create: {{volume_name: data, size: 1, {text}}}")).volumes.values()
    assert volume.interface == interface


def test_a_volume_is_where_its_task_is() -> None:
    placed = "resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}\n"
    (volume,) = read_texts(storage("create: {volume_name: data, size: 1}", placed)).volumes.values()
    assert volume.region == "us-central1-b"
    (volume,) = read_texts(storage("create: {volume_name: data, size: 1, region_id: eu-central1-a}")).volumes.values()
    assert volume.region == "eu-central1-a"


@pytest.mark.parametrize(
    "text",
    [
        "create: {volume_name: data, size: 1, mount_point: /mnt/data}",
        "create: {volume_name: data, size: 1, mount_point: /mnt/data/}",
        "create: {volume_name: data, size: 1, mount_dir: /mnt/data}",
        "create: {volume_name: data, size: 1, mount_dir: /mnt/data, mount_point: /mnt/data}",
        "create: {volume_name: data, size: 1}, mount_dir: /mnt/data",
        "create: [{volume_name: data, size: 1}], mount_dir: /mnt/data",
        "attach: {volume_name: vol_Ab12}, mount_dir: /mnt/data",
        "attach: [{volume_name: data, mount_point: /mnt/data}]",
    ],
)
def test_spellings_of_a_mount_point(text: str) -> None:
    (use,) = task_of(storage(text)).volumes
    assert use.mount_point == "/mnt/data"


def test_created_volumes_come_before_attached_ones() -> None:
    attach = "attach: [{volume_name: c}, {volume_name: vol_Ab12}]"
    create = "create: [{volume_name: b, size: 1}, {volume_name: a, size: 1}]"
    uses = task_of(storage(f"{attach}, {create}")).volumes
    assert [str(use.volume) for use in uses] == ["volume.b", "volume.a", "c", "vol_Ab12"]


def test_attaching_what_another_task_creates_is_a_reference_in_any_order_of_files() -> None:
    creates = "name: one\n" + storage("create: {volume_name: data, size: 1, storage_type: nfs}")
    attaches = "name: two\n" + storage("attach: {volume_name: data, mount_point: /mnt/data}")
    for texts in ((creates, attaches), (attaches, creates)):
        config = read_texts(*texts)
        (use,) = config.tasks[Address("bid", "two")].volumes
        assert use.volume == Address("volume", "data")


@pytest.mark.parametrize(
    "mounts",
    [
        "{/dev/nvme1n1: /mnt/b, /dev/nvme0n1: /mnt/a}",
        "[{device: /dev/nvme1n1, mount_point: /mnt/b}, {device: /dev/nvme0n1, mount_point: /mnt/a}]",
    ],
)
def test_local_disks(mounts: str) -> None:
    task = task_of(f"ephemeral_storage_config: {{mounts: {mounts}}}\n{TYPE}")
    assert task.local_disks == (LocalDisk("/dev/nvme0n1", "/mnt/a"), LocalDisk("/dev/nvme1n1", "/mnt/b"))


# ---- what runs --------------------------------------------------------------------------------------------


def test_a_script_is_opaque() -> None:
    script = "#!/usr/bin/env python3\nprint('{{ x }} {% y %} ${z} {# c #}')  # ${#a[@]}\n\n"
    text = "".join(f"  {one}\n" if one else "\n" for one in script.split("\n")[:-1])
    assert task_of(f"startup_script: |+\n{text}{TYPE}").startup_script == Script.of(script)


def test_a_script_from_a_file() -> None:
    task = task_of(f"startup_script_file: run.sh\n{TYPE}", {"run.sh": b"#!/bin/sh\ntrue\n"})
    assert task.startup_script == Script.of("#!/bin/sh\ntrue\n")


def test_no_script() -> None:
    for text in ("", "startup_script: ''\n", "startup_script: |\n", "startup_script_file: empty\n"):
        assert task_of(text + TYPE, {"empty": b""}).startup_script is None


def test_a_container_image() -> None:
    name = "nvcr.io:443/nvidia/pytorch:24.05-py3@sha256:" + "a" * 64
    text = f"container_image: {{image_name: '{name}', build_context: ./docker, run_options: --gpus all -e 'A=b c'}}\n"
    assert task_of(text + TYPE).container_image == ContainerImage(name, "./docker", "--gpus all -e 'A=b c'")


def test_paused() -> None:
    assert task_of(f"paused: true\n{TYPE}").paused
    assert not task_of(f"paused: false\n{TYPE}").paused


# ---- warnings ---------------------------------------------------------------------------------------------

WARNINGS = {
    "ignored keys": (
        f"networking: {{a: 1}}\nresources: []\n{TYPE}",
        [
            "a.yaml:1:1: [ignored] networking has no effect: FCP has no such setting; delete it",
            "a.yaml:2:1: [ignored] resources has no effect: FCP has no such setting; delete it",
        ],
    ),
    "CRLF": (
        f"startup_script: |\r\n  a\r\n  b\r\n{TYPE}",
        [
            "a.yaml:1:17: [crlf] startup_script has Windows line ends (CRLF); they are sent as LF; "
            "save the file with LF: bash takes a CR for a part of the command"
        ],
    ),
    "CRLF in a file": (
        f"startup_script_file: dos.sh\n{TYPE}",
        [
            "a.yaml:1:22: [crlf] dos.sh has Windows line ends (CRLF); they are sent as LF; "
            "save the file with LF: bash takes a CR for a part of the command"
        ],
    ),
    "a secret in a script": (
        f"startup_script: |\n  cd /work\n  export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyz\n{TYPE}",
        [
            "a.yaml:1:17: [token] startup_script seems to hold a secret in its line 2; whoever may read the bid can "
            "read it; let the script fetch it when it runs, or read it from a volume"
        ],
    ),
    "folded": (
        f"startup_script: >\n  a\n  b\n{TYPE}",
        [
            "a.yaml:1:17: [folded] the lines of this startup_script are joined into one; "
            "write `startup_script: |` to keep the lines"
        ],
    ),
    "plain lines": (
        f"startup_script: a\n  b\n{TYPE}",
        [
            "a.yaml:1:17: [folded] the lines of this startup_script are joined into one; "
            "write `startup_script: |` to keep the lines"
        ],
    ),
    "shebang in a comment": (
        f"startup_script: #!/bin/bash\n  a\n{TYPE}",
        [
            "a.yaml:1:1: [comment] the #! line is a comment here, and no part of the script; "
            "write `startup_script: |` and the #! line below it"
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), WARNINGS.values(), ids=WARNINGS.keys())
def test_warnings(text: str, expected: list[str]) -> None:
    config = read_texts(text, files={"dos.sh": b"a\r\nb\r\n"})
    assert [line(problem) for problem in config.warnings] == expected
    assert {problem.severity for problem in config.warnings} == {"warning"}
    for task in config.tasks.values():
        assert task.startup_script is None or "\r" not in (task.startup_script.text or "")


def test_warnings_come_along_with_errors() -> None:
    problems = problems_of(f"networking: 1\nbogus: 1\n{TYPE}")
    assert [problem.severity for problem in problems] == ["warning", "error"]


# ---- all problems at once ---------------------------------------------------------------------------------


def test_every_problem_of_every_file_in_the_order_of_places() -> None:
    first = "name: no good\nnum_instances: 0\nresources_specification: {fcp_instance: '?'}\nports: [0, x]\n"
    problems = problems_of(first, "name: [\n", "nmae: c\n" + TYPE, b"\xff")
    assert [(str(problem.position), problem.code) for problem in problems] == [
        ("a.yaml:1:7", "value"),
        ("a.yaml:2:16", "value"),
        ("a.yaml:3:41", "value"),
        ("a.yaml:4:9", "port"),
        ("a.yaml:4:12", "port"),
        ("b.yaml:1:7", "syntax"),
        ("c.yaml:1:1", "unknown-key"),
        ("d.yaml:1:1", "encoding"),
    ]
    assert [problem.source for problem in problems[:3]] == first.splitlines()[:3]


def test_problems_do_not_cascade() -> None:
    """What explains a missing key is reported once."""
    assert problem_of("resource_specification: {fcp_instance: 8xh100}\n").code == "unknown-key"
    assert problem_of(f"ports: [{{extrenal: 1}}]\n{TYPE}").code == "unknown-key"
    assert problem_of(storage("attach: {volume_id: vol_1}")).code == "unknown-key"
    assert problem_of(f"name: *x\n{TYPE}").code == "alias"
    assert problem_of(f"ports:\n  - 8441: 8001\n{TYPE}").code == "key"


def test_thousands_of_problems_end() -> None:
    problems = problems_of("".join(f"k{n}: 1\n" for n in range(50_000)))
    assert len(problems) == 1001


def test_a_wrong_anchor_is_wrong_once() -> None:
    text = storage("create: [&a {volume_name: a, size: 0}, {<<: *a, volume_name: b}, {<<: *a, volume_name: c}]")
    assert problem_of(text).summary.endswith("not 0")


def test_problems_through_an_alias_name_both_places() -> None:
    problem, again = problems_of(f"name: &n 'no good'\nproject_name: x\nssh_key_name: [*n]\nports: [*n]\n{TYPE}")
    assert (problem.position, problem.also) == (Position("a.yaml", 1, 10), ())
    assert (again.position, again.also) == (
        Position("a.yaml", 4, 9),
        (("the value of &n", Position("a.yaml", 1, 10)),),
    )


# ---- problems, one by one ---------------------------------------------------------------------------------

PROBLEMS = {
    # keys
    "near miss": (f"nmae: x\n{TYPE}", "1:1: [unknown-key] unknown key 'nmae'; did you mean 'name'?"),
    "near miss, inside": (
        "resources_specification: {fcp_instance: 8xh100, clustr_id: x}\n",
        "1:49: [unknown-key] unknown key 'clustr_id' in resources_specification; did you mean 'cluster_id'?",
    ),
    "case and dashes": (
        f"task_management: {{Priority: low}}\n{TYPE}",
        "1:19: [unknown-key] unknown key 'Priority' in task_management; did you mean 'priority'?",
    ),
    "another home": (
        f"cluster_id: x\n{TYPE}",
        "1:1: [unknown-key] unknown key 'cluster_id'; it belongs in resources_specification",
    ),
    "home at the top": (
        "resources_specification: {fcp_instance: 8xh100, name: x}\n",
        "1:49: [unknown-key] unknown key 'name' in resources_specification; it belongs at the top of the task",
    ),
    "near miss elsewhere": (
        f"utility_treshold_price: 1\n{TYPE}",
        "1:1: [unknown-key] unknown key 'utility_treshold_price'; "
        "did you mean 'utility_threshold_price', in task_management?",
    ),
    "the API's word": (
        "resources_specification: {instance_type: 8xh100}\n",
        "1:27: [unknown-key] unknown key 'instance_type' in resources_specification; write fcp_instance",
    ),
    "stack key": (
        f"depends_on: [x]\n{TYPE}",
        "1:1: [unknown-key] unknown key 'depends_on'; it belongs in a stack file (version: 2)",
    ),
    "no idea": (
        f"task_management: {{zzz: 1}}\n{TYPE}",
        "1:19: [unknown-key] unknown key 'zzz' in task_management; known here: priority, utility_threshold_price, "
        "utility_threshold_price_per_gpu, num_instances",
    ),
    "size of an attached volume": (
        storage("attach: {volume_name: a, size: 5}"),
        "1:47: [unknown-key] unknown key 'size' in persistent_storage.attach; "
        "it belongs in create; a volume that exists has it already",
    ),
    # shapes
    "list": ("- a\n", "1:1: [type] a document must be a mapping, not a list; write name: my-task"),
    "scalar": ("hello\n", "1:1: [type] a document must be a mapping, not a text; write name: my-task"),
    "no mapping": (
        f"task_management: low\n{TYPE}",
        "1:18: [type] task_management must be a mapping, not a text; write task_management: {priority: high}",
    ),
    "empty value": (f"ports:\n{TYPE}", "1:7: [empty] ports has no value; give it one, or delete the key"),
    "empty list": (
        f"ssh_key_name: []\n{TYPE}",
        "1:15: [empty] ssh_key_name is an empty list; put something in it, or delete the key",
    ),
    # version
    "version 2": (
        f"version: 2\nbogus: 1\n{TYPE}",
        "1:1: [version] stack files (version: 2) are not read by this flowplan yet; "
        "write each task as a file or a document of its own, with version: 1.2",
    ),
    "version 3": (
        f"version: 3\n{TYPE}",
        "1:10: [version] there is no version '3'; a task file has version: 1.2, a stack file version: 2",
    ),
    # texts
    "blank in a name": (
        f"name: my task\n{TYPE}",
        "1:7: [value] name 'my task' must be letters, digits and . _ - beginning with a letter or a digit; "
        "for example 'my-task'",
    ),
    "number as a name": (
        f"name: 2024\n{TYPE}",
        '1:7: [type] name must be a text, not a number; put it in quotes: "2024"',
    ),
    "long name": (
        f"name: {'x' * 129}\n{TYPE}",
        f"1:7: [value] name '{'x' * 79}…' must be letters, digits and . _ - beginning with a letter or a digit; "
        "it has 129 characters; at most 128 are allowed",
    ),
    "substitution": (
        f"name: ${{var.x}}\n{TYPE}",
        "1:7: [value] name '${var.x}' must be letters, digits and . _ - beginning with a letter or a digit; "
        "nothing is substituted in a task file; ${...} belongs in a stack file (version: 2)",
    ),
    "key twice": (f"ssh_key_name: [a, a]\n{TYPE}", "1:19: [duplicate] ssh_key_name has 'a' twice; keep one of the two"),
    "yes is no boolean": (
        f"paused: yes\n{TYPE}",
        "1:9: [type] paused must be true or false, not a text; "
        "write true or false, without quotes; yes and no are texts in YAML 1.2",
    ),
    # prices
    "unknown priority": (
        f"task_management: {{priority: hgih}}\n{TYPE}",
        "1:29: [value] task_management.priority cannot be 'hgih'; "
        "did you mean 'high'? It is critical, high, standard or low",
    ),
    "dollar sign": (
        f"task_management: {{utility_threshold_price: $17.92}}\n{TYPE}",
        "1:44: [value] task_management.utility_threshold_price '$17.92' is not a number of dollars per instance-hour; "
        "leave out the dollar sign: 17.92",
    ),
    "both prices": (
        f"task_management: {{utility_threshold_price: 8, utility_threshold_price_per_gpu: 1}}\n{TYPE}",
        "1:47: [conflict] utility_threshold_price and utility_threshold_price_per_gpu are both given; "
        "keep one: the limit per instance-hour, or per GPU-hour",
    ),
    # instances
    "no specification": (
        "name: x\n",
        "1:1: [missing] there is no resources_specification; "
        "add resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}",
    ),
    "no type": (
        "resources_specification: {num_gpus: 8}\n",
        "1:1: [missing] no instance type is named; "
        "add fcp_instance: h100.8x.SXM5.IB, or gpu_type: H100 with num_gpus: 8",
    ),
    "no type name": (
        "resources_specification: {fcp_instance: h100/8}\n",
        "1:41: [value] fcp_instance 'h100/8' is not the name of an instance type; "
        "write h100.8x.SXM5.IB, h100-80gb.sxm.8x, 8xh100, h100:8, or an id such as it_5ECSoHQjLBzrp5YM",
    ),
    "type with blanks": (
        "resources_specification: {fcp_instance: h100 8x}\n",
        "1:41: [value] fcp_instance 'h100 8x' is not the name of an instance type; did you mean 'h100.8x'?",
    ),
    "type twice": (
        "resources_specification: {fcp_instance: [8xh100, 8xh100]}\n",
        "1:50: [duplicate] fcp_instance has '8xh100' twice; keep one of the two",
    ),
    "num_gpus": (
        "resources_specification: {fcp_instance: h100.8x.SXM5.IB, num_gpus: 4}\n",
        "1:68: [conflict] num_gpus is 4, but h100.8x.SXM5.IB has 8; leave num_gpus out, or change one of the two",
    ),
    "gpu_type": (
        "resources_specification: {fcp_instance: 8xh100, gpu_type: A100}\n",
        "1:59: [conflict] gpu_type is A100, but 8xh100 has H100; leave gpu_type out, or change one of the two",
    ),
    "two regions": (
        "resources_specification: {fcp_instance: 8xh100, cluster_id: a, region: b}\n",
        "1:72: [conflict] resources_specification.region is b, but resources_specification.cluster_id is a; "
        "they are one setting: keep one",
    ),
    "num_instances": (
        f"num_instances: 2\ntask_management: {{num_instances: 3}}\n{TYPE}",
        "1:16: [conflict] num_instances is 2, but task_management.num_instances is 3; they are one setting: keep one",
    ),
    "257 instances": (
        f"num_instances: 257\n{TYPE}",
        "1:16: [value] num_instances must be a whole number from 1 to 256, not 257",
    ),
    # storage
    "name of a volume": (
        storage("create: {volume_name: My_Data, size: 1}"),
        "1:44: [value] persistent_storage.create.volume_name 'My_Data' must be small letters, digits and '-', "
        "beginning with a letter and not ending with '-'; for example 'my-data'",
    ),
    "long name of a volume": (
        storage(f"create: {{volume_name: {'x' * 65}, size: 1}}"),
        f"1:44: [value] persistent_storage.create.volume_name '{'x' * 65}' must be small letters, digits and '-', "
        "beginning with a letter and not ending with '-'; it has 65 characters; at most 64 are allowed",
    ),
    "no size": (
        storage("create: {volume_name: a}"),
        "1:30: [missing] persistent_storage.create has no size; add size: 100 (GB)",
    ),
    "neither": (
        storage(""),
        "1:21: [missing] persistent_storage has neither create nor attach; "
        "write persistent_storage: {attach: {volume_name: my-data, mount_point: /mnt/data}}",
    ),
    "interfaces": (
        storage("create: {volume_name: a, size: 1, storage_type: nfs, disk_interface: Block}"),
        "1:91: [conflict] disk_interface is Block, but storage_type is nfs; "
        "they are one setting: block is Block, nfs is File; keep one",
    ),
    "case of an interface": (
        storage("create: {volume_name: a, size: 1, disk_interface: block}"),
        "1:72: [value] persistent_storage.create.disk_interface cannot be 'block'; "
        "did you mean 'Block'? It is Block or File",
    ),
    "region of a volume": (
        storage(
            "create: {volume_name: a, size: 1, region_id: b}",
            "resources_specification: {fcp_instance: 8xh100, cluster_id: c}\n",
        ),
        "1:67: [conflict] region_id is b, but the task runs in c; "
        "a volume and its instances must be in one region: leave region_id out",
    ),
    "several writers": (
        storage(
            "create: {volume_name: a, size: 1, disk_interface: Block}",
            "resources_specification: {fcp_instance: 8xh100, num_instances: 2}\n",
        ),
        "1:72: [conflict] a Block volume has one writer, and the task has 2 instances; write disk_interface: File",
    ),
    "volume twice": (
        storage("create: {volume_name: a, size: 1}, attach: {volume_name: a}"),
        "1:79: [duplicate] the task uses volume a twice; a volume is created or attached, once",
    ),
    "directory twice": (
        storage("attach: [{volume_name: a, mount_point: /mnt/x}, {volume_name: b, mount_point: /mnt/x/}]"),
        "1:100: [mount-point] two things are mounted at /mnt/x; give each a directory of its own",
    ),
    "directory inside": (
        storage("attach: [{volume_name: a, mount_point: /mnt/x/y}, {volume_name: b, mount_point: /mnt/x}]"),
        "1:102: [mount-point] /mnt/x/y is inside of /mnt/x; "
        "one would hide the other, by the order of mounting: put them side by side",
    ),
    "disk on a volume": (
        "ephemeral_storage_config: {mounts: {/dev/nvme0n1: /mnt/x}}\n"
        + storage("attach: {volume_name: a, mount_point: /mnt/x}"),
        "1:51: [mount-point] two things are mounted at /mnt/x; give each a directory of its own",
    ),
    "two spellings": (
        storage("create: {volume_name: a, size: 1, mount_point: /mnt/a, mount_dir: /mnt/b}"),
        "1:88: [conflict] persistent_storage.create.mount_dir is /mnt/b, "
        "but persistent_storage.create.mount_point is /mnt/a; they are one setting: keep one",
    ),
    "one directory for two": (
        storage("mount_dir: /mnt/a, create: {volume_name: a, size: 1}, attach: {volume_name: b}"),
        "1:22: [conflict] mount_dir cannot be that of 2 volumes; give each volume its mount_point",
    ),
    "21 volumes": (
        storage(f"attach: [{', '.join(f'{{volume_name: v{n}}}' for n in range(21))}]"),
        "1:435: [value] the task has 21 volumes; an instance has at most 20",
    ),
    "device": (
        f"ephemeral_storage_config: {{mounts: {{/dev/../sda: /mnt/x}}}}\n{TYPE}",
        "1:37: [value] ephemeral_storage_config.mounts: device '/dev/../sda' must be a device such as /dev/nvme0n1; "
        "'.' is not allowed",
    ),
    # what runs
    "two scripts": (
        f"startup_script: x\nstartup_script_file: y\n{TYPE}",
        "2:22: [conflict] startup_script and startup_script_file are both given; keep one of the two",
    ),
    "no such file": (
        f"startup_script_file: gone.sh\n{TYPE}",
        "1:22: [file] gone.sh cannot be read: No such file or directory; the path is relative to the task file",
    ),
    "no text": (
        f"startup_script_file: binary\n{TYPE}",
        "1:22: [encoding] binary is not UTF-8: byte 0xff at offset 2; a startup script is a text",
    ),
    "NUL in a script": (
        f'startup_script: "a\\n\\0"\n{TYPE}',
        "1:17: [character] startup_script has a NUL character in its line 2; "
        "delete it, or save the file as UTF-8 where it is UTF-16",
    ),
    "no script": (
        f"startup_script: #!/bin/bash\n{TYPE}",
        "1:16: [empty] startup_script has no value; write `startup_script: |` and the script, indented, below it",
    ),
    "image": (
        f"container_image: {{image_name: 'a b'}}\n{TYPE}",
        "1:31: [value] container_image.image_name 'a b' must be an image such as nvcr.io/nvidia/pytorch:24.05-py3; "
        "for example 'a-b'",
    ),
    "no image": (
        f"container_image: {{build_context: .}}\n{TYPE}",
        "1:18: [missing] container_image has no image_name; "
        "write container_image: {image_name: nvcr.io/nvidia/pytorch:24.05-py3}",
    ),
    "open quote": (
        f'container_image: {{image_name: a, run_options: "-e \'A"}}\n{TYPE}',
        "1:47: [value] run_options '-e 'A' cannot be split into words: no closing quotation; "
        "it is read as a shell reads a command line: close every quote",
    ),
}


@pytest.mark.parametrize(("text", "expected"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_problem(text: str, expected: str) -> None:
    problem = problem_of(text, files={"binary": b"ok\xff"})
    assert line(problem) == f"a.yaml:{expected}"
    assert problem.position is not None
    assert problem.source == text.splitlines()[problem.position.line - 1] or (problem.source or "").endswith("…")


def test_the_same_address_twice_names_both_places() -> None:
    problem = problem_of(f"name: x\n{TYPE}---\n# again\nname: x\n{TYPE}")
    assert line(problem) == (
        "a.yaml:5:7: [duplicate-address] bid.x is given twice; a name is that of one task: give this one another"
    )
    assert problem.also == (("first given here", Position("a.yaml", 1, 7)),)


def test_a_volume_is_created_once() -> None:
    create = storage("create: {volume_name: data, size: 1}")
    problem = problem_of(create, create)
    assert line(problem) == (
        "b.yaml:1:44: [duplicate-address] volume.data is given twice; create it in one task; the others attach it"
    )


def test_attached_volumes_must_fit_their_tasks() -> None:
    creates = storage("create: {volume_name: data, size: 1, region_id: b}")
    attaches = storage(
        "attach: {volume_name: data}",
        "resources_specification: {fcp_instance: 8xh100, cluster_id: c, num_instances: 2}\n",
    )
    assert [line(problem) for problem in problems_of(creates, attaches)] == [
        "b.yaml:1:44: [conflict] a Block volume has one writer, and the task has 2 instances; "
        "create it with disk_interface: File",
        "b.yaml:1:44: [conflict] volume.data is in b, but the task runs in c; "
        "a volume and its instances must be in one region",
    ]


# ---- the digest -------------------------------------------------------------------------------------------


def test_the_digest_is_that_of_what_is_asked_for() -> None:
    one = f"name: x\nports: [80, 443]\nstartup_script: a\ntask_management: {{utility_threshold_price: 8.5}}\n{TYPE}"
    same = (
        f"{TYPE}# comment\ntask_management: {{utility_threshold_price: '8.50'}}\n"
        "startup_script_file: f\nports: [443, 80]\nname: x\nversion: 1.1\n"
    )
    assert read_texts(one).sha256 == read_texts(same, files={"f": b"a"}).sha256
    for old, new in (("80,", "81:80,"), ("8.5", "8.51"), ("name: x", "name: y"), ("script: a", "script: b")):
        other = one.replace(old, new).replace("[81:80", "['8080:80'")
        assert read_texts(one).sha256 != read_texts(other).sha256


def test_the_digest_knows_no_order_of_files() -> None:
    one, two = f"name: one\n{TYPE}", f"name: two\n{TYPE}"
    assert read_texts(one, two).sha256 == read_texts(two, one).sha256 == read_texts(f"{two}---\n{one}").sha256


@pytest.mark.parametrize("change", ["size: 2", "storage_type: nfs", "mount_point: /mnt/b"])
def test_the_digest_covers_volumes(change: str) -> None:
    text = storage("create: {volume_name: a, size: 1, storage_type: block, mount_point: /mnt/a}")
    key = change.split(":")[0]
    old = next(part for part in ("size: 1", "storage_type: block", "mount_point: /mnt/a") if part.startswith(key))
    assert read_texts(text).sha256 != read_texts(text.replace(old, change)).sha256


# ---- places, asked for later ------------------------------------------------------------------------------


def test_positions_of_fields() -> None:
    config = example("task")
    (address,), (volume,) = config.tasks, config.volumes
    rows = (EXAMPLES / "task" / "flowplan.yaml").read_text().splitlines()
    expected = {
        "": "flow-sdk-batch-task-example",
        "name": "flow-sdk-batch-task-example",
        "project": "my-foundry-project",
        "ssh_keys": "my-ssh-key",
        "limit_price": "17.92",
        "priority": "low",
        "instance_type": "h100.8x.SXM5.IB",
        "instance_quantity": "1",
        "gpus": "8",
        "region": "us-central1-b",
        "ports": "ports:",
        "volumes": "persistent_storage:",
        "mounts": "persistent_storage:",
        "startup_script": "|",
        "paused": "flow-sdk-batch-task-example",
        "nonsense": "flow-sdk-batch-task-example",
    }
    for name, token in expected.items():
        place = config.position_of(address, name)
        assert rows[place.line - 1][place.column - 1 :].startswith(token), name
    expected = {"": "my-new-volume", "size_gb": "1", "interface": "Block", "region": "us-", "mount_point": "/mnt/"}
    for name, token in expected.items():
        place = config.position_of(volume, name)
        assert rows[place.line - 1][place.column - 1 :].startswith(token), name
    assert config.position_of(Address("ports", address.name)) == config.position_of(address, "ports")


def test_positions_in_the_right_document_and_file() -> None:
    text = f"{TYPE}name: one\n---\n{TYPE}name: two\n" + storage(
        "create: [{volume_name: a, size: 1}, {volume_name: b, size: 2}]", ""
    )
    config = read_texts(text, f"{TYPE}name: three\n")
    assert str(config.position_of(Address("bid", "two"), "instance_type")) == "a.yaml:4:41"
    assert str(config.position_of(Address("bid", "three"), "instance_type")) == "b.yaml:1:41"
    assert str(config.position_of(Address("volume", "b"), "size_gb")) == "a.yaml:6:81"


def test_later_stages_make_problems_with_their_place() -> None:
    config = read_texts(f"name: x\ntask_management: {{priority: low}}\n{TYPE}")
    problem = config.problem(Address("bid", "x"), "limit_price", "too low", "raise it", code="price")
    assert line(problem) == "a.yaml:2:29: [price] too low; raise it"
    assert problem.source == "task_management: {priority: low}"
    assert config.source_line(Position("other.yaml", 1, 1)) is None
    assert config.source_line(Position("a.yaml", 99, 1)) is None


# ---- properties -------------------------------------------------------------------------------------------

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
            assert (task.limit_price is None) != (task.limit_price_per_gpu is None)
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


# ---- secrets in scripts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "export WANDB_API_KEY=0123456789abcdef0123",
        "curl -H 'x: ghp_0123456789abcdefghijklmnopqrstuvwxyz'",
        "AWS=AKIAABCDEFGHIJKLMNOP",
        "cat <<X\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMw",
        'MY_PASSWORD="correct horse battery"',
    ],
)
def test_a_script_that_holds_a_secret_is_warned_of_without_showing_it(text: str) -> None:
    config = read_texts("startup_script: |\n" + "".join(f"  {one}\n" for one in text.splitlines()) + TYPE)
    assert [problem.code for problem in config.warnings] == ["token"]
    told = str(config.warnings)
    assert not any(word in told for word in ("0123456789", "AKIAABC", "horse"))


@pytest.mark.parametrize(
    "text",
    [
        "export HF_TOKEN=$(cat /mnt/secrets/hf)",
        'TOKEN="$1"',
        "export API_KEY=${KEY:?}",
        "read -s PASSWORD",
        "pip install hf_transfer",
        "TOKENIZERS_PARALLELISM=false python train.py",
    ],
)
def test_a_script_that_fetches_its_secrets_is_not(text: str) -> None:
    assert read_texts(f"startup_script: |\n  {text}\n{TYPE}").warnings == ()
