"""What a failure says to type works on the state that the command was given."""

from __future__ import annotations

import shlex
import shutil

import pytest

from flowplan.cli.same_state import on_same_state, options_in
from tests.conftest import Place, many


@pytest.mark.parametrize("damage", ["missing", "damaged", "damaged with its backup"])
def test_the_hint_of_a_lost_state_names_it(place: Place, damage: str) -> None:
    """Without --state, it would make a second state of the same bids."""
    place.write(many(1))
    place.ok("apply", "--auto-approve", "--state", "team a.json")
    state, backup = place.path / "team a.json", place.path / "team a.json.backup"
    if damage == "missing":
        backup.write_bytes(state.read_bytes())
        state.unlink()
    else:
        state.write_text("{")
        backup.write_text("{")
    if "backup" in damage:
        shutil.rmtree(place.path / ".flowplan" / "versions")
    result = place.run("plan", "--state", "team a.json")
    assert result.code == 5, result
    said = " ".join(result.err.split())
    typed = [words for words in said.split("`")[1::2] if words.startswith("flowplan ")]
    assert typed, said
    for words in typed:
        assert "--state 'team a.json'" in words
    assert place.run(*shlex.split(typed[0])[1:]).code == 0
    assert "bid.task-000" in place.ok("state", "list", "--state", "team a.json")
    assert not (place.path / "flowplan.state.json").exists()


def test_so_does_one_that_is_told_to_a_program(place: Place) -> None:
    place.write(many(1))
    (place.path / "x.json").write_text("{")
    result = place.run("plan", "--state", "x.json", "--json", "found.json")
    assert result.code == 5
    assert "--state x.json" in (place.path / "found.json").read_text()


def test_one_that_speaks_of_another_state_stays() -> None:
    options = options_in({"state": "a b", "chdir": "d", "endpoint": None, "var": ("x",)})
    assert options == "--chdir d --state 'a b'"
    said = "name the state with --state; if it is lost, `flowplan recover --from-live` rebuilds it"
    assert on_same_state(said, options) == said
    assert on_same_state("`flowplan recover`, then `flowplan state migrate A B`", "") == (
        "`flowplan recover`, then `flowplan state migrate A B`"
    )
    assert on_same_state("`flowplan recover`, then `flowplan state migrate A B`", options) == (
        f"`flowplan recover {options}`, then `flowplan state migrate A B`"
    )


def test_a_watch_that_is_to_be_started_again_watches_that_state(place: Place) -> None:
    assert on_same_state("start `flowplan watch` again", "--state x.json") == (
        "start `flowplan watch --state x.json` again"
    )
    refused = place.run("output", "--raw", "--state", "x.json")
    assert "hint: flowplan output --state x.json --raw NAME" in refused.err


def test_a_password_is_not_repeated() -> None:
    assert options_in({"state": "postgres://team:secret@db/states"}) == ""
    assert options_in({"state": "postgres://team@db:5432/states"}) == "--state postgres://team@db:5432/states"
