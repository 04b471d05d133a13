"""A plan as a document: what is done to each address, what is not known yet, and the digests that vouch for it."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from flowplan.diagnostics import Diagnostic, Position
from flowplan.documents.failure import Failure
from flowplan.documents.json_text import dumps
from flowplan.documents.plan import actions_of, acts, digest_of, document, failed, mac_of, sealed, signed
from flowplan.model.budget import Budget
from flowplan.model.resources import Inputs, PortMapping
from flowplan.planning.actions import Change, Create, NoOp
from tests.builders import DATA, HTTP, PORTS, TRAIN, bid, change, create_of, state, volume
from tests.conftest import Place
from tests.documents.edits import edited
from tests.documents.made import ABOUT, CHANGES, priced_plan, saved, whole
from tests.texts import task_text

OTHER = bid(region="s")


def entry_of(one: Change) -> dict[str, Any]:
    (found,) = document(priced_plan(one), ABOUT)["resource_changes"]
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


# change -> actions, whether before and after are there, what is unknown of after, what forces
ENTRIES: dict[str, tuple[Change, list[str], tuple[bool, bool], dict[str, Any], list[list[str]]]] = {
    "create": (change("create", None, bid()), ["create"], (False, True), {"id": True}, []),
    "create, with a volume that is not there yet": (
        change("create", None, bid(volumes=(DATA, "vol_2"))),
        ["create"],
        (False, True),
        {"id": True, "volumes": [True, False]},
        [],
    ),
    "update": (change("update", bid(), bid(limit="25")), ["update"], (True, True), {}, []),
    "update, with a volume that is not there yet": (
        change("update", bid(), bid(volumes=(DATA,))),
        ["update"],
        (True, True),
        {"volumes": [True]},
        [],
    ),
    "replace": (change("replace", bid(), OTHER), ["delete", "create"], (True, True), {"id": True}, [["region"]]),
    "delete": (change("delete", bid()), ["delete"], (True, False), {}, []),
    "forget": (change("forget", bid()), ["forget"], (True, False), {}, []),
    "read": (change("read", bid()), ["read"], (True, True), {}, []),
    "no-op": (change("no-op", bid()), ["no-op"], (True, True), {}, []),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_what_happens_to_an_address(name: str) -> None:
    one, actions, sides, unknown, forcing = ENTRIES[name]
    found = entry_of(one)
    told = found["change"]
    assert (found["address"], found["type"], found["name"], found["id"]) == ("bid.train", "bid", "train", one.id)
    assert told["actions"] == actions
    assert (told["before"] is not None, told["after"] is not None) == sides
    assert (told["after_unknown"], told["replace_paths"]) == (unknown, forcing)


def test_what_is_said_of_a_change_is_in_its_entry() -> None:
    place, source = Position("a.yaml", 3, 7), {"file": "a.yaml", "line": 3, "column": 7}
    said = {"status": "Open", "reason": "asked", "note": "why", "position": place}
    found = entry_of(change("update", bid(), bid(limit="25"), **said))
    assert [found[key] for key in ("status", "action_reason", "note", "source")] == ["Open", "asked", "why", source]


def test_what_it_waits_for_is_named_in_order() -> None:
    spare = attrs.evolve(DATA, name="another")
    assert entry_of(change("create", None, bid(), needs=(DATA, spare)))["needs"] == ["volume.another", "volume.data"]
    assert entry_of(change("delete", bid(), needs_before=(DATA,)))["needs"] == ["volume.data"]


def test_a_bid_of_which_nothing_is_known_is_null_where_it_is() -> None:
    found = entry_of(change("no-op", bid(inputs=None)))["change"]["before"]
    assert [found[key] for key in ("startup_script", "mounts", "local_disks", "container_image")] == [None] * 4
    by_marker = entry_of(change("no-op", bid(inputs=Inputs(given_sha256="1" * 64))))["change"]["before"]
    assert (by_marker["mounts"], by_marker["local_disks"]) == ([], None)  # a marker tells mounts, and no disks


def test_a_volume_says_what_it_holds_only_where_that_is_more() -> None:
    assert "capacity_gb" not in entry_of(Create(DATA, after=volume()))["change"]["after"]
    assert entry_of(Create(DATA, after=volume(capacity_gb=16)))["change"]["after"]["capacity_gb"] == 16


def test_ports_cost_nothing_and_are_pairs() -> None:
    found = entry_of(Create(PORTS, after=PortMapping(TRAIN, HTTP)))
    assert found["cost"] is None
    assert found["change"]["after"] == [{"external": 8080, "internal": 8080, "protocol": HTTP[0].protocol}]


def test_the_summary_counts_each_action() -> None:
    counts = {name: count for name, count in whole()["summary"].items() if count}
    assert counts == {"create": 3, "update": 1, "replace": 1, "delete": 1, "no-op": 1, "forget": 1}


def test_people_are_shown_nothing_that_stays_as_it_is() -> None:
    body = document(priced_plan(*CHANGES), ABOUT, unchanged=False)
    assert [one["address"] for one in body["resource_changes"]] == [
        str(one.address) for one in CHANGES if not isinstance(one, NoOp)
    ]
    assert body["summary"]["no-op"] == 1  # counted all the same


@pytest.mark.parametrize(
    ("changes", "budgets", "applyable", "errored"),
    [
        ((change("create", None, bid()),), (), True, False),
        ((change("create", None, bid()),), (Budget(max_hourly_cost=bid().limit_price / 2),), False, True),
        ((change("no-op", bid()),), (), False, False),
        ((), (), False, False),
    ],
    ids=["a change", "refused by a budget", "nothing to do", "nothing at all"],
)
def test_what_can_be_applied(
    changes: tuple[Change, ...], budgets: tuple[Budget, ...], applyable: bool, errored: bool
) -> None:
    body = document(priced_plan(*changes, budgets=budgets), ABOUT)
    assert (body["applyable"], body["errored"]) == (applyable, errored)


def test_with_something_in_doubt_it_is_not_complete() -> None:
    assert document(priced_plan(), ABOUT)["complete"]
    assert not document(priced_plan(in_doubt=(create_of(TRAIN, bid()),)), ABOUT)["complete"]


def test_before_the_first_apply_there_is_no_lineage() -> None:
    first = attrs.evolve(ABOUT, state=attrs.evolve(state(), serial=0))
    assert (document(priced_plan(), first)["stack"]["lineage"], whole()["stack"]["lineage"]) == (None, "lineage-1")


def test_a_plan_that_did_not_come_about_has_its_problems() -> None:
    body = failed(
        Failure(65, [Diagnostic("missing", "it has no name", position=Position("a", 1, 2))], "2026-03-01T12:00:00Z")
    )
    assert (body["complete"], body["applyable"], body["errored"], body["exit_code"]) == (False, False, True, 65)
    assert [(one["summary"], one["source"]) for one in body["diagnostics"]] == [
        ("it has no name", {"file": "a", "line": 1, "column": 2})
    ]


# ---- digests ----------------------------------------------------------------------------------------------


def test_equal_input_gives_equal_bytes() -> None:
    assert dumps(sealed(whole())) == dumps(sealed(whole()))
    assert json.loads(dumps(sealed(whole()))) == saved()


def test_a_digest_covers_all_but_the_time_and_itself() -> None:
    body = saved()
    assert digest_of(body) == body["sha256"]
    for key in body:
        other = {**body, key: "another"}
        assert (digest_of(other) == body["sha256"]) == (key in ("timestamp", "sha256")), key


def test_what_was_seen_has_a_digest_of_its_own() -> None:
    def seen(*changes: Change) -> str:
        return sealed(document(priced_plan(*changes), ABOUT))["stack"]["observed_sha256"]

    one = seen(change("update", bid(), bid(limit="25")))
    assert seen(change("update", bid(), bid(limit="30"))) == one  # the same is live
    assert seen(change("update", bid(limit="19"), bid(limit="25"))) != one
    assert seen(change("update", bid(), bid(limit="25"), id="bid_2")) != one


def test_only_who_has_the_key_can_sign() -> None:
    body = sealed(whole())
    mine, theirs = signed(body, b"k" * 32), signed(body, b"x" * 32)
    assert mine["hmac_sha256"] == mac_of(mine, b"k" * 32) != theirs["hmac_sha256"]
    assert mac_of({**mine, "sha256": "0" * 64}, b"k" * 32) != mine["hmac_sha256"]
    assert digest_of(mine) == body["sha256"]  # a signature changes no digest


@pytest.mark.parametrize(
    ("path", "value", "is_same"),
    [
        (("resource_changes", 0, "cost"), None, True),
        (("resource_changes", 0, "source"), None, True),
        (("resource_changes", 0, "note"), "x", True),
        (("resource_changes", 0, "status"), "Open", True),
        (("diagnostics",), [], True),
        (("resource_changes", 6, "change", "before", "size_gb"), 99, True),  # nothing is done to it
        (("resource_changes", 0, "change", "after", "limit_price"), "99.00", False),
        (("resource_changes", 0, "change", "actions"), ["update"], False),
        (("resource_changes", 0, "needs"), [], False),
        (("resource_changes", 1, "id"), "bid_other", False),
    ],
)
def test_two_plans_that_do_the_same_are_known_by_it(path: tuple[str | int, ...], value: Any, is_same: bool) -> None:
    body: Any = saved()
    other: Any = edited(body, path, value)
    assert (actions_of(other) == actions_of(body)) == is_same


def test_an_entry_acts_by_what_it_does_alone() -> None:
    one: Any = saved()["resource_changes"][0]
    assert set(one) - set(acts(one)) == {"cost", "source", "note", "status"}


def test_two_plans_that_would_do_the_same_say_so_whatever_prices_are(place: Place) -> None:
    """As docs/formats.md says it to those whose scripts look whether a push changes anything."""

    def planned() -> tuple[str, list[Any]]:
        body = json.loads(place.ok("plan", "--format", "json"))
        done = [[one["address"], one["id"], one["change"]] for one in body["resource_changes"]]
        return body["sha256"], [body["errored"], body["stack"]["config_sha256"], body["outputs"], done]

    image = 'container_image: {image_name: "a:1", run_options: "-e RATE=1"}\n'
    place.write(task_text(more=image))
    place.ok("apply", "--auto-approve")
    place.edit("17.92", "18.50")
    first, done = planned()
    place.ok("simulator", "advance", "6h")
    second, again = planned()
    assert (first == second, done == again) == (False, True)
    place.edit("RATE=1", "RATE=2")
    replaced = planned()[1]
    place.edit("RATE=2", "RATE=3")  # of which the plan shows neither: only the digest of the files tells
    assert replaced not in (done, planned()[1])
