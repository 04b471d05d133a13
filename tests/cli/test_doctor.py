"""flowplan doctor: it says what is wrong whatever that is, shows no credential and leaves no trace."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from flowplan.backends.lock import Lock
from flowplan.backends.processes import this_process
from flowplan.documents.doctor import of_clocks
from flowplan.files.atomic import room_in
from flowplan.operations.doctor import doctor
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from tests.conftest import APPLY, TASK, Place
from tests.texts import task_text

SECRET = "fkey_doctor_secret_0123456789"


def checks(place: Place, *arguments: str) -> dict[str, tuple[str, str, str | None]]:
    """subject -> verdict, summary, remedy."""
    body = json.loads(place.run("doctor", "--format", "json", *arguments).out)
    return {one["subject"]: (one["verdict"], one["summary"], one["remedy"]) for one in body["checks"]}


def test_a_variable_that_has_no_value_here_is_nothing_wrong(place: Place) -> None:
    """Each command is given its own. With another problem beside it, something is wrong."""
    stack = "version: 2\nvariables:\n  x: {type: string}\noutputs:\n  a: {value: '${var.x}'}\n"
    place.write(stack)
    verdict, said, remedy = checks(place)["configuration"]
    assert (verdict, said) == ("warning", "flowplan.yaml cannot be checked: variable x has no value")
    assert remedy is not None and "--var x=VALUE" in remedy
    assert place.run("doctor").code == 0
    assert checks(place, "--var", "x=1")["configuration"][0] == "ok"
    place.write(stack + "tasks: 3\n")
    assert checks(place)["configuration"][0] == "failed"


def there(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("room", "said"),
    [(0, "is full"), (500 * 1024, "has room for 500 kB"), (2**20, None), (None, None)],
)
def test_a_disk_without_room_for_a_change_is_wrong(
    place: Place, monkeypatch: pytest.MonkeyPatch, room: int | None, said: str | None
) -> None:
    monkeypatch.setattr("flowplan.backends.room.room_in", lambda _: room)
    verdict, summary, _ = checks(place)["backend"]
    assert (verdict, said is None or said in summary) == ("ok" if said is None else "failed", True)
    assert ("what only stops still works" in summary) == (said is not None)


@pytest.mark.parametrize(
    ("changed", "room"), [({}, 40 * 512), ({"f_files": 0}, 40 * 512), ({"f_favail": 0}, 0), ({"f_bavail": 0}, 0)]
)
def test_room_is_what_this_user_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, int], room: int
) -> None:
    found = {"f_files": 9, "f_favail": 9 * ("f_files" not in changed), "f_bavail": 40, "f_bfree": 90, "f_frsize": 512}
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**{**found, **changed}))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert room_in(tmp_path) == room
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert room_in(tmp_path) == (0 if "f_favail" in changed else 90 * 512)
    monkeypatch.undo()
    assert room_in(tmp_path / "none") is None


def test_in_an_empty_directory_it_makes_nothing_and_no_simulator(place: Place) -> None:
    found = checks(place)
    assert found["api"] == ("ok", "sim: has no data yet; the first plan makes them", None)
    assert found["configuration"][:2] == ("skipped", "there is no flowplan.yaml here")
    assert {name for name, check in found.items() if check[0] == "failed"} == set()
    assert list(place.path.iterdir()) == []


def test_an_empty_file_is_no_simulator(place: Place) -> None:
    place.write("", "other.db")
    assert "no data yet" in checks(place, "--api-url", "sim:other.db")["api"][1]
    assert (place.path / "other.db").read_bytes() == b""


def test_after_an_apply_everything_is_in_order_and_unchanged(place: Place) -> None:
    place.write(TASK)
    place.ok(*APPLY)
    before = there(place.path)
    assert {check[0] for name, check in checks(place).items() if name != "clock"} == {"ok"}
    assert place.ok("doctor").endswith("\nNothing is wrong.\n")
    assert there(place.path) == before


@pytest.mark.parametrize("kind", ["h100x8", "a500-24gb"])
def test_a_type_that_does_not_exist_is_wrong_as_it_is_in_a_plan(place: Place, kind: str) -> None:
    place.write(task_text())
    place.ok(*APPLY)
    place.write(task_text(kind=kind))
    before = there(place.path)
    assert place.run("plan").code == 65
    verdict, summary, remedy = checks(place)["configuration"]
    assert (verdict, remedy) == ("failed", "flowplan plan shows each problem with its place")
    assert f"there is no instance type {kind}" in summary
    found = place.run("doctor")
    assert (found.code, "Nothing is wrong" in found.out) == (1, False)
    assert there(place.path) == before


def test_a_region_that_does_not_exist_is_wrong_as_it_is_in_a_plan(place: Place) -> None:
    place.write(task_text())
    place.ok(*APPLY)
    place.write(task_text(region="us-nowhere1-a"))
    assert place.run("plan").code == 65
    verdict, summary, _ = checks(place)["configuration"]
    assert (verdict, "us-nowhere1-a" in summary) == ("failed", True)


def test_without_credentials_the_rest_is_checked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWPLAN_API_URL")
    found = place.run("doctor")
    assert found.code == 1
    assert "failed  credentials   no credentials for the API\n" in found.out
    assert "skipped api, clock, project, ssh key, quota: not checked" in found.out
    assert "ok      state         there is none yet" in found.out


def test_without_a_network_it_says_so_and_shows_no_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_URL", "https://127.0.0.1:9")
    monkeypatch.setenv("FLOWPLAN_API_KEY", SECRET)
    monkeypatch.setenv("MITHRIL_API_KEY", f"{SECRET}9")
    with Session(Settings(environ=os.environ)) as session:  # the terminal masks what it prints; here nothing does
        found = doctor(session)
    assert found.exit_code == 1
    says = {check.subject: check for check in found.checks}
    assert says["credentials"].summary == "from FLOWPLAN_API_KEY (MITHRIL_API_KEY is set too, and not used)"
    assert says["api"].verdict == "failed"
    assert "cannot reach 127.0.0.1" in says["api"].summary
    assert SECRET not in repr(found)


def test_a_key_that_has_expired_is_named_and_the_remedy_is_not_this_command(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.add("GET *", "status", status=401, times=None)
    verdict, _, remedy = checks(place)["credentials"]
    assert verdict == "failed"
    assert remedy == "they may have expired or been revoked, or be for another API: replace them there"


def test_a_key_of_a_file_is_named_by_the_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(SECRET, "key")
    monkeypatch.setenv("FLOWPLAN_API_URL", "https://127.0.0.1:9")
    monkeypatch.setenv("FLOWPLAN_API_KEY_FILE", "key")
    (place.path / "key").chmod(0o644)
    found = checks(place)["credentials"]
    assert (found[0], found[2]) == ("failed", "chmod 600 key")
    (place.path / "key").chmod(0o600)
    assert checks(place)["credentials"][1] == "from the file key of FLOWPLAN_API_KEY_FILE"


def test_a_broken_state_and_a_broken_file_hide_nothing_else(place: Place) -> None:
    place.write(TASK)
    place.ok(*APPLY)
    place.write("{", "flowplan.state.json")
    place.write("name: a\nnmae: b\n")
    found = checks(place)
    assert found["state"][0] == "failed"
    assert "state restore" in (found["state"][2] or "")
    assert found["configuration"][:2] == ("failed", "flowplan.yaml has 2 problems")
    assert found["project"][0] == "ok"
    assert place.run("doctor").code == 5


def test_a_state_of_another_api_a_held_lock_and_a_key_that_does_not_exist(place: Place) -> None:
    place.write(TASK)
    place.ok(*APPLY)
    place.ok("simulator", "reset", "--api-url", "sim:b.db")
    found = checks(place, "--api-url", "sim:b.db")
    assert found["state"][0] == "failed"
    assert "belongs to sim:" in found["state"][1]
    lock = Lock(place.path / "flowplan.lock")
    lock.acquire(this_process("flowplan apply", {}, "2026-01-02T03:04:05Z"))
    held = checks(place)["lock"]
    lock.release()
    assert held[0] == "warning"
    assert "(flowplan apply)" in held[1]
    place.write(task_text(key="no-such-key"))
    assert checks(place)["ssh_key"] == ("failed", "there is no SSH key no-such-key", "there are: my-ssh-key")
    assert checks(place, "--project", "nobody")["project"][0] == "failed"


@pytest.mark.parametrize("url", ["https://user:password@example.com", "nonsense", "https://exa mple.com"])
def test_a_url_that_is_none_is_an_answer_too(place: Place, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_KEY", SECRET)
    found = checks(place, "--api-url", url)
    assert found["api"][0] == "failed"
    assert found["lock"][0] == "ok"
    assert "password@" not in json.dumps(found)


def test_a_place_that_can_have_no_state_is_said(place: Place) -> None:
    found = checks(place, "--state", "nowhere/s.json")
    assert found["backend"][0] == found["state"][0] == "failed"
    assert "there is no directory nowhere" in found["backend"][1]


def test_clocks_are_compared() -> None:
    there = datetime(2026, 1, 2, tzinfo=UTC)
    here = there.timestamp()
    assert of_clocks(here + 30, there).verdict == "ok"
    assert of_clocks(here + 31.4, there).summary == "this machine's clock is 31 s ahead of the API's"
    assert of_clocks(here - 7200, there).summary == "this machine's clock is 7,200 s behind the API's"
    near, far = (str(of_clocks(here + apart, there).remedy) for apart in (300, 301))
    assert near == "set it, by NTP if you can: lifetimes go by it"
    assert far == "set it, by NTP if you can: until they agree, a lifetime ends only if it is over by both"
    assert of_clocks(here, None).verdict == "skipped"


@pytest.mark.parametrize(
    ("call", "blamed"),
    [
        ("/v2/projects", {"api"}),
        ("/v2/instance-types", {"api"}),
        ("/v2/spot/availability", {"api"}),
        ("/v2/ssh-keys", {"ssh_key"}),
        ("/v2/quotas", {"quota"}),
    ],
)
@pytest.mark.parametrize("answer", [{"body": "<html>log in</html>", "status": 200}, {"status": 403}])
def test_what_fails_is_blamed_and_nothing_else(
    place: Place, call: str, blamed: set[str], answer: dict[str, object]
) -> None:
    place.write(TASK)
    place.ok(*APPLY)
    with place.simulator() as simulator:
        simulator.faults.add(f"GET {call}", "status", times=None, **answer)
    found = checks(place)
    assert {name for name, check in found.items() if check[0] == "failed"} == blamed
    assert all(f"GET {call}: " in found[name][1] for name in blamed)
    if call == "/v2/projects":
        assert found["quota"][:2] == ("skipped", "not checked: they take the list of projects")


def test_a_stack_file_that_leads_nowhere_is_wrong(place: Place) -> None:
    (place.path / "flowplan.yaml").symlink_to("nowhere.yaml")
    verdict, summary, _ = checks(place)["configuration"]
    assert (verdict, "flowplan.yaml" in summary) == ("failed", True)
