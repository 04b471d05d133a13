"""Which file made what: the same from every working directory, by every way to it, after every move."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from flowplan.backends.local import LocalStore
from flowplan.operations.opening.scope import Scope
from tests.conftest import Place, lose_addresses, made_once, many

SETTLED = ("plan", "--detailed-exitcode")


def tasks(*numbers: int) -> str:
    return "".join(many(1, first=number) for number in numbers)


def unnamed() -> str:
    return tasks(0).replace("name: task-000\n", "").replace("name: vol-000", "name: v").split("persistent")[0]


def sources(state: Path) -> dict[str, str]:
    """What the state says, by address."""
    return {str(a): b.source for a, b in LocalStore(state).read().state.bindings.items() if a.kind == "bid"}


def deleted(place: Place, *words: str) -> set[str]:
    """The names of bids that this plan ends."""
    body = json.loads(place.run("plan", "--format", "json", *words).out)
    gone = [one for one in body["resource_changes"] if one["change"]["actions"] == ["delete"]]
    return {one["name"] for one in gone if one["type"] == "bid"}


@pytest.fixture
def repo(place: Place) -> Place:
    """`repoA` with two tasks, applied from there with a state outside of it."""
    for name in ("repoA", "states"):
        (place.path / name).mkdir()
    place.write(tasks(0, 1), "repoA/flowplan.yaml")
    place.ok("apply", "--auto-approve", "--chdir", "repoA", *outside(place))
    os.chdir(place.path)
    return place


def outside(place: Place) -> tuple[str, ...]:
    return ("--state", str(place.path / "states" / "a.json"), "--api-url", f"sim:{place.path / 'sim.db'}")


def remove_a_task(place: Place, name: str = "repoA/flowplan.yaml") -> None:
    place.write(tasks(0), name)


WAYS: dict[str, Callable[[Place], tuple[str, ...]]] = {
    "as it was": lambda place: ("--chdir", "repoA"),
    "by its name": lambda place: ("--chdir", "repoA", "./flowplan.yaml"),
    "as a directory": lambda place: ("--chdir", "repoA", "."),
    "from above": lambda place: ("repoA/flowplan.yaml",),
    "from beside": lambda place: ("--chdir", "states", "../repoA/flowplan.yaml"),
    "absolute": lambda place: (str(place.path / "repoA" / "flowplan.yaml"),),
    "through a link to its directory": lambda place: (linked(place, "link", "repoA"), "link/flowplan.yaml")[1:],
    "in a link to its directory": lambda place: ("--chdir", linked(place, "link", "repoA")),
    "through a link to the file": lambda place: (linked(place, "other.yaml", "repoA/flowplan.yaml"),),
    "through a second name of the file": lambda place: (hard(place, "other.yaml", "repoA/flowplan.yaml"),),
    "after the directory moved": lambda place: ("--chdir", moved(place, "repoA", "repoB")),
    "after the file was renamed": lambda place: (moved(place, "repoA/flowplan.yaml", "repoA/train.yaml"),),
    "after both": lambda place: (moved(place, "repoA/flowplan.yaml", "repoA/t.yaml"), moved(place, "repoA", "b"))[1:],
}


def linked(place: Place, name: str, target: str) -> str:
    (place.path / name).symlink_to(target)
    return name


def hard(place: Place, name: str, target: str) -> str:
    (place.path / name).hardlink_to(place.path / target)
    return name


def moved(place: Place, name: str, target: str) -> str:
    (place.path / name).rename(place.path / target)
    return target


@pytest.mark.parametrize("way", WAYS)
def test_a_removed_task_is_destroyed_by_whatever_way_its_file_is_given(repo: Place, way: str) -> None:
    remove_a_task(repo)
    words = (*WAYS[way](repo), *outside(repo))
    assert deleted(repo, *words) == {"task-001"}, way
    os.chdir(repo.path)
    repo.ok("apply", "--auto-approve", "--allow-volume-destroy", "*", *words)
    os.chdir(repo.path)
    assert repo.run(*SETTLED, *words).code == 0


@pytest.mark.parametrize("way", [way for way in WAYS if "after" not in way])
def test_no_way_to_a_file_makes_it_another(repo: Place, way: str) -> None:
    result = repo.run(*SETTLED, *WAYS[way](repo), *outside(repo))
    assert result.code == 0, result
    assert "was made from" not in result.out


def test_checkouts_that_share_a_state_have_the_same_files(repo: Place) -> None:
    """The first one is still there, and still names the task that the second one does without."""
    (repo.path / "repoB").mkdir()
    remove_a_task(repo, "repoB/flowplan.yaml")
    assert deleted(repo, "--chdir", "repoB", *outside(repo)) == {"task-001"}
    os.chdir(repo.path)
    repo.write(tasks(0, 1), "repoB/flowplan.yaml")
    out = repo.ok("apply", "--auto-approve", "--chdir", "repoB", *outside(repo))
    assert "was made from" not in out
    os.chdir(repo.path)
    remove_a_task(repo)
    assert deleted(repo, "--chdir", "repoA", *outside(repo)) == {"task-001"}


def test_a_stack_of_another_directory_that_shares_the_state_is_left_alone(repo: Place) -> None:
    (repo.path / "repoB").mkdir()
    repo.write(tasks(2), "repoB/flowplan.yaml")
    for _ in range(2):
        assert deleted(repo, "--chdir", "repoB", *outside(repo)) == set()
        os.chdir(repo.path)
        repo.ok("apply", "--auto-approve", "--chdir", "repoB", *outside(repo))
        os.chdir(repo.path)


def test_the_state_names_files_from_its_own_directory(repo: Place) -> None:
    assert set(sources(repo.path / "states" / "a.json").values()) == {"../repoA/flowplan.yaml"}


def test_state_and_files_that_move_together_stay_together(place: Place) -> None:
    (place.path / "all").mkdir()
    (place.path / "all" / "tasks").mkdir()
    place.write(tasks(0, 1), "all/tasks/x.yaml")
    words = ("tasks/x.yaml", "--api-url", f"sim:{place.path / 'sim.db'}")
    place.ok("apply", "--auto-approve", "--chdir", "all", *words)
    os.chdir(place.path)
    assert set(sources(place.path / "all" / "flowplan.state.json").values()) == {"./tasks/x.yaml"}
    moved(place, "all", "elsewhere")
    remove_a_task(place, "elsewhere/tasks/x.yaml")
    assert deleted(place, "--chdir", "elsewhere", *words) == {"task-001"}


# ---- files that are gone ----------------------------------------------------------------------------------------


@pytest.fixture
@made_once
def two_files(place: Place) -> Place:
    place.write(tasks(0))
    place.write(tasks(1), "old.yaml")
    place.ok("apply", "--auto-approve", ".")
    return place


def test_a_file_that_is_only_not_given_is_left_alone(two_files: Place) -> None:
    out = two_files.ok(*SETTLED)
    assert "  volume.vol-001: $0.08 a month for storage (old.yaml was not given)\n" in out
    assert "old.yaml no longer exists" not in out and "gone" not in out


def test_what_is_left_alone_is_counted_in_what_is_paid(two_files: Place) -> None:
    found = json.loads(two_files.ok("plan", "--format", "json"))
    left = found["left_alone"]
    assert [(one["address"], one["file"], one["file_exists"]) for one in left["resources"]] == [
        ("bid.task-001", "old.yaml", True),
        ("volume.vol-001", "old.yaml", True),
    ]
    assert left["hour"] == {"now": "8.00", "worst": "17.92"}
    for side in ("current", "planned"):
        for key in ("now", "worst"):
            assert Decimal(left[side][key]) - Decimal(found["cost"][side][key]) == Decimal(left["hour"][key])
    (two_files.path / "old.yaml").unlink()
    gone = json.loads(two_files.ok("plan", "--format", "json"))["left_alone"]
    assert {one["file_exists"] for one in gone["resources"]} == {False} and gone["planned"] == left["planned"]
    assert "with what is left alone, you pay $16.00 an hour" in two_files.ok("plan")


def test_a_file_that_is_gone_is_told_with_what_it_costs_and_what_ends_it(two_files: Place) -> None:
    (two_files.path / "old.yaml").unlink()
    out = " ".join(two_files.ok("plan").split())
    assert "bid.task-001" in out and "was made from old.yaml, which is gone" in out
    assert "costs at most $17.92 an hour" in out
    assert "flowplan destroy old.yaml ends it" in out
    assert "volume.vol-001" in out and "keeps costing money" in out
    assert "files not given here, left alone: bid" not in out
    two_files.ok("destroy", "old.yaml", "--auto-approve", "--allow-volume-destroy", "*")
    assert sources(two_files.path / "flowplan.state.json").keys() == {"bid.task-000"}
    assert "gone" not in two_files.ok("plan")


def test_a_directory_covers_what_was_in_it(two_files: Place) -> None:
    (two_files.path / "old.yaml").unlink()
    assert deleted(two_files, ".") == {"task-001"}


def test_a_directory_that_is_gone_can_be_destroyed(place: Place) -> None:
    (place.path / "sub").mkdir()
    place.write(tasks(0), "sub/a.yaml")
    place.ok("apply", "--auto-approve", "sub")
    (place.path / "sub" / "a.yaml").unlink()
    (place.path / "sub").rmdir()
    place.write(tasks(1))
    assert "flowplan destroy sub/a.yaml ends it" in " ".join(place.ok("plan").split())
    place.ok("destroy", "sub", "--auto-approve", "--allow-volume-destroy", "*")
    assert sources(place.path / "flowplan.state.json") == {}


def test_what_made_nothing_cannot_be_destroyed(two_files: Place) -> None:
    result = two_files.run("destroy", "nowhere.yaml", "--auto-approve")
    assert (result.code, "there is no file nowhere.yaml" in result.err) == (65, True)
    assert two_files.run("plan", "--destroy", "nowhere.yaml").code == 65


def test_a_file_that_cannot_be_looked_at_is_not_gone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    scope = Scope(str(tmp_path), tmp_path)
    assert scope.is_gone("./nothing") and scope.is_gone("./no/such/directory") and scope.is_gone("./file/below")
    assert not scope.is_gone("./file") and not scope.is_gone("./loop") and not scope.is_gone(f"./{'x' * 300}")


def test_a_file_is_looked_for_once_however_many_resources_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope, asked = Scope(str(tmp_path), tmp_path), []
    for name in ("realpath", "relpath"):
        real = getattr(os.path, name)
        monkeypatch.setattr(os.path, name, lambda *of, real=real: asked.append(of) or real(*of))
    for _ in range(3):
        assert scope.kept("./file") == "./file" and scope.same("./file", "file")
    assert len(asked) == 4  # its directory, the way there from the state, and what either name leads to


def test_a_renamed_file_takes_its_tasks_along(two_files: Place) -> None:
    moved(two_files, "old.yaml", "new name.yaml")
    out = two_files.ok("plan", "new name.yaml")
    assert "moved from old.yaml to new name.yaml" in " ".join(out.split())
    assert deleted(two_files, "new name.yaml") == set()


def test_a_renamed_file_of_many_is_noted_once(place: Place) -> None:
    place.write(tasks(*range(12)), "old.yaml")
    place.ok("apply", "--auto-approve", "old.yaml")
    moved(place, "old.yaml", "new.yaml")
    out = place.ok("plan", "new.yaml")
    assert out.count("note: ") == 1
    assert (
        "note: bid.task-000 … 011, ports.task-000 … 011, volume.vol-000 … 011 (36 resources) moved from old.yaml to "
        "new.yaml"
    ) in " ".join(out.split())


def test_renaming_one_file_ends_nothing_of_another_that_is_there(two_files: Place) -> None:
    """One of its tasks moved to the file given: the rest of it stays with it, as it is there."""
    two_files.write(tasks(1, 2), "old.yaml")
    two_files.ok("apply", "--auto-approve", ".")
    two_files.write(tasks(0, 1))
    two_files.write(tasks(2), "old.yaml")
    assert deleted(two_files) == set()


def test_a_link_that_names_another_task_ends_nothing_of_the_file_it_leads_to(place: Place) -> None:
    """A task without a name has that of its file: two links to one file are two tasks."""
    place.write(unnamed(), "base.yaml")
    for name in ("one.yaml", "two.yaml"):
        linked(place, name, "base.yaml")
    place.ok("apply", "--auto-approve", ".")
    assert len(sources(place.path / "flowplan.state.json")) == 3
    for name in ("one.yaml", "two.yaml", "base.yaml"):
        assert deleted(place, name) == set(), name
        assert place.run(*SETTLED, name).code == 0


def test_a_link_that_leads_elsewhere_since_is_the_same_file(place: Place) -> None:
    place.write(tasks(0, 1), "v1")
    place.write(tasks(0), "v2")
    linked(place, "current.yaml", "v1")
    place.ok("apply", "--auto-approve", "current.yaml")
    (place.path / "current.yaml").unlink()
    linked(place, "current.yaml", "v2")
    assert deleted(place, "current.yaml") == {"task-001"}


def test_a_file_given_twice_is_one(place: Place) -> None:
    (place.path / "sub").mkdir()
    place.write(tasks(0), "sub/a.yaml")
    linked(place, "link", "sub")
    hard(place, "a.yaml", "sub/a.yaml")
    words = ("sub/a.yaml", "./sub/../sub/a.yaml", str(place.path / "sub" / "a.yaml"), "link/a.yaml", "sub", "a.yaml")
    place.ok("plan", *words)


def test_dots_after_a_link_mean_what_the_system_means(place: Place) -> None:
    """`link/..` is beside what the link leads to."""
    (place.path / "deep").mkdir()
    (place.path / "deep" / "sub").mkdir()
    linked(place, "link", "deep/sub")
    place.write(tasks(0), "deep/a.yaml")
    place.write(tasks(1), "a.yaml")
    out = place.ok("plan", "link/../a.yaml")
    assert "task-000" in out and "task-001" not in out
    assert "task-000" in place.ok("plan", "link/..")


# ---- states of earlier versions ---------------------------------------------------------------------------------


def say_sources(place: Place, state: str, source: Callable[[str], str]) -> None:
    """Write into the state what an earlier version would have written."""
    import attrs

    store = LocalStore(place.path / state)
    found = store.read().state
    store.save(
        attrs.evolve(
            found,
            bindings={a: attrs.evolve(b, source=source(b.source)) for a, b in found.bindings.items()},
        )
    )


def test_a_state_of_an_earlier_version_is_understood(two_files: Place) -> None:
    say_sources(two_files, "flowplan.state.json", lambda source: source.removeprefix("./"))
    result = two_files.run(*SETTLED, ".")
    assert result.code == 0 and "was made from" not in result.out, result
    two_files.write(tasks(5), "old.yaml")
    assert deleted(two_files, "old.yaml") == {"task-001"}
    two_files.ok("apply", "--auto-approve", "--allow-volume-destroy", "*", "old.yaml")
    assert set(sources(two_files.path / "flowplan.state.json").values()) == {"./flowplan.yaml", "./old.yaml"}


@pytest.mark.parametrize("early", ["flowplan.yaml", "absolute"])
def test_one_that_lies_elsewhere_named_its_files_from_where_the_command_was_run(repo: Place, early: str) -> None:
    absolute = str(repo.path / "repoA" / "flowplan.yaml")
    say_sources(repo, "states/a.json", lambda _: absolute if early == "absolute" else early)
    remove_a_task(repo)
    assert deleted(repo, "--chdir", "repoA", *outside(repo)) == {"task-001"}
    os.chdir(repo.path)
    moved(repo, "repoA", "repoB")
    assert deleted(repo, "--chdir", "repoB", *outside(repo)) == {"task-001"}


def test_an_entry_without_a_file_stays_without_one(two_files: Place) -> None:
    lose_addresses(two_files, "bid.task-001", "ports.task-001")
    assert deleted(two_files) == set()
    assert "no known file names it" in " ".join(two_files.ok("plan").split())


def test_a_saved_plan_is_applied_whatever_became_of_what_it_leaves_alone(two_files: Place) -> None:
    two_files.edit("17.92", "18.92")
    two_files.ok("plan", "--out", "p")
    assert json.loads((two_files.path / "p").read_text())["left_alone"]["resources"]
    two_files.ok("show", "p")
    two_files.ok("destroy", "old.yaml", "--auto-approve", "--keep-volumes")
    assert "1 changed" in two_files.ok("apply", "p")


@pytest.mark.parametrize(
    ("path", "folder"), [("sub/x.yaml", "sub"), ("empty", "empty"), ("a b/x.yaml", "a b"), ("empty/x.yml", "empty")]
)
def test_where_there_is_no_file_yet_init_writes_one_there(place: Place, path: str, folder: str) -> None:
    place.write(many(1))
    (place.path / "empty").mkdir()
    assert f"hint: `flowplan init {shlex.quote(folder)}` writes a first one" in place.run("plan", path).err
    place.ok("init", folder)
    place.ok("validate", folder)


@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve"), ("watch", "--once")])
def test_who_lost_the_files_is_not_told_to_begin_anew(place: Place, command: tuple[str, ...]) -> None:
    """A first file there would be another stack, beside what runs."""
    (place.path / "my tasks").mkdir()
    place.write(many(1), "my tasks/a.yaml")
    place.ok("apply", "my tasks", "--auto-approve")
    (place.path / "my tasks" / "a.yaml").unlink()
    result = place.run(*command, "my tasks")
    said = " ".join(result.err.split())
    assert result.code == 64 and "the state holds what the files there made: put them back" in said, result
    assert "init" not in said
    typed = said.partition("all of it with `")[2].partition("`")[0]
    place.ok(*shlex.split(typed)[1:], "--auto-approve", "--allow-volume-destroy", "*")
    assert place.ok("state", "list") == ""
    assert "`flowplan init 'my tasks'` writes a first one" in place.run(*command, "my tasks").err


def test_a_file_that_is_not_there_is_told_what_there_is(place: Place) -> None:
    place.write(many(1))
    assert "there is no file flowpln.yaml\n  hint: did you mean flowplan.yaml?" in place.run("plan", "flowpln.yaml").err
    for unlike in ("zzzz.yaml", "flo2.yaml"):  # what all files end in makes none alike: `destroy` would end another one
        assert f"there is no file {unlike}\n  hint: there are: flowplan.yaml" in place.run("destroy", unlike).err
    shown = place.run("show", "nosuch")
    assert (shown.code, "there is no file nosuch\n  hint: `flowplan plan --out nosuch`" in shown.err) == (64, True)
