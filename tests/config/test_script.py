"""What a task runs: a script or an image, and the secrets that a script may show."""

from __future__ import annotations

import pytest

from flowplan.model.resources import ContainerImage, Script
from tests.config.task_texts import TYPE, read_texts, task_of


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
