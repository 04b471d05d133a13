"""The commands as a pipeline sees them: exit codes, streams, what is left behind."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from flowplan import __version__
from flowplan.backends import open_journal
from flowplan.errors import UsageProblem
from flowplan.model.durations import brief, read_duration
from flowplan.simulator import Simulator
from flowplan.simulator.serve import Server
from tests.conftest import APPLY, BID, DESTROY, FLOWPLAN, PORTS, TASK, VOLUME, Place, bid_id, live_ids
from tests.faults.process.disk import Disk, failing, frozen_directory
from tests.texts import task_text

# ---- approval ---------------------------------------------------------------------------------------------


def test_without_a_terminal_nothing_prompts(example: Place) -> None:
    result = example.run("apply")
    assert result.code == 1
    assert "--auto-approve" in result.err
    assert "is accepted" not in result.err
    assert example.ledger() == []


@pytest.mark.parametrize(
    ("command", "saving"),
    [
        (("destroy", "--allow-volume-destroy", "*"), "flowplan plan --destroy --out FILE, with the same files"),
        (("destroy", "--keep-volumes"), "flowplan plan --destroy --keep-volumes --out FILE, with the same files"),
    ],
)
def test_what_is_said_of_a_destroy_that_nobody_approves_destroys(
    applied: Place, command: tuple[str, ...], saving: str
) -> None:
    """A plan without --destroy would place again what has ended."""
    refused = applied.run(*command)
    assert refused.code == 1
    assert saving in " ".join(refused.err.split())


def test_a_refresh_that_nobody_approves_names_no_saved_plan(applied: Place) -> None:
    """None can be made of it, and another would change what is live."""
    bid = json.loads(applied.ok("state", "show", "bid.flow-sdk-batch-task-example", "--format", "json"))
    applied.call("PATCH", f"/v2/spot/bids/{bid['resource']['id']}", b'{"limit_price": "$18.00"}')
    refused = applied.run("apply", "--refresh-only")
    assert refused.code == 1
    assert "hint: give --auto-approve" in refused.err
    assert "--out" not in refused.err


def test_without_a_terminal_nothing_to_do_is_nothing_to_approve(applied: Place) -> None:
    assert "No changes." in applied.ok("apply")


# ---- usage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plam",), "plan"),
        (("plan", "--detailed-exitcod"), "--detailed-exitcode"),
        (("plan", "nosuch.yaml"), "nosuch.yaml"),
        (("plan",), "flowplan.yaml"),
        (("plan", "--replace", "nonsense"), "volume.NAME, bid.NAME"),
        (("plan", "--lock-timeout", "soon"), "90s, 5m, 6h, 2d or 1w"),
        (("state", "show", "nonsense"), "volume.NAME"),
        (("--chdir", "/nonexistent", "plan"), "/nonexistent"),
        (("apply", "--expect", "x"), "PLANFILE"),
        (("apply", "--no-lock", "--auto-approve"), "--no-lock"),
        (("plan", "--state", "/nonexistent/x.json"), "there is no directory /nonexistent"),
        (("destroy", "--wait", "running"), "--wait"),
    ],
)
def test_wrong_usage(place: Place, arguments: tuple[str, ...], says: str) -> None:
    if arguments not in (("plan",), ("plan", "nosuch.yaml")):
        place.write(TASK)
    result = place.run(*arguments)
    assert result.code in (64, 65), result
    assert says in result.err
    assert result.out == ""


def test_an_empty_directory_says_what_is_there(place: Place) -> None:
    place.write("", "notes.txt")
    result = place.run("plan")
    assert result.code == 64
    assert "notes.txt" in result.err
    assert "flowplan.lock" not in result.err
    assert "`flowplan init` writes one" in result.err
    for name in ("tasks", "other tasks", "empty"):
        (place.path / name).mkdir()
    place.write("", "tasks/a.yaml")
    place.write("", "other tasks/a.yml")
    assert "a task file, or a directory of such files: `'other tasks'`, `tasks`" in " ".join(
        place.run("plan").err.split()
    )
    place.write("", "a.yaml")
    assert "`.` for all of this directory" in place.run("plan").err


def test_global_options_stand_anywhere(example: Place) -> None:
    assert example.ok("--state", "x.state.json", "plan") == example.ok("plan", "--state", "x.state.json")


def test_chdir(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert "Plan: 3 to add" in example.ok("--chdir", str(example.path), "plan")


def test_help_names_every_command(place: Place) -> None:
    from flowplan.cli import COMMANDS

    out = place.ok("--help")
    assert all(f"  {name} " in out for name in COMMANDS)
    for name in COMMANDS:
        assert place.ok(name, "--help").startswith(f"Usage: flowplan {name}")


def test_version(place: Place) -> None:
    assert place.ok("--version") == f"flowplan {__version__}\n"
    done = subprocess.run([*FLOWPLAN, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"flowplan {__version__}\n"


# ---- validate, graph, state, show, status, lock, simulator -------------------------------------------------


def test_validate_needs_no_network(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWPLAN_API_URL")
    place.write(TASK)
    assert place.ok("validate") == "Valid: 1 task, 1 volume.\n"
    place.edit("size: 1 ", "sise: 1 ")
    result = place.run("validate")
    assert result.code == 65
    assert "did you mean 'size'" in result.err
    assert json.loads(place.run("plan", "--format", "json").out)["errored"]
    body = json.loads(place.run("validate", "--format", "json").out)
    assert (body["valid"], body["error_count"]) == (False, len(body["diagnostics"]))
    assert body["diagnostics"][0]["source"]["file"] == "flowplan.yaml"


def test_problems_make_no_api_call(place: Place) -> None:
    place.write(TASK.replace("17.92", "-1"))
    for command in ("validate", "plan", "apply"):
        result = place.run("-v", command, *(["--auto-approve"] if command == "apply" else []))
        assert result.code == 65
        assert "/v2/" not in result.err
    assert not (place.path / ".flowplan").exists()


def test_a_script_that_cannot_be_sent_is_a_problem_already_in_validate(place: Place) -> None:
    import random

    noise = "".join(random.Random(1).choices("0123456789abcdef", k=30_000))
    place.write(TASK.replace("nvidia-smi", f"echo {noise}"))
    result = place.run("validate")
    assert result.code == 65
    assert "10,000" in result.err
    assert "flowplan.yaml:35:" in result.err


def test_graph(example: Place) -> None:
    dot = example.ok("graph")
    assert f'"{VOLUME}" -> "{BID}"' in dot
    assert f'"{BID}" -> "{PORTS}"' in dot
    assert example.ok("graph", "--format", "mermaid").startswith("graph LR\n")
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg"], input=dot, text=True, check=True, capture_output=True)


def test_a_graph_quotes_the_keys_of_a_for_each(place: Place) -> None:
    place.write(
        "version: 2\nname: s\ntasks: {a: {for_each: [x], resources_specification: {fcp_instance: h100.8x.SXM5.IB}}}\n"
    )
    assert '  "bid.a[\\"x\\"]";' in place.ok("graph").splitlines()
    assert '  n0["bid.a[#quot;x#quot;]"]' in place.ok("graph", "--format", "mermaid").splitlines()


def test_state_list_and_show(applied: Place) -> None:
    assert applied.ok("state", "list").splitlines() == [BID, PORTS, VOLUME]
    assert "limit_price" in applied.ok("state", "show", BID)
    result = applied.run("state", "show", "bid.flow-sdk-batch-task-exampel")
    assert result.code == 1
    assert f"did you mean {BID}" in result.err


def test_show_the_state(applied: Place) -> None:
    out = applied.ok("show")
    assert BID in out and VOLUME in out
    assert json.loads(applied.ok("show", "--format", "json"))["lineage"]


def test_status(applied: Place) -> None:
    applied.ok("simulator", "advance", "1h")
    out = applied.ok("status")
    assert "Allocated" in out
    assert "ssh -p " in out or "ssh ubuntu@" in out
    paid = re.search(r"\$([0-9.]+) paid so far", out)
    assert paid is not None and 7 < float(paid[1]) <= 8
    assert f"{VOLUME}  1 GB Block in us-central1-b, $0.08 a month" in out
    assert "In total $8.00 an hour now, storage included." in out
    nothing = json.loads(applied.ok("status", "--state", "other.json", "--format", "json"))
    assert (nothing["bids"], nothing["volumes"], nothing["hour"], nothing["as_of"]) == ([], [], {"now": None}, None)


def test_without_a_state_nobody_is_told_that_nothing_is_live(applied: Place) -> None:
    for command in ("status", "cost"):  # a slip in --state, while the bid of the true one costs money
        said = " ".join(applied.ok(command, "--state", "other.json").split())
        assert said.startswith("There is no state here, so flowplan did not look for bids and volumes."), command
        assert "give --state of the place that has it; `flowplan orphans`" in said
        found = json.loads(applied.ok(command, "--state", "other.json", "--format", "json"))
        assert found["paid"]["paid"] is None, command  # nor is a program, by an amount of 0
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert "No bid or volume of this stack is live" in applied.ok("status")


def test_lock_show_and_force_unlock(place: Place) -> None:
    assert "Nobody holds the lock." in place.ok("lock", "show")
    assert place.run("force-unlock", "x").code == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5h", 5400), (" 2d ", 172_800), ("4h30m", 16_200), ("1w2d3h4m5s", 788_645)],
)
def test_a_length_of_time_has_smaller_units_behind_larger_ones(text: str, seconds: float) -> None:
    assert read_duration(text, "TIME") == seconds


def test_a_length_of_time_is_read_as_it_is_shown() -> None:
    shown = [brief(seconds) for seconds in (45, 720, 11_100)]
    assert (shown, [read_duration(one, "TIME") for one in shown]) == (["45s", "12m", "3h05m"], [45, 720, 11_100])


@pytest.mark.parametrize("text", ["", "m", "4h30", "30m4h", "5m5m", "4h 30m", "-1h"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UsageProblem, match="is not a duration"):
        read_duration(text, "TIME")


def test_simulator_reset_and_advance(applied: Place) -> None:
    assert "10:00:00" in applied.ok("simulator", "advance", "1h")
    assert "14:30:00" in applied.ok("simulator", "advance", "4h30m")
    applied.ok("simulator", "reset")
    assert applied.ledger() == []


def test_simulator_market_lists_the_auctions(applied: Place) -> None:
    out = applied.ok("simulator", "market")
    lines = out.splitlines()
    assert lines[0] == "2026-11-02 09:00 UTC in the simulator; prices are per instance-hour"
    with applied.simulator() as simulator:
        there = simulator.market()
    assert len([line for line in lines if any(block in line for block in "▁█")]) == len(there)
    assert [line for line in lines if len(line) > 80] == []
    own = lines[lines.index("your bids") + 1 :]
    assert own[0].split()[0] == "wins" and bid_id(applied, BID) in own[0]
    assert "limit $17.92" in own[1]
    assert "You have no bids" in applied.ok("simulator", "market", "a100", "--region", "us-central1-b")


def test_simulator_market_shows_a_book(applied: Place) -> None:
    out = applied.ok("simulator", "market", "h100", "--region", "us-central1-b", "--depth", "2", "--history", "1d")
    assert "per instance-hour now, reserve $8.00" in out
    assert "01 Nov 09:00" in out and "02 Nov 09:00" in out
    book = out[out.index("winning, ") :].splitlines()
    cut = next(index for index, line in enumerate(book) if "winning above, waiting below" in line)
    assert [line for line in book[1:cut] if "<- flow-sdk-batch-task-example" in line]
    limits = [float(line.split()[1][1:]) for line in book if line.startswith("  wins")]
    assert limits == sorted(limits, reverse=True)
    assert len(limits) == 3  # two of others, and one's own
    out = applied.ok("simulator", "market", "a100-80gb.sxm.8x", "--region", "us-central1-b")
    assert "all sizes share the stock" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("h1000",), "no auction sells h1000"),
        (("h200", "--region", "us-central1-a"), "it is sold in us-central5-a, us-east1-a"),
        (("--region", "mars"), "there is no region mars"),
        (("--history", "0s"), "--history must be more than 0"),
    ],
)
def test_simulator_market_says_what_there_is(place: Place, arguments: tuple[str, ...], says: str) -> None:
    result = place.run("simulator", "market", *arguments)
    assert result.code == 64
    assert says in result.err


# ---- the state under the commands ---------------------------------------------------------------------------


def test_an_empty_state_file_is_never_a_fresh_start(applied: Place) -> None:
    (applied.path / "flowplan.state.json").write_bytes(b"")
    for command in ("plan", "apply --auto-approve", "destroy --auto-approve", "status", "show", "state list"):
        result = applied.run(*command.split())
        assert result.code == 5, command
        assert "flowplan.state.json is empty" in result.err
    assert len(applied.ledger()) == 2


def test_a_locked_directory(applied: Place) -> None:
    from flowplan.backends.lock import Lock
    from flowplan.backends.processes import this_process

    lock = Lock(applied.path / "flowplan.lock")
    lock.acquire(this_process("flowplan apply", {}, "now"))
    # flock is held by this very process, through another descriptor: for flock, that is another holder
    result = applied.run("apply", "--auto-approve")
    assert result.code == 4
    assert "flowplan apply" in result.err
    assert "No changes." in applied.ok("plan", "--no-lock")
    assert "held" in applied.ok("lock", "show")
    lock.release()


def test_everything_left_behind_is_private(applied: Place) -> None:
    applied.ok("plan", "--out", "p")
    loose = [path for path in applied.path.iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    assert [path.name for path in loose] == ["flowplan.yaml"]


# ---- what two strangers found -------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["x", "0", "flowplan.state.json.backup", "9" * 5000])
def test_what_is_no_serial_is_named_and_what_lists_them(applied: Place, given: str) -> None:
    found = applied.run("state", "restore", given)
    said = " ".join(found.err.split())
    assert (found.code, "is not the serial of a version" in said, "state history" in said) == (64, True, True), found


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("apply", "--parallelism", "0"), "'0' is not a whole number from 1 to 256."),
        (("plan", "--max-bytes", "x"), "'x' is not a whole number of 4000 or more."),
        (("simulator", "serve", "--speed", "nan"), "'nan' is not a number from 0 to 1000000."),
    ],
)
def test_a_number_that_is_none_is_told_its_range(place: Place, command: tuple[str, ...], said: str) -> None:
    found = place.run(*command)
    assert (found.code, said in flat(found.err)) == (64, True), found


def test_state_restore(applied: Place) -> None:
    applied.edit("17.92", "21.50")
    applied.ok("apply", "--auto-approve")
    assert applied.run("state", "restore").code == 5  # nothing is wrong with it
    (applied.path / "flowplan.state.json").write_bytes(b"")
    assert "state restore" in applied.run("plan").err
    applied.ok("state", "restore")
    assert (applied.path / "flowplan.state.json.damaged").exists()
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_where_nothing_can_be_written_a_copy_of_the_state_stops_what_runs(
    applied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        frozen_directory(patch)
        refused = applied.run(*DESTROY)
    said = " ".join(refused.err.split())
    assert (refused.code, "anything that runs goes on, and costs money" in said) == (5, True), refused
    assert "cp flowplan.state* DIR, give --state DIR/flowplan.state.json" in said
    copy = applied.path.parent / "copy"
    copy.mkdir()
    for path in applied.path.glob("flowplan.state*"):
        shutil.copy(path, copy)
    assert "Destroy complete" in applied.ok("--state", str(copy / "flowplan.state.json"), *DESTROY)


def test_where_there_is_no_room_to_place_it_is_told_that_a_destroy_needs_none(
    applied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied.edit("17.92", "18.92")
    disk = Disk(errno.ENOSPC, "posix_fallocate")
    with monkeypatch.context() as patch, failing(disk, open_journal):
        patch.setattr("flowplan.backends.room.room_in", lambda _: 0)
        refused, stopped = applied.run(*APPLY), applied.run(*DESTROY)
    assert (refused.code, stopped.code) == (5, 0), (refused, stopped)
    assert "to stop what runs, `flowplan destroy` needs no room" in " ".join(refused.err.split())


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EBUSY, errno.EMFILE], ids=errno.errorcode.get)
def test_where_the_state_cannot_be_saved_nothing_is_begun_and_what_runs_can_be_stopped(
    applied: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Though the lock and the journal can be written: a directory that is read-only and has them, a full disk, a state
    that is mounted by itself."""
    replace, ledger, text = os.replace, applied.ledger(), (applied.path / "flowplan.state.json").read_bytes()

    def replaced(source: Path, target: Path) -> None:
        if Path(target).name.startswith("flowplan.state.json"):
            raise OSError(number, os.strerror(number))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replaced)
        applied.edit("17.92", "18.92")
        refused = applied.run(*APPLY)
        assert (refused.code, applied.ledger()) == (5, ledger), refused
        assert f"flowplan.state.json could not be made durable: {os.strerror(number)}" in " ".join(refused.err.split())
        assert ("mount its directory" in refused.err) == (number == errno.EBUSY)
        stopped = applied.run(*DESTROY)
    assert stopped.code == 0, stopped
    assert "what was stopped is in the journal, and the next run goes on from there" in " ".join(stopped.err.split())
    assert (applied.path / "flowplan.state.json").read_bytes() == text
    assert live_ids(applied) == []
    assert applied.ok("state", "list") == ""
    assert "No changes" in applied.ok(*DESTROY)


def test_state_rm_forgets_and_touches_nothing(applied: Place) -> None:
    ledger = applied.ledger()
    assert "if it still exists, it still costs money" in " ".join(applied.ok("state", "rm", VOLUME).split())
    assert VOLUME not in applied.ok("state", "list")
    assert applied.ledger() == ledger
    assert "what is open stays open" in " ".join(applied.ok("state", "rm", PORTS).split())


def test_state_show_has_the_lifetime(place: Place) -> None:
    place.write(
        task_text("a", more="lifetime: {max_hours: 1.50, max_cost: 20, end_at: 2027-01-31T09:00Z, when_done: cancel}\n")
    )
    place.ok(*APPLY)
    for words in (("state", "show", "bid.a"), ("show",)):
        said = " ".join(place.ok(*words).split())
        assert "lifetime = max_hours 1.5, max_cost $20.00, end_at 2027-01-31 09:00 UTC, when_done cancel" in said


def test_advance_says_which_data_it_moves_where_others_may_be_meant(
    applied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = ("simulator", "advance", "1h")
    assert applied.run(*advance).err == ""
    (applied.path / "other").mkdir()
    there = applied.run("--chdir", "other", *advance)
    assert (there.code, "there are no data in" in there.err) == (0, True), there
    monkeypatch.delenv("FLOWPLAN_API_URL", raising=False)
    monkeypatch.setenv("MITHRIL_API_URL", "http://127.0.0.1:9")  # nobody answers there
    unknown = applied.run(*advance)
    said = "unless http://127.0.0.1:9 serves them, give --db FILE, the data of that server"
    assert unknown.code == 0 and said in flat(unknown.err)
    data = str(applied.path / ".flowplan" / "simulator.db")
    assert applied.run(*advance, "--db", data).err == ""
    for done, command in (("shows", ("simulator", "market")), ("resets", ("simulator", "reset"))):
        assert f"this {done} the data in .flowplan/simulator.db: unless" in flat(applied.run(*command).err)
        assert applied.run(*command, "--db", data).err == ""


def test_advance_asks_the_server_which_data_it_serves(applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWPLAN_API_URL", raising=False)
    advance = ("simulator", "advance", "1h")
    with Simulator.open(applied.path / ".flowplan" / "simulator.db") as same, Server(same) as server:
        monkeypatch.setenv("MITHRIL_API_URL", server.url)
        before = same.now()
        moved = applied.run(*advance)
        assert (moved.code, moved.err, same.now() - before) == (0, "", timedelta(hours=1))
    other = applied.path / "other.db"
    with Simulator.open(other) as another, Server(another) as server:
        monkeypatch.setenv("MITHRIL_API_URL", server.url)
        seen = flat(applied.run("simulator", "market").err).replace(" ", "")
        assert f"not those that {server.url} serves: give --db {other.resolve()}".replace(" ", "") in seen
        beside = applied.path / "beside"
        beside.mkdir()
        for words in (advance, ("simulator", "reset")):  # neither other data are changed, nor new ones made
            refused = applied.run("--chdir", str(beside), *words)
            said = refused.err.replace("\n", "").replace(" ", "")
            assert (refused.code, f"give--db{other.resolve()},whichitserves" in said) == (64, True), refused
            assert list(beside.iterdir()) == []
        before = another.now()
        assert applied.run("--chdir", str(beside), *advance, "--db", str(other)).code == 0
        assert another.now() - before == timedelta(hours=1)
    with Simulator.open(":memory:") as nowhere, Server(nowhere) as server:
        monkeypatch.setenv("MITHRIL_API_URL", server.url)
        assert f"unless {server.url} serves them" in flat(applied.run(*advance).err)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_state_rm_of_what_has_ended_says_so(place: Place) -> None:
    place.write(task_text("a", more="lifetime: {max_hours: 1}\n"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "2h")
    place.ok(*APPLY)
    copy = place.path.parent / "copy"
    shutil.copytree(place.path, copy)
    ended = place.run("state", "rm", "bid.a")
    assert " ".join(ended.out.split()).endswith("is released; it was cancelled at the end of its lifetime.")
    assert "that bid.a is done is no longer recorded" in " ".join(ended.err.split())
    assert "1 to add" in place.ok("plan")
    assert json.loads(place.ok("--chdir", str(copy), "state", "rm", "bid.a", "--format", "json"))["ended"] == "lifetime"


@pytest.mark.parametrize(
    "arguments",
    [
        (65, "plan", "x" * 300),
        (65, "apply", "x" * 300, "--auto-approve"),
        (65, "apply", "x" * 300, "flowplan.yaml", "--auto-approve"),
        (64, "test", "x" * 300),
        (5, "state", "list", "--state", "x" * 300),
        (1, "market", "--api-url", "sim:/proc/here/data"),
        (64, "simulator", "advance", "999999999999d"),
    ],
    ids=["plan", "apply", "apply two", "test", "state", "data", "advance"],
)
def test_no_traceback(place: Place, arguments: tuple[int, *tuple[str, ...]]) -> None:
    code, *words = arguments
    result = place.run(*words)
    assert (result.code, "Traceback" in result.err) == (code, False), result


# ---- the last hold on secrets ------------------------------------------------------------------------------


def test_a_bug_is_told_without_a_value(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter's own report would show what the error says, whatever is in it."""
    import flowplan.cloud.fcp

    key = "fkey_CANARY+wZ7q"

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"with {key} in it")

    place.write(TASK)
    monkeypatch.setenv("FLOWPLAN_API_URL", "https://127.0.0.1:9")
    monkeypatch.setenv("FLOWPLAN_API_KEY", key)
    monkeypatch.setattr(flowplan.cloud.fcp.Fcp, "projects", broken)
    result = place.run("plan")
    assert result.code == 1
    assert "RuntimeError: with ******** in it" in result.err
    assert "this is a bug in flowplan" in result.err
    assert key not in result.out + result.err


def test_no_core_is_written_before_anything_is_read() -> None:
    program = (
        "import resource, sys, flowplan.__main__, flowplan.cli\n"
        "flowplan.cli.run = lambda _: print(resource.getrlimit(resource.RLIMIT_CORE)) or 0\n"
        "sys.argv = ['flowplan', 'plan']\n"
        "sys.exit(flowplan.__main__.main())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "(0, 0)\n"
