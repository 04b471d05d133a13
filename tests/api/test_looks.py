"""What a program can look at before anything is planned: the market, where tasks could go, whether all is there. It is
what the command line shows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

import flowplan
from flowplan.documents import doctor, market, offers
from tests.conftest import EXAMPLES, START, Place

TASK = {
    "name": "train",
    "project_name": "my-foundry-project",
    "resources_specification": {"fcp_instance": "h100.8x.SXM5.IB", "cluster_id": "us-central1-b"},
}


def stack_in(place: Place, *sources: Any, **more: Any) -> flowplan.Stack:
    return flowplan.load(*sources, directory=place.path, **{"api_url": "sim:", "environ": START, **more})


def untimed(document: Any) -> Any:
    """A document without the times at which it was made."""
    return {key: value for key, value in json.loads(json.dumps(document)).items() if key not in ("timestamp", "as_of")}


def test_the_market_is_the_one_of_the_command_line(place: Place) -> None:
    typed = place.ok("market", "h100", "--limit", "17.92", "--history", "2d", "--format", "json")
    found = stack_in(place).market("h100", limit=Decimal("17.92"), history="2d")
    assert untimed(market.document(found)) == untimed(json.loads(typed))
    assert {one.bid.outlook for one in found.offers if one.bid is not None} <= {"runs", "waits", "cannot_win"}
    assert all(isinstance(one.market.spot, Decimal) and one.advice is not None for one in found.offers)


def test_without_types_it_is_every_auction_and_reads_no_file(place: Place) -> None:
    place.write("tasks: [\n")
    every = stack_in(place).market().offers
    there = stack_in(place).market(region="us-central1-b").offers
    assert 0 < len(there) < len(every)
    assert {one.auction.region for one in there} == {"us-central1-b"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"limit": "much"}, "limit: 'much' is not an amount"),
        ({"limit": 0}, "limit: 0 is not more than 0"),
        ({"horizon": "10s"}, "horizon: '10s' is not between 1m and 3660d"),
        ({"history": -1}, "history: -1 is not between 1m and 3660d"),
    ],
)
def test_what_the_market_cannot_be_asked(asked: Any, said: str, place: Place) -> None:
    with pytest.raises(flowplan.UsageProblem) as caught:
        stack_in(place).market(**asked)
    assert str(caught.value) == said


def test_a_type_that_is_not_there_names_what_is_near(place: Place) -> None:
    with pytest.raises(flowplan.ConfigError) as caught:
        stack_in(place).market("h100.9x")
    assert caught.value.problems[0].code == "type-unknown"


def test_the_offers_are_those_of_the_command_line(place: Place) -> None:
    place.write((EXAMPLES / "task" / "flowplan.yaml").read_text())
    typed = place.ok("market", "--for", "flowplan.yaml", "--format", "json")
    assert untimed(offers.document(stack_in(place).offers())) == untimed(json.loads(typed))


def test_the_offers_of_several_tasks_stand_in_their_order(place: Place) -> None:
    found = stack_in(place, TASK, {**TASK, "name": "again"}).offers()
    assert [str(one.address) for one in found.tasks] == ["bid.train", "bid.again"]
    assert all(one.places[0].why_not is None for one in found.tasks)
    assert not place.ledger()


def test_a_checkup_is_the_one_of_the_command_line(place: Place) -> None:
    place.write((EXAMPLES / "task" / "flowplan.yaml").read_text())
    typed = place.ok("doctor", "--format", "json")
    found = json.dumps(doctor.document(stack_in(place).doctor()))
    assert json.loads(found.replace(f"{place.path}/", "")) == json.loads(typed)


def test_a_checkup_names_what_is_missing_and_raises_nothing(place: Place) -> None:
    task = {"name": "t", "nonsense": 1}
    found = stack_in(place, task, api_url="https://x.test", environ={}).doctor()
    says = {check.subject: check for check in found.checks}
    assert (found.exit_code, says["credentials"].verdict) == (1, "failed")
    assert says["configuration"].summary.startswith("the configuration has ")
    assert list(place.path.iterdir()) == []
