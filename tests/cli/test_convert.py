"""flowplan convert, as a user types it."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Place

FLOW = "name: t\ninstance_type: 8xh100\ncommand: echo hi\nretries: 3\nmax_price_per_hour: 9\n"


def test_the_stack_file_goes_to_stdout_and_the_list_to_stderr(place: Place) -> None:
    place.write(FLOW, "task.yaml")
    found = place.run("convert", "task.yaml")
    assert found.code == 0
    assert "retries is not carried over" in found.err
    assert "task.yaml:4:1" in found.err
    place.write(found.out, "made.yaml")
    assert place.ok("validate", "made.yaml") == "Valid: 1 task, 0 volumes.\n"


@pytest.mark.parametrize(
    "line", ['echo "##[group]x"', "cat <<X\n  ::group::y\n  X", "echo שלום", "echo fkey_ofours1234"]
)
def test_a_script_that_may_not_be_shown_is_not_changed_but_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """`convert FILE > flowplan.yaml` would make a script that does something else, and nobody would notice."""
    monkeypatch.setenv("FLOWPLAN_API_KEY", "fkey_ofours1234")
    place.write(f"name: t\ninstance_type: 8xh100\nmax_price_per_hour: 9\ncommand: |\n  {line}\n", "task.yaml")
    found = place.run("convert", "task.yaml")
    assert (found.code, found.out, "give --out FILE" in " ".join(found.err.split())) == (1, "", True)
    place.ok("convert", "task.yaml", "--out", "made.yaml")
    assert line.split("\n  ")[-2:][0] in (place.path / "made.yaml").read_text()


def test_a_file_that_exists_is_not_overwritten(place: Place) -> None:
    place.write(FLOW, "task.yaml")
    assert place.run("convert", "task.yaml", "--out", "made.yaml").out == ""
    before = (place.path / "made.yaml").read_bytes()
    assert place.run("convert", "task.yaml", "--out", "made.yaml").code == 64
    assert (place.path / "made.yaml").read_bytes() == before


def test_what_is_no_such_task_is_65_and_writes_nothing(place: Place) -> None:
    place.write("apiVersion: v1\nkind: Pod\n", "pod.yaml")
    found = place.run("convert", "pod.yaml", "--out", "made.yaml")
    assert found.code == 65
    assert "a Kubernetes manifest" in found.err
    assert not (place.path / "made.yaml").exists()
    body = json.loads(place.run("convert", "pod.yaml", "--format", "json").out)
    assert (body["valid"], body["diagnostics"][0]["code"]) == (False, "foreign-file")


def test_json_has_the_stack_file_and_what_it_leaves_out(place: Place) -> None:
    place.write(FLOW, "task.yaml")
    body = json.loads(place.run("convert", "task.yaml", "--format", "json").out)
    assert body["stack_file"].startswith("# Converted from task.yaml (flow).\n")
    assert "retries" in [one["summary"].split()[0] for one in body["left_out"]]


def test_a_directory_is_wrong_usage(place: Place) -> None:
    place.write(FLOW, "task.yaml")
    found = place.run("convert", ".")
    assert (found.code, found.out) == (64, "")
    assert "is a directory" in found.err
