"""A limit that the watch has raised is told wherever the bid is shown, with what an apply does about it."""

from __future__ import annotations

import json

import pytest

from tests.conftest import APPLY, Place, bid_id, made_once
from tests.documents.schemas import fits
from tests.operations.watching import stack, task

WAS = "raised by watch from $5.00 per instance-hour"
POLICY = "{raise_limit_up_to: 40}"


@pytest.fixture
@made_once
def raised(place: Place) -> Place:
    """A stack of one bid, whose limit the watch has raised from $5.00."""
    place.write(stack(POLICY, train=task("5.00", "a100.8x.SXM4.IB", "us-central1-a")))
    place.ok(*APPLY)
    place.ok("watch", "--once")
    return place


def flat(text: str) -> str:
    return " ".join(text.replace("#", " ").split())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("plan", f"was {WAS}; an apply leaves it so"),
        ("plan --format markdown", f"was {WAS}; an apply leaves it so"),
        ("plan --format github", f"was {WAS}; an apply leaves it so"),
        ("plan --format html", f"was {WAS}; an apply leaves it so"),
        ("status", f"limit {WAS}; `flowplan plan` says whether an apply leaves it so"),
        ("status --format html", f"<p>limit {WAS}; <code>flowplan plan</code> says whether an apply leaves it so</p>"),
        ("cost", f"its limit was {WAS}"),
        ("show", "raised_from = 5.00 by watch, per instance-hour"),
    ],
)
def test_people_read_of_it(raised: Place, line: str, says: str) -> None:
    assert says in flat(raised.ok(*line.split()))


def test_a_saved_plan_says_so_too_and_nobody_s_apply_undoes_it(raised: Place) -> None:
    raised.ok("plan", "--out", "p")
    assert WAS in flat(raised.ok("show", "p"))
    raised.ok("apply", "p")
    assert raised.run("plan", "--detailed-exitcode").code == 0


def test_programs_read_of_it(raised: Place) -> None:
    for line in ("plan", "status", "cost", "show"):
        body = json.loads(raised.ok(*line.split(), "--format", "json"))
        fits("state" if line == "show" else line, body)
        rows = body.get("resource_changes") or body.get("bids") or (body.get("estimate") or body)["resources"]
        assert [one.get("raised_from") for one in rows] == ["5.00"], line
    codes = [one["detail"] for one in json.loads(raised.ok("plan", "--format", "json"))["diagnostics"]]
    assert codes == ["raised_limit"]


@pytest.mark.parametrize("policy", ["{raise_limit_up_to: 6}", "{}", ""])
def test_a_plan_that_takes_it_back_says_why(raised: Place, policy: str) -> None:
    raised.write(stack(policy, train=task("5.00", "a100.8x.SXM4.IB", "us-central1-a")))
    said = flat(raised.ok("plan"))
    assert f"the limit was {WAS}, and the files do not ask for that any more" in said
    assert "an apply leaves it so" not in said
    raised.ok(*APPLY)
    assert "raised by watch" not in raised.ok("status") + raised.ok("plan") + raised.ok("cost") + raised.ok("show")


@pytest.mark.parametrize(("outside", "says"), [("5.00", "No changes."), ("7.00", "limit_price = $7.00 -> $5.00")])
def test_what_somebody_has_set_since_is_no_raise_of_the_watch(raised: Place, outside: str, says: str) -> None:
    """Else an apply would put a limit that nobody wrote, and that is above the one in force, back."""
    raised.call("PATCH", f"/v2/spot/bids/{bid_id(raised, 'bid.train')}", f'{{"limit_price": "${outside}"}}'.encode())
    said = raised.ok("plan") + raised.ok("status") + raised.ok("cost")
    assert says in said
    assert "raised by watch" not in flat(said)
    raised.ok(*APPLY)
    body = json.loads(raised.ok("status", "--format", "json"))
    assert [bid["limit_price"] for bid in body["bids"]] == ["5.00"]
    assert "raised by watch" not in flat(raised.ok("show"))
