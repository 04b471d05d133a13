"""What a startup script does: the image, the order of the parts, and what fails."""

from __future__ import annotations

import re
import shutil

import attrs
import pytest

from flowplan.model.resources import ContainerImage, Script
from tests.startup.node import EVERYTHING, STUBS, Node, inputs, long


def test_an_image_is_pulled_and_run_with_its_options_as_words(node: Node):
    options = "--gpus all -e 'GREETING=hello world' -e \"A=$B\" *"
    node.boot(inputs("exit 0", container_image=ContainerImage("ghcr.io/a/b:1", None, options)))
    record = (node.path / "calls").read_text().splitlines()
    assert [line.split("\t") for line in record] == [
        ["docker", "pull", "--", "ghcr.io/a/b:1"],
        [
            "docker",
            "run",
            "--detach",
            "--gpus",
            "all",
            "-e",
            "GREETING=hello world",
            "-e",
            "A=$B",
            "*",
            "--",
            "ghcr.io/a/b:1",
        ],
    ]
    assert node.status[0] == "image=ok"


def test_an_image_with_a_context_is_built(node: Node):
    node.boot(inputs("exit 0", container_image=ContainerImage("mine", "/src")))
    assert node.calls() == ["docker build -t mine -- /src", "docker run --detach -- mine"]


@pytest.mark.parametrize("verb", ["pull", "run"])
def test_an_image_that_fails_stops_nothing(node: Node, verb: str):
    node.answer("docker", f'[ "$1" != {verb} ] || exit 125')
    node.boot(inputs("exit 3", container_image=ContainerImage("mine")))
    assert node.code == 3
    assert node.status == ["image=failed", "script=running", "script=exit 3"]
    assert "flowplan: image: failed (125)" in node.output


@pytest.mark.parametrize("size", [0, 9000])
def test_everything_comes_before_the_users_script(node: Node, size: int):
    everything(node)
    text = f'foundrypf "the user"\nexit 8\n{long(size)}'
    node.boot(attrs.evolve(EVERYTHING, startup_script=Script.of(text)))
    assert node.code == 8
    assert node.calls()[-1] == "foundrypf the user"
    kinds = [re.split(r"[.=]", line)[0] for line in node.status]
    assert kinds == ["port"] * 11 + ["mount"] * 4 + ["image", "script", "script"]
    assert all(line.endswith("=ok") for line in node.status[:-2])


def everything(node: Node) -> None:
    node.disk()
    node.disk("/dev/nvme1n1")
    (node.path / "mounted").write_text(f"{node.root}/mnt/shared\n")


@pytest.mark.parametrize("stub", sorted(STUBS))
def test_whatever_fails_the_users_script_runs(node: Node, stub: str):
    everything(node)
    node.answer(stub, "exit 1")
    node.boot(attrs.evolve(EVERYTHING, startup_script=Script.of("exit 8")))
    assert node.code == 8
    assert node.status[-1] == "script=exit 8"
    assert len(node.status) == 18


def test_a_step_ends_with_its_first_failure(node: Node):
    everything(node)
    node.answer("mkfs.ext4", "exit 1")
    node.boot(attrs.evolve(EVERYTHING, startup_script=Script.of("exit 8")))
    assert [line for line in node.status if line.endswith("failed")] == [
        "mount./mnt/my-new-volume=failed",
        "mount./scratch=failed",
    ]
    assert node.calls("mount") == ["mount --bind /mnt/shared /data/shared"]


@pytest.mark.parametrize("size", [0, 9000])
def test_a_file_system_that_takes_nothing_does_not_stop_the_users_script(node: Node, size: int):
    """Not even a status or a log can be written; the script's directory is then one of mktemp's own choice."""
    for name in ("var", "etc", "mnt", "run"):
        shutil.rmtree(node.root / name)
        (node.root / name).write_text("a file where a directory should be")
    node.boot(attrs.evolve(EVERYTHING, startup_script=Script.of(f"echo still here; exit 8\n{long(size)}")))
    assert node.code == 8
    assert "still here" in node.output
