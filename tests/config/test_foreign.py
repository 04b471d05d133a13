"""Files of other tools: known by their shape, converted, and nothing of them dropped in silence."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowplan.config import Source, read
from flowplan.config.foreign.convert import convert
from flowplan.config.foreign.script import Program
from flowplan.documents.convert import stack_text
from flowplan.errors import ConfigError

HERE = Path(__file__).with_name("foreign")
FILES = sorted(HERE.glob("*.in.yaml"))


def no_file(_: str, path: str) -> bytes:
    raise OSError(2, f"nothing to read: {path}")


def made(text: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    """The stack file of a text, what is said by the path that it is about, and the only task."""
    found = convert(Source("train.yaml", text.encode()))
    stack = stack_text("train.yaml", found.tool.name, dict(found.stack))
    said = {re.split(r" is not carried over|: ", one.summary)[0]: one.summary for one in found.left}
    read([Source("flowplan.yaml", stack.encode())], no_file)
    (task,) = yaml.safe_load(stack)["tasks"].values()
    return stack, said, task


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        convert(Source("x.yaml", text.encode()))
    return [one.summary for one in refused.value.problems]


SKY = "resources: {accelerators: H100:8}\nrun: echo hi\n"
FLOW = "name: t\ninstance_type: 8xh100\ncommand: echo hi\n"


@pytest.mark.parametrize(
    ("alternatives", "regions"),
    [
        ("[{use_spot: true}, {infra: mithril/us-central2-a}]", None),
        ("[{infra: mithril}, {infra: mithril/us-central2-a}]", None),
        ("[{cloud: mithril}, {cloud: mithril, region: us-central2-a}]", None),
        ("[{infra: mithril/us-central2-a}, {use_spot: true, infra: mithril/us-central2-a}]", "us-central2-a"),
        ("[{infra: aws}, {infra: mithril/us-central2-a}]", "us-central2-a"),
    ],
)
def test_an_alternative_in_any_region_keeps_a_task_from_one(alternatives: str, regions: str | None) -> None:
    _, said, task = made(f"resources: {{accelerators: H100:8, any_of: {alternatives}}}\nrun: x\n")
    assert task["resources_specification"].get("cluster_id") == regions
    why = "another alternative may be in any region: flowplan chooses among all"
    assert any(why in one for one in said.values()) is (regions is None)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("resources: {accelerators: H100:8}\nrun: [a]\n", "run"),
        ("resources: {accelerators: H100:8}\nrun: a\nsetup: {a: b}\n", "setup"),
        ("name: t\ninstance_type: 8xh100\ncommand: {a: b}\n", "command"),
    ],
)
def test_a_task_whose_commands_cannot_be_read_is_refused(text: str, key: str) -> None:
    assert problems(text) == [f"{key} is not text, so the task would be placed without it"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_becomes_the_stack_that_is_kept(path: Path) -> None:
    stack, said, _ = made(path.read_text())
    kept = path.with_name(path.name.replace(".in.", ".out."))
    assert stack + "".join(f"# {one}\n" for one in said.values()) == kept.read_text()


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from leaves(one, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for number, one in enumerate(value):
            yield from leaves(one, f"{path}[{number}]")
    else:
        yield path, value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_value_is_in_the_stack_file_or_listed(path: Path) -> None:
    stack, said, _ = made(path.read_text())
    for where, value in leaves(yaml.safe_load(path.read_text())):
        listed = any(where == one or where.startswith((f"{one}.", f"{one}[")) for one in said)
        words = re.findall(r"[A-Za-z0-9]+", str(value).removeprefix("mithril/"))
        assert (
            listed or value is None or isinstance(value, bool) or all(word.lower() in stack.lower() for word in words)
        ), (where, value)


@pytest.mark.parametrize(
    ("written", "types"),
    [
        ("H100:8", "h100:8"),
        ("H100", "h100:1"),
        ("[H100:8, A100-80GB:8]", ["h100:8", "a100-80gb:8"]),
        ("{H100: 8}", "h100:8"),
        ("{H100:8, A100:8}", ["h100:8", "a100:8"]),
    ],
)
def test_accelerators_in_every_form(written: str, types: str | list[str]) -> None:
    _, _, task = made(f"resources: {{accelerators: {written}}}\nrun: x\n")
    assert task["resources_specification"]["fcp_instance"] == types


@pytest.mark.parametrize(
    ("text", "price"),
    [
        (SKY + "config: {mithril: {limit_price: 32.009}}\n", "32.00"),
        (SKY + "config: {mithril: {limit_price: 32}}\nnum_nodes: 3\n", "32.00"),
        (SKY.replace("}", ", max_hourly_cost: 10}") + "num_nodes: 3\nconfig: {mithril: {limit_price: 32}}\n", "3.33"),
        (FLOW + "max_price_per_hour: 0.019\n", "0.01"),
        (FLOW + "max_price_per_hour: 17.92\npriority: high\n", "17.92"),
    ],
)
def test_the_limit_is_never_above_that_of_the_source(text: str, price: str) -> None:
    stack, _, _ = made(text)
    assert f"utility_threshold_price: {price}\n" in stack


def test_without_a_price_the_limit_is_the_lowest_and_that_is_said() -> None:
    _, said, task = made(SKY)
    assert task["task_management"] == {"priority": "low"}
    assert "config.mithril.limit_price" in said
    _, said, task = made(FLOW)
    assert task["task_management"] == {"utility_threshold_price_per_gpu": 2.0}
    assert "priority" in said
    _, _, task = made(FLOW.replace("8xh100", "t4") + "priority: med\n")
    assert task["task_management"] == {"utility_threshold_price_per_gpu": 1.0}


@pytest.mark.parametrize("price", ["-1", "0", "0.001", "cheap", ".nan", ".inf", "[1]", "{a: 1}"])
def test_a_price_that_cannot_be_read_is_refused(price: str) -> None:
    (problem,) = problems(FLOW + f"max_price_per_hour: {price}\n")
    assert problem == "max_price_per_hour is not an amount of at least a cent"


def test_no_secret_reaches_the_stack_file_or_the_list() -> None:
    secret = "hf_" + "abcdefghijklmnopqrstuvwxyz123456"
    text = SKY + f"envs: {{A: {secret}, DB_PASSWORD: hunter22}}\nsecrets: {{B: plainvalue}}\n"
    stack, said, _ = made(text)
    for value in (secret, "hunter22", "plainvalue"):
        assert value not in stack + "".join(said.values())
    assert {"envs.A", "envs.DB_PASSWORD", "secrets.B"} <= set(said)


def test_a_volume_that_is_made_is_protected_and_one_that_exists_is_attached() -> None:
    volumes = "{name: d, size_gb: 5, mount_path: /d}, {volume_id: vol_1, target: /e}, {name: f}, {size_gb: 1}"
    text = f"{FLOW}volumes: [{volumes}]\n"
    stack, said, task = made(text)
    assert yaml.safe_load(stack)["volumes"]["d"]["lifecycle"] == {"prevent_destroy": True}
    assert [one["mount_point"] for one in task["persistent_storage"]["attach"]] == ["/d", "/e", "/volumes/f"]
    assert "volumes[3]" in said


def test_regions_of_several_places_are_left_to_flowplan() -> None:
    one = "resources: {accelerators: H100:8, any_of: [{infra: mithril/eu-a}, {infra: mithril/eu-a}]}\nrun: x\n"
    assert made(one)[2]["resources_specification"]["cluster_id"] == "eu-a"
    _, said, task = made(one.replace("[{infra: mithril/eu-a", "[{infra: mithril/us-b"))
    assert "cluster_id" not in task["resources_specification"]
    assert {"resources.any_of[0].infra", "resources.any_of[1].infra"} <= set(said)


@pytest.mark.parametrize(
    ("volume", "refused"), [("", True), (", interface: Block", True), (", interface: file", False)]
)
def test_instances_cannot_share_a_block_volume(volume: str, refused: bool) -> None:
    """The place is that of the file that somebody has, not of the one that would have been made."""
    text = (
        "name: t\ncommand: x\ninstance_type: 8xh100\nnum_instances: 2\n"
        f"volumes: [{{name: data, size_gb: 9, mount_path: /data{volume}}}]\n"
    )
    if not refused:
        assert made(text)[2]["persistent_storage"]
        return
    assert problems(text) == ["a block volume has one writer, and the task has several instances"]


@pytest.mark.parametrize(
    ("resources", "types", "left"),
    [
        ("accelerators: H100:8, any_of: [{accelerators: A100:8}]", "a100:8", "resources.accelerators"),
        ("accelerators: H100:8, any_of: [{accelerators: A100:8}, {infra: mithril/eu-a}]", ["a100:8", "h100:8"], ""),
        (
            "accelerators: A100:8, any_of: [{infra: aws/us-west-2, accelerators: H200:8}]",
            "a100:8",
            "resources.any_of[0]",
        ),
        (
            "accelerators: A100:8, ordered: [{cloud: aws, accelerators: H200:8}, {accelerators: H100:8}]",
            "h100:8",
            "resources.ordered[0]",
        ),
    ],
)
def test_an_alternative_overrides_and_no_other_gpu_is_taken(resources: str, types: str | list[str], left: str) -> None:
    """A GPU that the task would not have been placed on may cost a multiple."""
    _, said, task = made(f"resources: {{{resources}}}\nrun: x\n")
    assert task["resources_specification"]["fcp_instance"] == types
    assert left in ("", *said)


@pytest.mark.parametrize(
    ("program", "out", "code"),
    [
        (Program("echo $A", "set -e\nfalse\necho no", {"A": "it's $HOME"}), "", 1),
        (Program("echo $A", "exit 0", {"A": "it's $HOME"}), "it's $HOME\n", 0),
        (Program("#!/bin/sh\necho run", "echo setup"), "setup\nrun\n", 0),
        (Program("echo alone\n\n"), "alone\n", 0),
        (Program("#!/bin/cat\nAs it is"), "#!/bin/cat\nAs it is\n", 0),
    ],
)
def test_the_script_does_what_the_parts_do(program: Program, out: str, code: int, tmp_path: Path) -> None:
    script = tmp_path / "s"
    script.write_text(program.startup_script)
    script.chmod(0o700)
    ran = subprocess.run([str(script)], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.returncode) == (out, code)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("apiVersion: v1\nkind: Pod\n", "this is a Kubernetes manifest"),
        ("version: '3'\nservices: {web: {image: x}}\n", "this is a docker compose file"),
        ("version: '2'\nservices: {web: {image: x}}\n", "this is a docker compose file"),
        ("name: e\nchannels: [c]\ndependencies: [python]\n", "this is a conda environment"),
        (SKY, "this is a SkyPilot task"),
        (FLOW, "this is a task of the flow SDK"),
    ],
)
def test_a_file_of_another_tool_is_named_in_one_message(text: str, what: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read([Source("x.yaml", text.encode())], no_file)
    (problem,) = refused.value.problems
    assert (problem.code, problem.summary) == ("foreign-file", f"{what}, not a task file of flowplan")
    assert problem.position is not None
    assert ("flowplan convert x.yaml" in (problem.hint or "")) == ("task" in what)


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("task.yaml", "flowplan convert task.yaml --out flowplan.yaml"),
        ("flowplan.yaml", "flowplan convert flowplan.yaml --out stack.yaml"),
        ("./flowplan.yaml", "flowplan convert ./flowplan.yaml --out stack.yaml"),
        ("my task.yaml", "flowplan convert 'my task.yaml' --out flowplan.yaml"),
    ],
)
def test_the_command_that_converts_a_task_writes_a_new_file(file: str, command: str) -> None:
    """`convert` overwrites nothing."""
    with pytest.raises(ConfigError) as refused:
        read([Source(file, f"{FLOW}---\n{FLOW}".encode())], no_file)
    first, second = refused.value.problems
    assert (first.hint, second.hint) == (command, "split the file: flowplan convert reads one task a file")


@pytest.mark.parametrize(
    "text",
    [
        "instance_type: 8xh100\nresources_specification: {fcp_instance: 8xh100}\n",
        "name: a\nports: [80]\n",
        "[a, b]\n",
        "version: 2\ntasks: {}\n",
        "apiVersion: v1\nkind: Pod\n",
        SKY + "---\n" + SKY,
        "resources: {accelerators: tpu-v2-8}\nrun: x\n",
        "name: t\ncommand: x\nmin_gpu_memory_gb: 80\n",
        SKY + "num_nodes: many\n",
    ],
)
def test_what_cannot_be_converted_is_refused(text: str) -> None:
    assert problems(text)
