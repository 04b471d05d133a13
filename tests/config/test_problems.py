"""Problems: all of them at once, each with its place and its words."""

from __future__ import annotations

import pytest

from flowplan.diagnostics import Position
from tests.config.task_texts import TYPE, line, problem_of, problems_of, storage


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


PROBLEMS = {
    # keys
    "a type by another name": (
        f"instance_type_id: it_x\n{TYPE}",
        "1:1: [unknown-key] unknown key 'instance_type_id'; write resources_specification: {fcp_instance: 8xh100}; it "
        "takes a name, an id, or a list of them",
    ),
    "a limit by another name": (
        f"task_management: {{max_price_per_hour: 3}}\n{TYPE}",
        "1:19: [unknown-key] unknown key 'max_price_per_hour' in task_management; write task_management: "
        "{utility_threshold_price: 17.92}: dollars per instance-hour; utility_threshold_price_per_gpu takes dollars "
        "per GPU-hour",
    ),
    "letters in common": (
        f"spot: true\n{TYPE}",
        "1:1: [unknown-key] unknown key 'spot'; delete it: flowplan places spot bids, and nothing else",
    ),
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
        "utility_threshold_price_per_gpu, num_instances, priorities",
    ),
    "size of an attached volume": (
        storage("attach: {volume_name: a, size: 5}"),
        "1:47: [unknown-key] unknown key 'size' in persistent_storage.attach; "
        "it belongs in create; an existing volume already has it",
    ),
    # shapes
    "list": ("- a\n", "1:1: [type] a document must be a mapping, not a list; write name: my-task"),
    "scalar": ("hello\n", "1:1: [type] a document must be a mapping, not text; write name: my-task"),
    "no mapping": (
        f"task_management: low\n{TYPE}",
        "1:18: [type] task_management must be a mapping, not text; write task_management: {priority: high}",
    ),
    "empty value": (f"name:\n{TYPE}", "1:6: [empty] name has no value; give it one, or delete the key"),
    "empty list": (
        f"ssh_key_name: []\n{TYPE}",
        "1:15: [empty] ssh_key_name is an empty list; put something in it, or delete the key",
    ),
    # version
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
        '1:7: [type] name must be text, not a number; put it in quotes: "2024"',
    ),
    "long name": (
        f"name: {'x' * 129}\n{TYPE}",
        f"1:7: [value] name '{'x' * 129}' must be letters, digits and . _ - beginning with a letter or a digit; "
        "it has 129 characters; at most 128 are allowed",
    ),
    "substitution": (
        f"name: ${{var.x}}\n{TYPE}",
        "1:7: [value] name '${var.x}' must be letters, digits and . _ - beginning with a letter or a digit; "
        "a task file has no substitution; ${...} belongs in a stack file (version: 2)",
    ),
    "key twice": (f"ssh_key_name: [a, a]\n{TYPE}", "1:19: [duplicate] ssh_key_name has 'a' twice; keep one of the two"),
    "yes is no boolean": (
        f"paused: yes\n{TYPE}",
        "1:9: [type] paused must be true or false, not text; "
        "write true or false, without quotes; yes and no are text in YAML 1.2",
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
    "a type by its meaning": (
        "resources_specification: {fcp_instance: h100/8}\n",
        "1:41: [value] fcp_instance 'h100/8' is not the name of an instance type; did you mean '8xh100'?",
    ),
    "no type name": (
        "resources_specification: {fcp_instance: gpu/8}\n",
        "1:41: [value] fcp_instance 'gpu/8' is not the name of an instance type; "
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
        "1:44: [value] persistent_storage.create.volume_name 'My_Data' must be lowercase letters, digits and '-', "
        "beginning with a letter and not ending with '-'; for example 'my-data'",
    ),
    "long name of a volume": (
        storage(f"create: {{volume_name: {'x' * 65}, size: 1}}"),
        f"1:44: [value] persistent_storage.create.volume_name '{'x' * 65}' must be lowercase letters, digits and '-', "
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
        "a volume and its instances must be in the same region: leave out region_id",
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
        "1:79: [duplicate] the task uses volume a twice; create or attach a volume only once",
    ),
    "directory twice": (
        storage("attach: [{volume_name: a, mount_point: /mnt/x}, {volume_name: b, mount_point: /mnt/x/}]"),
        "1:100: [mount-point] two things are mounted at /mnt/x; give each its own directory",
    ),
    "directory inside": (
        storage("attach: [{volume_name: a, mount_point: /mnt/x/y}, {volume_name: b, mount_point: /mnt/x}]"),
        "1:102: [mount-point] /mnt/x/y is inside /mnt/x; "
        "the one mounted later would hide the other: put them side by side",
    ),
    "disk on a volume": (
        "ephemeral_storage_config: {mounts: {/dev/nvme0n1: /mnt/x}}\n"
        + storage("attach: {volume_name: a, mount_point: /mnt/x}"),
        "1:51: [mount-point] two things are mounted at /mnt/x; give each its own directory",
    ),
    "two spellings": (
        storage("create: {volume_name: a, size: 1, mount_point: /mnt/a, mount_dir: /mnt/b}"),
        "1:88: [conflict] persistent_storage.create.mount_dir is /mnt/b, "
        "but persistent_storage.create.mount_point is /mnt/a; they are one setting: keep one",
    ),
    "one directory for two": (
        storage("mount_dir: /mnt/a, create: {volume_name: a, size: 1}, attach: {volume_name: b}"),
        "1:22: [conflict] mount_dir cannot apply to 2 volumes; give each volume its own mount_point",
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
        "1:22: [encoding] binary is not UTF-8: byte 0xff at offset 2; a startup script is text",
    ),
    "NUL in a script": (
        f'startup_script: "a\\n\\0"\n{TYPE}',
        "1:17: [character] startup_script has a NUL character in its line 2; "
        "delete it, or save the file as UTF-8 if it is UTF-16",
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
        "flowplan reads it as a shell reads a command line: close every quote",
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
        "a.yaml:5:7: [duplicate-address] bid.x is given twice; a name belongs to one task: give this one another"
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
        "a volume and its instances must be in the same region",
    ]
