"""What another run records about the resources of a plan while somebody is asked counts once they have said yes."""

from __future__ import annotations

import json

import pytest

from tests.cli.terminals import at_terminal
from tests.conftest import Place, live_ids, made_once
from tests.faults.colleagues import HEAD, STACK

PROTECTED = "lifecycle: {prevent_destroy: true}"


@pytest.fixture
@made_once
def stack(place: Place) -> Place:
    """Two bids and a volume, applied."""
    place.write(STACK)
    place.ok("apply", "--auto-approve")
    return place


def volumes(place: Place) -> list[str]:
    project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    return [one["name"] for one in json.loads(place.call("GET", f"/v2/volumes?project={project}").body)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("  a: {}", f"  a: {{{PROTECTED}}}", id="bid"),
        pytest.param("disk_interface: File}", f"disk_interface: File, {PROTECTED}}}", id="volume"),
    ],
)
def test_what_another_run_protects_meanwhile_is_not_destroyed(stack: Place, old: str, new: str) -> None:
    """The files that were read for the plan did not protect it; the state says by then that those of others do."""

    def meanwhile() -> None:
        stack.edit(old, new)
        stack.ok("apply", "--auto-approve")

    code, shown = at_terminal(stack, "yes\n", "destroy", "--allow-volume-destroy", "*", meanwhile=meanwhile)
    assert code == 3, shown
    assert (len(live_ids(stack)), volumes(stack)) == (2, ["data"])
    assert "another run has changed" in " ".join(shown.split())


def test_nor_when_only_the_name_of_a_volume_is_typed(stack: Place) -> None:
    def meanwhile() -> None:
        stack.edit("disk_interface: File}", f"disk_interface: File, {PROTECTED}}}")
        stack.ok("apply", "--auto-approve")

    code, shown = at_terminal(stack, "data\n", "destroy", "--auto-approve", meanwhile=meanwhile)
    assert (code, volumes(stack)) == (3, ["data"]), shown


def test_what_another_run_protects_elsewhere_in_the_state_stales_nothing(stack: Place) -> None:
    def meanwhile() -> None:
        stack.edit("  a: {}", f"  a: {{{PROTECTED}}}")
        stack.ok("apply", "--auto-approve")

    code, shown = at_terminal(stack, "yes\n", "destroy", "--target", "bid.b", meanwhile=meanwhile)
    assert (code, len(live_ids(stack))) == (0, 1), shown


def test_what_a_file_of_another_name_has_by_then_is_not_destroyed(stack: Place) -> None:
    def meanwhile() -> None:
        (stack.path / "flowplan.yaml").rename(stack.path / "other.yaml")
        stack.ok("apply", "other.yaml", "--auto-approve")

    code, shown = at_terminal(stack, "yes\n", "destroy", "--keep-volumes", meanwhile=meanwhile)
    assert (code, len(live_ids(stack))) == (3, 2), shown


def test_a_state_that_is_another_one_by_then_is_left_as_it_is(stack: Place) -> None:
    """Of the same project and name: nothing in the plan tells."""
    stack.write(f"{HEAD}tasks: {{other: {{}}}}\n", "other.yaml")
    stack.ok("--state", "other.json", "apply", "other.yaml", "--auto-approve")
    other = stack.ok("--state", "other.json", "state", "pull")
    stack.edit("  b: {}", "  b: {}\n  c: {}")

    def meanwhile() -> None:
        stack.write(other, "pushed.json")
        stack.ok("state", "push", "--force", "pushed.json")

    code, shown = at_terminal(stack, "yes\n", "apply", "--target", "bid.c", meanwhile=meanwhile)
    assert (code, len(live_ids(stack))) == (3, 3), shown
    assert "another state has taken the place of this one" in " ".join(shown.split())


def test_a_state_of_another_environment_by_then_stays_that(place: Place) -> None:
    """Nobody was warned of it: there was no state when the plan was shown."""
    place.write(f"{HEAD}name_prefix: dev-\ntasks: {{a: {{}}}}\n")
    place.write(f"{HEAD}name_prefix: prod-\ntasks: {{p: {{}}}}\n", "prod.yaml")
    code, shown = at_terminal(
        place, "yes\n", "apply", "flowplan.yaml", meanwhile=lambda: place.ok("apply", "prod.yaml", "--auto-approve")
    )
    assert code == 3, shown
    assert "applied with the name_prefix prod-" in " ".join(shown.split())
    assert (len(live_ids(place)), json.loads(place.ok("state", "pull"))["name_prefix"]) == (1, "prod-")


def test_a_state_of_the_same_environment_by_then_is_gone_on_with(place: Place) -> None:
    place.write(f"{HEAD}name_prefix: dev-\ntasks: {{a: {{}}}}\n")
    place.write(f"{HEAD}name_prefix: dev-\ntasks: {{p: {{}}}}\n", "p.yaml")
    code, shown = at_terminal(
        place, "yes\n", "apply", "flowplan.yaml", meanwhile=lambda: place.ok("apply", "p.yaml", "--auto-approve")
    )
    assert (code, len(live_ids(place))) == (0, 2), shown
