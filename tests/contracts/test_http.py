"""What a state at a server for Terraform states holds against lost answers, kills at any call, runs that wake up too
late, and servers that do not keep their word. All of it under a lock, as a run has it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from attrs import evolve

from flowplan.backends.processes import pid_namespace
from flowplan.backends.remote import http_lock
from flowplan.backends.remote.asked import Asked
from flowplan.backends.remote.foreseen import NAMED
from flowplan.backends.remote.http_client import UNRETURNED
from flowplan.backends.remote.in_time import wanted_until
from flowplan.backends.remote.lease import Clocks, Record
from flowplan.backends.remote.place import Conflict, Unanswered
from flowplan.errors import FlowplanError, Locked, StateError, Unserved
from flowplan.model.owner import Owner
from tests.builders import DATA
from tests.contracts import state_servers
from tests.contracts.begun import BINDING, DONE, INTENT, found
from tests.contracts.http_site import SITES, HttpSite
from tests.contracts.http_work import work, worked
from tests.contracts.state_servers import JSON, TEXT, Answer, Dropped
from tests.contracts.under_lock import Killed, holders, owner
from tests.processes import LONGEST, Process, until
from tests.runs import Run

WORK = ["intent", "done", "saved", "kept"]


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> HttpSite:
    return SITES[request.param](tmp_path / "one")


def another(site: HttpSite, name: str) -> HttpSite:
    return type(site)(site.directory.with_name(name))


def calls_of(site: HttpSite) -> list[str]:
    calls: list[str] = []
    site.sends = calls.append
    worked(site)
    return calls


# -- what a run asks


def test_a_wave_is_one_write(site: HttpSite) -> None:
    worked(site)
    store = site.open()
    store.lock.acquire(owner())
    run, calls = Run.of(store), list[str]()
    store.lock.verify()
    run.append([INTENT])
    site.state.asked = lambda wanted: calls.append(wanted)  # type: ignore[func-returns-value]
    run.append([DONE])
    assert calls == ["update"]


def test_a_lock_is_asked_for_as_terraform_asks(site: HttpSite) -> None:
    bodies: list[dict[str, str]] = []
    take = type(state_servers.KINDS[site.kind]).take

    def recorded(kind: state_servers.Kind, state: state_servers.State, info: dict[str, str]) -> Answer:
        bodies.append(info)
        return take(kind, state, info)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(state_servers.KINDS[site.kind]), "take", recorded)
        site.open().lock.acquire(owner())
    assert bodies[-1].keys() == {"ID", "Operation", "Info", "Who", "Version", "Created", "Path"}
    assert bodies[-1]["ID"] == (site.state.lock or {})["ID"]
    assert bodies[-1]["Operation"] == "flowplan apply"


def test_each_write_has_the_next_serial(site: HttpSite) -> None:
    worked(site)
    before = json.loads(site.state.latest or b"")
    worked(site)
    after = json.loads(site.state.latest or b"")
    assert after["serial"] == before["serial"] + 6  # taken, two waves, saved, kept, given back
    assert (after["lineage"], after["fence"]) == (before["lineage"], before["fence"] + 1)
    assert (after["state"]["serial"], len({before["write"], after["write"]})) == (2, 2)


def test_a_state_begins_where_there_is_none_and_that_is_said(site: HttpSite) -> None:
    said: list[str] = []
    for _ in range(2):
        store = site.open()
        store.lock.acquire(owner(), say=said.append)
        store.lock.release()
    assert said == [f"there was no state at {site.url}: a new one begins there"]


def test_a_cache_before_the_server_gives_no_run_an_older_document(site: HttpSite) -> None:
    site.state.cached = {}
    assert site.place().read().snapshot is None
    for serial in (1, 2, 3):
        worked(site)
        assert json.loads(site.state.latest or b"")["state"]["serial"] == serial
    assert [one.serial for one in site.open().versions()] == [1, 2, 3]


# -- what gets lost


# Between the answer to a call and the next call little happens: a kind of server has one of both, the rest is slow.
KILLS = [
    pytest.param(kind, when, marks=[] if (kind == "gitea") == (when == "got") else pytest.mark.slow)
    for kind in SITES
    for when in ("sends", "got")
]


@pytest.mark.parametrize(("site", "when"), KILLS, indirect=["site"])
def test_a_kill_at_every_call_loses_nothing_that_was_durable(site: HttpSite, when: str) -> None:
    killed = 0
    for at in range(len(calls_of(another(site, "count")))):
        here, number, known = another(site, f"{when}{at}"), count(), list[str]()

        def dies(asked: str, number: count[int] = number, at: int = at) -> None:
            if next(number) >= at:
                raise Killed

        setattr(here, when, dies)
        try:
            work(here.open(), known)
        except Killed:
            killed += 1
        here.sends = here.got = lambda asked: None
        loaded = found(here)
        assert "intent" not in known or loaded.pending or DATA in loaded.state.bindings, at
        assert "done" not in known or loaded.state.bindings == {DATA: BINDING}, at
        assert "saved" not in known or loaded.state.serial == 1, at
        here.state.lock = None  # somebody unlocks it at the server
        store = here.open()
        store.lock.acquire(owner())
        again = Run.of(store)
        again.append([DONE])
        assert again.save(again.read().state).bindings == {DATA: BINDING}, at
        store.lock.release()
        assert (found(here).pending, here.state.lock) == ({}, None), at
    assert killed > 10


# At which calls: at every second one, from another one on at the next kind of server; the rest is slow.
LOST = [
    pytest.param(kind, number % 2, each, marks=[] if each == 2 else pytest.mark.slow)
    for number, kind in enumerate(SITES)
    for each in (2, 1)
]


@pytest.mark.parametrize(("site", "first", "each"), LOST, indirect=["site"])
def test_the_answer_to_any_request_may_be_lost_after_it_was_done(site: HttpSite, first: int, each: int) -> None:
    for at in range(first, len(calls_of(another(site, "count"))), each):
        here, number, known = another(site, f"lost{at}"), count(), list[str]()

        def lost(wanted: str, answer: Answer, number: count[int] = number, at: int = at) -> Answer:
            if next(number) == at:
                raise Dropped
            return answer

        here.state.answered = lost
        store = here.open()
        work(store, known)
        store.lock.release()
        assert known == WORK, at
        assert (found(here).state.bindings, found(here).state.serial) == ({DATA: BINDING}, 1), at
        assert here.state.lock is None, at
        assert [one.serial for one in here.open().versions()] == [1], at


def failing(site: HttpSite, times: int) -> None:
    """From here on the first `times` writes are answered with 502, and not done."""
    number = count()
    site.state.asked = lambda wanted: (
        (502, b"bad gateway", TEXT) if wanted == "update" and next(number) < times else None
    )


def test_a_write_that_was_not_done_is_sent_again_only_where_it_could_arrive_twice(site: HttpSite) -> None:
    """A proxy may pass it on when it has given up. Where its serial is taken by then, that does nothing."""
    worked(site)
    store = site.open()
    store.lock.acquire(owner())
    run = Run.of(store)
    failing(site, 1)
    if site.kind == "plain":
        with pytest.raises(StateError, match=r"is not known: HTTP 502 \(bad gateway\)"):
            run.append([INTENT])
        with pytest.raises(StateError, match="closed after an error"):
            run.append([INTENT])
        before = site.state.latest
        with pytest.raises(StateError, match="may arrive late"):
            run.save(run.read().state)
        store.lock.release()
        assert (site.state.latest, site.state.lock) == (before, None)
        return
    run.append([INTENT])
    assert found(site).pending == {"i-1": INTENT}


def test_where_the_server_stays_away_the_results_go_elsewhere_and_are_taken_over(site: HttpSite) -> None:
    store = site.open()
    store.lock.acquire(owner())
    run = Run.of(store)
    run.append([INTENT])
    failing(site, 1000)
    with pytest.raises(StateError, match="is not known"):
        run.append([DONE])
    assert run.overflow([DONE]) is not None
    store.lock.release()
    site.state.asked = lambda _: None
    assert found(site).state.bindings == {DATA: BINDING}
    last = site.open()
    last.lock.acquire(owner())
    run = Run.of(last)
    assert run.save(run.read().state).bindings == {DATA: BINDING}
    assert site.kept_elsewhere() == 0


# -- who wakes up too late


def test_a_holder_whose_lock_was_broken_writes_nothing(site: HttpSite) -> None:
    """Whether its successor still has the lock, or has given it back."""
    now = [1000.0]
    clocks = Clocks(lambda: now[0], lambda: now[0])
    first, second = site.open(clocks=clocks), site.open()
    first.lock.acquire(owner())
    late = Run.of(first)
    late.append([INTENT])
    site.state.lock = None  # somebody unlocks it at the server
    second.lock.acquire(owner())
    assert second.lock.fence == first.lock.fence + 1
    after = Run.of(second)
    after.append([DONE])
    for released in (False, True):
        for write in (lambda: late.append([DONE]), lambda: late.save(late.read().state)):
            with pytest.raises(StateError):
                write()
        if not released:
            saved = after.save(after.read().state)
            second.lock.release()
    assert found(site).state == saved
    now[0] += 6  # the machine was asleep, or the last answer is that old
    with pytest.raises(StateError, match="was lost while this command ran"):
        first.lock.verify()
    first.lock.release()
    assert found(site).state == saved


def test_a_holder_asks_the_server_when_its_last_answer_is_old(site: HttpSite) -> None:
    boot, wall, calls = [1000.0], [2000.0], list[str]()
    store = site.open(clocks=Clocks(lambda: boot[0], lambda: wall[0]))
    store.lock.acquire(owner())
    site.state.asked = lambda wanted: calls.append(wanted)  # type: ignore[func-returns-value]
    store.lock.verify()
    assert calls == []
    for clock in (boot, wall):  # a machine that sleeps, and one that is stopped from outside
        clock[0] += 10
        store.lock.verify()
        store.lock.verify()
    assert calls == ["get", "get"]
    site.state.asked = lambda wanted: (503, b"", TEXT)
    boot[0] += 59
    store.lock.verify()  # the server is away, and nobody else can have the lock without it
    boot[0] += 2
    with pytest.raises(StateError, match="was lost"):
        store.lock.verify()


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_look_that_is_not_answered_is_waited_for_a_while_and_counts_when_it_comes(
    site: HttpSite, is_ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_lock, "WAIT", 0.01)
    boot, hangs, looks = [1000.0], threading.Event(), list[str]()
    store = site.open(clocks=Clocks(lambda: boot[0], lambda: boot[0]))
    store.lock.acquire(owner())
    boot[0] += 10

    def asked(wanted: str) -> Answer | None:
        looks.append(wanted)
        if len(looks) == 1:
            assert hangs.wait(LONGEST)
            if not is_ours:
                site.state.edit(lambda document: document.update(run="another", fence=document["fence"] + 1))
        return None

    site.state.asked = asked
    for _ in range(3):  # the server is away, and who takes a lock that is held has to say so first
        store.lock.verify()
    assert (looks, store.lock.sure_for()) == (["get"], 50)
    boot[0] += 20
    hangs.set()
    for thread in threading.enumerate():
        if thread.name == NAMED:
            thread.join(LONGEST)
    monkeypatch.setattr(http_lock, "WAIT", LONGEST)
    if is_ours:  # but that was long ago
        assert store.lock.sure_for() == 40
        store.lock.verify()
        assert (len(looks), store.lock.sure_for()) == (2, 60)
    else:
        with pytest.raises(StateError, match="was lost"):
            store.lock.verify()
        assert len(looks) == 1
    store.lock.release()


def test_a_look_that_the_first_write_of_a_run_has_overtaken_takes_no_lock_away(
    site: HttpSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state went back since this machine has seen it: when the look is answered, no document says whose the lock
    is."""
    worked(site)
    older = dict(site.state.versions)
    worked(site)
    site.remember()
    site.state.versions = older
    boot, slow, hangs = [1000.0], list[str](), threading.Event()

    def got(asked: str) -> None:
        if slow and asked.startswith(slow.pop()):
            assert hangs.wait(LONGEST)

    site.got = got
    store = site.open(clocks=Clocks(lambda: boot[0], lambda: boot[0]))
    store.lock.acquire(owner())
    boot[0] += 10
    slow.append("GET")
    with monkeypatch.context() as patch:
        patch.setattr(http_lock, "WAIT", 0.01)
        store.lock.verify()
    until(lambda: not slow)  # the server has it: by then nobody may wait for its answer any more
    Run.of(store).append([INTENT])
    hangs.set()
    for thread in threading.enumerate():
        if thread.name == NAMED:
            thread.join(LONGEST)
    boot[0] += 10
    store.lock.verify()
    store.lock.release()


def test_a_write_says_of_the_lock_what_was_so_when_it_was_sent(site: HttpSite) -> None:
    boot = [1000.0]
    store = site.open(clocks=Clocks(lambda: boot[0], lambda: boot[0]))
    store.lock.acquire(owner())
    run = Run.of(store)
    run.append([INTENT])

    def slow(wanted: str, answer: Answer) -> Answer:
        boot[0] += 30
        return answer

    boot[0] += 1
    site.state.answered = slow
    run.append([DONE])
    assert store.lock.sure_for() == 30
    store.lock.release()


def test_a_write_is_waited_for_as_long_as_the_server_says_that_the_lock_is_ours(
    site: HttpSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that takes no more writes in this minute (429): it is not away, and says whose the lock is."""
    monkeypatch.setattr(http_lock, "PATIENCE", 0.05)
    monkeypatch.setattr(http_lock, "TRUST", 0.01)
    boot, is_slow, over = [1000.0], False, threading.Event()

    def sends(asked: str) -> None:
        if is_slow and not asked.startswith("GET"):
            boot[0] += 0.04
            until(lambda: store.lock.sure_for() > 0.04 or over.is_set())

    site.sends = sends
    store = site.open(clocks=Clocks(lambda: boot[0], lambda: boot[0]))
    store.lock.acquire(owner())
    run = Run.of(store)
    run.append([INTENT])
    is_slow = True
    try:
        run.append([DONE])
    finally:
        over.set()
    is_slow = False
    store.lock.verify()
    assert run.save(run.read().state).bindings == {DATA: BINDING}
    store.lock.release()


def test_a_save_that_was_not_answered_and_arrived_is_not_taken_for_another_runs(site: HttpSite) -> None:
    """Nor is anything answered that would tell."""
    is_away = False

    def got(asked: str) -> None:
        nonlocal is_away
        is_away = is_away or asked.startswith(("POST", "PUT"))
        if is_away and site.got is got:
            raise StateError("the server is away")

    def gets(asked: str) -> None:
        site.got(asked)

    store = site.open()
    store.lock.acquire(owner())
    run = Run.of(store)
    run.append([INTENT])
    run.append([DONE])
    state = run.read().state
    site.got = got
    store._place.client.got = gets  # type: ignore[attr-defined]
    with pytest.raises(Unserved, match="is away"):
        run.save(state)
    site.got = lambda asked: None
    assert run.save(state).bindings == {DATA: BINDING}
    store.lock.release()


def test_what_was_given_up_and_not_sent_leaves_the_run_in_no_doubt(site: HttpSite) -> None:
    """A thread of an earlier round, which wakes under the lock of the next one, sends nothing, and is in no way."""
    store, over = site.open(), threading.Event()
    store.lock.acquire(owner())
    run = Run.of(store)
    run.append([INTENT])
    over.set()
    with wanted_until(over), pytest.raises(Unanswered):
        store._place.keep_version(("lineage", 1), b"{}", replace=True)
    run.append([DONE])
    assert run.save(run.read().state).bindings == {DATA: BINDING}
    store.lock.release()


@pytest.mark.parametrize("writers", [2, 8, 32])
def test_of_many_at_once_one_holds_the_lock(site: HttpSite, writers: int) -> None:
    worked(site)
    assert holders(writers, site.open) == [2]


# -- a lock that stays


def test_a_lock_that_the_document_does_not_name_is_broken_by_the_id_that_the_server_gives(site: HttpSite) -> None:
    """Of a run that was killed between the two, or of Terraform."""
    worked(site)
    fields = ("ID", "Operation", "Info", "Who", "Version", "Created", "Path")
    site.state.lock = dict.fromkeys(fields, "") | {"ID": "a-lock", "Who": "ann@laptop"}
    with pytest.raises(Locked, match="held by ann") as caught:
        site.open().lock.acquire(owner())
    assert "flowplan force-unlock a-lock" in (caught.value.hint or "")
    with pytest.raises(FlowplanError, match="has the id a-lock, not another"):
        site.open().lock.break_("another", owner())
    assert site.open().lock.break_("a-lock", owner()).id == "a-lock"
    assert site.state.lock is None
    with pytest.raises(FlowplanError, match="nobody holds"):
        site.open().lock.break_("a-lock", owner())
    worked(site)


def test_how_a_holder_that_is_stopped_goes_on_is_said(site: HttpSite) -> None:
    """Ctrl-Z: no server lets go of its lock, and it would not hear kill -INT."""
    worked(site)
    with Process([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
        site.open().lock.acquire(evolve(owner(), id="stopped", pid=process.pid, started=started))
        remedy = f"that run is stopped (Ctrl-Z): fg in its terminal, or kill -CONT {process.pid}, lets it go on"
        with pytest.raises(Locked) as refused:
            site.open().lock.acquire(owner())
        assert refused.value.hint == remedy
        with pytest.raises(FlowplanError, match="it stays") as kept:
            site.open().lock.break_("stopped", owner())
        assert kept.value.hint == remedy
        process.kill()


def test_a_lock_that_was_broken_stops_the_run_that_had_it(site: HttpSite) -> None:
    """It was alive after all, on a machine that nobody could see."""
    worked(site)
    now = [1000.0]
    store = site.open(clocks=Clocks(lambda: now[0], lambda: now[0]))
    far = Owner("far-id", "bob@far", "far", 7, "another-boot", "9", "flowplan apply", "2026-01-02T03:04:05Z")
    store.lock.acquire(far)
    run = Run.of(store)
    run.append([INTENT])
    with pytest.raises(Locked, match="held by bob@far") as caught:
        site.open().lock.acquire(owner())
    assert "flowplan force-unlock far-id" in (caught.value.hint or "")
    assert site.open().lock.break_("far-id", owner()) == far
    assert site.open().lock.holder() is None
    now[0] += 6
    with pytest.raises(StateError, match="was lost"):
        store.lock.verify()
    with pytest.raises(StateError):
        run.append([DONE])


def test_a_lock_that_is_given_back_by_the_wrong_run_stays(site: HttpSite) -> None:
    worked(site)
    late, holder = site.open(), site.open()
    late.lock.acquire(owner())
    site.state.lock = None
    holder.lock.acquire(owner())
    lock = site.state.lock
    late.lock.release()
    assert site.state.lock == lock is not None
    holder.lock.verify()


def test_what_is_interrupted_at_any_call_gives_the_lock_back(site: HttpSite) -> None:
    for at in range(len(calls_of(another(site, "count")))):
        here, number = another(site, f"stopped{at}"), count()

        def stops(asked: str, number: count[int] = number, at: int = at) -> None:
            if next(number) == at:
                raise KeyboardInterrupt

        here.got = stops
        store = here.open()
        with suppress(KeyboardInterrupt):
            work(store, [])
        with suppress(KeyboardInterrupt):
            store.lock.release()
        store.lock.release()
        assert (here.state.lock, here.open().lock.holder()) == (None, None), at


def test_a_lock_that_was_noted_for_another_run_is_of_nobody_known(tmp_path: Path) -> None:
    """A note that is damaged, or of another lock, frees nothing."""
    site = SITES["gitlab"](tmp_path / "one")
    worked(site)
    site.state.lock = {"ID": "of-somebody", "Who": "ann", "Created": ""}
    noted = Asked(site.directory / "asked", site.place().identity, site.url)
    gone = evolve(owner(), pid=2**22 + 1, started="1")
    noted.note(Record(gone, 0, run="of-another", namespace=pid_namespace()))
    (path,) = (site.directory / "asked").iterdir()
    noted.note(Record(gone, 0, run="of-somebody", namespace=pid_namespace()))
    named = next(one for one in (site.directory / "asked").iterdir() if one != path)
    for content in (path.read_bytes(), b"", b"{}", b"\0" * 100):
        named.write_bytes(content)
        with pytest.raises(Locked, match="held by ann"):
            site.open().lock.acquire(owner())


def test_the_lock_of_a_run_that_died_before_its_document_said_so_is_taken_over(tmp_path: Path) -> None:
    """Gitea knows whose it is. GitLab does not, but this machine does; from elsewhere it is broken by its id."""

    def killed_in_between(site: HttpSite) -> None:
        def dies(asked: str) -> None:
            if asked.endswith("/lock") and asked.startswith("POST"):
                os.kill(os.getpid(), signal.SIGKILL)

        worked(site)
        pid = os.fork()
        if pid == 0:
            site.got = dies
            site.open().lock.acquire(owner())
            os._exit(1)
        os.waitpid(pid, 0)

    gitea, gitlab = SITES["gitea"](tmp_path / "gitea"), SITES["gitlab"](tmp_path / "gitlab")
    killed_in_between(gitea)
    killed_in_between(gitlab)
    for site in (gitea, gitlab):
        said: list[str] = []
        store = site.open()
        store.lock.acquire(owner(), say=said.append)
        assert "died; taking over its lock" in said[0]
        store.lock.release()
        assert list((site.directory / "asked").iterdir()) == []
    killed_in_between(gitlab)
    shutil.rmtree(gitlab.directory / "asked")  # as on another machine
    with pytest.raises(Locked, match="held by ann") as caught:
        gitlab.open().lock.acquire(owner())
    assert "process" not in (caught.value.detail or "")
    gitlab.open().lock.break_((gitlab.state.lock or {})["ID"], owner())
    worked(gitlab)


@pytest.mark.parametrize("at", range(3))
def test_the_lock_of_a_run_that_died_as_it_tried_the_server_is_taken_over(site: HttpSite, at: int) -> None:
    """The first run on a machine tries the server under a lock of its own."""
    worked(site)
    shutil.rmtree(site.directory / "proved")
    pid = os.fork()
    if pid == 0:
        calls = count()

        def dies(asked: str) -> None:
            if next(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)

        site.got = dies
        site.open().lock.acquire(owner())
        os._exit(1)
    os.waitpid(pid, 0)
    assert site.state.lock is not None
    assert not (site.directory / "proved").exists()
    said: list[str] = []
    store = site.open()
    store.lock.acquire(owner(), say=said.append)
    assert "died; taking over its lock" in said[0]
    store.lock.release()
    assert list((site.directory / "asked").iterdir()) == []
    assert site.state.lock is None


@pytest.mark.parametrize("by", ["the run", "its process", "the document"])
def test_a_lock_that_could_not_be_given_back_is_in_nobodys_way(site: HttpSite, by: str) -> None:
    """The server was away at the end: the run itself knows it, the next run of its process, as of a watch that has one
    each round, and others by what the document says."""
    store = site.open()
    work(store, [])
    site.state.asked = lambda wanted: (503, b"", TEXT) if wanted == "unlock" or by != "the document" else None
    store.lock.release()
    site.state.asked = lambda _: None
    assert site.state.lock is not None
    if by == "the document":
        UNRETURNED.clear()
    said: list[str] = []
    next_one = store if by == "the run" else site.open()
    next_one.lock.acquire(owner(), say=said.append)
    next_one.lock.verify()
    assert (next_one.lock.fence, said) == (2, [])
    next_one.lock.release()
    assert site.state.lock is None


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("at", range(3))
def test_a_lock_that_stays_when_the_server_was_tried_is_in_nobodys_way(
    site: HttpSite, at: int, *, elsewhere: bool
) -> None:
    """Its credentials were revoked meanwhile. This process knows the lock, and a later one of this machine."""
    worked(site)
    shutil.rmtree(site.directory / "proved")
    calls = count()
    site.state.asked = lambda wanted: (401, b"", TEXT) if next(calls) > at else None
    with pytest.raises(StateError, match="refuses the credentials"):
        site.open().lock.acquire(evolve(owner(), pid=2**22 + 1, started="1") if elsewhere else owner())
    site.state.asked = lambda _: None
    assert site.state.lock is not None
    if elsewhere:
        UNRETURNED.clear()
    store = site.open()
    store.lock.acquire(owner())
    store.lock.release()
    assert site.state.lock is None
    assert list((site.directory / "asked").iterdir()) == []


def test_what_is_not_to_be_seen_yet_is_waited_for(tmp_path: Path) -> None:
    """GitLab reads from a copy of its database that may be late."""
    site = SITES["gitlab"](tmp_path / "one")
    worked(site)
    old = site.state.latest
    worked(site)
    looks = count()
    site.state.answered = lambda wanted, answer: (
        (200, old or b"", JSON) if wanted == "get" and next(looks) < 2 else answer
    )
    worked(site)
    assert found(site).state.serial == 3


# -- without a lock


def test_a_late_write_finds_its_serial_taken(tmp_path: Path) -> None:
    """Without any lock, too: as two runs of which one read before the other wrote."""
    for site in (SITES["gitlab"](tmp_path / "gitlab"), SITES["gitea"](tmp_path / "gitea")):
        worked(site)
        one, two = site.place(), site.place()
        for place in (one, two):
            place.begin(place.fence() + 1, place.read())
        with pytest.raises(Conflict):
            one.append(2, 1, b"late")


def test_a_plain_server_is_written_only_under_the_lock(tmp_path: Path) -> None:
    site = SITES["plain"](tmp_path / "one")
    worked(site)
    with pytest.raises(StateError, match="only under its lock"):
        Run.of(site.open()).append([INTENT])


ABSENT = 404, b'{"message": "404 Not found"}', JSON


def absent_at(at: int, looks: Iterator[int], wanted: str) -> Answer | None:
    return ABSENT if wanted == "get" and next(looks) == at else None


@pytest.mark.parametrize("known", [False, True], ids=["a machine that knows nothing", "one that has seen it"])
def test_a_404_in_the_place_of_a_state_costs_nothing(site: HttpSite, *, known: bool) -> None:
    """A gateway says so, once and at any look: the state is as it was, or as the run has saved it."""
    worked(site)
    if known:
        site.remember()
    for at in count(1):
        looks, before, store = count(1), found(site), site.open()
        site.state.asked = partial(absent_at, at, looks)
        with suppress(StateError):
            work(store, [])
        store.lock.release()
        site.state.asked = lambda _: None
        if next(looks) <= at:
            break
        after = found(site)
        assert after.state.lineage == before.state.lineage, at
        assert after.state.serial >= before.state.serial, at
        assert {*before.state.bindings} <= {*after.state.bindings}, at
        assert site.open().versions(), at
    assert at > 2


def test_a_state_that_was_seen_and_is_not_there_is_begun_only_where_somebody_says_so(site: HttpSite) -> None:
    worked(site)
    site.remember()
    site.state.versions.clear()
    store = site.open()
    store.lock.acquire(owner())
    store.lock.verify()
    with pytest.raises(StateError, match="has seen one there"):
        store.lock.holder()
    store.lock.release()
    assert site.state.latest is None
    assert site.state.lock is None
    worked(site)  # as --init begins one
    assert found(site).state.serial == 1


LESS = {"nothing": ABSENT, "an older one": None}


def forgets(site: HttpSite, less: str) -> bytes | None:
    """The server answers with `less` than this machine has seen there: as a gateway with its 404, or a replica that is
    behind. What it has."""
    worked(site)
    older = 200, site.state.latest or b"", JSON
    worked(site)
    site.remember()
    site.state.asked = lambda wanted: (LESS[less] or older) if wanted == "get" else None
    return site.state.latest


@pytest.mark.parametrize("less", LESS)
def test_what_is_less_than_this_machine_has_seen_is_not_written_over_what_there_is(site: HttpSite, less: str) -> None:
    before = forgets(site, less)
    store = site.open()
    store.lock.acquire(owner())
    store.lock.verify()
    run = Run.of(store)
    site.state.asked = lambda _: None
    with pytest.raises(StateError, match="another run"):
        run.append([INTENT])
    store.lock.release()
    assert site.state.latest == before
    assert site.state.lock is None


@pytest.mark.parametrize("less", LESS)
def test_no_server_is_tried_with_what_is_less_than_this_machine_has_seen(site: HttpSite, less: str) -> None:
    before = forgets(site, less)
    with pytest.raises(StateError, match="this machine has seen"):
        site.place().prove()
    assert (site.state.latest, site.state.lock) == (before, None)
