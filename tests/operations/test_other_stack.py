"""Two stacks that were given one state by mistake, as by a URL that was copied into the pipeline of another project:
the second ends nothing of the first where nobody looks."""

from __future__ import annotations

import pytest

import flowplan
from tests.conftest import APPLY, Place, bid_id, live_ids, made_once
from tests.operations.renaming import FIRST, renamed

SECOND = FIRST.replace("alpha", "beta").replace("train", "serve")
WHOSE = (
    "the state is that of stack alpha; the files are of beta, and name nothing of what it has: another stack's state?"
)
DESTROY = ("destroy", "--auto-approve")


@pytest.fixture
@made_once
def second(place: Place) -> Place:
    """The first stack runs, and its state is that of the second: in each checkout the file is called the same."""
    place.write(FIRST)
    place.ok(*APPLY)
    place.write(SECOND)
    return place


def said(place: Place, *command: str) -> tuple[int, str]:
    found = place.run(*command)
    return found.code, " ".join((found.out + found.err).split())


@pytest.mark.parametrize("command", [APPLY, DESTROY], ids=["apply", "destroy"])
def test_nothing_of_the_first_ends_where_nobody_looks(second: Place, command: tuple[str, ...]) -> None:
    running = live_ids(second)
    code, told = said(second, *command)
    assert (code, f"{WHOSE} nothing was changed" in told, live_ids(second)) == (3, True, running), told
    assert "give each stack a state of its own" in told
    code, told = said(second, "plan")
    assert (code, WHOSE in told) == (0, True)


def test_who_has_looked_at_the_plan_may_carry_it_out(second: Place) -> None:
    second.ok("plan", "--out", "p")
    second.ok("apply", "p")
    assert second.ok("state", "list") == "bid.serve\n"
    assert len(live_ids(second)) == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(FIRST.replace("alpha", "beta") + "  serve: {}\n", id="that has what there was"),
        pytest.param(SECOND + "moved: [{from: task.train, to: task.serve}]\n", id="whose task is renamed, too"),
        pytest.param(SECOND + "removed: [{address: task.train, destroy: true}]\n", id="whose task is given up"),
        pytest.param(SECOND.replace("name: beta\n", ""), id="that no file names any more"),
        pytest.param(SECOND.replace("beta", "alpha"), id="that keeps its name"),
        pytest.param(SECOND.partition("tasks:")[0], id="that is given up"),
    ],
)
@pytest.mark.parametrize("commands", [[APPLY, DESTROY], [DESTROY]], ids=["applied", "destroyed at once"])
def test_a_stack_that_is_renamed_goes_on(second: Place, text: str, commands: list[tuple[str, ...]]) -> None:
    second.write(text)
    for command in commands:
        code, told = said(second, *command)
        assert (code, "another stack's state?" in told) == (0, False), told
    assert live_ids(second) == []


VOLUME = "volumes: {data: {size: 1, region_id: us-central1-b}}\n"


@pytest.mark.parametrize("command", [APPLY, (*DESTROY, "--keep-volumes")], ids=["apply", "destroy"])
def test_so_does_one_that_keeps_only_a_volume(place: Place, command: tuple[str, ...]) -> None:
    place.write(FIRST + VOLUME)
    place.ok(*APPLY)
    place.write(SECOND + VOLUME)
    code, told = said(place, *command)
    assert (code, "another stack's state?" in told) == (0, False), told


def test_a_destroy_of_one_that_leaves_a_task_to_somebody_goes_on(place: Place) -> None:
    place.write(FIRST + "  other: {}\n")
    place.ok(*APPLY)
    place.write(SECOND + "removed: [{address: task.train, destroy: false}]\n")
    code, told = said(place, *DESTROY)
    assert (code, "another stack's state?" in told, len(live_ids(place))) == (0, False, 1), told


def test_one_that_was_applied_with_its_new_name_is_that_stack(place: Place) -> None:
    """What replaces all that it has at once is its own from then on, and what another name does so is not."""
    renamed(place, FIRST)
    assert "No changes" in place.ok("plan")
    before = (place.path / "flowplan.state.json").read_bytes()
    place.ok(*APPLY)
    assert (place.path / "flowplan.state.json").read_bytes() == before
    place.write(SECOND.replace("beta", "alpha"))
    code, told = said(place, *APPLY)
    assert (code, WHOSE.replace("beta", "ALPHA").replace("alpha", "beta").replace("ALPHA", "alpha") in told) == (
        3,
        True,
    )
    assert "(`name: beta`)" in told
    place.write(SECOND)
    assert "1 added, 0 changed, 1 destroyed" in place.ok(*APPLY)


def test_one_that_names_nothing_of_what_is_there_is_no_new_name_of_it(second: Place) -> None:
    second.ok("plan", "--out", "p", "--target", "bid.serve")
    second.ok("apply", "p")
    assert "applied_as" not in second.ok("state", "pull")


def test_a_stack_that_was_named_later_goes_on_with_the_name_that_its_state_keeps(place: Place) -> None:
    """That of its directory: what replaces all that it has at once would be refused again and again."""
    place.write(FIRST.replace("name: alpha\n", ""))
    place.ok(*APPLY)
    place.write(SECOND)
    code, told = said(place, *APPLY)
    name = place.path.name
    assert (code, f"(`name: {name}`)" in told) == (3, True), told
    place.write(SECOND.replace("beta", name))
    assert "1 added, 0 changed, 1 destroyed" in place.ok(*APPLY)


def test_so_does_one_that_has_also_moved_one_task_and_given_up_another(place: Place) -> None:
    place.write(FIRST + "  other: {}\n")
    place.ok(*APPLY)
    place.write(SECOND + "moved: [{from: task.train, to: task.serve}]\n")
    code, told = said(place, *APPLY)
    assert (code, "another stack's state?" in told, place.ok("state", "list")) == (0, False, "bid.serve\n"), told


ADDS = {
    "a part": (SECOND, ("--target", "bid.serve")),
    "all but what would end": (SECOND, ("--exclude", "bid.train", "--exclude", "bid.other")),
    "what it takes in": (SECOND, ("--target", "bid.other")),
}


@pytest.mark.parametrize(("text", "part"), ADDS.values(), ids=ADDS)
def test_nothing_is_added_to_the_first_either(place: Place, text: str, part: tuple[str, ...]) -> None:
    """From then on the files would name something of what the state has, and end all the rest of it unseen."""
    place.write(FIRST + "  other: {}\n")
    place.ok(*APPLY)
    text += f"  other: {{}}\nimport: [{{address: bid.other, id: {bid_id(place, 'bid.other')}}}]\n"
    place.ok("state", "rm", "bid.other")
    place.write(text)
    running = live_ids(place)
    code, told = said(place, *APPLY, *part)
    assert (code, f"{WHOSE} nothing was changed" in told, live_ids(place)) == (3, True, running), told


def test_two_stack_files_beside_each_other_may_have_one_state(place: Place) -> None:
    """What the one does not cover is not its own, and it ends none of that."""
    place.write(FIRST, "alpha.yaml")
    place.write(SECOND, "beta.yaml")
    for file in ("alpha.yaml", "beta.yaml", "alpha.yaml"):
        code, told = said(place, *APPLY, file)
        assert (code, "another stack's state?" in told) == (0, False), told
    assert place.ok("state", "list") == "bid.serve\nbid.train\n"
    place.ok(*DESTROY, "beta.yaml")
    assert place.ok("state", "list") == "bid.train\n"


@pytest.mark.parametrize(
    "command", [("--target", "bid.train"), ("--exclude", "bid.other")], ids=["of it", "but the rest"]
)
def test_a_part_of_what_a_renamed_stack_gives_up_is_its_own(place: Place, command: tuple[str, ...]) -> None:
    place.write(FIRST + "  other: {}\n")
    place.ok(*APPLY)
    place.write(SECOND.replace("serve", "other"))
    code, told = said(place, *APPLY, *command)
    assert (code, "another stack's state?" in told, len(live_ids(place))) == (0, False, 1), told


def test_nothing_that_a_plan_leaves_alone_is_anybodys_business(second: Place) -> None:
    code, told = said(second, *APPLY, "--exclude", "bid.*")
    assert (code, "another stack's state?" in told, len(live_ids(second))) == (0, False, 1), told


def test_what_is_past_its_lifetime_ends_all_the_same_where_nothing_else_can_be_done(place: Place) -> None:
    """That was decided when it was applied, and costs money until it ends."""
    place.write(FIRST.replace("train: {}", "train: {lifetime: {max_hours: 2}}"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "5h")
    place.write(SECOND)
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/instance-types", "status", status=403, times=None)
    code, told = said(place, *APPLY)
    assert ("its lifetime is over" in told, "another stack's state?" in told, live_ids(place)) == (True, False, []), (
        told
    )
    assert code != 0


def test_what_is_past_its_lifetime_is_named_where_the_plan_is_refused(place: Place) -> None:
    """No file names it any more, so its step is a plain deletion; the command that is named ends it, and it alone."""
    place.write(FIRST.replace("train: {}", "train: {lifetime: {max_hours: 2}}\n  other: {lifetime: {max_hours: 9}}"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "5h")
    place.write(SECOND)
    code, told = said(place, *APPLY)
    assert (code, WHOSE in told, len(live_ids(place))) == (3, True, 2), told
    only = "destroy --target bid.train"
    assert f"bid.train keeps running past its lifetime; to stop only that, answer yes to `flowplan {only}`" in told
    place.ok("plan", "--out", "p", *(f"--{only}".split()))
    place.ok("apply", "p")
    assert (place.ok("state", "list"), len(live_ids(place))) == ("bid.other\n", 1)


def test_a_program_hears_of_it(second: Place) -> None:
    heard = list[str]()
    stack = flowplan.load(directory=second.path, api_url="sim:", note=heard.append)
    proposal = stack.plan()
    assert "other-stack" in {one.code for one in proposal.diagnostics}
    stack.apply(proposal)
    assert [WHOSE in one for one in heard].count(True) == 1, heard
