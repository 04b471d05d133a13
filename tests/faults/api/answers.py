"""Answers that got lost, are broken, or come in pages."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.api.rows import cell, failed_or_stopped, only_bids_stopped
from tests.faults.api.server_errors import adopted, sent_once_more
from tests.faults.world import BIDS, POST_BID, POST_VOLUME, STATE, VOLUMES, World


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
    says = "answered with a web page, and so not by the API" if path == BIDS else "was answered with success, but it is"
    assert says in told.said, told


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
