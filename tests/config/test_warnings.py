"""Warnings: what is read all the same."""

from __future__ import annotations

import sys

import pytest

from flowplan.masking import holds_token
from tests.config.task_texts import TYPE, line, problems_of, read_texts

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
            "save the file with LF: bash takes a CR as part of the command"
        ],
    ),
    "CRLF in a file": (
        f"startup_script_file: dos.sh\n{TYPE}",
        [
            "a.yaml:1:22: [crlf] dos.sh has Windows line ends (CRLF); they are sent as LF; "
            "save the file with LF: bash takes a CR as part of the command"
        ],
    ),
    "a secret in a script": (
        f"startup_script: |\n  cd /work\n  export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyz\n{TYPE}",
        [
            "a.yaml:1:17: [token] startup_script seems to hold a secret in its line 2; everyone with access to the "
            "bid can read it; let the script fetch it when it runs, or read it from a volume"
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
            "a.yaml:1:1: [comment] the #! line is a comment here and not part of the script; "
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


def test_a_file_is_searched_for_credentials_once_however_many_tasks_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each task would be the square of the file: ten thousand tasks took minutes."""
    searched: list[str] = []

    def noting(text: str) -> bool:
        searched.append(text)
        return holds_token(text)

    monkeypatch.setattr(sys.modules["flowplan.config.read"], "holds_token", noting)
    monkeypatch.setattr("flowplan.config.task.secrets.holds_token", noting)
    text = "---\n".join(f"name: t{number}\n{TYPE}" for number in range(50))
    read_texts(text)
    assert searched == [text]
