"""Too many requests, and errors of the server."""

from __future__ import annotations

import re

from flowplan.backends.local import LocalStore
from flowplan.model.address import Address
from tests.conftest import many
from tests.faults.api.rows import cell, only_bids_stopped
from tests.faults.world import BIDS, POST_BID, POST_VOLUME, STATE, VOLUMES, Told, World


def quiet_between(told: Told, seconds: float) -> bool:
    """Whether nothing at all was sent for `seconds` after each 429. One worker: of several, calls that were under way
    together answer together."""
    refused = [(n, one.at) for n, one in enumerate(told.sent) if one.outcome == "429"]
    return bool(refused) and all(later.at >= at + seconds for n, at in refused for later in told.sent[n + 1 : n + 2])


def one_worker(command: str) -> tuple[str, ...]:
    return () if command == "plan" else ("--parallelism", "1")


@cell("429-with-retry-after", "apply", "destroy", variants={"ten-workers": 11})
def all_workers_wait_and_each_change_is_made_once(world: World, command: str, seconds: int) -> None:
    world.begin(command, tasks=8)
    world.fault("POST *" if command == "apply" else "DELETE *", "status", status=429, retry_after=seconds, times=3)
    told = world.do(command)
    assert told.code == 0, told
    assert told.seconds >= seconds
    changes = 16 if command == "apply" else 4
    assert len(told.mutations) == changes + 3
    assert len(world.executed("POST" if command == "apply" else "DELETE")) == changes


@cell("429-with-retry-after", "plan", "apply", "destroy")
def asked_to_wait_it_waits(world: World, command: str) -> None:
    world.begin(command)
    world.fault("GET /v2/spot/bids", "status", status=429, retry_after=7)
    world.fault(POST_BID, "status", status=429, retry_after=11)
    world.fault("DELETE *", "status", status=429, retry_after=11)
    told = world.do(command, *one_worker(command))
    assert told.code == 0, told
    assert quiet_between(told, 7)
    assert told.seconds >= (7 if command == "plan" else 18)
    assert len(world.executed("POST")) == 4  # none twice


@cell("429-with-retry-after", "plan", "apply", "destroy", variants={"over-the-cap": 3600})
def asked_to_wait_for_an_hour_it_fails_and_says_so(world: World, command: str, seconds: int) -> None:
    world.begin(command)
    world.fault("GET /v2/volumes", "status", status=429, retry_after=seconds, times=None)
    told = world.do(command)
    assert told.code == 1, told
    assert "asks you to wait 3600 s" in told.said
    assert told.seconds < 60
    only_bids_stopped(world, told, command)


@cell(
    *("429-without-usable-header", "plan", "apply", "destroy"),
    variants={"none": None, "date-in-past": "Mon, 05 Jan 1970 00:00:00 GMT", "garbage": "soon"},
)
def a_429_that_does_not_say_when_backs_off(world: World, command: str, header: str | None) -> None:
    world.begin(command)
    for route in ("GET /v2/spot/bids", POST_BID, "DELETE *"):
        world.fault(route, "status", status=429, retry_after=header, times=2)
    told = world.do(command, *one_worker(command))
    assert told.code == 0, told
    assert quiet_between(told, 0.1)  # never a spin
    assert len(world.executed("POST")) == 4


@cell("5xx-burst-on-get", "plan", "apply", "destroy", variants={"500": 500, "502": 502, "503": 503})
def a_burst_is_survived(world: World, command: str, status: int) -> None:
    world.begin(command)
    world.fault("GET *", "status", status=status, nth=2, times=3)
    told = world.do(command)
    assert told.code == 0, told
    assert [one.outcome for one in told.sent].count(str(status)) == 3


@cell("5xx-burst-on-get", "destroy", variants={"for-ever": 503})
def who_stops_needs_no_price(world: World, command: str, status: int) -> None:
    world.applied()
    world.fault("GET /v2/pricing/current", "status", status=status, times=None)
    told = world.do(command)
    assert told.code == 0, told
    assert "the current cost is unknown" in told.said
    assert "(2 tries)" in told.said  # nothing depends on it
    assert world.bids() == []


@cell("5xx-burst-on-get", "plan", "apply", variants={"for-ever": 503})
def a_burst_without_end_fails_before_anything_is_done(world: World, command: str, status: int) -> None:
    world.applied(changed=True)
    before = world.state_files()
    world.fault("GET /v2/pricing/current", "status", status=status, times=None, headers={"x-request-id": "req-7"})
    told = world.do(command)
    assert told.code == 1, told
    assert "the API is unavailable" in told.said and "(5 tries)" in told.said
    assert re.search(r"\(503, request \S+\)", told.said)
    assert told.out == ""  # not half a plan
    assert not told.mutations
    assert world.state_files() == before


def adopted(world: World, told: Told, posts: int = 1) -> None:
    """The bid whose answer was lost was found; its POST was not sent again."""
    assert told.code == 0, told
    assert "Apply complete: 6 added" in told.out
    assert len(told.calls("POST", BIDS)) == 1 + posts
    assert len(world.executed("POST", BIDS)) == 2


def sent_once_more(world: World, told: Told) -> None:
    """The POST that was proved not to have happened went out once more, under its own key."""
    assert told.code == 0, told
    assert "sending it once more" in told.said
    with world.place.simulator() as simulator:
        posts = [entry for entry in simulator.ledger(everything=True) if entry.path == BIDS]
    assert (len(posts), sum(entry.executed for entry in posts)) == (3, 2)
    assert len({entry.key for entry in posts}) == 2
    assert told.seconds >= 45  # an absence counts only then


@cell("5xx-on-post", "apply", variants={"found": 500, "found-503": 503})
def a_create_that_happened_behind_a_5xx_is_adopted(world: World, command: str, status: int) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=status, after_commit=True)
    adopted(world, world.do(command))


@cell("5xx-on-post", "apply", variants={"absent": 500})
def a_create_that_did_not_happen_is_sent_once_more(world: World, command: str, status: int) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=status)
    sent_once_more(world, world.do(command))


@cell("5xx-on-post", "apply", variants={"not-provable": 500})
def a_create_that_cannot_be_looked_up_is_unknown(world: World, command: str, status: int) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=status)
    world.fault("GET /v2/spot/bids", "status", status=503, nth=2, times=None)
    told = world.do(command)
    assert told.code == 6, told
    pending = LocalStore(world.path / STATE).read().pending
    assert len(pending) == 1
    (intent,) = pending.values()
    ports = f"ports.{intent.address.name}"
    assert f"unknown: {intent.address}" in told.err
    assert f"not started: {ports}" in told.err  # it depends on the bid
    assert "Apply incomplete: 4 added" in told.out  # the other task has nothing to do with it
    assert "flowplan recover" in told.said


@cell("5xx-on-post", "apply", variants={"volume": 500})
def a_volume_behind_a_5xx_is_adopted(world: World, command: str, status: int) -> None:
    world.begin(command)
    world.fault(POST_VOLUME, "status", status=status, after_commit=True)
    told = world.do(command)
    assert told.code == 0, told
    assert len(told.calls("POST", VOLUMES)) == len(world.executed("POST", VOLUMES)) == 2


@cell("504-on-post", "apply", variants={"found": True})
def a_gateway_timeout_after_commit_is_adopted(world: World, command: str, _: bool) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=504, after_commit=True)
    adopted(world, world.do(command))


@cell("504-on-post", "apply", variants={"late": 40})
def a_gateway_timeout_that_commits_late_is_waited_for(world: World, command: str, seconds: int) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=504, late=seconds)
    told = world.do(command)
    adopted(world, told)
    assert told.seconds >= 20  # it was not there at first


@cell("5xx-on-delete-or-patch", "apply", variants={"once": 1, "answers-lost-for-ever": None})
def a_change_behind_5xx_that_was_made_is_a_success(world: World, command: str, times: int | None) -> None:
    world.applied(changed=True)
    world.fault("PATCH *", "status", status=503, after_commit=True, times=times)
    told = world.do(command)
    assert told.code == 0, told
    assert {bid["limit_price"] for bid in world.bids()} == {"$21.50"}


@cell("5xx-on-delete-or-patch", "apply", variants={"never-done": None})
def a_change_that_5xx_prevent_fails_and_the_state_keeps_what_is(world: World, command: str, times: None) -> None:
    world.applied(changed=True)
    world.fault("PATCH *", "status", status=503, times=times)
    told = world.do(command)
    assert told.code == 1, told
    assert "2 failed" in told.out
    assert (
        str(LocalStore(world.path / STATE).read().state.bindings[Address("bid", "task-000")].applied.limit_price)
        == "17.92"
    )  # type: ignore[attr-defined]


@cell("5xx-on-delete-or-patch", "apply", variants={"delete": None})
def a_removal_behind_5xx_that_happened_is_a_success(world: World, command: str, times: None) -> None:
    world.applied()
    world.place.write(many(1))
    world.fault("DELETE /v2/spot/bids/*", "status", status=500, after_commit=True, times=times)
    told = world.do(command, "--allow-volume-destroy", "*")
    assert told.code == 0, told
    assert [bid["name"] for bid in world.bids()] == ["task-000"]


@cell("5xx-on-delete-or-patch", "destroy", variants={"once": 1, "answers-lost-for-ever": None})
def a_destroy_behind_5xx_that_happened_is_a_success(world: World, command: str, times: int | None) -> None:
    world.applied()
    world.fault("DELETE /v2/spot/bids/*", "status", status=503, after_commit=True, times=times)
    told = world.do(command)
    assert told.code == 0, told
    assert not world.bids()


@cell("5xx-on-delete-or-patch", "destroy", variants={"never-done": BIDS, "never-done-volume": VOLUMES})
def a_destroy_that_5xx_prevent_keeps_the_object(world: World, command: str, path: str) -> None:
    world.applied()
    world.fault(f"DELETE {path}/*", "status", status=503, times=None)
    told = world.do(command)
    assert told.code == 1, told
    kind = "bid" if path == BIDS else "volume"
    assert sum(a.kind == kind for a in LocalStore(world.path / STATE).read().state.bindings) == 2
