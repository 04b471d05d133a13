"""Faults of the API, every cell of the matrix: what plan, apply and destroy make of each, from the command line.

What a single call makes of it, down to the header, is in tests/cloud. Here a command runs to its end, and
then the invariants hold: see world.py. Where a cell has several tests, the last part of the name says which.
"""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowplan.apply import run as apply
from flowplan.backends.local import LocalStore
from flowplan.cli.terminal import Terminal
from flowplan.cloud.fcp import Fcp
from flowplan.model.address import Address
from flowplan.simulator import Simulator
from flowplan.simulator.serve import Server as Served
from tests.cloud.server import Server, certificates, says, serve, tls  # noqa: F401 - two are fixtures
from tests.conftest import FLOWPLAN, many

from .matrix import Matrix
from .matrix import Test as Cell
from .world import BIDS, COMMANDS, POST_BID, POST_VOLUME, STATE, VOLUMES, Told, World

MATRIX = Matrix(
    "3.1",
    {
        "429-with-retry-after": "429 + Retry-After n",
        "429-without-usable-header": "429, no header / date in past / garbage header",
        "5xx-burst-on-get": "500/502/503 burst on GET",
        "5xx-on-post": "5xx on POST",
        "504-on-post": "504 on POST",
        "5xx-on-delete-or-patch": "5xx on DELETE/PATCH",
        "unreachable": "connect refused / DNS failure",
        "tls-error": "TLS error (expired, wrong host, self-signed)",
        "timeout-before-commit": "read timeout before commit",
        "timeout-after-commit": "read timeout after commit",
        "reset-mid-body": "reset mid-body on GET",
        "invalid-json": "truncated / invalid JSON, 200",
        "html": "HTML from proxy / captive portal, 200 text/html",
        "wrong-schema": "wrong schema (missing id, id not str)",
        "unknown-fields": "extra unknown fields",
        "unknown-status": "unknown enum (new bid status)",
        "paging": "page repeats / cursor loop / total changes between pages",
        "too-large": "response > 64 MB / gzip bomb / endless body",
        "redirect": "redirect 30x (any)",
        "202-held": '202 {"held": ...} (approval proxy)',
        "401": "401 mid-apply",
        "403": "403",
        "409-needs-reauth": "409 needs_reauth",
        "404-on-get": "404 on GET of a known id",
        "404-on-delete": "404 on DELETE",
        "name-taken": "409, or 400 name already used, on POST",
        "422": "422 / 400 validation",
        "quota": "quota / limit price too low / no SSH key",
        "list-lag": "eventual consistency: list lags by k s",
        "clock": "clock skew +-1 d / jump mid-run",
        "deleted-between": "deleted by someone between plan and apply",
        "changed-between": "changed by someone between plan and apply",
        "preempted-between": "bid preempted/terminated between plan and apply",
        "namesakes": "two live objects with the same name",
        "10000-resources": "10,000 resources",
        "slow-api": "API slow (10 s per call)",
    },
)
cell = MATRIX.cell
MATRIX.not_applicable(
    "a plan sends no POST",
    *("5xx-on-post/plan", "504-on-post/plan", "202-held/plan", "name-taken/plan"),
)
MATRIX.not_applicable(
    "a destroy sends no POST",
    *("5xx-on-post/destroy", "504-on-post/destroy", "name-taken/destroy", "quota/destroy"),
)
MATRIX.not_applicable("a plan sends no DELETE and no PATCH", "5xx-on-delete-or-patch/plan", "404-on-delete/plan")
MATRIX.not_applicable("a plan commits nothing", "timeout-after-commit/plan")
MATRIX.not_applicable("what validates a request is the cloud's answer to a change: a plan sends none", "422/plan")
MATRIX.not_applicable("there is nothing between a plan and itself", "deleted-between/plan", "changed-between/plan")


def failed_or_stopped(world: World, told: Told, command: str) -> None:
    """What cannot be read fails a command before it does anything; but who stops needs only ids."""
    if command == "destroy":
        assert told.code == 0, told
        assert world.bids() == []
    else:
        assert told.code == 1, told
        assert not told.mutations


def only_bids_stopped(world: World, told: Told, command: str) -> None:
    """The same, where not all that stopped is proved to be over, or volumes stay because nobody tells who uses them."""
    if command == "destroy":
        assert world.bids() == []
        assert len(world.executed("DELETE")) == 2
        assert len(world.volumes()) == 2
    else:
        assert not told.mutations


# ---- too many requests --------------------------------------------------------------------------------------


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
    assert "asks to wait 3600 s" in told.said
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


# ---- 5xx ----------------------------------------------------------------------------------------------------


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
    assert "what it costs now is not known" in told.said
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


# ---- no connection ------------------------------------------------------------------------------------------


@cell("unreachable", "plan", "apply", "destroy", variants={"refused": "refused"})
def where_nobody_listens_it_fails_and_touches_nothing(world: World, command: str, _: str) -> None:
    world.served("fkey_CANARY_unreachable")
    world.place.write(many(2))
    assert world.do("apply").code == 0
    world.stop_serving()
    before = world.state_files()
    world.place.write(many(2, price="21.50"))
    told = world.do(command)
    assert told.code == 1, told
    assert "cannot reach 127.0.0.1" in told.said
    assert "VPN" in told.said and "HTTPS_PROXY" in told.said
    assert told.seconds < 30
    assert world.state_files() == before
    world.mend.append(lambda: served_again(world))


def served_again(world: World) -> None:
    """The same port answers again: the state belongs to its URL."""
    port = int(os.environ["FLOWPLAN_API_URL"].rpartition(":")[2])
    simulator = Simulator.open(world.data, api_key=os.environ["FLOWPLAN_API_KEY"])
    world.servers.append((Served(simulator, port).__enter__(), simulator))


@cell("unreachable", "plan", "apply", "destroy", variants={"dns": "api.flowplan.test"})
def a_host_that_no_name_server_knows(world: World, command: str, host: str) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    world.fresh()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", unknown)
        patch.setenv("FLOWPLAN_API_URL", f"https://{host}")
        patch.setenv("FLOWPLAN_API_KEY", "fkey_CANARY_dns")
        told = world.do(command)
    world.secrets.append("fkey_CANARY_dns")
    assert told.code == 1, told
    assert f"cannot reach {host}" in told.said
    assert told.seconds < 30
    assert not world.state_files()


@cell("unreachable", "apply", variants={"mid-apply": POST_BID})
def refused_in_the_middle_what_is_done_is_saved(world: World, command: str, route: str) -> None:
    world.begin(command)
    world.fault(route, "refused", times=None)
    told = world.do(command)
    assert told.code == 1, told  # nothing was sent, so nothing is unknown
    assert "Apply incomplete: 2 added" in told.out
    assert world.run("state", "list").out.split() == ["volume.vol-000", "volume.vol-001"]
    assert not LocalStore(world.path / STATE).read().pending


@cell("unreachable", "destroy", variants={"mid-destroy": "DELETE /v2/volumes/*"})
def refused_in_the_middle_of_a_destroy(world: World, command: str, route: str) -> None:
    world.applied()
    world.fault(route, "refused", times=None)
    told = world.do(command)
    assert told.code == 1, told
    assert world.run("state", "list").out.split() == ["volume.vol-000", "volume.vol-001"]


@pytest.fixture
def untrusted(certificates: Path, serve: Callable[..., Server]) -> Callable[[str], Server]:  # noqa: F811
    """A TLS server whose certificate is self-signed, or for another host."""
    return lambda name: serve(says("200 OK\r\nContent-Length: 2", b"[]"), tls=tls(certificates, name))


@cell("tls-error", "plan", "apply", "destroy", variants={"self-signed": "localhost", "wrong-host": "wrong"})
def who_cannot_prove_to_be_the_api_gets_nothing(world: World, command: str, name: str) -> None:
    world.fresh()
    folder = world.request.getfixturevalue("certificates")
    server: Server = world.request.getfixturevalue("untrusted")(name)
    world.secrets.append("fkey_CANARY_tls")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOWPLAN_API_URL", f"https://localhost:{server.port}")
        patch.setenv("FLOWPLAN_API_KEY", "fkey_CANARY_tls")
        if name == "wrong":
            patch.setenv("SSL_CERT_FILE", str(folder / "wrong.pem"))
        told = world.do(command)
    assert told.code == 1, told
    assert "cannot trust localhost" in told.said
    assert "insecure" not in told.said
    assert server.connections == len(told.sent) == 1
    assert not server.requests  # the credential least of all
    assert not world.state_files()


# ---- lost and broken answers ----------------------------------------------------------------------------------


@cell("timeout-before-commit", "plan", "destroy")
def a_request_that_got_lost_is_sent_again(world: World, command: str) -> None:
    world.begin(command)
    world.fault("GET /v2/spot/bids", "timeout", times=2)
    world.fault("DELETE *", "timeout", times=2)
    told = world.do(command)
    assert told.code == 0, told
    assert sum(not one.outcome.isdigit() for one in told.sent) == (2 if command == "plan" else 4)


@cell("timeout-before-commit", "apply")
def a_create_that_got_lost_is_one_bid(world: World, command: str) -> None:
    world.begin(command)
    world.fault(POST_BID, "timeout")
    sent_once_more(world, world.do(command))


@cell("timeout-after-commit", "apply")
def a_create_whose_answer_got_lost_is_adopted(world: World, command: str) -> None:
    world.begin(command)
    world.fault(POST_BID, "timeout", after_commit=True)
    adopted(world, world.do(command))


@cell("timeout-after-commit", "destroy", variants={"bid": BIDS, "volume": VOLUMES})
def a_removal_whose_answer_got_lost_is_a_success(world: World, command: str, path: str) -> None:
    world.applied()
    world.fault(f"DELETE {path}/*", "timeout", after_commit=True)
    told = world.do(command)
    assert told.code == 0, told
    assert len(world.executed("DELETE")) in (4, 5)


@cell("reset-mid-body", "plan", "destroy")
def an_answer_that_breaks_off_is_asked_for_again(world: World, command: str) -> None:
    world.begin(command)
    world.fault("GET *", "truncated", nth=2, times=3)
    told = world.do(command)
    assert told.code == 0, told


@cell("reset-mid-body", "apply")
def the_answer_to_a_create_that_breaks_off_is_looked_up(world: World, command: str) -> None:
    world.begin(command)
    world.fault(POST_BID, "truncated")
    world.fault(POST_VOLUME, "truncated")
    adopted(world, world.do(command))


@cell("invalid-json", "plan", variants={"passing": 2})
def invalid_json_is_asked_for_twice_more(world: World, command: str, times: int) -> None:
    world.begin(command)
    world.fault("GET /v2/projects", "garbled", times=times)
    told = world.do(command)
    assert told.code == 0, told
    assert len(told.calls("GET", "/v2/projects")) == 3


@cell("invalid-json", "plan", variants={"for-ever": None})
def invalid_json_for_ever_is_a_failure_that_shows_its_beginning(world: World, command: str, times: None) -> None:
    world.begin(command)
    world.fault("GET /v2/projects", "status", status=200, body='[{"fid": \x1b[2J fkey_simulator', times=times)
    told = world.do(command)
    assert told.code == 1, told
    assert "invalid response" in told.said
    assert r'[{"fid": \x1b[2J ********' in told.said
    assert len(told.calls("GET", "/v2/projects")) == 3
    assert told.out == ""


@cell("invalid-json", "apply")
def a_create_answered_with_invalid_json_was_made(world: World, command: str) -> None:
    world.begin(command)
    world.fault(POST_BID, "garbled")
    adopted(world, world.do(command))


@cell(
    *("invalid-json", "destroy"),
    variants={"done": ("*", True), "not-done": (f"{BIDS}/*", False), "not-done-volume": (f"{VOLUMES}/*", False)},
)
def a_removal_answered_with_invalid_json_is_confirmed(world: World, command: str, given: tuple[str, bool]) -> None:
    path, done = given
    world.applied()
    world.fault(f"DELETE {path}", "status", status=200, body='{"ok', after_commit=done, times=None)
    told = world.do(command, "--timeout", "60s")
    assert told.code == (0 if done else 1), told
    assert bool(world.volumes()) is not done


HTML: dict[str, Any] = {
    "status": 200,
    "body": "<html>Please log in to the \x1b]0;airport's\x07 network",
    "headers": {"content-type": "text/html"},
}


@cell("html", "plan", "destroy", variants={"everywhere": "GET *"})
def a_captive_portal_is_a_failure(world: World, command: str, route: str) -> None:
    world.begin(command)
    world.fault(route, "status", times=None, **HTML)
    told = world.do(command)
    assert told.code == 1, told
    assert "a proxy or a login page seems to answer instead of the API" in told.said
    assert r"\x1b]0;airport" in told.said
    only_bids_stopped(world, told, command)


@cell("html", "apply", variants={"done": True, "not-done": False})
def a_create_answered_with_html_is_looked_up(world: World, command: str, done: bool) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", after_commit=done, **HTML)
    told = world.do(command)
    adopted(world, told) if done else sent_once_more(world, told)


@cell("html", "destroy", variants={"bid": BIDS, "volume": VOLUMES})
def a_removal_answered_with_html_did_not_happen(world: World, command: str, path: str) -> None:
    world.applied()
    world.fault(f"DELETE {path}/*", "status", times=None, **HTML)
    told = world.do(command, "--timeout", "60s")
    assert told.code == 1, told


@cell("wrong-schema", "plan", "apply", "destroy", variants={"no-id": {"drop": ["fid"]}, "id-is-7": {"put": {"fid": 7}}})
def an_object_without_an_id_is_named_with_its_place(world: World, command: str, edit: dict[str, Any]) -> None:
    world.applied(changed=command != "destroy")
    world.fault("GET /v2/spot/bids", "edited", times=None, **edit)
    told = world.do(command)
    assert "'fid'" in told.said and BIDS in told.said
    failed_or_stopped(world, told, command)


@cell("wrong-schema", "apply", variants={"post-no-id": {"drop": ["fid"]}, "post-id-null": {"put": {"fid": None}}})
def a_create_without_an_id_is_looked_up(world: World, command: str, edit: dict[str, Any]) -> None:
    world.begin(command)
    world.fault(POST_BID, "edited", **edit)
    told = world.do(command)
    adopted(world, told)
    assert '"id": null' not in (world.path / STATE).read_text()


@cell("unknown-fields", "plan", "apply", "destroy")
def unknown_fields_are_nobodys_business(world: World, command: str) -> None:
    world.begin(command)
    world.fault("GET *", "edited", put={"surprise": {"a": [1, None]}, "x" * 300: "\x1b[2J"}, times=None)
    world.fault("POST *", "edited", put={"surprise": 1}, times=None)
    told = world.do(command)
    assert told.code == 0, told
    assert "surprise" not in told.said


@cell("unknown-status", "plan")
def an_unknown_status_is_shown_and_counts_as_live(world: World, command: str) -> None:
    world.applied()
    world.fault("GET /v2/spot/bids", "edited", put={"status": "Hibernating"}, times=None)
    told = world.do(command, "--detailed-exitcode")
    assert told.code == 0, told
    assert "Hibernating" in told.said
    assert "Hibernating" in world.run("status").out


@cell("unknown-status", "apply")
def an_unknown_status_buys_nothing(world: World, command: str) -> None:
    world.applied(changed=True)
    world.fault("GET *", "edited", put={"status": "Hibernating"}, times=None)
    told = world.do(command)
    assert told.code == 0, told
    assert not told.calls("POST") and not told.calls("DELETE")
    assert len(told.calls("PATCH")) == 2


@cell("unknown-status", "destroy")
def an_unknown_status_can_be_destroyed(world: World, command: str) -> None:
    world.applied()
    world.fault("GET /v2/spot/bids", "edited", put={"status": "Hibernating"}, times=None)
    told = world.do(command)
    assert told.code == 0, told
    assert not world.bids()


# ---- pages ----------------------------------------------------------------------------------------------------


def page(rows: list[Any], cursor: str | None) -> str:
    return json.dumps({"data": rows, "next_cursor": cursor})


@cell("paging", "plan", "apply", "destroy", variants={"cursor-loop": "c1"})
def a_page_that_repeats_is_a_failure(world: World, command: str, cursor: str) -> None:
    world.applied(changed=command != "destroy")
    world.fault("GET /v2/spot/bids", "status", status=200, body=page([], cursor), times=None)
    told = world.do(command)
    assert "a page repeats" in told.said
    failed_or_stopped(world, told, command)


@cell("paging", "plan", "apply", "destroy", variants={"rows-shift": "c1"})
def a_row_on_two_pages_is_one_object(world: World, command: str, cursor: str) -> None:
    world.applied()
    rows = world.bids()
    world.fault("GET /v2/spot/bids", "status", status=200, body=page(rows, cursor))
    world.fault("GET /v2/spot/bids", "status", status=200, body=page(rows[1:], None))
    told = world.do(command)
    assert told.code == 0, told
    assert ("No changes" in told.out) is (command != "destroy")


@cell("paging", "apply", variants={"look-up-incomplete": "c1"})
def a_look_up_that_does_not_see_all_pages_proves_nothing(world: World, command: str, cursor: str) -> None:
    world.begin(command)
    world.fault(POST_BID, "timeout")
    world.fault("GET /v2/spot/bids", "status", status=200, body=page([], cursor), nth=2, times=None)
    told = world.do(command)
    assert told.code == 6, told
    assert len(told.calls("POST", BIDS)) == 2  # neither sent again


MEGABYTE = "[" + " " * (1024 * 1024 - 1)


@cell("too-large", "plan", "destroy", variants={"65-mb": MEGABYTE})
def more_than_64_mb_are_not_read(world: World, command: str, body: str) -> None:
    world.begin(command)
    world.fault("GET /v2/volumes", "status", status=200, body=body, repeat=65, times=None)
    told = world.do(command)
    assert told.code == 1, told
    assert "larger than 64 MB" in told.said
    only_bids_stopped(world, told, command)
    assert len(told.calls("GET", VOLUMES)) == 1  # not once more


@cell("too-large", "apply", variants={"65-mb": MEGABYTE})
def a_create_with_too_much_of_an_answer_is_looked_up(world: World, command: str, body: str) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=201, body=body, repeat=65, after_commit=True)
    adopted(world, world.do(command))


# ---- redirects and refusals -----------------------------------------------------------------------------------


@cell("redirect", "plan", "apply", "destroy", variants={"301": 301, "302": 302, "307": 307, "308": 308})
def a_redirect_is_not_followed(world: World, command: str, status: int) -> None:
    serves: Callable[..., Server] = world.request.getfixturevalue("serve")
    elsewhere = serves(says("200 OK\r\nContent-Length: 2", b"[]"))
    world.served("fkey_CANARY_redirect")
    if command != "apply":
        world.fresh()
        assert world.do("apply").code == 0
    world.begin(command) if command == "apply" else world.place.write(many(2, price="21.50"))
    route = {"plan": "GET /v2/spot/bids", "apply": "POST *", "destroy": "DELETE *"}[command]
    location = {"location": f"http://127.0.0.1:{elsewhere.port}/v2/x?next"}
    world.fault(route, "status", status=status, headers=location, times=None)
    told = world.do(command)
    assert told.code == 1, told
    assert "unexpected redirect to 127.0.0.1" in told.said
    assert elsewhere.connections == 0
    assert len(told.mutations) == {"plan": 0, "apply": 2, "destroy": 2}[command]  # each once
    world.mend.append(world.clear)


HELD: dict[str, Any] = {
    "status": 202,
    "body": json.dumps({"held": {"proposal_id": "prop_7", "expires_at": "2026-11-02T10:00:00Z"}}),
}


@cell("202-held", "apply", "destroy")
def what_waits_for_approval_stops_everything_else(world: World, command: str) -> None:
    world.begin(command)
    world.fault("POST *" if command == "apply" else "DELETE *", "status", **HELD)
    told = world.do(command, "--parallelism", "1")
    assert told.code == 1, told
    assert "proposal prop_7" in told.said
    assert len(told.mutations) == 1
    assert len(LocalStore(world.path / STATE).read().pending) == 1  # held
    assert not world.executed("POST", BIDS) or command == "destroy"


@cell("202-held", "apply", variants={"approved-later": True})
def what_was_approved_since_is_found_by_the_next_run(world: World, command: str, _: bool) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", after_commit=True, **HELD)
    assert world.do(command, "--parallelism", "1").code == 1
    told = world.do(command)
    assert told.code == 0, told
    assert "it is kept" in told.said
    assert len(world.executed("POST", BIDS)) == 2


REAUTH = json.dumps({"detail": "needs_reauth"})


@cell("401", "plan", variants={"401": (401, None)})
@cell("409-needs-reauth", "plan", variants={"409": (409, REAUTH)})
def bad_credentials_are_said_at_once(world: World, command: str, answer: tuple[int, str | None]) -> None:
    world.begin(command)
    world.fault("GET /v2/projects", "status", status=answer[0], body=answer[1], times=None)
    told = world.do(command)
    assert told.code == 1, told
    assert "FLOWPLAN_API_KEY" in told.said
    assert len(told.sent) == 1  # no storm


@cell("401", "apply", "destroy", variants={"401": (401, None)})
@cell("409-needs-reauth", "apply", "destroy", variants={"409": (409, REAUTH)})
def credentials_that_end_in_the_middle_stop_the_run(world: World, command: str, answer: tuple[int, str | None]) -> None:
    world.begin(command)
    route = "POST *" if command == "apply" else "DELETE *"
    world.fault(route, "status", status=answer[0], body=answer[1], nth=2, times=None)
    told = world.do(command, "--parallelism", "1")
    assert told.code == 1, told
    assert "the credentials are not accepted" in told.said
    assert len(told.mutations) == 2  # one done, one refused, no storm
    loaded = LocalStore(world.path / STATE).read()
    assert len(loaded.state.bindings) == (1 if command == "apply" else 3)  # ports need no call
    assert not loaded.pending
    world.clear()
    again = world.do(command)
    assert again.code == 0, again  # a new token is all it needs


@cell("403", "plan")
def a_missing_permission_is_said(world: World, command: str) -> None:
    world.begin(command)
    world.fault("GET /v2/spot/bids", "status", status=403, body='{"detail": "no \\u001b[31m access"}', times=None)
    told = world.do(command)
    assert told.code == 1, told
    assert r"needs permission: no \x1b[31m access" in told.said


@cell("403", "apply")
def a_missing_permission_fails_one_item_and_what_depends_on_it(world: World, command: str) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=403)
    told = world.do(command)
    assert told.code == 1, told
    assert "needs permission" in told.said
    assert "Apply incomplete: 4 added, 0 changed, 0 destroyed; 1 failed, 0 unknown, 1 not started." in told.out
    assert len(told.calls("POST", BIDS)) == 2


@cell("403", "destroy")
def a_missing_permission_to_destroy_fails_one_item(world: World, command: str) -> None:
    world.applied()
    world.fault("DELETE /v2/spot/bids/*", "status", status=403)
    told = world.do(command)
    assert told.code == 1, told
    assert "needs permission" in told.said
    assert len(world.bids()) == 1


@cell("404-on-get", "plan")
def what_is_gone_is_planned_anew_with_its_cost(world: World, command: str) -> None:
    world.applied()
    vanish(world)
    told = world.do(command)
    assert told.code == 0, told
    assert "deleted outside of flowplan" in told.said
    assert re.search(r"bid\.task-000 will be created", told.out)
    assert "$17.92" in told.out


def vanish(world: World) -> None:
    """Bid task-000 is gone: neither listed nor found by its id."""
    gone = world.bid()
    rows = [row for row in world.bids() if row["fid"] != gone]
    world.somebody("DELETE", f"{BIDS}/{gone}")
    world.fault("GET /v2/spot/bids", "status", status=200, body=page(rows, None), times=2)
    world.fault("GET /v2/spot/bids/*", "status", status=404, body='{"detail": "Bid not found"}', times=None)


@cell("404-on-get", "apply")
def what_is_gone_is_bought_again_once(world: World, command: str) -> None:
    world.applied()
    vanish(world)
    told = world.do(command)
    assert told.code == 0, told
    assert len(told.calls("POST", BIDS)) == 1
    assert len(world.bids()) == 2


@cell("404-on-get", "destroy")
def what_is_gone_already_is_removed_from_the_state(world: World, command: str) -> None:
    world.applied()
    vanish(world)
    told = world.do(command)
    assert told.code == 0, told
    assert world.run("state", "list").out == ""


@cell("404-on-delete", "apply", "destroy")
def a_removal_of_what_is_gone_is_a_success(world: World, command: str) -> None:
    world.applied()
    world.place.write(many(1))
    world.fault("DELETE *", "status", status=404, body='{"detail": "Bid not found"}', after_commit=True, times=None)
    told = world.do(command, "--allow-volume-destroy", "*")
    assert told.code == 0, told
    assert "gone already" in told.said
    assert [bid["name"] for bid in world.bids()] == (["task-000"] if command == "apply" else [])


TAKEN = {
    "400": (400, '{"detail": "Name already used in this project"}'),
    "409": (409, '{"detail": "conflict"}'),
}


@cell("name-taken", "apply", variants=TAKEN)
def a_name_taken_by_our_own_bid_is_adopted(world: World, command: str, answer: tuple[int, str]) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=answer[0], body=answer[1], after_commit=True)
    adopted(world, world.do(command))


@cell("name-taken", "apply", variants={"by-somebody": None})
def a_name_taken_by_somebody_is_a_failure_that_names_it(world: World, command: str, _: None) -> None:
    world.begin(command)
    assert world.run("plan").code == 0
    theirs = world.namesake()
    world.fault("GET /v2/spot/bids", "status", status=200, body=page([], None))  # it comes after the look
    told = world.do(command)
    assert told.code == 1, told
    assert f"the name task-000 is taken by {theirs}" in told.said
    assert len(told.calls("POST", BIDS)) == 2  # no suffix, no second try
    assert not told.calls("DELETE") and not told.calls("PATCH")
    world.mend.append(lambda: world.somebody("DELETE", f"{BIDS}/{theirs}"))


INVALID = json.dumps(
    {"detail": [{"loc": ["body", "launch_specification", "volumes", 0], "msg": "too \x1b[1m many", "type": "v"}]}
)


@cell("422", "apply", variants={"422": (422, INVALID), "400": (400, '{"detail": "volumes: too many"}')})
def a_refused_create_is_closed_and_not_repeated(world: World, command: str, answer: tuple[int, str]) -> None:
    world.begin(command)
    world.fault(POST_BID, "status", status=answer[0], body=answer[1])
    told = world.do(command)
    assert told.code == 1, told
    assert ("launch_specification.volumes.0: too" if answer[0] == 422 else "volumes: too many") in told.said
    assert len(told.calls("POST", BIDS)) == 2
    assert not LocalStore(world.path / STATE).read().pending


@cell("422", "destroy", variants={"422": (422, INVALID), "400": (400, '{"detail": "not now"}')})
def a_refused_removal_keeps_the_object(world: World, command: str, answer: tuple[int, str]) -> None:
    world.applied()
    world.fault("DELETE /v2/spot/bids/*", "status", status=answer[0], body=answer[1])
    told = world.do(command)
    assert told.code == 1, told
    assert len(world.bids()) == 1


@cell("quota", "plan")
def a_limit_below_the_reserve_is_a_problem_of_the_file(world: World, command: str) -> None:
    world.place.write(many(1, price="1.00"))
    told = world.do(command)
    assert told.code == 65, told
    assert "the least that FCP takes" in told.said
    world.mend.append(lambda: world.place.write(many(1)))


REFUSALS = {
    "quota": (400, "Quota exceeded for h100"),
    "price": (400, "Limit price is below the minimum of $8.00"),
    "no-ssh-key": (400, "At least one SSH key is required"),
}


@cell("quota", "apply", variants=REFUSALS)
def a_refusal_that_a_person_must_mend_is_not_hammered(world: World, command: str, answer: tuple[int, str]) -> None:
    world.fresh(6)
    world.fault(POST_BID, "status", status=answer[0], body=json.dumps({"detail": answer[1]}), times=None)
    told = world.do(command, "--parallelism", "1")
    assert told.code == 1, told
    assert "hint:" in told.err
    tries = len(told.calls("POST", BIDS))
    assert tries == (1 if answer[1].startswith("Quota") else 6)  # a price and a key are each bid's own
    assert not LocalStore(world.path / STATE).read().pending


# ---- time -----------------------------------------------------------------------------------------------------


@cell("list-lag", "plan")
def what_was_just_made_is_not_planned_again(world: World, command: str) -> None:
    world.fresh()
    world.conditions(list_lag=30)
    assert world.do("apply").code == 0
    told = world.do(command, "--detailed-exitcode")
    assert told.code in (0, 1), told
    assert "will be created" not in told.out
    assert told.code == 0 or "listed neither as live nor as ended" in told.said


@cell("list-lag", "apply")
def a_create_that_is_listed_late_is_waited_for(world: World, command: str) -> None:
    world.begin(command)
    world.conditions(list_lag=30)
    world.fault(POST_BID, "timeout", after_commit=True)
    told = world.do(command)
    adopted(world, told)
    assert 30 <= told.seconds < 60


@cell("list-lag", "destroy")
def a_removal_is_over_when_the_bid_says_so(world: World, command: str) -> None:
    world.applied()
    world.conditions(list_lag=30)
    told = world.do(command)
    assert told.code == 0, told
    assert not world.bids()


DAY = 86_400.0


def jump(world: World, seconds: float, when: str) -> None:
    """The wall clock jumps as the first call of `when` is made."""
    method = when.partition(" ")[0]
    real = Fcp.create if method == "POST" else Fcp.cancel_bid if method == "DELETE" else Fcp.projects

    def jumping(fcp: Fcp, *given: Any, **more: Any) -> Any:
        world.time.ahead = seconds
        return real(fcp, *given, **more)

    world.monkeypatch.setattr(Fcp, real.__name__, jumping)


@cell("clock", "plan", "destroy", variants={"ahead": DAY, "back": -DAY})
def the_wall_clock_decides_nothing(world: World, command: str, seconds: float) -> None:
    world.begin(command)
    jump(world, seconds, "GET /v2/projects" if command == "plan" else "DELETE")
    told = world.do(command)
    assert told.code == 0, told


@cell("clock", "apply", variants={"ahead": DAY, "back": -DAY})
def a_jump_changes_nothing_about_the_settle_window(world: World, command: str, seconds: float) -> None:
    world.begin(command)
    jump(world, seconds, POST_BID)
    world.fault(POST_BID, "timeout", late=40)
    told = world.do(command)
    adopted(world, told)


@cell("clock", "apply", variants={"back-between-runs": -DAY})
def a_clock_set_back_between_two_runs_shortens_nothing(world: World, command: str, seconds: float) -> None:
    world.begin(command)
    world.fault(POST_BID, "timeout", late=100)
    world.fault("GET /v2/spot/bids", "status", status=503, nth=2, times=None)
    assert world.do(command).code == 6
    first = world.time.now
    world.clear()
    world.time.ahead = seconds
    told = world.do(command, "--settle-window", "600")
    assert told.code == 0, told
    assert len(world.executed("POST", BIDS)) == 2
    assert world.time.now > first


# ---- somebody else was there ------------------------------------------------------------------------------------


def saved(world: World) -> None:
    told = world.run("plan", "--out", "saved.plan")
    assert told.code == 0, told


@cell("deleted-between", "apply")
def a_saved_plan_for_what_was_deleted_is_stale(world: World, command: str) -> None:
    world.applied(changed=True)
    saved(world)
    world.somebody("DELETE", f"{BIDS}/{world.bid()}")
    told = world.run("apply", "saved.plan")
    assert told.code == 3, told
    assert not told.mutations


@cell("deleted-between", "apply", variants={"at-the-prompt": None})
def at_the_prompt_what_was_deleted_is_noticed(world: World, command: str, _: None) -> None:
    world.applied(changed=True)

    def answer(terminal: Terminal, question: str) -> str:
        world.somebody("DELETE", f"{BIDS}/{world.bid()}")
        return "yes"

    real = Terminal.__init__
    world.monkeypatch.setattr(Terminal, "ask", answer)
    world.monkeypatch.setattr(Terminal, "__init__", lambda *a, **k: real(*a, **{**k, "interactive": True}))
    told = world.run("apply")
    assert told.code == 3, told
    assert "has changed since the plan was shown" in told.said
    assert not told.mutations


@cell("deleted-between", "destroy")
def a_destroy_of_what_was_deleted_is_a_success(world: World, command: str) -> None:
    world.applied()
    assert world.run("plan", "--destroy", "--allow-volume-destroy", "*").code == 0
    world.somebody("DELETE", f"{BIDS}/{world.bid()}")
    told = world.do(command)
    assert told.code == 0, told


@cell("changed-between", "apply")
def a_saved_plan_for_what_was_changed_is_stale_and_says_what(world: World, command: str) -> None:
    world.applied(changed=True)
    saved(world)
    world.somebody("PATCH", f"{BIDS}/{world.bid()}", {"limit_price": "$30.00"})
    told = world.run("apply", "saved.plan")
    assert told.code == 3, told
    assert "30.00" in told.said
    assert not told.mutations
    assert {bid["limit_price"] for bid in world.bids()} == {"$30.00", "$17.92"}


@cell("changed-between", "destroy")
def a_destroy_of_what_was_changed_says_so_and_deletes_only_what_is_ours(world: World, command: str) -> None:
    world.applied()
    world.somebody("PATCH", f"{BIDS}/{world.bid()}", {"limit_price": "$30.00"})
    told = world.do(command)
    assert told.code == 0, told
    assert "30.00" in told.said  # the drift is told
    assert not world.bids()


@cell("preempted-between", "plan")
def the_plan_shows_that_a_bid_is_being_preempted(world: World, command: str) -> None:
    world.applied()
    with world.place.simulator() as simulator:
        simulator.faults.preempt(world.bid(), seconds=600)
    told = world.do(command, "--detailed-exitcode")
    assert told.code == 0, told
    assert "Preempting" in told.said
    assert "Preempting" in world.run("status").out


@cell("preempted-between", "apply", variants={"preempted": True, "terminated": False})
def what_was_taken_back_is_not_bought_again(world: World, command: str, preempted: bool) -> None:
    world.applied(changed=True)
    saved(world)
    if preempted:
        with world.place.simulator() as simulator:
            simulator.faults.preempt(world.bid(), seconds=600)
    else:
        world.somebody("DELETE", f"{BIDS}/{world.bid()}")
    told = world.run("apply", "saved.plan")
    assert told.code == (3 if not preempted else told.code), told
    assert told.code in (0, 3)
    assert not told.calls("POST")


@cell("preempted-between", "destroy", variants={"preempted": True, "terminated": False})
def what_has_ended_is_destroyed_already(world: World, command: str, preempted: bool) -> None:
    world.applied()
    if preempted:
        with world.place.simulator() as simulator:
            simulator.faults.preempt(world.bid(), seconds=600)
    else:
        world.somebody("DELETE", f"{BIDS}/{world.bid()}")
    told = world.do(command)
    assert told.code == 0, told
    assert not world.bids()


@cell("namesakes", "plan", "apply", variants={"not-in-the-state": None})
def a_name_that_two_others_have_is_a_problem_that_names_them(world: World, command: str, _: None) -> None:
    world.fresh()
    world.conditions(duplicate_names=True)
    theirs = [world.namesake(), world.namesake()]
    told = world.do(command)
    assert told.code == 65, told
    assert all(id in told.said for id in theirs)
    assert not told.mutations
    world.mend += [lambda id=id: world.somebody("DELETE", f"{BIDS}/{id}") for id in theirs]  # type: ignore[misc]


@cell("namesakes", "plan", "apply", "destroy", variants={"the-state-knows-ours": None})
def ours_is_known_by_its_id(world: World, command: str, _: None) -> None:
    world.applied(changed=command != "destroy")
    world.conditions(duplicate_names=True)
    ours, theirs = world.bid(), world.namesake()
    told = world.do(command)
    assert told.code == 0, told
    assert f"{theirs} has the name of bid.task-000" in told.said
    after = {bid["fid"]: bid for bid in world.bids()}
    assert after[theirs]["limit_price"] == "$17.92"
    assert (ours in after) is (command != "destroy")


# ---- size and slowness --------------------------------------------------------------------------------------------


def stack_of(world: World, command: str, tasks: int) -> None:
    """What `command` finds: `tasks` tasks of three resources each."""
    world.fresh(tasks)
    if command != "apply":
        assert world.do("apply").code == 0
    if command == "plan":
        world.place.write(many(tasks, price="21.50"))


def pages_of(rows: int) -> int:
    return -(-rows // 100) or 1


@cell("10000-resources", "plan", "apply", "destroy", variants={"reduced-to-450": 150})
def large_stacks_are_read_by_pages(world: World, command: str, tasks: int) -> None:
    stack_of(world, command, tasks)
    told = world.do(command)
    assert told.code == 0, told.err[-2000:]
    listed = len(told.calls("GET", BIDS))
    assert listed == pages_of(0 if command == "apply" else tasks)
    single = len(told.calls("GET", f"{BIDS}/{{fid}}"))
    assert single == (tasks if command == "destroy" else 0)  # a removal looks whether it is over


@cell("slow-api", "plan", "apply", "destroy")
def ten_seconds_a_call_are_borne(world: World, command: str) -> None:
    world.begin(command)
    world.fault("* /v2/*", "slow", seconds=10, times=None)
    told = world.do(command)
    assert told.code == 0, told
    assert told.seconds >= 10 * len(told.sent) / 2
    assert all(one.outcome.isdigit() for one in told.sent)


@cell("slow-api", "plan", "apply", "destroy", variants={"beyond-the-deadline": 31})
def an_answer_after_the_deadline_is_no_answer(world: World, command: str, seconds: int) -> None:
    world.begin(command)
    world.fault("GET /v2/projects", "slow", seconds=seconds, times=None)
    told = world.do(command)
    assert "timed out" in told.said
    failed_or_stopped(world, told, command)


@cell("slow-api", "apply", "destroy", variants={"says-that-it-goes-on": 10})
def a_slow_change_says_that_it_goes_on(world: World, command: str, seconds: int) -> None:
    """The only wait of this file: a quarter of a second, in which ten pass on the virtual clock."""
    world.monkeypatch.setattr(apply, "PROGRESS_EVERY", 0.05)
    world.begin(command)
    world.sleeps = 0.25
    world.fault("POST /v2/volumes" if command == "apply" else "DELETE *", "slow", seconds=seconds)
    told = world.do(command)
    assert told.code == 0, told
    assert re.search(r"still (creating|destroying)\.\.\. \(10 s\)", told.said)


# ---- all of them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [pytest.param(test, id=test.id) for test in MATRIX.tests])
def test_api_fault(one: Cell, world: World) -> None:
    one.play(world, one.column, *one.given)
    world.hold_invariants()
    world.converge(one.column)


def test_every_cell_is_a_test_or_has_a_reason() -> None:
    MATRIX.hold_complete()
    assert MATRIX.figure().startswith("3.1: 36 rows x 3 = 108 cells")
    print(MATRIX.figure())
    for (row, column), why in sorted(MATRIX.reasons.items()):
        print(f"  n/a {row}/{column}: {why}")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_10000_resources(command: str, world: World) -> None:
    """The whole size, in a process of its own: seconds and memory as the matrix has them."""
    stack_of(world, command, 3334)
    started = time.monotonic()
    done = subprocess.run([*FLOWPLAN, *COMMANDS[command]], cwd=world.path, capture_output=True, text=True, check=False)
    seconds, peak = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert done.returncode == 0, done.stderr[-2000:]
    print(f"10,002 resources: {command} {seconds:.1f} s, {peak:.0f} MB at most")
    assert seconds < 60 or command != "plan"
    assert peak < 500
    world.hold_invariants()
