"""The user's script from the file to the API: its bytes are its own; what would surprise on the instance is told."""

from __future__ import annotations

import pytest

from flowplan.config import Config, Source, read
from flowplan.diagnostics import Diagnostic
from flowplan.errors import ConfigError

TYPE = "name: a\nresources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}\n"


def config_of(text: str, script: bytes = b"") -> Config:
    return read([Source("a.yaml", text.encode())], lambda _source, _path: script)


def from_file(script: bytes) -> tuple[bytes, dict[str | None, Diagnostic]]:
    """What is sent of a script in a file, and the warnings by their codes."""
    config = config_of(f"{TYPE}startup_script_file: train.sh\n", script)
    (task,) = config.tasks.values()
    assert task.startup_script is not None and task.startup_script.text is not None
    return task.startup_script.text.encode(), {problem.code: problem for problem in config.warnings}


@pytest.mark.parametrize(
    ("script", "sent", "codes"),
    [
        (b"#!/bin/bash\r\necho\r\n", b"#!/bin/bash\necho\n", ["crlf"]),
        (b"#!/bin/bash\r\necho\ncat <<E\r\nE\n", b"#!/bin/bash\necho\ncat <<E\nE\n", ["crlf"]),
        (b"#!/bin/bash\r\necho a\rb\r\n", b"#!/bin/bash\necho a\rb\n", ["carriage-return", "crlf"]),
        (b"#!/bin/bash\nprintf 'GET / HTTP/1.1\r\n\r\n'\n", None, ["carriage-return"]),
        (b"#!/bin/bash\nunzip <<E\r\nx\r\nE\r\n", None, ["carriage-return"]),
        (b"echo\r\nx=1\r\n", b"echo\nx=1\n", ["crlf"]),
        (b"echo\r\nx=1\n", None, ["carriage-return"]),
        (b"#!/bin/bash\recho\r", None, ["carriage-return"]),
        (b"#!/bin/bash\necho 1\rx\n", None, ["carriage-return"]),
        (b"#!/bin/bash\necho\n", None, []),
        (b"\xef\xbb\xbf#!/bin/bash\n", b"#!/bin/bash\n", []),
        (b"\n#!/usr/bin/env python3\n", None, ["shebang"]),
        (b"  \n\t#!/bin/sh\n", None, ["shebang"]),
        (b"# a comment\n#!/bin/sh\n", None, []),
        (b"#cloud-config\nruncmd: [ls]\n", None, ["cloud-init"]),
        (b"\n#cloud-config\n", None, ["cloud-init"]),
        (b"Content-Type: multipart/mixed; boundary=x\n", None, ["cloud-init"]),
        (b"#include https://example.com/x\n", None, ["cloud-init"]),
        (b"## template: jinja\n#cloud-config\n", None, ["cloud-init"]),
    ],
    ids=repr,
)
def test_what_is_sent_and_what_is_told(script: bytes, sent: bytes | None, codes: list[str]) -> None:
    found, told = from_file(script)
    assert found == (script if sent is None else sent)
    assert sorted(told) == codes
    assert all(problem.position and problem.hint and problem.severity == "warning" for problem in told.values())


def test_the_line_of_a_carriage_return_is_named() -> None:
    _, told = from_file(b"#!/bin/bash\na\nb\rc\n")
    assert told["carriage-return"].summary == "line 3 of train.sh has a lone CR; it is sent as it is"
    _, told = from_file(b"#!/bin/bash\na\r\n")
    assert told["carriage-return"].summary == "line 2 of train.sh ends in CRLF; it is sent as it is"


def test_a_script_in_the_task_file_is_told_of_alike() -> None:
    for text, code in (
        ("startup_script: |\n\n  #!/bin/bash\n", "shebang"),
        ("startup_script: |\n  #cloud-config\n", "cloud-init"),
        ("startup_script: |\n  echo ${each.key}\n", "not-replaced"),
        ("startup_script: |\n  echo ${var.x}\n", "not-replaced"),
        ('startup_script: "#!/bin/bash\\necho\\r\\n"\n', "carriage-return"),
        ("startup_script: |\r\n  a\r\n", "crlf"),
    ):
        assert [problem.code for problem in config_of(TYPE + text).warnings] == [code], text


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("${each.value}", "give each instance a script of its own: startup_script_file: run-${each.key}.sh"),
        (
            "${var.env}",
            "write the value itself, or give each value a script of its own: startup_script_file: run-${var.env}.sh",
        ),
        ("${volume.data}", "write the value itself"),
    ],
)
def test_what_helps_where_a_script_has_a_reference_depends_on_what_it_names(reference: str, hint: str) -> None:
    """A task without for_each has no `${each.key}`."""
    (problem,) = config_of(f"{TYPE}startup_script: |\n  echo {reference}\n").warnings
    assert problem.hint == hint


@pytest.mark.parametrize(
    ("script", "code", "hint"),
    [
        ("echo".encode("utf-16"), "encoding", "save it as UTF-8"),
        ("echo".encode("utf-16-le"), "character", "save the file as UTF-8"),
        (b"echo \xff", "encoding", "a startup script is text"),
    ],
)
def test_a_script_that_is_no_text(script: bytes, code: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_file(script)
    (problem,) = caught.value.problems
    assert problem.code == code and problem.hint is not None and hint in problem.hint


def test_a_script_of_no_bytes_is_none() -> None:
    (task,) = config_of(f"{TYPE}startup_script_file: train.sh\n").tasks.values()
    assert task.startup_script is None


# ---- values that look like keys ---------------------------------------------------------------------------------

KEY = "hf_CANARY0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"ssh_key_name: {KEY}\n", [3]),
        (f"ssh_key_name: [a, {KEY}]\n", [3]),
        (f"ssh_key_name: [a, &k {KEY}]\nproject_name: *k\n", [3]),
        (f"project_name: >-\n  {KEY}\n", [3]),
        (f'project_name: "{KEY}"\n', [3]),
        (f"startup_script: |\n  export X={KEY}\n", [3]),
        (f"container_image:\n  image_name: a/b\n  run_options: -e X={KEY}\n", [5]),
        (f"container_image:\n  image_name: a/b\n  build_context: https://kim:{KEY}@h/x.git\n", [5]),
        ("project_name: sk-datasets-of-2024-x\n", []),
        ("project_name: task-0123456789abcdef\n", []),
    ],
)
def test_a_value_that_looks_like_a_key_is_warned_of_once_where_it_stands(text: str, lines: list[int]) -> None:
    config = config_of(TYPE + text)
    told = [problem for problem in config.warnings if problem.code == "token"]
    assert [problem.position.line for problem in told if problem.position] == lines
    assert "CANARY" not in str(config.warnings)
    assert all(problem.source is None for problem in told)
