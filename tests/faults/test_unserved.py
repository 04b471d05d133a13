"""The server that keeps the state refuses a write, or drops it, in the middle of a run: what cancels bids goes on."""

from __future__ import annotations

import itertools
import json
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define

import flowplan
from flowplan.backends.remote import http, http_client, http_lock
from tests.conftest import APPLY, DESTROY, Place, Result, bid_id, live_ids, many
from tests.contracts import http_site
from tests.contracts.state_servers import JSON, Answer, Dropped, State, server
from tests.texts import task_text

REFUSED: Mapping[str, Answer | type[Dropped]] = {
    "403": (403, b'{"message":"403 Forbidden"}', JSON),
    "500": (500, b'{"message":"500 Internal Server Error"}', JSON),
    "503": (503, b"", "text/plain"),
    "lost": Dropped,
}


@define
class GitLab:
    """A place whose state is at GitLab. From the `first` write of a run on, for `times` of them, it answers `answer`;
    `wrote`: how many there were. `meanwhile` is called before the first of those."""

    place: Place
    state: State
    first: int = 0  # 0: never
    times: int = 1
    answer: Answer | type[Dropped] = REFUSED["403"]
    wrote: int = 0
    meanwhile: Callable[[], None] = lambda: None

    def refuse(self, first: int, answer: Answer | type[Dropped], times: int = 1_000) -> None:
        self.first, self.answer, self.times, self.wrote = first, answer, times, 0

    def asked(self, wanted: str) -> Answer | None:
        if wanted != "update":
            return None
        self.wrote += 1
        if not self.first or not self.first <= self.wrote < self.first + self.times:
            return None
        if self.wrote == self.first:
            self.meanwhile()
        if self.answer is Dropped:
            raise Dropped
        assert not isinstance(self.answer, type)
        return self.answer

    def run(self, *command: str) -> Result:
        """The command, with the server as it is now; after it the server takes everything."""
        self.wrote = 0
        ran = self.place.run(*command)
        self.first, self.meanwhile = 0, lambda: None
        return ran

    def spilled(self) -> int:
        return len(list(self.place.path.parent.rglob("*.spill")))

    def volumes(self) -> list[str]:
        project = json.loads(self.place.call("GET", "/v2/projects").body)[0]["fid"]
        rows = json.loads(self.place.call("GET", f"/v2/volumes?project={project}").body)
        return [row["name"] for row in rows if not row.get("deleted_at")]


@pytest.fixture
def gitlab(place: Place, monkeypatch: pytest.MonkeyPatch) -> GitLab:
    key = uuid.uuid4().hex
    for name, value in {**http_site.LOGIN, "XDG_STATE_HOME": str(place.path.parent / "home")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLOWPLAN_STATE", server().url("gitlab", key))
    monkeypatch.setattr(http, "_PAUSE", 0.001)
    monkeypatch.setattr(http_client, "_PAUSE", 0.001)
    found = GitLab(place, server().state(key))
    found.state.asked = found.asked
    return found


ONE = ("--parallelism", "1")
KEEP = ("destroy", "--auto-approve", "--keep-volumes")
SECOND = 3  # write of a run: the first two take the lock, and announce the first call


def said(result: Result) -> str:
    return " ".join(result.err.split())


@pytest.fixture
def applied(gitlab: GitLab) -> GitLab:
    """Three bids, each with a volume and a port."""
    gitlab.place.write(many(3))
    gitlab.place.ok(*APPLY)
    return gitlab


@pytest.mark.parametrize("why", REFUSED)
@pytest.mark.parametrize("first", [2, SECOND, 5])
def test_a_destroy_cancels_every_bid_and_deletes_no_volume(applied: GitLab, first: int, why: str) -> None:
    applied.refuse(first, REFUSED[why])
    ran = applied.run(*DESTROY, *ONE)
    assert (ran.code, live_ids(applied.place)) == (5, []), ran
    assert sorted(applied.volumes()) == ["vol-000", "vol-001", "vol-002"]
    goes_on = "what cancels bids goes on, and nothing else is begun"
    assert (goes_on in said(ran)) is (first < 5)  # by then all are cancelled
    assert "not carried out: volume.vol-000, volume.vol-001, volume.vol-002 what was done is kept in" in said(ran)
    assert applied.spilled() == 1
    again = applied.run(*DESTROY)
    assert (again.code, applied.volumes(), applied.spilled()) == (0, [], 0), again
    assert "bid.task" not in again.err  # nothing is cancelled twice
    assert applied.place.ok("state", "list") == ""


def test_what_ended_while_the_server_refused_one_write_is_saved_once_it_takes_them(applied: GitLab) -> None:
    applied.refuse(SECOND, REFUSED["403"], times=1)
    ran = applied.run(*KEEP, *ONE)
    assert (ran.code, live_ids(applied.place)) == (0, []), ran
    assert applied.place.ok("state", "list") == ""
    assert "No changes" in applied.place.ok(*DESTROY)
    assert applied.spilled() == 0


def test_what_is_left_then_is_told_and_done_by_the_next_run(applied: GitLab) -> None:
    applied.refuse(SECOND, REFUSED["403"], times=1)
    ran = applied.run(*DESTROY, *ONE)
    assert (ran.code, live_ids(applied.place), len(applied.volumes())) == (5, [], 3), ran
    assert "Destroy incomplete" in ran.out
    assert "not carried out: volume.vol-000, volume.vol-001, volume.vol-002 what was done is saved" in said(ran)
    assert "run the same command again: it continues from here" in said(ran)
    assert applied.place.ok("state", "list").split() == ["volume.vol-000", "volume.vol-001", "volume.vol-002"]
    assert (applied.run(*DESTROY).code, applied.volumes()) == (0, [])


def test_what_the_server_does_not_take_is_seen_from_another_machine(
    applied: GitLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which does not have what was kept on this one."""
    applied.refuse(SECOND, REFUSED["lost"])
    assert applied.run(*DESTROY, *ONE).code == 5
    monkeypatch.setenv("XDG_STATE_HOME", str(applied.place.path.parent / "elsewhere"))
    assert applied.state.lock is None
    applied.place.ok(*DESTROY)
    assert (applied.volumes(), applied.place.ok("state", "list")) == ([], "")


def taken_over(applied: GitLab) -> None:
    """Somebody has unlocked the state at the server, and another run has begun."""
    applied.state.lock = {"ID": "another", "Who": "ann", "Created": "2026-01-02T03:04:05.678Z"}
    applied.state.edit(lambda document: document.update(write="another", run="another", fence=document["fence"] + 1))


@pytest.mark.parametrize("why", REFUSED)
def test_once_another_has_the_lock_nothing_more_is_cancelled(
    applied: GitLab, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_lock, "TRUST", 0.0)  # the age of an answer that it still goes by: five seconds
    applied.meanwhile = lambda: taken_over(applied)
    applied.refuse(SECOND, REFUSED[why])
    ran = applied.run(*DESTROY, *ONE)
    assert (ran.code, len(live_ids(applied.place)), len(applied.volumes())) == (5, 2, 3), ran
    assert "written by another run" in said(ran) or "the lock" in said(ran)
    assert "not cancelled: bid.task-001, bid.task-002, which may run on: at most $35.84 an hour" in said(ran)


@pytest.mark.parametrize("status", [409, 412, 422, 423])
def test_a_write_that_is_refused_as_anothers_ends_the_run(applied: GitLab, status: int) -> None:
    applied.refuse(SECOND, (status, b"{}", JSON))
    ran = applied.run(*DESTROY, *ONE)
    assert (ran.code, len(live_ids(applied.place))) == (5, 2), ran
    assert "was written by another run while this command ran" in said(ran)


def by_terraform(document: dict[str, Any]) -> None:
    document.update(version=4, terraform_version="1.11.4", resources=[])


def by_a_later_flowplan(document: dict[str, Any]) -> None:
    document.update(format_version=99)


def under_a_lock_of_a_later_flowplan(document: dict[str, Any]) -> None:
    document["lock"].update(format_version=99)


@pytest.mark.parametrize("why", ["403", "500"])
@pytest.mark.parametrize("written", [by_terraform, by_a_later_flowplan, under_a_lock_of_a_later_flowplan])
def test_once_what_this_flowplan_has_not_written_is_there_nothing_more_is_cancelled(
    applied: GitLab, why: str, written: Callable[[dict[str, Any]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the look after a write that may have been done (500), or by the one whether the lock is ours."""
    if why == "403":
        monkeypatch.setattr(http_lock, "TRUST", 0.0)
    applied.meanwhile = lambda: applied.state.edit(written)
    applied.refuse(SECOND, REFUSED[why])
    ran = applied.run(*DESTROY, *ONE)
    assert (ran.code, len(live_ids(applied.place)), len(applied.volumes())) == (5, 2, 3), ran


@pytest.mark.parametrize("part", [b"", b'{"format": "flowplan-st'])
def test_a_document_that_is_read_while_it_is_written_is_nobody_elses(
    applied: GitLab, part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may write in place; so for a minute a look that finds no whole document counts as none."""
    monkeypatch.setattr(http_lock, "TRUST", 0.0)
    applied.refuse(SECOND, REFUSED["403"])
    refused, looks = applied.state.asked, list[str]()

    def asked(wanted: str) -> Answer | None:
        if wanted == "get" and applied.wrote >= SECOND:
            looks.append(wanted)
            return 200, part, JSON
        return refused(wanted)

    applied.state.asked = asked
    ran = applied.run(*KEEP, *ONE)
    assert (ran.code, live_ids(applied.place), bool(looks)) == (5, [], True), ran


def leave_one_in_doubt(applied: GitLab) -> None:
    """A fourth bid, whose create had no answer; it was placed."""
    place = applied.place
    place.write(many(3) + task_text("fourth"))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert applied.run(*APPLY, "--on-unknown", "stop").code == 6
    with place.simulator() as simulator:
        simulator.faults.clear()


def test_what_an_earlier_run_left_in_doubt_needs_no_record_to_be_destroyed(applied: GitLab) -> None:
    """A create whose answer was lost is settled first: that is the first record."""
    place = applied.place
    leave_one_in_doubt(applied)
    assert len(live_ids(place)) == 4
    applied.refuse(2, REFUSED["403"])
    ran = applied.run(*KEEP)
    assert (ran.code, live_ids(place)) == (5, []), ran
    assert applied.run(*DESTROY).code == 0


def test_recover_cancels_duplicates_without_a_record(applied: GitLab) -> None:
    place, ids = applied.place, [bid_id(applied.place, f"bid.task-00{n}") for n in range(2)]
    for n, one in enumerate(ids):
        place.ok("state", "rm", f"bid.task-00{n}")
        place.ok("import", f"bid.task-00{n}", one)  # no file names it
    applied.refuse(2, REFUSED["403"])
    ran = applied.run("recover", *(f"--cancel={one}" for one in ids))
    assert (ran.code, len(live_ids(place))) == (5, 1), ran
    assert "what was stopped is kept in" in said(ran)
    assert all(one in ran.out for one in ids)
    place.ok("recover")
    assert (place.ok("state", "list").count("bid."), applied.spilled()) == (1, 0)


# ---- what else an apply does --------------------------------------------------------------------------------


def test_an_apply_that_only_takes_away_goes_on(applied: GitLab) -> None:
    applied.place.write(many(1))
    applied.refuse(SECOND, REFUSED["403"])
    ran = applied.run(*APPLY, *ONE, "--allow-volume-destroy", "*")
    assert (ran.code, len(live_ids(applied.place)), len(applied.volumes())) == (5, 1, 3), ran
    applied.place.ok(*APPLY, "--allow-volume-destroy", "*")
    assert (len(live_ids(applied.place)), len(applied.volumes())) == (1, 1)


@pytest.mark.parametrize(("first", "live"), [(2, 3), (SECOND, 2), (4, 1)])
def test_what_may_have_its_successor_among_what_is_not_placed_runs_on(applied: GitLab, first: int, live: int) -> None:
    """But for what was under way by then."""
    place = applied.place
    place.write(task_text("new"))
    applied.refuse(first, REFUSED["403"])
    ran = applied.run(*APPLY, *ONE, "--allow-volume-destroy", "*")
    assert (ran.code, len(live_ids(place)), len(applied.volumes())) == (5, live, 3), ran
    assert "what cancels bids goes on" not in said(ran)
    place.ok(*APPLY, "--allow-volume-destroy", "*")
    assert (len(live_ids(place)), applied.spilled()) == (1, 0)


@pytest.mark.parametrize(("first", "paused"), [(2, 0), (SECOND, 0), (4, 3)])
def test_nor_is_it_paused_until_what_is_placed_is_recorded(applied: GitLab, first: int, paused: int) -> None:
    place = applied.place
    place.write(task_text("new") + many(3).replace("ports:", "paused: true\nports:"))
    applied.refuse(first, REFUSED["403"])
    ran = applied.run(*APPLY, *ONE)
    rows = json.loads(place.call("GET", "/v2/spot/bids?status=Paused").body)["data"]
    assert (ran.code, len(rows)) == (5, paused), ran
    assert ("what cancels bids goes on" in said(ran)) is (first == 4)
    place.ok(*APPLY)
    assert (len(live_ids(place)), applied.spilled()) == (4, 0)


FIRST = "lifecycle: {create_before_destroy: true}\n"


@pytest.mark.parametrize("first", [2, 3, 4, 5])
def test_no_bid_is_cancelled_before_its_successor_is_recorded(gitlab: GitLab, first: int) -> None:
    place = gitlab.place
    place.write(task_text("a", more=f"ports: [8080]\n{FIRST}"))
    place.ok(*APPLY)
    (old,) = live_ids(place)
    place.write(task_text("a", more=f"ports: [8090]\n{FIRST}"))
    gitlab.refuse(first, REFUSED["500"])
    ran = gitlab.run(*APPLY, *ONE)
    live = live_ids(place)
    assert ran.code == 5, ran
    assert len(live) == {2: 1, 3: 2}.get(first, 1), (ran, live)
    assert (old in live) is (first < 4)
    place.ok(*APPLY)
    (new,) = live_ids(place)
    assert new != old and gitlab.spilled() == 0
    assert sum(one.method == "POST" and one.path == "/v2/spot/bids" for one in place.ledger()) == 2


@pytest.mark.parametrize("first", [2, SECOND])
def test_what_is_past_its_lifetime_ends_beside_what_is_not_placed(gitlab: GitLab, first: int) -> None:
    place = gitlab.place
    late = [task_text(f"late-{n}", more="lifetime: {max_hours: 2}\n") for n in range(2)]
    place.write("".join(late) + task_text("removed"))
    place.ok(*APPLY)
    removed = bid_id(place, "bid.removed")
    place.ok("simulator", "advance", "5h")
    place.write("".join(late) + task_text("new"))
    gitlab.refuse(first, REFUSED["403"])
    ran = gitlab.run(*APPLY, *ONE)
    assert ran.code == 5, ran
    assert removed in live_ids(place) or first != 2
    assert not {bid_id(place, f"bid.late-{n}") for n in range(2)} & {*live_ids(place)}, ran
    place.ok(*APPLY)
    assert len(live_ids(place)) == 1 and removed not in live_ids(place)


@pytest.mark.parametrize("why", ["403", "lost"])
def test_what_was_made_and_is_not_recorded_is_told_and_not_called_created(gitlab: GitLab, why: str) -> None:
    place = gitlab.place
    place.write(task_text("first"))
    place.ok(*APPLY)
    place.write(task_text("first") + many(2))
    gitlab.refuse(SECOND, REFUSED[why])
    ran = gitlab.run(*APPLY, *ONE)
    (made,) = gitlab.volumes()
    assert (ran.code, len(live_ids(place))) == (5, 1), ran
    assert f"volume.{made}: created" not in ran.out + ran.err
    assert f"made: volume.{made} = vol_" in said(ran)
    place.ok(*APPLY)
    assert (len(live_ids(place)), len(gitlab.volumes()), gitlab.spilled()) == (3, 2, 0)


def test_of_what_is_proved_absent_nothing_is_sent_again_without_a_record(gitlab: GitLab) -> None:
    """However many there are: the first frame that is not taken says why, and the run ends with that."""
    place = gitlab.place
    place.write(task_text("old"))
    place.ok(*APPLY)
    place.write(task_text("old") + task_text("a") + task_text("b"))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", times=2)
    gitlab.refuse(SECOND, REFUSED["403"])
    ran = gitlab.run(*APPLY, "--settle-window", "0", "--parallelism", "2")
    assert (ran.code, len(live_ids(place))) == (5, 1), ran
    assert "these credentials may not write it (HTTP 403) in doubt: bid." in said(ran)
    assert "is closed after an error" not in said(ran)
    place.ok(*APPLY)
    assert len(live_ids(place)) == 3


def test_an_apply_that_settles_over_a_server_that_refuses_is_not_said_to_go_on(applied: GitLab) -> None:
    place = applied.place
    leave_one_in_doubt(applied)
    place.write(many(3) + task_text("fourth") + task_text("fifth"))
    applied.refuse(2, REFUSED["403"])
    ran = applied.run(*APPLY)
    assert (ran.code, len(live_ids(place))) == (5, 4), ran
    assert "(HTTP 403); what only stops goes on without it" in said(ran)
    assert "nothing was changed: what runs goes on, and costs money" in said(ran)
    place.ok(*APPLY)
    assert len(live_ids(place)) == 5


# ---- what overflowed cannot be read --------------------------------------------------------------------------


@pytest.fixture
def overflowed(applied: GitLab) -> Path:
    """What the journal could not take is kept on this machine: that a fourth bid was placed."""
    applied.place.write(many(3) + task_text("fourth"))
    applied.refuse(SECOND, REFUSED["403"])
    assert applied.run(*APPLY, *ONE).code == 5
    (path,) = applied.place.path.parent.rglob("*.spill")
    return path


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def open_to_others(path: Path) -> None:
    path.chmod(0o666)


@pytest.mark.parametrize("spoil", [damage, open_to_others])
def test_a_destroy_goes_on_without_an_overflow_that_cannot_be_read(
    applied: GitLab, overflowed: Path, spoil: Callable[[Path], None]
) -> None:
    """Which stays as it is, and is never taken for read: also what only it knows is cancelled, by its marker."""
    spoil(overflowed)
    place, spoilt = applied.place, overflowed.read_bytes()
    assert len(live_ids(place)) == 4
    for command in (("plan",), APPLY):
        refused = place.run(*command)
        assert (refused.code, len(live_ids(place))) == (5, 4), refused
    ran = applied.run(*DESTROY)
    assert (ran.code, live_ids(place), len(applied.volumes())) == (5, [], 3), ran
    assert "the file stays as it is, and this run goes by the rest of the state" in said(ran)
    assert "are live:" not in said(ran)  # by now they are not
    assert "not carried out: volume.vol-000, volume.vol-001, volume.vol-002 what was done is saved" in said(ran)
    again = applied.run(*KEEP)
    assert (again.code, overflowed.read_bytes()) == (5, spoilt), again
    assert place.run("plan").code == 5
    overflowed.unlink()
    place.ok(*DESTROY)
    assert (place.ok("state", "list"), applied.spilled()) == ("", 0)


@pytest.mark.parametrize("program", [False, True])
def test_a_state_in_a_file_is_destroyed_without_a_damaged_overflow(
    program: bool, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(place.path.parent / "home"))
    place.write(task_text("a") + task_text("b"))
    real, count = os.fdatasync, itertools.count(1)

    def full(descriptor: int) -> None:
        if next(count) >= 3:  # the journal begins, two intents, and what was made
            raise OSError(28, "ENOSPC")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        assert place.run(*APPLY, *ONE).code == 5
    (path,) = place.path.parent.rglob("*.spill")
    damage(path)
    spoilt = path.read_bytes()
    assert live_ids(place)
    shown = place.run("plan", "--destroy")
    assert "the file stays as it is" in said(shown) and "Plan: 0 to add" in shown.out, shown
    if program:
        stack = flowplan.load("flowplan.yaml", directory=place.path, environ=dict(os.environ))
        with pytest.raises(flowplan.StateError, match="damaged"):
            stack.destroy(settle_window=0.2)
    else:
        ran = place.run(*DESTROY)
        assert ran.code == 5, ran
    assert (live_ids(place), path.read_bytes()) == ([], spoilt)
    path.unlink()
    assert "No changes" in place.ok(*DESTROY)


def test_recover_cancels_without_a_damaged_overflow(applied: GitLab, overflowed: Path) -> None:
    damage(overflowed)
    place, damaged = applied.place, overflowed.read_bytes()
    id = live_ids(place)[0]
    refused = applied.run("recover", "--cancel", id)
    assert (refused.code, len(live_ids(place))) == (3, 4), refused  # it is no duplicate
    row = json.loads(place.call("GET", f"/v2/spot/bids/{id}").body)
    copy = {key: row[key] for key in ("project", "region", "instance_type", "limit_price", "instance_quantity")}
    launch = {**row["launch_specification"], "volumes": []}
    body = json.dumps({**copy, "name": "twin", "launch_specification": launch}).encode()
    twin = json.loads(place.call("POST", "/v2/spot/bids", body).body)["fid"]
    ran = applied.run("recover", "--cancel", twin)
    assert (ran.code, twin in live_ids(place), len(live_ids(place))) == (5, False, 4), ran
    assert f"{twin} (bid." in ran.out
    assert overflowed.read_bytes() == damaged
    assert applied.run("recover").code == 5
