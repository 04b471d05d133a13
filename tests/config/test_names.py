"""Names of projects and keys in any script, and what no text can hold."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from flowplan.cloud.http.meaning import json_of
from flowplan.model.catalogue import Named
from tests.config.task_texts import TYPE, problem_of, task_of
from tests.conftest import TASK, Place

NAMES = ["Köln", "プロジェクト", "команда α", "Ko\u0308ln", "🚀 launch"]


@pytest.mark.parametrize("name", NAMES)
def test_a_project_and_a_key_may_be_called_anything_that_is_seen(name: str) -> None:
    task = task_of(f"project_name: {name}\nssh_key_name: [{name}, other]\n{TYPE}")
    assert (task.project, task.ssh_keys) == (name, (name, "other"))


@pytest.mark.parametrize("name", ['"a\\u202eb"', '"a\\u200bb"', '"a\\u00a0b"', '" a"', '"a\\tb"', '""', '"\\u3000"'])
def test_what_is_not_seen_is_no_part_of_a_name(name: str) -> None:
    assert problem_of(f"project_name: {name}\n{TYPE}").code in ("value", "empty")


def test_an_accent_may_be_written_in_two_ways() -> None:
    assert Named("proj_1", "K\u00f6ln").is_called("Ko\u0308ln")
    assert Named("proj_1", "Ko\u0308ln").is_called("K\u00f6ln")
    assert Named("proj_1", "Köln").is_called("proj_1")
    assert not Named("proj_1", "Köln").is_called("Koln")


@pytest.mark.parametrize("given", ["K\u00f6ln", "Ko\u0308ln"])
@pytest.mark.parametrize("how", ["file", "flag", "environment"])
def test_a_stack_in_a_project_with_such_a_name(
    place: Place, given: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for route, name in (("/v2/projects", "Köln"), ("/v2/ssh-keys", "プロジェクト")):
        with place.simulator() as simulator:
            simulator.faults.add(f"GET {route}", "edited", put={"name": name}, times=None)
    task = TASK.replace("my-ssh-key", "プロジェクト")
    wanted = given if how == "file" else None
    lines = [line for line in task.splitlines() if not line.startswith("project_name")]
    place.write("\n".join([*lines, *([f"project_name: {wanted}"] if wanted else [])]) + "\n")
    if how == "environment":
        monkeypatch.setenv("FOUNDRY_PROJECT_NAME", given)
    flags = ("--project", given) if how == "flag" else ()
    place.ok("apply", "--auto-approve", *flags)
    for command in (("plan",), ("status",), ("show",), ("cost",), ("orphans",), ("recover",), ("plan", "--destroy")):
        told = place.run(*command, *(flags if command[0] == "plan" else ()))
        assert told.code in (0, 3), (command, told)
    assert "Köln" in place.ok("show")
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")


def test_a_name_that_is_no_text_is_no_traceback(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (
        ("--project", "\udcff"),
        ("--ssh-key", "\udcff"),
        ("--api-url", "\udcff"),
        ("--state", "x\udcff"),
    ):
        told = example.run("plan", *arguments)
        assert "internal error" not in told.err, told
    monkeypatch.setenv("FOUNDRY_PROJECT_NAME", "\udcff")
    assert "internal error" not in example.run("plan").err


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud800"', "\ufffd"),
        (r'"\uDC00x"', "\ufffdx"),
        (r'"\ud83d\ude80"', "🚀"),
        (r'"\ud83d\ud83d\ude80"', "\ufffd🚀"),
        (r'"\\ud800"', "\\ud800"),
        (r'"\\\ud800"', "\\\ufffd"),
        (r'{"\ud800": 1}', {"\ufffd": 1}),
    ],
)
def test_half_a_character_in_an_answer_is_replaced(text: str, value: object) -> None:
    assert json_of(text.encode()) == value
    json.dumps(value, ensure_ascii=False).encode()
    quote(str(value))
