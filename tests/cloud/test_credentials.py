"""Where the API's credentials come from, and that they are never shown."""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import responses

from flowplan.cloud.connect import connect
from flowplan.cloud.credentials import LOGIN, Credentials, Login, find, token
from flowplan.cloud.http.transport import Caller, Transport
from flowplan.errors import Ambiguous, CloudError, FlowplanError, Unauthorized
from flowplan.secret import Secret
from tests.processes import LONGEST

API = "https://api.example.test"
KEY = "fkey_CANARY7"
PASSWORD = "hunter2 CANARY/8"
LOGIN_ENVIRONMENT = {"FOUNDRY_EMAIL": "me@example.test", "FOUNDRY_PASSWORD": PASSWORD}


class Stopped(Exception):
    """What a run that is to end raises."""


@pytest.fixture
def net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    return path


def refusal(environ: dict[str, str]) -> FlowplanError:
    """What `find` raises, having shown nothing."""
    with pytest.raises(Unauthorized) as caught:
        find(environ)
    shown = "".join(traceback.format_exception(caught.value)) + f"{caught.value.hint}{caught.value.detail}"
    assert "CANARY" not in shown
    return caught.value


# -- the order ----------------------------------------------------------------------------------------------------


def test_the_first_variable_found_decides(key_file: Path) -> None:
    given = {
        "FLOWPLAN_API_KEY": "one",
        "FLOWPLAN_API_KEY_FILE": str(key_file),
        "FOUNDRY_API_KEY": "three",
        "MITHRIL_API_KEY": "four",
        **LOGIN_ENVIRONMENT,
    }
    found = []
    for name in [*given][:5]:
        credentials = find(given)
        found.append((credentials.source, credentials.secret.reveal()))
        given[name] = ""  # empty is not set: a pipeline without its secret
    assert found == [
        ("FLOWPLAN_API_KEY", "one"),
        ("FLOWPLAN_API_KEY_FILE", KEY),
        ("FOUNDRY_API_KEY", "three"),
        ("MITHRIL_API_KEY", "four"),
        (LOGIN, PASSWORD),
    ]


def test_none_found_names_the_variables_and_the_simulator() -> None:
    error = refusal({"PATH": "/bin"})
    for name in (
        *("FLOWPLAN_API_KEY", "FLOWPLAN_API_KEY_FILE", "FOUNDRY_API_KEY", "MITHRIL_API_KEY"),
        *("FOUNDRY_EMAIL", "FOUNDRY_PASSWORD", "sim:"),
    ):
        assert name in (error.hint or "")


@pytest.mark.parametrize(
    ("name", "missing"), [("FOUNDRY_EMAIL", "FOUNDRY_PASSWORD"), ("FOUNDRY_PASSWORD", "FOUNDRY_EMAIL")]
)
def test_half_a_login_names_the_other_half(name: str, missing: str) -> None:
    assert f"{missing} is not set" in str(refusal({name: LOGIN_ENVIRONMENT[name]}))


def test_nothing_found_is_ever_shown() -> None:
    for environ in ({"FOUNDRY_API_KEY": KEY}, LOGIN_ENVIRONMENT):
        credentials = find(environ)
        assert "CANARY" not in f"{credentials} {credentials!r}"


# -- malformed keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (KEY + "\n", "space or a line break"),
        (" " + KEY, "space or a line break"),
        (KEY + "\r\nX-Evil: 1", "space or a line break"),
        (KEY + "\u00a0", "space or a line break"),
        (KEY + "é", "not printable ASCII"),
        (KEY + "\x00", "not printable ASCII"),
        (KEY + "\x1b[2J", "not printable ASCII"),
        (f'"{KEY}"', "quotation mark"),
        (KEY * 1000, "longer than 4096"),
    ],
)
@pytest.mark.parametrize("name", ["FLOWPLAN_API_KEY", "FOUNDRY_API_KEY", "MITHRIL_API_KEY"])
def test_a_malformed_key_is_refused_unseen(name: str, key: str, says: str) -> None:
    error = refusal({name: key})
    assert str(error).startswith(f"{name} ")
    assert says in str(error)


# -- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_files_last_line_break_is_not_the_keys(key_file: Path, ending: str) -> None:
    key_file.write_bytes((KEY + ending).encode())
    assert find({"FLOWPLAN_API_KEY_FILE": str(key_file)}).secret.reveal() == KEY


def test_the_home_directory_may_be_short(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(key_file.parent))
    assert find({"FLOWPLAN_API_KEY_FILE": "~/key"}).secret.reveal() == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o777])
def test_a_file_open_to_others_is_refused_with_the_remedy(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    error = refusal({"FLOWPLAN_API_KEY_FILE": str(key_file)})
    assert f"mode {mode:04o}" in str(error)
    assert error.hint == f"chmod 600 {key_file}"


def test_an_empty_file_is_to_be_filled(key_file: Path) -> None:
    key_file.write_text("\n")
    error = refusal({"FLOWPLAN_API_KEY_FILE": str(key_file)})
    assert "is empty" in str(error)
    assert error.hint == "write the API key into it, and nothing else"


def test_a_file_of_another_user_is_refused(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: key_file.stat().st_uid + 1)
    error = refusal({"FLOWPLAN_API_KEY_FILE": str(key_file)})
    assert "belongs to another user" in str(error)
    assert error.hint == "put the key into a file of your own that only you can read, and name that"


def test_a_link_to_the_users_own_file_will_do(key_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(key_file)
    assert find({"FLOWPLAN_API_KEY_FILE": str(link)}).secret.reveal() == KEY


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("who", ["link", "target"])
def test_a_link_to_another_users_file_or_by_another_user_is_refused(key_file: Path, tmp_path: Path, who: str) -> None:
    link = tmp_path / "link"
    link.symlink_to(key_file)
    os.chown(link if who == "link" else key_file, 12345, 12345, follow_symlinks=False)
    assert "another user" in str(refusal({"FLOWPLAN_API_KEY_FILE": str(link)}))


def fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "No such file"),
        (Path.mkdir, "Is a directory"),
        (fifo, "not a regular file"),
        (lambda path: path.touch(0o600), "is empty"),
        (lambda path: path.symlink_to(path), "symbolic links"),
    ],
    ids=["missing", "directory", "fifo", "empty", "loop"],
)
def test_what_is_no_key_file_is_refused(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    path = tmp_path / "key\x1b[2J"
    make(path)
    error = refusal({"FLOWPLAN_API_KEY_FILE": str(path)})
    assert says in str(error)
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (KEY.encode() + b"\n\n", "line break"),
        (b"# my key\n" + KEY.encode(), "line break"),
        (b"\xff" + KEY.encode(), "not text"),
        (b"\x7fELF" + bytes(9000), "longer than"),
    ],
)
def test_a_malformed_file_is_refused_unseen(key_file: Path, data: bytes, says: str) -> None:
    key_file.write_bytes(data)
    assert says in str(refusal({"FLOWPLAN_API_KEY_FILE": str(key_file)}))


@pytest.mark.parametrize("name", ["nul\0byte", "~nobody-of-this-name/key"])
def test_what_is_no_path_is_refused(name: str) -> None:
    assert "cannot be read" in str(refusal({"FLOWPLAN_API_KEY_FILE": name}))


# -- the login --------------------------------------------------------------------------------------------------------


def login(credentials: Credentials, caller: Caller | None = None) -> Login:
    found = token(credentials, API, environ={}, caller=caller)
    assert isinstance(found, Login)
    return found


def test_a_key_needs_no_login(net: responses.RequestsMock) -> None:
    found = token(find({"FOUNDRY_API_KEY": KEY}), API, environ={})
    assert isinstance(found, Secret)
    assert found.reveal() == KEY
    assert not net.calls


@pytest.mark.parametrize("name", ["access_token", "token"])
def test_email_and_password_give_a_token_once_for_all_threads(net: responses.RequestsMock, name: str) -> None:
    net.add("POST", f"{API}/login", json={name: "bearer-1"})
    net.add("GET", f"{API}/v2/me", json={})
    source = login(find(LOGIN_ENVIRONMENT))
    assert not net.calls, "not before the first call"
    api = Transport(API, source, environ={})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: api.call("GET", "/v2/me"), range(8)))
    first, *calls = [call.request for call in net.calls]
    assert json.loads(first.body) == {"email": "me@example.test", "password": PASSWORD}
    assert "Authorization" not in first.headers
    assert len(calls) == 8
    assert {call.headers["Authorization"] for call in calls} == {"Bearer bearer-1"}


def failed_login(net: responses.RequestsMock, **answer: object) -> CloudError:
    net.add("POST", f"{API}/login", **answer)  # type: ignore[arg-type]
    with pytest.raises(CloudError) as caught:
        login(find(LOGIN_ENVIRONMENT), Caller(wait=lambda seconds: None))()
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))
    assert "CANARY" not in f"{caught.value.hint}{caught.value.detail}"
    assert not isinstance(caught.value, Ambiguous)
    return caught.value


@pytest.mark.parametrize("stopped", ["in its pause", "before its second try"])
def test_a_run_that_is_stopped_waits_for_no_login(net: responses.RequestsMock, stopped: str) -> None:
    net.add("POST", f"{API}/login", status=429, headers={"Retry-After": "20"})
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if stopped == "in its pause":
            raise Stopped("stopped")

    def hold() -> None:
        if waits:
            raise Stopped("stopped")

    api = connect(API, LOGIN_ENVIRONMENT, 4, caller=Caller(wait=wait, hold=hold), hide=lambda hidden: None)
    with pytest.raises(Stopped):
        api.projects()
    assert len(net.calls) == len(waits) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refused_login_is_unauthorized(net: responses.RequestsMock, status: int) -> None:
    error = failed_login(net, status=status, json={"detail": f"wrong password {PASSWORD}"})
    assert type(error) is Unauthorized
    assert error.status == status
    assert str(error).startswith("login failed: POST /login: ")
    assert LOGIN in (error.hint or "")


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 429},
        {"status": 302, "headers": {"Location": "https://evil.test"}},
        {"body": "<html>"},
        {"body": requests.exceptions.ReadTimeout()},
    ],
)
def test_a_login_that_fails_is_a_plain_failure(net: responses.RequestsMock, answer: dict[str, object]) -> None:
    error = failed_login(net, **answer)
    assert type(error) is CloudError
    assert str(error).startswith("login failed: ")


@pytest.mark.parametrize("body", [{}, [], "text", {"access_token": 7}, {"token": None}])
def test_a_login_without_a_token_is_an_invalid_response(net: responses.RequestsMock, body: object) -> None:
    assert "access_token is missing" in str(failed_login(net, json=body))


def test_a_malformed_token_is_refused_unseen(net: responses.RequestsMock) -> None:
    error = failed_login(net, json={"access_token": "CANARY\r\nX-Evil: 1"})
    assert "the token from POST /login holds a space" in str(error)


def test_a_failed_login_is_tried_again_by_the_next_call(net: responses.RequestsMock) -> None:
    net.add("POST", f"{API}/login", status=500)
    net.add("POST", f"{API}/login", json={"access_token": "bearer-2"})
    source = login(Credentials(LOGIN, Secret(PASSWORD), "me"))
    with pytest.raises(CloudError):
        source()
    assert source().reveal() == source().reveal() == "bearer-2"
    assert len(net.calls) == 2


@pytest.mark.parametrize("renewed", [False, True])
@pytest.mark.parametrize("status", [401, 500])
def test_a_login_that_fails_is_one_for_all_threads_that_wait_for_it(
    monkeypatch: pytest.MonkeyPatch, status: int, renewed: bool
) -> None:
    """Lists are read side by side: a wrong password from each of them could lock the account. The failure is let go
    once all have begun to wait."""
    threads, logins, waiting = 6, list[int](), threading.Semaphore(0)
    kind = Unauthorized if status == 401 else CloudError

    class Turn:
        """The lock of the logins, which tells who waits for it."""

        lock = threading.Lock()

        def __enter__(self) -> None:
            waiting.release()
            assert self.lock.acquire(timeout=LONGEST)

        def __exit__(self, *_: object) -> None:
            self.lock.release()

    def refused(*_: object) -> Secret:
        logins.append(status)
        if len(logins) == 1:
            assert all(waiting.acquire(timeout=LONGEST) for _ in range(threads))
        raise kind("login failed", status=status)

    source = login(Credentials(LOGIN, Secret(PASSWORD), "me"))
    monkeypatch.setattr(source, "_lock", Turn())
    monkeypatch.setattr("flowplan.cloud.credentials._login", refused)

    def ask() -> object:
        try:
            return source.renew("old") if renewed else source()
        except CloudError as error:
            return error.status

    with ThreadPoolExecutor(threads) as pool:
        asked = [pool.submit(ask) for _ in range(threads)]
        assert [one.result() for one in asked] == [status] * threads
    assert len(logins) == 1
    assert ask() == status  # who asks later tries again
    assert len(logins) == 2
