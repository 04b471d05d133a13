"""What stands in the way of stopping to pay: files of another kind, names that lead nowhere, nonsense in a lock."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from random import Random

import pytest

from flowplan.backends.local import LocalStore
from flowplan.backends.overflow import overflow_directory
from flowplan.cloud.http.response import Reply, http_date
from flowplan.errors import StateError
from flowplan.files.atomic import replace_file
from flowplan.state.journal import read_journal
from tests.cli.terminals import at_terminal
from tests.conftest import ROOT, Place, live_ids, made_once, many


def to_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


OBSTACLES: dict[str, Callable[[Path], None]] = {
    "a directory": lambda path: path.mkdir(),
    "a FIFO": os.mkfifo,
    "a link that leads nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a FIFO": to_a_fifo,
}


@pytest.fixture
@made_once
def tasks(place: Place) -> Place:
    """`t/a.yaml` with one task, applied."""
    (place.path / "t").mkdir()
    place.write(many(1), "t/a.yaml")
    place.ok("apply", "--auto-approve", "t")
    return place


def ended(place: Place, *words: str) -> bool:
    """Whether `destroy WORDS` ends what was made."""
    result = place.run("destroy", "--auto-approve", "--allow-volume-destroy", "*", *words)
    left = LocalStore(place.path / "flowplan.state.json").read().state.bindings
    return result.code == 0 and not left


# ---- files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_stands_beside_a_task_s_file_stops_no_destroy(tasks: Place, obstacle: str) -> None:
    OBSTACLES[obstacle](tasks.path / "t" / "b.yaml")
    assert ended(tasks, "t")


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_took_the_place_of_a_task_s_file_stops_no_destroy(tasks: Place, obstacle: str) -> None:
    (tasks.path / "t" / "a.yaml").unlink()
    OBSTACLES[obstacle](tasks.path / "t" / "a.yaml")
    assert ended(tasks, "t/a.yaml")


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_nor_where_no_path_is_given(place: Place, obstacle: str) -> None:
    place.write(many(1), "flowplan.yaml")
    place.ok("apply", "--auto-approve")
    (place.path / "flowplan.yaml").unlink()
    OBSTACLES[obstacle](place.path / "flowplan.yaml")
    assert ended(place)


def test_a_directory_that_was_emptied_can_be_destroyed_as_one_that_is_gone(tasks: Place) -> None:
    (tasks.path / "t" / "a.yaml").unlink()
    assert ended(tasks, "t")


def test_an_empty_directory_that_made_nothing_is_still_wrong_usage(tasks: Place) -> None:
    (tasks.path / "u").mkdir()
    assert tasks.run("destroy", "--auto-approve", "u").code == 64


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_cannot_be_read_and_made_nothing_is_still_refused(tasks: Place, obstacle: str) -> None:
    OBSTACLES[obstacle](tasks.path / "b.yaml")
    assert tasks.run("destroy", "--auto-approve", "b.yaml").code in (64, 65)


def test_a_plan_wants_every_file_to_be_read(tasks: Place) -> None:
    (tasks.path / "t" / "b.yaml").mkdir()
    assert tasks.run("plan", "t").code == 65
    shutil.rmtree(tasks.path / "t" / "b.yaml")
    assert tasks.run("plan", "t").code == 0


# ---- the lock -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["[" * 60_000, '{"id":' * 10_000, "9" * 5_000, "\0" * 4096, "[]", '{"pid": 1e999}'])
def test_nonsense_in_the_lock_names_nobody_and_stops_nobody(tasks: Place, content: str) -> None:
    lock = tasks.path / "flowplan.lock"
    lock.write_text(content)
    assert "Nobody holds the lock" in tasks.ok("lock", "show")
    assert ended(tasks, "t")
    assert lock.read_bytes() == b""


# ---- state, journal, backup -----------------------------------------------------------------------------------------


BACKUP, JOURNAL = "flowplan.state.json.backup", "flowplan.state.journal"


def test_a_backup_that_is_a_link_is_replaced_and_what_it_led_to_stays(tasks: Place) -> None:
    precious = tasks.path / "precious"
    precious.write_text("somebody's")
    (tasks.path / BACKUP).unlink()
    (tasks.path / BACKUP).symlink_to(precious)
    tasks.write(many(2), "t/a.yaml")
    tasks.ok("apply", "--auto-approve", "t")
    assert precious.read_text() == "somebody's"
    assert not (tasks.path / BACKUP).is_symlink()


def test_a_journal_that_is_a_link_is_replaced_and_what_it_led_to_stays(tasks: Place) -> None:
    """As after a run that died between its snapshot and the renewal: the journal is behind."""
    behind = (tasks.path / JOURNAL).read_bytes()
    tasks.write(many(2), "t/a.yaml")
    tasks.ok("apply", "--auto-approve", "t")
    elsewhere = tasks.path / "elsewhere"
    elsewhere.write_bytes(behind)
    (tasks.path / JOURNAL).unlink()
    (tasks.path / JOURNAL).symlink_to(elsewhere)
    assert ended(tasks, "t")
    assert elsewhere.read_bytes() == behind
    assert not (tasks.path / JOURNAL).is_symlink()


def test_no_file_is_written_over_something_else_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to("pipe")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StateError, match="not a regular file; flowplan leaves it alone"):
        replace_file(tmp_path / "state", b"x")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("through_link", [False, True])
def test_a_device_is_never_replaced(tmp_path: Path, *, linked: bool, through_link: bool) -> None:
    """One of the test's own: a mistake here would take that of the machine."""
    device = tmp_path / "device"
    try:
        os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    path = tmp_path / "link" if linked else device
    if linked:
        path.symlink_to(device)
    if linked and not through_link:
        replace_file(path, b"x", through_link=False)
    else:
        with pytest.raises(StateError, match="not a regular file"):
            replace_file(path, b"x", through_link=through_link)
    assert device.is_char_device()


def test_a_device_is_no_state_and_no_lock_is_put_beside_it(tasks: Place) -> None:
    beside = tasks.path / "devices"
    beside.mkdir()
    try:
        os.mknod(beside / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    (tasks.path / "state").symlink_to(beside / "null")
    for state in ("state", "devices/null"):
        result = tasks.run("apply", "--auto-approve", "t", "--state", state)
        assert result.code == 5 and "not a regular file" in result.err and "chmod" not in result.err, result
    assert [one.name for one in beside.iterdir()] == ["null"]


@pytest.mark.parametrize("payload", [b"[" * 50_000, b"5", b"[5]", b'{"record": "begin"}', b"9" * 5000, b"\xff"])
def test_a_whole_frame_of_nonsense_is_damage(payload: bytes) -> None:
    frame = b"%08x %08x " % (len(payload), zlib.crc32(payload)) + payload + b"\n"
    with pytest.raises(StateError, match=r"holds a frame|is not a journal"):
        read_journal(frame, "journal")


@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "HOME"])
def test_results_are_not_kept_where_another_working_directory_would_not_find_them(variable: str) -> None:
    home = {"HOME": "/home/me"} if variable != "HOME" else {}
    found = overflow_directory({**home, variable: "relative"})
    assert found == (Path("/home/me/.local/state/flowplan") if home else None)


# ---- the clock of a server ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 9999 23:59:59 -0001"])
def test_a_date_whose_zone_leads_out_of_all_years_is_none(date: str) -> None:
    assert http_date(date) is None
    assert Reply(503, {"Retry-After": date}, b"", "id").retry_after is None


def test_a_date_is_the_same_in_the_form_of_today_and_as_email_reads_it() -> None:
    years, draw = range(1, 10_000, 7), Random(1)
    for year in years:
        moment = datetime(year, draw.randint(1, 12), draw.randint(1, 28), draw.randint(0, 23), 59, 1, tzinfo=UTC)
        text = format_datetime(moment, usegmt=True)
        assert http_date(text) == parsedate_to_datetime(text)


@pytest.mark.parametrize(
    ("date", "found"),
    [
        ("Sunday, 06-Nov-94 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun Nov  6 08:49:37 1994", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun, 6 Nov 1994 09:49:37 +0100", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Sun, 06 Nov 1994 24:49:37 GMT", None),
        ("Sun, 31 Jun 1994 08:49:37 GMT", None),
        ("Sun, 06 Nou 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov ١٩٩٤ 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_a_date_that_servers_sent_once_is_read_and_one_that_there_is_not_is_none(
    date: str | None, found: datetime | None
) -> None:
    assert http_date(date) == found


# ---- the machine ----------------------------------------------------------------------------------------------------


def test_a_working_directory_removed_while_it_is_asked_is_said(tasks: Place) -> None:
    gone = tasks.path / "w"
    gone.mkdir()
    tasks.write(many(1, first=5), "w/flowplan.yaml")
    before = live_ids(tasks)
    api = f"sim:{tasks.path / '.flowplan' / 'simulator.db'}"
    words = ("apply", "--chdir", "w", "--api-url", api)
    code, said = at_terminal(tasks, "yes\n", *words, meanwhile=lambda: shutil.rmtree(gone))
    assert code == 5 and "the working directory was removed" in said, said
    assert "Traceback" not in said
    assert live_ids(tasks) == before


@pytest.mark.parametrize("limit", range(5, 9))
def test_too_few_open_files_are_said_in_words(tasks: Place, limit: int) -> None:
    """In a process of its own: the modules that are read late are in this one already."""
    limited = f"ulimit -n {limit}; exec {sys.executable} -m flowplan destroy --auto-approve --allow-volume-destroy '*'"
    done = subprocess.run(
        ["bash", "-c", limited],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "this is a bug" not in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0 or "raise the limit" in done.stderr or "ulimit -n" in done.stderr, done.stderr
    assert done.returncode in (0, 1, 5), done


def none_left(*_: object) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_too_few_open_files_to_tell_a_program_why_are_said_in_words(
    tasks: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads the command line once more is a module that is imported only where a command fails."""

    monkeypatch.setattr("flowplan.cli._asked", none_left)
    result = tasks.run("state", "list", "--state", "nosuch/state.json")
    assert result.code == 64 and "there is no directory nosuch" in result.err, result
    assert "does not give flowplan enough open files (ulimit -n)" in " ".join(result.err.split())


def test_of_a_failure_that_comes_of_too_few_open_files_the_remedy_is_said(
    tasks: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever helps against other failures of the kind."""

    monkeypatch.setattr("flowplan.backends.state_files.read_regular", none_left)
    result = tasks.run("state", "list")
    assert result.code == 5 and "cannot be read: Too many open files" in result.err, result
    assert "(ulimit -n): raise the limit and run the same command again" in " ".join(result.err.split())
    assert "chmod" not in result.err


Refuses = Callable[[int], bool]
THREADS: dict[str, tuple[Refuses, int]] = {
    "all but the first": (lambda n: n > 1, 0),  # which then makes every call
    "the first": (lambda n: n == 1, 1),  # what it was to begin, a later one must not begin
    "all": (lambda n: True, 1),
}


@pytest.mark.parametrize("which", THREADS)
def test_where_the_machine_gives_fewer_threads_nothing_is_made_that_nobody_knows(
    place: Place, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """A call of which it is said that it was not sent is not sent later."""
    refuses, code = THREADS[which]
    tried: list[str] = []
    start = threading.Thread.start

    def started(thread: threading.Thread) -> None:
        if thread.name.startswith("flowplan-call"):
            tried.append(thread.name)
            if refuses(len(tried)):
                raise RuntimeError("can't start new thread")
        start(thread)

    place.write(many(3))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", started)
        result = place.run("apply", "--auto-approve")
    assert result.code == code, result
    assert "bug in flowplan" not in result.err
    assert ("nothing was sent" in result.err and "ulimit -u" in result.err) == bool(code)
    held = LocalStore(place.path / "flowplan.state.json").read().state.bindings.values()
    assert sorted(live_ids(place)) == sorted(one.id for one in held if one.address.kind == "bid")
    place.ok("apply", "--auto-approve")
    assert len(live_ids(place)) == len([one for one in place.ledger() if one.path == "/v2/spot/bids"]) == 3


def test_where_the_machine_gives_no_thread_it_is_said(tasks: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    result = tasks.run("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert result.code == 1, result
    said = " ".join(result.err.split())
    assert "this machine does not give flowplan enough threads (ulimit -u)" in said
    assert "bug in flowplan" not in said
