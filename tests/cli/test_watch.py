"""What `flowplan watch` tells, as text and as JSON, to stdout and to a file, until it is stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from flowplan.documents.schema import schema_of
from flowplan.documents.watched import Told
from flowplan.operations.opening.interaction import Listener
from flowplan.operations.watching import rounds
from flowplan.reports.text.watch import counting_down
from tests.cli.running import into_broken_pipe, into_full_disk, watched
from tests.conftest import APPLY, Place, made_once
from tests.operations.watching import stack, task

EVENT = Draft202012Validator(schema_of("event"))
FILE = "events.jsonl"
BROKEN = "version: 2\nwatch: {on_preempted: rebit, max_hourly: 3}\ntasks: {}\n"


def test_one_that_is_ended_in_a_pause_does_not_say_that_something_was_done(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(stack("{on_preempted: rebid}"))
    result = watched(place, monkeypatch)
    assert (result.code, "interrupted; the watch is over, and nothing was under way" in result.err) == (130, True), (
        result
    )


@pytest.mark.parametrize("line", ["--once", ""])
def test_a_warning_of_the_state_is_told_once(place: Place, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """However many sessions of its rounds read that."""
    place.write(stack("{on_preempted: rebid}", train=task()))
    place.ok(*APPLY)
    monkeypatch.setenv("FLOWPLAN_STATE", "new.json")
    said = place.run("watch", "--once").err if line else watched(place, monkeypatch, lambda: None, lambda: None).err
    assert " ".join(said.split()).count("there is no state at new.json yet, but flowplan.state.json") == 1, said


def events(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    for one in found:
        EVENT.validate(one)
    return found


def types(text: str) -> list[str]:
    return [one["type"] for one in events(text)]


@pytest.fixture
@made_once
def two(place: Place) -> Place:
    """A stack of two tasks that run."""
    place.write(stack("{on_preempted: rebid}", train=task(), more=task()))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "10m")
    return place


def ended(place: Place, *names: str) -> Callable[[], None]:
    """The cloud ends the bids of these tasks."""
    state = json.loads((place.path / "flowplan.state.json").read_text())
    ids = [one["id"] for one in state["resources"] if one["address"] in [f"bid.{name}" for name in names]]

    def act() -> None:
        with place.simulator() as simulator:
            for id in ids:
                simulator.faults.end(id)

    return act


def test_json_by_either_name_is_events_and_beside_text_a_file(two: Place) -> None:
    calm = ["version", "watch_round", "summary"]
    for line in ("--json", "--format json"):
        assert types(two.ok("watch", "--once", *line.split())) == calm
    assert two.ok("watch", "--once", f"--json={FILE}") == "2 run.\n"
    assert types((two.path / FILE).read_text()) == calm
    done = two.run("watch", "--once", "--json", "--format", "text")
    assert (done.code, types(done.out)) == (64, ["diagnostic", "summary"])
    assert "--json and --format text cannot be combined" in done.err


@pytest.mark.parametrize("line", ["--format json", f"--json={FILE}"])
def test_the_last_event_counts_what_every_round_did(two: Place, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    done = watched(two, monkeypatch, ended(two, "train"), ended(two, "more"), line=line)
    text = (two.path / FILE).read_text() if "=" in line else done.out
    every = events(text)
    assert (done.code, every[-1]["exit_code"], every[-1]["added"]) == (130, 130, 2)
    assert [one["type"] for one in every].count("version") == 1 and every[0]["type"] == "version"
    assert [len(one["acted"]) for one in every if one["type"] == "watch_round"] == [0, 1, 1]


def test_a_file_beside_a_watch_that_goes_on_grows_and_survives_being_moved_away(
    two: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, old = two.path / FILE, two.path / "events.1"

    def rotated() -> None:
        assert types(file.read_text()) == ["version", "watch_round"]
        file.rename(old)

    done = watched(two, monkeypatch, rotated, lambda: None, line=f"--json={FILE}")
    assert types(old.read_text() + file.read_text()) == ["version", *["watch_round"] * 3, "diagnostic", "summary"]
    assert (done.code, file.stat().st_mode & 0o777) == (130, 0o600)


def test_a_file_that_cannot_grow_is_told_once_and_gets_all_of_it_later(
    two: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = two.path / FILE

    def taken() -> None:
        file.unlink()
        file.mkdir()

    done = watched(two, monkeypatch, taken, lambda: None, file.rmdir, line=f"--json={FILE}")
    assert " ".join(done.err.split()).count(f"{FILE} is not a file") == 1
    assert types(file.read_text()) == [*["watch_round"] * 3, "diagnostic", "summary"]


@pytest.mark.parametrize("into", [into_full_disk, into_broken_pipe])
def test_a_watch_that_nobody_can_read_ends_and_does_not_end_well(
    two: Place, monkeypatch: pytest.MonkeyPatch, into: Callable[..., tuple[int, str]]
) -> None:
    monkeypatch.setattr(rounds, "wait", lambda *_: pytest.fail("it goes on"))
    code, said = into(two, "watch")
    assert code == 1 and "nobody can read on stdout what the watch tells" in said
    assert into(two, "watch", "--once")[0] == (1 if into is into_full_disk else 0)


def test_each_problem_of_the_files_is_told_when_it_begins_and_to_each_that_starts_a_watch(
    two: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (two.path / "flowplan.yaml").read_text()

    def broken() -> None:
        two.write(BROKEN)

    done = watched(two, monkeypatch, broken, lambda: None, lambda: two.write(whole))
    said = " ".join(done.out.split())
    for what in ("flowplan.yaml:2:23: watch.on_preempted cannot be 'rebit'", "unknown key 'max_hourly' in watch"):
        assert said.count(what) == 1
    assert "the watch works again" in said
    broken()
    for _ in range(2):
        every = events(watched(two, monkeypatch, lambda: None, line="--json").out)
        assert [one["summary"] for one in every if one["type"] == "diagnostic"][:-1] == [
            "watch.on_preempted cannot be 'rebit'",
            "unknown key 'max_hourly' in watch",
        ]
        assert [one["failed"] for one in every if one["type"] == "watch_round"] == [True, True]


def test_many_problems_are_told_in_a_few_lines(two: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    two.write("version: 2\ntasks: {}\n" + "".join(f"wrong{n}: 1\n" for n in range(30)))
    done = watched(two, monkeypatch)
    assert done.out.count("  error: ") == 6 and "25 more; `flowplan plan` shows all" in done.out


def test_what_fails_before_the_first_round_is_in_the_json(two: Place, tmp_path: Path) -> None:
    lock = two.path / ".flowplan" / "watch"
    for line, code in (("--every soon", 64), ("--once --every 5m", 64), ("--every 0s", 64)):
        done = two.run("watch", "--format", "json", *line.split())
        every = events(done.out)
        assert (done.code, every[-1]["exit_code"], every[-2]["type"]) == (code, code, "diagnostic"), line
    assert not lock.exists() or lock.is_dir()
    done = two.run("watch", "--once", f"--json={tmp_path}/nowhere/{FILE}")
    assert (done.code, "its directory does not exist" in done.err, done.out) == (64, True, "")


def test_what_a_round_fails_with_is_there_once_with_its_exit_code(two: Place) -> None:
    two.write(BROKEN)
    done = two.run("watch", "--once", "--json")
    every = events(done.out)
    assert (done.code, every[-1]["exit_code"]) == (65, 65)
    assert [one["type"] for one in every] == ["version", "watch_round", "diagnostic", "diagnostic", "summary"]


def test_what_is_said_of_many_is_said_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t-{n:03}" for n in range(12)]
    each = task("20.00", "a100.1x.SXM4.IB", "us-central1-a")
    place.write(stack("{on_preempted: rebid}", **dict.fromkeys(names, each)))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "10m")
    done = watched(place, monkeypatch, ended(place, *names[:10]), lambda: None)
    said = " ".join(done.out.split())
    assert "bid.t-000 ... 009 (10 alike): it has ended: placed again" in said.replace("\N{HORIZONTAL ELLIPSIS}", "...")
    assert said.startswith("12 run. ") and len(done.out.splitlines()) < 8


def test_a_remark_is_made_when_it_begins(two: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request has an id of its own, which the remark names."""

    def refused() -> None:
        with two.simulator() as simulator:
            simulator.faults.add("GET /v2/spot/bids", "status", status=403, times=None)

    def well() -> None:
        with two.simulator() as simulator:
            simulator.faults.clear()

    done = watched(two, monkeypatch, refused, lambda: None, lambda: None, well, refused)
    assert " ".join(done.err.split()).count("the bids cannot be listed") == 2
    well()


def test_remarks_and_errors_that_differ_in_a_number_are_each_made(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = list[str]()
    said = rounds._Said(Listener(note=heard.append))
    for _ in range(3):
        said.listener.note("bid.t-1 stays")
        said.listener.note("bid.t-2 stays (403, request f00d-1)")
        said.is_over(whole=True)
    assert len(heard) == 2
    said.is_over(whole=False)
    said.listener.note("bid.t-2 stays (403, request beef-2)")
    assert len(heard) == 2
    said.is_over(whole=True)
    said.is_over(whole=True)
    said.listener.note("bid.t-2 stays (403, request beef-3)")
    assert len(heard) == 3


def test_the_line_below_says_when_it_looks_again_and_that_it_does() -> None:
    told = Told(None, (), (), None, differs=False)
    said = [counting_down(told, partial(float, left))(60, 9) for left in (301.0, 0.2, -5.0)]
    nothing = "nothing is applied yet"
    assert said == [[f"next look in 5:01; {nothing}"], [f"looking; {nothing}"], [f"looking; {nothing}"]]
