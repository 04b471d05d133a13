"""A directory holds other files too: they are skipped, unless they could be what a running bid comes from."""

from __future__ import annotations

import pytest

from flowplan.config import Source
from flowplan.config.foreign.strangers import stranger
from tests.conftest import Place, made_once
from tests.texts import storage, task_text

MKDOCS = "site_name: docs\nnav:\n  - index.md\ntheme: {}\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec: {}\n"
PLAN = ("plan", ".")


@pytest.fixture
@made_once
def both(place: Place) -> Place:
    """A task that is applied, and a file of another tool beside it."""
    place.write(task_text(more=storage("data")), "train.yaml")
    place.write(MKDOCS, "mkdocs.yml")
    place.ok("apply", ".", "--auto-approve")
    return place


def test_they_are_skipped_and_named(both: Place) -> None:
    both.write(POD, "pod.yaml")
    found = both.run(*PLAN)
    assert (found.code, "No changes" in found.out) == (0, True)
    said = " ".join(found.err.split())
    assert said.count("is skipped") == 2
    assert "mkdocs.yml is skipped: none of its keys is one of flowplan's" in said
    assert "pod.yaml is skipped: it is a Kubernetes manifest" in said
    assert both.run("validate", ".").code == 0
    assert both.ok("fmt", ".") == ""
    assert (both.path / "mkdocs.yml").read_text() == MKDOCS


def test_a_file_that_is_named_is_read(both: Place) -> None:
    assert both.run("plan", "mkdocs.yml").code == 65
    assert both.run("plan", ".", "mkdocs.yml").code == 65


@pytest.mark.parametrize("text", ["wat: 1\n", "- wat\n", f"{MKDOCS}---\n{POD}", "qqq: {www: 8xh100}\n"])
def test_a_file_that_made_something_is_never_skipped(both: Place, text: str) -> None:
    """All its keys may be misspelt: its bid and its volume would end."""
    both.write(text, "train.yaml")
    before = both.ledger()
    for command in (PLAN, ("apply", ".", "--auto-approve", "--allow-volume-destroy", "*"), ("validate", ".")):
        found = both.run(*command)
        assert found.code == 65, found
        assert "train.yaml is skipped" not in found.err
    assert both.ledger() == before


def test_what_is_in_doubt_counts_too(place: Place) -> None:
    place.write(task_text())
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert place.run("apply", "--auto-approve").code == 6
    assert place.ok("state", "list") == ""
    (place.path / "flowplan.yaml").rename(place.path / "other.yaml")
    place.write("wat: 1\n", "flowplan.yaml")
    found = place.run(*PLAN)
    assert found.code == 65
    assert "flowplan.yaml is skipped" not in found.err


def test_a_state_that_does_not_read_may_hold_anything(both: Place) -> None:
    both.write("{", "flowplan.state.json")
    found = both.run("validate", ".")
    assert (found.code, "is skipped" in found.err) == (65, False)


def test_where_nothing_else_is_left_the_path_is_wrong(place: Place) -> None:
    place.write(MKDOCS, "mkdocs.yml")
    for command in (PLAN, ("validate", "."), ("destroy", ".", "--auto-approve")):
        found = place.run(*command)
        assert found.code == 64, found
        assert "there is no file of flowplan there" in found.err


@pytest.mark.parametrize("text", [MKDOCS, "[just, words]\n", "foo: 1\n"])
def test_what_a_file_made_that_may_be_skipped_now_is_left_alone(both: Place, text: str) -> None:
    """It was renamed, and lost all its keys: nothing tells it from a file of another tool."""
    both.write(task_text("other"), "other.yaml")
    (both.path / "mkdocs.yml").unlink()
    (both.path / "train.yaml").unlink()
    both.write(text, "renamed.yaml")
    found = both.run("apply", ".", "--auto-approve", "--allow-volume-destroy", "*")
    assert (found.code, "1 added, 0 changed, 0 destroyed." in found.out) == (0, True)
    said = " ".join((found.out + found.err).split())
    assert "was made from train.yaml, which is gone: it is left alone, and costs at most $" in said
    assert "if it was renamed, and is now renamed.yaml, which has no tasks, mend that file" in said
    assert "otherwise flowplan destroy train.yaml ends it" in said
    both.ok("destroy", "train.yaml", "--auto-approve", "--allow-volume-destroy", "data")
    assert both.ok("state", "list") == "bid.other\n"


@pytest.mark.parametrize("text", ["version: 2\n", "version: 2\ntasks:\n", "# a stack\nversion: 2\ntasks: {}\n"])
def test_what_a_file_made_that_may_be_cut_off_now_is_left_alone(place: Place, text: str) -> None:
    place.write(task_text(more=storage("data")), "train.yaml")
    place.ok("apply", ".", "--auto-approve")
    (place.path / "train.yaml").unlink()
    place.write(text, "renamed.yaml")
    found = place.run("apply", ".", "--auto-approve", "--allow-volume-destroy", "*")
    assert (found.code, "destroyed" in found.out and " 0 destroyed" not in found.out) == (0, False), found
    said = " ".join((found.out + found.err).split())
    assert "is now renamed.yaml, which has no tasks, mend that file" in said
    assert "bid.train\n" in place.ok("state", "list")


@pytest.mark.parametrize("damaged", ["wat: 1\n", "b: {resources: {}}\n", "version: 2\n", "version: 2\ntasks: {}\n"])
@pytest.mark.parametrize("before", ["all.yaml", "."], ids=["by a file", "by a directory"])
@pytest.mark.parametrize("paths", [["."], ["good.yaml", "damaged.yaml"]], ids=["in a directory", "by name"])
def test_what_a_file_made_that_was_split_is_left_alone_where_a_part_is_damaged(
    place: Place, damaged: str, before: str, paths: list[str]
) -> None:
    """The good part names one of its resources, so it counts as renamed; what the other part had may not end."""
    place.write(f"{task_text('a')}---\n{task_text('b', more=storage('data'))}", "all.yaml")
    place.ok("apply", before, "--auto-approve")
    (place.path / "all.yaml").unlink()
    place.write(task_text("a"), "good.yaml")
    place.write(damaged, "damaged.yaml")
    found = place.run("apply", *paths, "--auto-approve", "--allow-volume-destroy", "*")
    said = " ".join((found.out + found.err).split())
    assert "bid.b\n" in place.ok("state", "list") and "volume.data\n" in place.ok("state", "list")
    if found.code == 65 and "damaged.yaml:1:1" in said:  # it was named, and is none of flowplan's
        return
    assert (found.code, "is now damaged.yaml, which has no tasks, mend that file" in said) == (0, True)
    (place.path / "damaged.yaml").unlink()
    place.ok("destroy", "all.yaml", "--auto-approve", "--allow-volume-destroy", "data")
    assert place.ok("state", "list") == "bid.a\n"


def test_what_a_file_made_that_was_renamed_and_lost_a_task_ends(place: Place) -> None:
    place.write(f"{task_text('a')}---\n{task_text('b')}", "all.yaml")
    place.ok("apply", ".", "--auto-approve")
    (place.path / "all.yaml").unlink()
    place.write(task_text("a"), "good.yaml")
    place.ok("apply", ".", "--auto-approve")
    assert place.ok("state", "list") == "bid.a\n"


def test_a_directory_that_is_destroyed_is_destroyed_whole(both: Place) -> None:
    both.write(task_text("other"), "other.yaml")
    (both.path / "train.yaml").unlink()
    both.ok("destroy", ".", "--auto-approve", "--allow-volume-destroy", "data")
    assert both.ok("state", "list") == ""


def test_several_files_that_it_may_be_are_counted(both: Place) -> None:
    both.write(task_text("other"), "other.yaml")
    (both.path / "train.yaml").unlink()
    both.write(POD, "pod.yaml")  # whose it is is known
    for number in range(4):
        both.write("foo: 1\n", f"pod-{number}.yaml")
    found = both.run(*PLAN)
    said = " ".join((found.out + found.err).split())
    assert "is now one of those without tasks (mkdocs.yml, pod-0.yaml, pod-1.yaml and 2 more), mend that file" in said


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name: env\nchannels: [a]\ndependencies: [python]\n", "a conda environment"),
        ("name: ci\non: push\njobs: {}\n", "a GitHub workflow"),
        ("openapi: 3.1.0\ninfo: {}\npaths: {}\n", "an OpenAPI description"),
        ("repos:\n  - repo: local\n", "a pre-commit configuration"),
        ("name: web\nservices:\n  web: {image: nginx}\nvolumes: {}\n", "a docker compose file"),
        ("name: t\nresources:\n  accelerators: H100:8\nrun: x\n", "a SkyPilot task, which `flowplan convert` reads"),
        ("name: t\ncommand: x\ninstance_type: a100\n", "a task of the flow SDK, which `flowplan convert` reads"),
    ],
)
def test_the_shapes_of_other_tools_are_skipped_though_they_share_keys(both: Place, text: str, what: str) -> None:
    both.write(text, "other.yaml")
    found = both.run(*PLAN)
    assert (found.code, "No changes" in found.out) == (0, True), found
    assert f"other.yaml is skipped: it is {what}" in " ".join(found.err.split())


def test_a_task_that_was_removed_still_ends(both: Place) -> None:
    """Also beside a file that is known to be another tool's."""
    both.write(task_text("other"), "other.yaml")
    both.write(POD, "pod.yaml")
    (both.path / "mkdocs.yml").unlink()
    (both.path / "train.yaml").unlink()
    out = both.run("plan", ".", "--allow-volume-destroy", "data").out
    assert "Plan: 1 to add, 0 to change, 2 to destroy." in out


@pytest.mark.parametrize(
    "text",
    [
        "nmae: t\n",
        "resource_specification: {}\n",
        "Name: t\n",
        "max_price_per_hour: 3\nfoo: 1\n",
        "'name': t\n",
        "{name: t}\n",
        "﻿name: t\n",
        "foo: 1\n---\nname: t\n",
        "- nmae: t\n",
        "",
        "# nothing\n",
        "foo: [\n",
        "\tfoo: 1\n",
        "just text\n",
        "foo: 1\nfoo: 2\n",
        "version: 2\n",
        "job:\n  fcp_instance: 8xh100\n",
        "task: {}\n",
        "tasks: {}\n",
    ],
)
def test_what_may_be_flowplans_is_no_stranger(text: str) -> None:
    assert stranger(Source("a.yaml", text.encode())) is None
