"""A stack whose state is at GitLab, from the command line."""

from __future__ import annotations

import json
import re
import shutil
import signal
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from flowplan.backends.remote import http, http_client
from flowplan.backends.remote.http import HttpPlace
from flowplan.backends.store import StateLock
from flowplan.cloud.fcp import Fcp
from flowplan.cloud.looks import Looks
from flowplan.errors import Damaged, NotInUse, Remedied, StateError
from flowplan.model.catalogue import Catalogue
from flowplan.model.live import Live
from flowplan.operations.looking import ahead
from flowplan.operations.looking.observe import Observed
from flowplan.operations.opening.session import Session
from flowplan.operations.running.approval import Approving
from flowplan.operations.running.stopping import without_server
from flowplan.planning.plan import Plan
from flowplan.state.seal import NoKey
from tests.conftest import Place, live_ids
from tests.contracts import state_servers
from tests.contracts.http_site import LOGIN
from tests.contracts.state_servers import PASSWORD

TASK = """name: train
project_name: my-foundry-project
resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
persistent_storage: {create: {volume_name: data, size: 10, mount_point: /mnt/data}}
"""


@pytest.fixture
def url(place: Place, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {**LOGIN, "FLOWPLAN_API_URL": "sim:"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(place.path.parent / f"{place.path.name}-home"))
    place.write(TASK)
    return state_servers.server().url("gitlab", uuid.uuid4().hex)


def test_plan_apply_look_and_destroy(place: Place, url: str) -> None:
    name = url.rpartition("/")[2]
    assert "2 to add" in place.ok("--state", url, "plan")
    applied = place.run("--state", url, "apply", "--auto-approve")
    assert applied.code == 0
    assert f"there was no state at {url}: a new one begins there" in " ".join(applied.err.split())
    assert place.ok("--state", url, "state", "list") == "bid.train\nvolume.data\n"
    assert "1  " in place.ok("--state", url, "state", "history")
    assert place.ok("--state", url, "lock", "show").startswith("No run of flowplan holds the lock. The server does not")
    assert "No changes" in place.ok("--state", url, "plan")
    state = state_servers.server().state(name)
    assert state.lock is None
    state.lock = {"ID": "1", "Who": "terraform"}  # which GitLab shows nobody: nothing may say that there is none
    assert "Nobody" not in place.ok("--state", url, "lock", "show")
    told = json.loads(place.ok("--state", url, "lock", "show", "--format", "json"))
    assert told["standing"] == "nobody" and "does not show whether anything else has it locked" in told["untold"]
    assert "no run of flowplan holds it" in place.ok("--state", url, "doctor")
    assert place.run("--state", url, "apply", "--auto-approve", "--replace", "bid.train").code == 4
    state.lock = None
    assert PASSWORD.encode() not in b"".join(state.versions.values())
    place.ok("--state", url, "destroy", "--auto-approve", "--allow-volume-destroy", "data")
    assert place.ok("--state", url, "state", "list") == ""
    assert "is now version 1, with serial 3" in place.ok("--state", url, "state", "restore", "1")
    assert not list(place.path.glob("flowplan.*state*"))


def test_a_watch_begins_no_state(place: Place, url: str) -> None:
    """Its lock is that of a state beside this one. That a state begins would say that this one was lost."""
    place.ok("--state", url, "apply", "--auto-approve")
    looked = place.run("--state", url, "watch", "--once")
    assert (looked.code, looked.err) == (0, ""), looked
    assert state_servers.server().state(f"{url.rpartition('/')[2]}-flowplan-watch").versions


@pytest.mark.parametrize("command", [("mv", "bid.train", "bid.other"), ("rm", "bid.train"), ("rekey",)])
def test_what_changes_a_state_begins_none_where_there_is_none(
    place: Place, url: str, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a mistyped URL: a lock and its document would be there for good."""
    monkeypatch.setenv("FLOWPLAN_PASSPHRASE", "a long one, which nobody guesses")
    refused = place.run("--state", url, "state", *command)
    assert refused.code == 1 and ("is not in the state" in refused.err or "there is no state" in refused.err), refused
    state = state_servers.server().state(url.rpartition("/")[2])
    assert (state.versions, state.lock) == ({}, None)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("destroy", "--auto-approve", "--allow-volume-destroy", "*"), 0),
        (("destroy", "--auto-approve", "--keep-volumes"), 0),
        (("apply", "--refresh-only", "--auto-approve"), 0),
        (("recover",), 0),
        (("recover", "--cancel", "bid_1"), 3),
        (("import", "bid.train", "bid_1"), 1),
        (("import", "bid.train", "bid_1", "--generate", "new.yaml"), 1),
        (("import", "--all", "--generate", "new.yaml"), 0),
        (("state", "restore"), 5),
        (("state", "restore", "3"), 5),
        (("state", "restore", "3", "--force"), 5),
        (("recover", "--from-live"), 1),
        (("force-unlock", "3f0c9a52"), 1),
        (("lock", "show"), 0),
        (("watch", "--once"), 2),
        (("apply", "--auto-approve", "--max-hourly-cost", "0.01"), 3),
        (("apply", "--auto-approve", "--project", "other"), 65),
        (("apply",), 1),
    ],
)
def test_what_ends_or_settles_what_is_there_or_is_refused_begins_no_state_where_there_is_none(
    place: Place, url: str, command: tuple[str, ...], code: int
) -> None:
    done = place.run("--state", url, *command)
    assert (done.code, "a new one begins" in done.err) == (code, False), done
    state = state_servers.server().state(url.rpartition("/")[2])
    assert (state.versions, state.lock) == ({}, None)


def test_a_saved_plan_that_is_refused_begins_no_state(place: Place, url: str) -> None:
    place.ok("--state", url, "plan", "--out", "a.plan")
    place.edit("size: 10", "size: 20")
    assert place.run("--state", url, "apply", "a.plan").code == 3
    state = state_servers.server().state(url.rpartition("/")[2])
    assert (state.versions, state.lock) == ({}, None)
    place.edit("size: 20", "size: 10")
    place.ok("--state", url, "apply", "a.plan")
    assert len(live_ids(place)) == 1


@pytest.mark.parametrize(("plan", "code"), [("flowplan.yaml", 0), ("a.plan", 3)])
def test_of_two_runs_that_begin_a_state_unasked_the_second_goes_on_from_what_the_first_did(
    place: Place, url: str, monkeypatch: pytest.MonkeyPatch, plan: str, code: int
) -> None:
    place.ok("--state", url, "plan", "--out", "a.plan")
    approved, others = Approving.__call__, [("--state", url, "apply", "--auto-approve")]

    def meanwhile(self: Approving, seen: Observed) -> Plan:
        found = approved(self, seen)
        if others:
            place.ok(*others.pop())
        return found

    monkeypatch.setattr(Approving, "__call__", meanwhile)
    second = place.run("--state", url, "apply", plan, "--auto-approve")
    assert (second.code, len(live_ids(place))) == (code, 1), second
    assert ("No changes" in second.out) is (code == 0)


def test_a_server_is_not_asked_before_the_lock_for_a_state_that_was_seen_there(place: Place, url: str) -> None:
    place.ok("--state", url, "apply", "--auto-approve")
    state, asked = state_servers.server().state(url.rpartition("/")[2]), list[str]()
    state.asked = asked.append
    place.ok("--state", url, "apply", "--auto-approve")
    assert asked[:2] == ["lock", "get"], asked


def forgotten(place: Place) -> None:
    """The state in files is gone, as if it was of another machine."""
    for file in place.path.glob("flowplan.state*"):
        file.unlink()
    shutil.rmtree(place.path / ".flowplan" / "versions", ignore_errors=True)


@pytest.fixture
def loose(place: Place, url: str) -> str:
    """The id of a volume that is in no state."""
    place.ok("apply", "--auto-approve")
    id = place.ok("state", "show", "volume.data").split("(")[1].split(")")[0]
    place.ok("destroy", "--auto-approve", "--keep-volumes")
    forgotten(place)
    return id


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found, everything = list[str](), Fcp.everything

    def counted(self: Fcp) -> Looks[tuple[Catalogue, Live]]:
        found.append("everything")
        return everything(self)

    monkeypatch.setattr(Fcp, "everything", counted)
    return found


@pytest.mark.parametrize("more", [(), ("--generate", "new.yaml")])
def test_an_import_that_begins_a_state_lists_what_is_live_once(
    place: Place, url: str, loose: str, looks: list[str], more: tuple[str, ...]
) -> None:
    place.ok("--state", url, "import", "volume.data", loose, *more)
    assert looks == ["everything"]
    assert place.ok("--state", url, "state", "list") == "volume.data\n"


def test_a_state_that_is_rebuilt_lists_what_is_live_once(place: Place, url: str, looks: list[str]) -> None:
    place.ok("apply", "--auto-approve")
    forgotten(place)
    looks.clear()
    place.ok("--state", url, "recover", "--from-live")
    assert looks == ["everything"]
    assert "bid.train" in place.ok("--state", url, "state", "list")


@pytest.fixture
def before_the_lock(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What is done, once each, between a look and the lock."""
    does, take = list[Callable[[], object]](), Session.changing

    def later(self: Session) -> AbstractContextManager[StateLock]:
        if does:
            does.pop()()
        return take(self)

    monkeypatch.setattr(Session, "changing", later)
    return does


def test_what_was_looked_at_a_while_before_the_lock_is_looked_at_again(
    place: Place, url: str, loose: str, before_the_lock: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_FRESH", -1.0)
    before_the_lock.append(lambda: place.call("DELETE", f"/v2/volumes/{loose}"))
    done = place.run("--state", url, "import", "volume.data", loose)
    assert (done.code, "there is no volume" in done.err) == (1, True), done


def test_a_state_that_is_begun_during_an_import_is_gone_on_from(
    place: Place, url: str, loose: str, before_the_lock: list[Callable[[], object]]
) -> None:
    before_the_lock.append(lambda: place.ok("--state", url, "import", "volume.data", loose))
    done = place.run("--state", url, "import", "volume.other", loose)
    assert (done.code, "is already in the state, as volume.data" in done.err) == (64, True), done


def test_doctor_says_that_it_has_not_tried_the_server(place: Place, url: str) -> None:
    """To try it takes the lock, and writes."""
    said = "whether that server keeps a second run out"
    assert said in " ".join(place.ok("--state", url, "doctor").split())
    assert not state_servers.server().state(url.rpartition("/")[2]).versions
    place.ok("--state", url, "apply", "--auto-approve")
    assert said not in " ".join(place.ok("--state", url, "doctor").split())


def test_a_state_that_is_gone_from_the_server_is_never_a_fresh_start(place: Place, url: str) -> None:
    place.ok("--state", url, "apply", "--auto-approve")
    state_servers.server().state(url.rpartition("/")[2]).versions.clear()
    gone = place.run("--state", url, "apply", "--auto-approve")
    assert gone.code == 5
    assert "this machine has seen serial 1 of it" in " ".join(gone.err.split())


def test_a_lock_that_somebody_has_is_exit_code_4_with_its_id(place: Place, url: str) -> None:
    place.ok("--state", url, "apply", "--auto-approve")
    state = state_servers.server().state(url.rpartition("/")[2])
    state.lock = {"ID": "3f0c9a52", "Who": "ann", "Created": "2026-01-02T03:04:05Z"}
    assert place.run("--state", url, "plan").code == 0  # a look needs no lock
    locked = place.run("--state", url, "destroy", "--auto-approve", "--allow-volume-destroy", "data")
    assert locked.code == 4
    assert f"flowplan force-unlock --state {url} 3f0c9a52" in " ".join(locked.err.split())
    place.ok("--state", url, "force-unlock", "3f0c9a52")
    place.ok("--state", url, "destroy", "--auto-approve", "--allow-volume-destroy", "data")


@pytest.mark.parametrize(("code", "change"), [(5, "wrong"), (5, ""), (64, "with\x7fcontrol")])
def test_credentials_that_do_not_do_say_what_to_set(
    place: Place, url: str, monkeypatch: pytest.MonkeyPatch, code: int, change: str
) -> None:
    monkeypatch.setenv("FLOWPLAN_HTTP_PASSWORD", change)
    refused = place.run("--state", url, "plan")
    assert refused.code == code
    assert "FLOWPLAN_HTTP_PASSWORD" in refused.err
    assert not change or change not in refused.err


def refuse_from(url: str, number: int) -> None:
    """The server refuses the credentials from the write of that number on."""
    state, writes = state_servers.server().state(url.rpartition("/")[2]), 0

    def asked(wanted: str) -> state_servers.Answer | None:
        nonlocal writes
        writes += wanted == "update"
        return (401, b'{"message":"401 Unauthorized"}', state_servers.JSON) if writes >= number else None

    state.asked = asked


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (2, "nothing of the plan was carried out"),
        (3, "not carried out: bid.train made: volume.data = vol_"),
        (4, "the plan is carried out made: bid.train = bid_"),
        (5, "the plan is carried out what was done is in the journal, and the next run goes on from there"),
    ],
)
def test_a_run_whose_credentials_are_revoked_says_how_far_it_came(
    place: Place, url: str, number: int, said: str
) -> None:
    place.ok("--state", url, "apply", "--auto-approve")
    place.ok("--state", url, "destroy", "--auto-approve", "--allow-volume-destroy", "data")
    refuse_from(url, number)
    refused = place.run("--state", url, "apply", "--auto-approve")
    assert (refused.code, said in " ".join(refused.err.split())) == (5, True), refused
    state = state_servers.server().state(url.rpartition("/")[2])
    state.asked, state.lock = lambda wanted: None, None
    again = place.run("--state", url, "apply", "--auto-approve")
    assert again.code == 0
    with place.simulator() as simulator:
        made = [entry.path for entry in simulator.ledger() if entry.method == "POST"]
    assert sorted(made) == ["/v2/spot/bids"] * 2 + ["/v2/volumes"] * 2  # each once, and once before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 143)])
@pytest.mark.parametrize("is_done", [False, True], ids=["lost", "done"])
def test_who_ends_a_command_while_it_saves_is_told_that_nobody_knows_whether_it_has(
    place: Place, url: str, monkeypatch: pytest.MonkeyPatch, number: int, code: int, is_done: bool
) -> None:
    """It said that what was done is saved, also where the write had not reached the server."""
    place.ok("--state", url, "apply", "--auto-approve")
    save = HttpPlace.save

    def ended(place: HttpPlace, *given: Any) -> None:
        if is_done:
            save(place, *given)
        signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(HttpPlace, "save", ended)
        stopped = place.run("--state", url, "state", "mv", "bid.train", "bid.other")
    said = " ".join(stopped.err.split())
    assert (stopped.code, "does not know whether the state was saved" in said) == (code, True), stopped
    assert f"`flowplan state list --state {url}` shows what it holds" in said
    assert ("bid.other" in place.ok("--state", url, "state", "list")) == is_done
    assert state_servers.server().state(url.rpartition("/")[2]).lock is None


def test_a_bid_that_was_cancelled_is_named_where_the_server_does_not_take_that(place: Place, url: str) -> None:
    place.ok("--state", url, "apply", "--auto-approve")
    (id,) = (row["fid"] for row in json.loads(place.call("GET", "/v2/spot/bids").body)["data"])
    place.ok("--state", url, "state", "rm", "bid.train")
    place.ok("--state", url, "import", "bid.train", id)  # no file names it
    refuse_from(url, 3)
    refused = place.run("--state", url, "recover", "--cancel", id)
    assert (refused.code, f"{id} (bid.train) is cancelled." in refused.out) == (5, True), refused


def test_a_lock_that_the_server_keeps_is_named(place: Place, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All else is done. On another machine nobody could tell whose lock it is."""
    place.ok("--state", url, "apply", "--auto-approve")
    state = state_servers.server().state(url.rpartition("/")[2])
    state.asked = lambda wanted: (401, b"{}", state_servers.JSON) if wanted == "unlock" else None
    applied = place.run("--state", url, "apply", "--auto-approve")
    state.asked = lambda wanted: None
    said = re.search(
        r"so the lock stays: .* `flowplan force-unlock --state \S+ (\S+)` frees", " ".join(applied.err.split())
    )
    assert applied.code == 0 and said, applied
    monkeypatch.setenv("XDG_STATE_HOME", str(place.path / "another"))
    place.ok("--state", url, "force-unlock", said[1])
    assert state.lock is None


@pytest.mark.parametrize("refused", [("update",), ("lock",), ("get", "update", "lock", "unlock")])
@pytest.mark.parametrize("status", [403, 503])
def test_a_destroy_that_the_server_does_not_let_begin_says_what_stops_the_bids(
    place: Place, url: str, refused: tuple[str, ...], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "_PAUSE", 0.001)
    monkeypatch.setattr(http, "_PAUSE", 0.001)
    place.ok("--state", url, "apply", "--auto-approve", "flowplan.yaml")
    state = state_servers.server().state(url.rpartition("/")[2])
    state.asked = lambda wanted: (status, b"{}", state_servers.JSON) if wanted in refused else None
    ran = place.run("--state", url, "destroy", "--auto-approve", "flowplan.yaml")
    assert (ran.code, len(live_ids(place))) == (5, 1), ran
    found = re.search("if your bids must stop before that helps: `([^`]+)`", " ".join(ran.err.split()))
    assert found is not None, ran
    recover, destroy = found[1].split(" && ")
    assert "--from-live flowplan.yaml --state rescue.json" in recover
    place.ok(*recover.split()[1:])
    place.ok(*destroy.split()[1:], "--auto-approve")
    assert live_ids(place) == []
    state.asked = lambda wanted: None
    place.ok("--state", url, "destroy", "--auto-approve", "--allow-volume-destroy", "data", "--lock-timeout", "1s")
    assert place.ok("--state", url, "state", "list") == ""


@pytest.mark.parametrize(
    ("kind", "whole"), [(Remedied, True), (Damaged, True), (NotInUse, True), (NoKey, True), (StateError, False)]
)
def test_whether_the_hint_is_the_whole_remedy_is_told_by_the_error_and_not_by_its_words(
    kind: type[StateError], whole: bool
) -> None:
    error = kind("it is so")
    error.hint = "in other words"
    without_server(error)
    assert ("rescue.json" not in str(error.hint)) is whole


def test_a_state_that_is_gone_is_rebuilt_and_not_doubled(place: Place, url: str) -> None:
    place.ok("--state", url, "apply", "--auto-approve")
    state_servers.server().state(url.rpartition("/")[2]).versions.clear()
    ran = place.run("--state", url, "destroy", "--auto-approve", "--keep-volumes")
    said = " ".join(ran.err.split())
    assert (ran.code, "--from-live" in said, "rescue.json" in said) == (5, True, False), ran


def test_bids_can_be_stopped_while_the_server_lets_nobody_in(place: Place, url: str) -> None:
    place.ok("--state", url, "apply", "--auto-approve")
    state = state_servers.server().state(url.rpartition("/")[2])
    state.asked = lambda wanted: (401, b"{}", state_servers.JSON)
    assert place.run("--state", url, "destroy", "--auto-approve", "--keep-volumes").code == 5
    place.ok("--state", "rescue.json", "recover", "--from-live")
    place.ok("--state", "rescue.json", "destroy", "--auto-approve", "--keep-volumes")
    bids = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    assert [row["status"] for row in bids] == ["Terminated"]
    (place.path / "rescue.json").unlink()
    state.asked = lambda wanted: None
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in place.ok("--state", url, "plan")


@pytest.mark.parametrize("moved", [True, False])
def test_a_destroy_at_the_wrong_place_is_told_the_right_one_and_no_way_around_it(
    place: Place, url: str, moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second state of the same bids, beside one that can be used, is no remedy."""
    place.ok("--state", url if moved else "here.json", "apply", "--auto-approve")
    if moved:
        place.ok("state", "migrate", url, "here.json")
    monkeypatch.setenv("FLOWPLAN_STATE", url)
    ran = place.run("destroy", "--auto-approve")
    said = " ".join(ran.err.split())
    assert (ran.code, "hint: give --state " in said, "rescue.json" in said) == (5, True, False), ran
