"""What is under way stays below all else on a terminal; elsewhere it is lines. Waiting says what it waits for."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from decimal import Decimal

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.apply.events import Awaited, Prices
from flowplan.cli.below import Below
from flowplan.model.address import Address
from flowplan.model.live import ALLOCATED, OPEN
from flowplan.planning.steps import Step
from flowplan.reports.text.board import MOST, Board
from flowplan.reports.text.progress import awaited
from tests.builders import bid
from tests.cli.terminals import started, started_behind
from tests.conftest import Place, many
from tests.loaded import client
from tests.processes import LONGEST, Process

WAIT = ("apply", "--auto-approve", "--wait", "allocated", "--timeout", "1s")

# ---- lines that stay below -----------------------------------------------------------------------------------

SIZE = os.terminal_size((40, 12))


class Glass:
    """A terminal that shows what it gets, with newlines as a terminal driver sends them."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(*SIZE)
        self.stream = pyte.Stream(self.screen)

    def put(self, text: str) -> None:
        self.stream.feed(text.replace("\n", "\r\n"))

    @property
    def rows(self) -> list[str]:
        return [row.rstrip() for row in self.screen.display]


@given(st.lists(st.one_of(st.integers(0, 8), st.sampled_from(["one", "two\nthree", "four"])), max_size=30))
def test_they_are_below_whatever_is_written_and_leave_nothing(acts: list[int | str]) -> None:
    """`acts`: so many lines are to stay below, or a text is written above them."""
    glass = Glass()
    below = Below(glass.put, lambda: SIZE)
    written: list[str] = []
    lines: list[str] = []
    for act in acts:
        if isinstance(act, int):
            lines = [f"row {number}" for number in range(act)]
            below.show(lambda _columns, _rows, now=tuple(lines): now)  # type: ignore[misc]
        else:
            with below.above(f"{act}\n"):
                glass.put(f"{act}\n")
            written += act.split("\n")
        seen = [row for row in glass.rows if row]
        assert seen == [*written, *lines][-len(seen) :] and seen[len(seen) - len(lines) :] == lines
    below.end()
    assert [row for row in glass.rows if row] == written[-len([row for row in glass.rows if row]) :]


@pytest.mark.parametrize("size", [(0, 0), (10, 24), (80, 3)])
def test_on_a_terminal_without_room_nothing_is_drawn(size: tuple[int, int]) -> None:
    glass = Glass()
    below = Below(glass.put, lambda: os.terminal_size(size))
    below.show(lambda columns, rows: ["x" * columns] * rows)
    below.end()
    assert [row for row in glass.rows if row] == []


def board(running: int, awaited: int = 0) -> Board:
    found = Board(lambda: 100.0, done=7)
    for number in range(running):
        found.running[Step("up", Address("bid", f"sweep-{number:03}"))] = "creating", 100.0 - number
    found.awaited = [(Step("up", Address("bid", f"wait-{number}")), "it waits") for number in range(awaited)]
    found.until, found.awaited_since = "running", 0.0
    return found


@given(st.integers(0, 300), st.integers(0, 50), st.integers(19, 200), st.integers(2, 60))
def test_a_board_fits_and_counts_all(running: int, waiting: int, columns: int, rows: int) -> None:
    lines = board(running, waiting).lines(columns, rows)
    assert len(lines) <= min(rows, MOST) and max(map(len, lines)) <= columns
    rest = [int(found[1].replace(",", "")) for line in lines if (found := re.match(r"and ([\d,]+) more", line))]
    assert len(lines) - 1 - len(rest) + sum(rest) == running + waiting


def test_a_board_reads_well() -> None:
    assert board(2).lines(80, 24) == [
        "bid.sweep-000: creating... 0s",
        "bid.sweep-001: creating... 1s",
        "7 done, 2 under way",
    ]
    assert board(0, 1).lines(80, 24)[-1] == "waiting until 1 bid is running, 2m so far"
    assert board(0, 30).lines(80, 24)[-2:] == ["and 20 more", "waiting until 30 bids are running, 2m so far"]


def test_what_a_shell_writes_meanwhile_is_not_erased() -> None:
    """Sent to the background (Ctrl-Z, bg), the run does not draw over the line that somebody types there."""
    glass, front = Glass(), [True]
    below = Below(glass.put, lambda: SIZE, lambda: front[0])
    below.show(lambda _columns, _rows: ["row 1", "row 2"])
    front[0] = False
    glass.put("$ vi notes\n$ ls")
    with below.above("done\n"):
        glass.put("\ndone\n")
    assert glass.rows[:5] == ["row 1", "row 2", "$ vi notes", "$ ls", "done"]
    front[0] = True
    with below.above("more\n"):
        glass.put("more\n")
    assert glass.rows[4:9] == ["done", "more", "row 1", "row 2", ""]
    below.end()
    assert glass.rows[4:7] == ["done", "more", ""]


def test_in_the_background_and_in_ci_nothing_is_redrawn(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner may give a terminal, and keeps what is sent to it: lines, as in a pipe."""
    place.write(many(30))
    monkeypatch.setenv("CI", "true")
    run = started(place, "apply", "--auto-approve")
    for _ in run.reads():
        pass
    assert run.end() == 0 and "\x1b[J" not in run.raw and run.raw.count(": created (") == 90
    monkeypatch.delenv("CI")
    place.write(many(60))
    run = started_behind(place, "apply", "--auto-approve")
    for _ in run.reads():
        pass
    assert run.end() == 0 and "\x1b[J" not in run.raw and run.raw.count(": created (") == 90


def test_few_changes_keep_their_lines_and_nothing_else_stays(place: Place) -> None:
    place.write(many(3))
    run = started(place, "apply", "--auto-approve")
    assert list(run.reads()) and run.end() == 0
    assert [len(re.findall(rf"bid\.task-00{n}: created", run.scrolled)) for n in range(3)] == [1, 1, 1]
    assert "under way" not in run.scrolled and "creating..." not in run.scrolled
    assert run.shown.endswith("Apply complete: 9 added, 0 changed, 0 destroyed.")


def test_of_many_changes_those_that_fail_are_shown_and_the_rest_is_a_count(place: Place) -> None:
    place.write(many(40))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", nth=5, status=400, body='{"detail": "no"}')
    run = started(place, "apply", "--auto-approve")
    assert list(run.reads())
    assert (run.end(), len(re.findall(r"error: bid\.task", run.scrolled))) == (1, 1)
    assert re.search(r"\d+ done, \d+ under way", run.raw)
    assert ": created" not in run.scrolled and "under way" not in run.scrolled
    assert "118 added" in run.scrolled


# ---- waiting -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "prices", "said"),
    [
        (
            OPEN,
            Prices(Decimal("9.00"), Decimal("9.05")),
            "it waits, because winning takes a limit of $9.05 ($9.00 per instance-hour now, limit $8.00)",
        ),
        (OPEN, Prices(Decimal("2.00")), "it waits ($2.00 per instance-hour now, limit $8.00)"),
        (OPEN, Prices(), "it waits (price unknown, limit $8.00)"),
        (ALLOCATED, Prices(Decimal("2.00")), "its instances are starting"),
        ("\x1b[2JOdd", Prices(), "\\x1b[2jodd"),
    ],
)
def test_what_a_bid_waits_for(status: str, prices: Prices, said: str) -> None:
    one = Awaited(Step("up", Address("bid", "train")), bid(limit="8.00"), status, prices)
    assert awaited(one) == said


@pytest.fixture
def losing(place: Place) -> Place:
    """A bid that has to wait: its limit is below the price of its auction."""
    place.write(many(1, "12.50").replace("us-central1-b", "us-central1-a"))
    return place


def test_waiting_says_price_and_limit_and_nothing_twice(losing: Place) -> None:
    done = losing.run(*WAIT)
    said = " ".join(done.err.split())
    assert done.code == 1
    assert re.search(r"bid.task-000: waiting until it is allocated: it waits.*\(.* now, limit \$12.50\)", said), said
    assert said.count("it waits") == 1
    assert "time stands still in the simulator: `flowplan simulator advance` moves it" in said


def test_programs_read_what_a_bid_waits_for(losing: Place) -> None:
    rows = [json.loads(line) for line in losing.run(*WAIT, "--json").out.splitlines()]
    (waits,) = [row for row in rows if row["type"] == "apply_progress" and row["action"] == "waiting"]
    assert (waits["address"], waits["status"], waits["limit_price"]) == ("bid.task-000", "Open", "12.50")
    assert Decimal(waits["last_price"]) > Decimal("12.50")
    assert "waiting" not in [row.get("action") for row in rows if row["type"] != "apply_progress"]


def test_prices_that_cannot_be_fetched_end_no_wait(losing: Place) -> None:
    losing.ok("apply", "--auto-approve")
    with losing.simulator() as simulator:
        simulator.faults.add("GET /v2/pricing/current", "status", nth=2, status=500, body="", times=None)
    done = losing.run(*WAIT)
    assert done.code == 1
    assert "it waits (price unknown, limit $12.50)" in " ".join(done.err.split()), done


def test_on_a_terminal_the_wait_is_one_line(losing: Place) -> None:
    run = started(losing, *WAIT)
    assert list(run.reads())
    assert run.end() == 1
    assert re.search(
        r"bid.task-000: waits: price \$.*, limit \$12.50 per instance-hour.*\s+waiting until 1 bid is allocated",
        run.raw,
    )
    assert "waiting until 1 bid" not in run.scrolled


# ---- status --watch ------------------------------------------------------------------------------------------


def watched(place: Place, *options: str) -> subprocess.Popen[str]:
    words = [*client(), "status", "--watch", "--every", "1s", *options]
    return Process(words, cwd=place.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_piped_it_prints_what_has_changed(place: Place) -> None:
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    process = watched(place)
    assert process.stdout is not None
    lines = iter(process.stdout)
    assert next(lines).startswith("As of 20") and any("task-000  new" in line for line in lines)
    place.ok("simulator", "advance", "10m")
    assert any("task-000  running" in line for line in lines)
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=LONGEST)
    assert (process.returncode, "As of" in rest) == (130, False), (rest, err)


def test_no_line_of_what_is_watched_is_cut(losing: Place) -> None:
    losing.write(many(1, "12.50").replace("us-central1-b", "us-central1-a"))
    losing.ok("apply", "--auto-approve")
    run = started(losing, "status", "--watch", "--every", "1s")
    for shown in run.reads():
        if "In total" in shown:
            assert "it waits" in shown and "..." not in shown and "per instance-hour now" in " ".join(shown.split())
            os.kill(run.pid, signal.SIGINT)
            break
    assert list(run.reads()) is not None
    assert run.end() == 130


def test_on_a_terminal_it_is_redrawn_and_the_last_stays(place: Place) -> None:
    place.write(many(9))
    place.ok("apply", "--auto-approve")
    run = started(place, "status", "--watch", "--every", "1s", "--verbose")
    looks = 0
    for shown in run.reads():
        looks += "As of 20" in shown
        if looks and "more lines" in shown:
            assert shown.splitlines()[-1].startswith("and ")
            os.kill(run.pid, signal.SIGINT)
            looks = -1000
    assert run.end() == 130
    assert "As of" not in run.scrolled and run.scrolled.count("bid.task-008") == 1


def test_what_the_api_does_not_answer_later_is_said_and_asked_for_again(place: Place) -> None:
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    with place.simulator() as simulator:
        for lists in ("GET /v2/spot/bids", "GET /v2/volumes"):
            simulator.faults.add(lists, "status", nth=2, status=404, body='{"detail": "gone"}', times=1)
    process = watched(place)
    assert process.stderr is not None and process.stdout is not None
    assert any("what is shown is from before:" in line for line in process.stderr)
    place.ok("simulator", "advance", "10m")
    assert any("task-000  running" in line for line in process.stdout)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LONGEST)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--every", "5s"), "--every needs --watch"),
        (("--watch", "--format", "json"), "--watch is for people to read"),
        (("--watch", "--every", "soon"), "is not a duration"),
    ],
)
def test_wrong_usage(place: Place, words: tuple[str, ...], said: str) -> None:
    result = place.run("status", *words)
    assert (result.code, said in result.err) == (64, True), result
