"""A part of a stack whose other files were not given: the state knows them, and what to type is said."""

from __future__ import annotations

import json

import pytest

from tests.conftest import APPLY, Place

A = """\
version: 2
name: foo
defaults:
  resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
volumes: {v: {size: 1}}
"""
B = "version: 2\ntasks: {t: {persistent_storage: {attach: {volume: v, mount_point: /d}}}}\n"
NOTE = "note: a.yaml made a part of this stack, and was not given: give a.yaml b.yaml\n"


@pytest.fixture
def parts(place: Place) -> Place:
    place.write(A, "a.yaml")
    place.write(B, "b.yaml")
    place.ok(*APPLY, "a.yaml", "b.yaml")
    return place


@pytest.mark.parametrize("command", [("plan",), APPLY, ("plan", "--refresh-only")])
def test_the_other_files_of_a_stack_are_named(parts: Place, command: tuple[str, ...]) -> None:
    refused = parts.run(*command, "b.yaml")
    assert (refused.code, NOTE in refused.err) == (65, True), refused
    assert parts.run("plan", "--detailed-exitcode", *NOTE.split()[-2:]).code == 0


def test_nothing_is_said_of_what_is_given_gone_or_wrong_for_another_reason(parts: Place) -> None:
    parts.write(B.replace("mount_point", "mountpoint"), "c.yaml")  # it made nothing, and may be of another stack
    assert "not given" not in parts.run("plan", "c.yaml").err
    parts.edit("version: 2", "version: 2\ncolour: red", "a.yaml")
    assert "not given" not in parts.run("plan", "a.yaml", "b.yaml").err
    (parts.path / "flowplan.state.json").write_text("{")
    damaged = parts.run("plan", "b.yaml")
    assert (damaged.code, "not given" in damaged.err) == (65, False)


def test_a_file_that_is_gone_is_not_asked_for(parts: Place) -> None:
    (parts.path / "a.yaml").unlink()
    assert "not given" not in parts.run("plan", "b.yaml").err


@pytest.mark.parametrize("key", ["include", "includes", "extends", "modules"])
def test_what_would_bring_a_file_in_is_told_how(place: Place, key: str) -> None:
    place.write(f"version: 2\n{key}: [a.yaml]\n")
    found = json.loads(place.run("validate", "--format", "json").out)["diagnostics"]
    hint = "name the files together: flowplan plan a.yaml b.yaml, or . for all of a directory"
    assert [(one["summary"], one["hint"]) for one in found] == [(f"unknown key '{key}'", hint)]


def test_such_a_key_makes_no_file_of_another_tool_ours(place: Place) -> None:
    place.write(A, "a.yaml")
    place.write("include: [{local: x.yml}]\nstages: [build]\n", "ci.yaml")
    done = place.run("validate", ".")
    assert (done.code, "ci.yaml" in done.err) == (0, True), done
