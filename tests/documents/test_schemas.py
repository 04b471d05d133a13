"""The shipped schemas follow from the types, and everything that is printed as JSON fits them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import pytest
from jsonschema import Draft202012Validator

from flowplan.backends.lock import Lock
from flowplan.backends.processes import this_process
from flowplan.documents.plan_shape import misfit
from flowplan.documents.schema import SHAPES, schema_of
from flowplan.documents.shapes import plan as shape
from flowplan.documents.shapes import state as states
from flowplan.model.lifecycle import Bounds
from flowplan.model.resources import Bid, Ends, Inputs, PortMapping, Volume
from flowplan.state.paid import Paid
from flowplan.state.state import AppliedPlan, Binding, State
from tests.conftest import TASK as EXAMPLE
from tests.conftest import Place
from tests.documents.schemas import fits
from tests.texts import task_text

TESTS = Path(__file__).parents[1]
PLANS = sorted((TESTS / "cases").glob("*/plan.json"))
# A command -> what it prints, where that is not called as the command is.
TASK = "name: t\nproject_name: p\nresources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: r}\n"
SUBJECTS = {"show": "state", "state list": "addresses", "state show": "resource", "lock show": "lock"}


@pytest.mark.parametrize("name", SHAPES)
def test_the_schema_that_is_shipped_is_that_of_the_types(name: str, accepts: Callable[[Path, str], None]) -> None:
    made = schema_of(name)
    Draft202012Validator.check_schema(made)
    accepts(Path(str(files("flowplan.documents") / "schemas" / f"{name}.json")), json.dumps(made, indent=1) + "\n")


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.parent.name)
def test_a_golden_plan_fits(path: Path) -> None:
    fits("plan", json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("resource", "shown", "besides"),
    [
        (Bid, shape.Bid, {"gpus", "unreported", "inputs", "runs"}),  # a bid's inputs are shown one by one
        (Volume, shape.Volume, {"unreported"}),
        (
            Inputs,
            shape.Given,
            {"ports", "given_sha256", "unordered_sha256", "ends"},
        ),  # ports are a resource of their own
    ],
)
def test_a_plan_shows_every_field_of_a_resource(resource: type[Any], shown: type[Any], besides: set[str]) -> None:
    """What a plan does not show, nobody approves, and a saved plan is not held to."""
    assert {field.name for field in attrs.fields(resource)} - besides <= set(shown.__annotations__)


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (State, states.StateDocument),
        (Binding, states.BoundBid),
        (Bid, states.Bid),
        (Volume, states.Volume),
        (PortMapping, states.Ports),
        (Inputs, states.Inputs),
        (Ends, states.Ends),
        (Bounds, states.Bounds),
        (Paid, states.Paid),
        (AppliedPlan, states.AppliedPlan),
    ],
)
def test_the_schema_of_a_state_has_every_field_that_a_state_keeps(kept: type[Any], shown: Any) -> None:
    """Otherwise a program that holds a state to its schema refuses it for a key that the schema does not know."""
    fields = [one for one in attrs.fields(kept) if one.metadata.get("kept") != "never"]
    keys = {one.name: one.metadata.get("key", one.name) for one in fields} | {"bindings": "resources"}
    assert {keys[one.name] for one in fields} <= shown.__required_keys__ | shown.__optional_keys__
    assert {keys[one.name] for one in fields if "kept" in one.metadata} <= shown.__optional_keys__


def test_the_state_of_a_bid_that_ends_itself_fits(place: Place) -> None:
    place.write(task_text(more="lifetime: {max_hours: 12, when_done: cancel}\n"))
    place.ok("apply", "--auto-approve")
    body = json.loads(place.ok("show", "--format", "json"))
    fits("state", body)
    (bid,) = body["resources"]
    assert bid["applied"]["inputs"]["ends"]["minutes"] == 720


def told() -> Iterator[tuple[str, str]]:
    """(schema, JSON) of everything in the transcripts."""
    for path in sorted((TESTS / "transcripts").glob("*.txt")):
        for story in path.read_text().split("\n$ ")[1:]:
            command, _, output = story.partition("\n")
            words = command.split()
            if words[:2] == ["flowplan", "json"]:
                lines = [line for line in output.splitlines() if line[:1] in ("{", " ", "}")]
                named = SUBJECTS.get(words[2]) or SUBJECTS.get(" ".join(words[2:4])) or words[2]
                name = "event" if "--json" in words else named
                yield name, re.sub(r'("elapsed_seconds": )N', r"\g<1>0.5", "\n".join(lines))


def documents(text: str) -> Iterator[Any]:
    """The JSON values that follow each other in a text."""
    while text := text.strip():
        value, end = json.JSONDecoder().raw_decode(text)
        yield value
        text = text[end:]


def test_what_transcripts_tell_fits() -> None:
    names = []
    for name, text in told():
        for body in documents(text):
            fits(name, body)
            names.append(name)
    assert {"event", "cost", "doctor", "orphans", "market", "status", "graph", *SUBJECTS.values()} == set(names)


def test_what_validate_says_fits(place: Place) -> None:
    place.write("name: a\nnmae: b\n")
    body = json.loads(place.run("validate", "--format", "json").out)
    fits("validate", body)
    assert [one["code"] for one in body["diagnostics"]] == ["missing", "unknown-key"]


def test_a_lock_that_is_held_fits(place: Place) -> None:
    lock = Lock(place.path / "flowplan.lock")
    lock.acquire(this_process("flowplan apply", {}, "2026-01-02T03:04:05Z"))
    body = json.loads(place.ok("lock", "show", "--format", "json"))
    lock.release()
    fits("lock", body)
    assert (body["standing"], body["holder"]["command"]) == ("held", "flowplan apply")


def test_a_volume_that_is_only_attached_is_a_node_of_its_own(place: Place) -> None:
    place.write(f"{TASK}persistent_storage: {{attach: [{{volume_name: theirs, mount_point: /a}}]}}\n")
    body = json.loads(place.ok("graph", "--format", "json"))
    fits("graph", body)
    (node,) = [one for one in body["nodes"] if one["attached"]]
    assert node["address"] == "volume.theirs"
    assert {"from": node["id"], "to": "bid.t"} in body["edges"]


def test_a_plan_that_failed_and_an_auction_in_full_fit(place: Place) -> None:
    place.write("name: 1\n")
    fits("plan", json.loads(place.run("plan", "--format", "json").out))
    market = ("market", "h100", "--limit", "9", "--history", "2d", "--format", "json")
    fits("market", json.loads(place.ok("--api-url", "sim:", *market)))
    place.write(EXAMPLE)
    fits("offers", json.loads(place.ok("--api-url", "sim:", "market", "--for", "flowplan.yaml", "--format", "json")))


def test_the_books_have_every_order_and_say_which_is_yours(place: Place) -> None:
    place.write(task_text("train", "9"))
    place.ok("apply", "--auto-approve")
    body = json.loads(place.ok("simulator", "market", "h100.8x.SXM5.IB", "--depth", "0", "--format", "json"))
    fits("books", body)
    (auction,) = [one for one in body["auctions"] if one["region"] == "us-central1-b"]
    orders = auction["orders"]
    (own,) = [one for one in orders if one["bid"]]
    assert (own["limit_price"], own["quantity"], own["bid"]["name"].startswith("train")) == ("9.00", 1, True)
    per_gpu = [Decimal(one["limit_price"]) / one["gpus_per_instance"] for one in orders]
    assert len(orders) > 5 and per_gpu == sorted(per_gpu, reverse=True)
    assert len(auction["history"]["timestamps"]) == len(auction["history"]["spot_prices"]) > 0


def parts(body: Any) -> Iterator[Any]:
    """Every object and list of a document; of the parts of a list, the first."""
    if isinstance(body, dict | list):
        yield body
        for one in body.values() if isinstance(body, dict) else body[:1]:
            yield from parts(one)


def edits(whole: Any) -> Iterator[str]:
    """`whole` without a key, with one too many, or with an object in the place of a value: one after the other."""
    for part in list(parts(whole)):
        for key in list(part) if isinstance(part, dict) else range(len(part[:1])):
            kept = part[key]
            part[key] = {"more": 1}
            yield f"another {key}"
            part[key] = kept
        if isinstance(part, dict):
            for key in list(part):
                order = dict(part)
                del part[key]
                yield f"no {key}"
                part.update(order)
            part["more"] = 1
            yield "more"
            del part["more"]


@pytest.mark.slow
def test_what_reads_a_saved_plan_and_the_schema_agree() -> None:
    """Of every edit: both take it, or both refuse it."""
    body = json.loads((TESTS / "cases" / "what-if" / "plan.json").read_text())
    schema = Draft202012Validator({**schema_of("plan"), "anyOf": [{"$ref": "#/$defs/SealedPlan"}]})
    assert misfit(body) is None
    refused = 0
    for edit in edits(body):
        fit = schema.is_valid(body)
        assert (misfit(body) is None) == fit, (edit, misfit(body))
        refused += not fit
    assert refused > 400


def test_no_shape_hides_which_keys_may_be_missing() -> None:
    """With postponed annotations a TypedDict takes every NotRequired key for a required one."""
    shapes = Path(shape.__file__).parent
    assert [path.name for path in shapes.glob("*.py") if "from __future__" in path.read_text()] == []
