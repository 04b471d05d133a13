"""A word that is none of a closed set, and the one that was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowplan
from flowplan.diagnostics import looks_like
from tests.conftest import Place
from tests.texts import task_text

ROOT = Path(flowplan.__file__).parent


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("plan", "--format", "markdwn"), "Did you mean 'markdown'?"),
        (("plan", "--format", "gitlab"), "Did you mean 'gitlab-terraform'?"),
        (("validate", "--format", "gitlab"), "Did you mean 'gitlab-codequality'?"),
        (("apply", "--wait", "runing"), "Did you mean 'running'?"),
        (("apply", "--on-unknown", "Retry"), "Did you mean 'retry'?"),
        (("completion", "bsh"), "Did you mean 'bash'?"),
        (("state", "show", "bids.a"), "did you mean bid.a?"),
        (("plan", "--target", "vol.data"), "did you mean volume.data?"),
        (("--state", "postgre://h/d", "state", "list"), "did you mean postgres://?"),
        (("plan", "--formt", "json"), "Did you mean '--format'?"),
        (("explain", "stale-pln"), "did you mean stale-plan?"),
        (("stop", "train"), "for a pause, write `paused: true` in the task, and apply"),
        (("start", "train"), "after a pause, write `paused: false` in the task, and apply"),
    ],
)
def test_it_is_told(place: Place, words: tuple[str, ...], meant: str) -> None:
    place.write(task_text("train"))
    result = place.run(*words)
    assert (result.code in (64, 65, 1), meant in " ".join(result.err.split())) == (True, True), result


def test_an_option_of_other_commands_is_told_where_it_is(place: Place) -> None:
    result = place.run("validate", "--policy", "policy.yaml")
    assert (result.code, "flowplan plan, apply, destroy and watch take --policy" in result.err) == (64, True)


def test_what_is_like_none_is_told_what_there_is(place: Place) -> None:
    result = place.run("plan", "--format", "yaml")
    assert result.code == 64 and "'json'" in result.err and "Did you mean" not in result.err


def test_a_beginning_counts_where_it_is_that_of_one_alone() -> None:
    assert looks_like("gitlab", ["github", "gitlab-terraform"]) == "gitlab-terraform"
    assert looks_like("gitlab", ["github", "gitlab-a", "gitlab-b"]) == "gitlab-b"
    assert looks_like("git", ["github", "gitlab-terraform"]) == "github"
    assert looks_like("x", ["xyz"]) is None


def test_of_an_address_the_name_has_to_be_alike() -> None:
    """The kind, which all have in common, says nothing."""
    known = ["bid.a", "bid.b", "bid.sweep", "volume.data"]
    assert [looks_like(one, known) for one in ("bid.x", "bid.ab", "volume.x")] == [None, None, None]
    assert {looks_like(one, known) for one in ("bid.sweeep", "bid.swe", "bd.sweep")} == {"bid.sweep"}
    assert looks_like("bid.data", known) == "volume.data"
    assert looks_like("zzzz.yaml", ["flowplan.yaml"]) is None  # not an address
    assert looks_like("us-central1.b", ["us-central1-a", "us-central1-b"]) is not None


def test_one_place_decides_which_word_was_meant() -> None:
    """Each of several would know another kind of slip."""
    places = (ROOT / "diagnostics.py", ROOT / "cli" / "kinds.py")
    files = [path for path in ROOT.rglob("*.py") if path not in places]
    assert [
        path.name for path in files if any(word in path.read_text() for word in ("get_close_matches", "click.Choice("))
    ] == []
