"""What flowplan makes of the answers of a server for Terraform states, above all of one that does not keep its word."""

from __future__ import annotations

import base64
import json
import os
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flowplan.backends.open import open_store
from flowplan.backends.remote.http_address import HttpAddress
from flowplan.backends.remote.http_client import HttpClient, LockInfo
from flowplan.backends.remote.place import Fault, Unanswered
from flowplan.errors import Locked, StateError
from tests.cloud.server import Server as Socket
from tests.cloud.server import certificates, says, serve, tls
from tests.contracts import state_servers
from tests.contracts.begun import INTENT, found
from tests.contracts.http_site import LOGIN, SITES, HttpSite
from tests.contracts.http_work import worked
from tests.contracts.state_servers import JSON, PAGE, PASSWORD, TEXT, USERNAME, Answer
from tests.contracts.under_lock import owner
from tests.processes import LONGEST
from tests.runs import Run

__all__ = ["certificates", "serve"]


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> HttpSite:
    return SITES[request.param](tmp_path / "one")


@pytest.mark.parametrize(
    ("kind", "careless", "fault"),
    [
        ("gitlab", "lock", "gives a lock that is held to a second run"),
        ("plain", "lock", "gives a lock that is held to a second run"),
        ("gitlab", "write", "takes a write from a run that does not have the lock"),
        ("plain", "write", "takes a write from a run that does not have the lock"),
        ("plain", "unlock", "gives the lock away for a run that does not have it"),
        ("late", "", "takes a write from a run whose lock was taken away"),
    ],
)
def test_a_server_that_ignores_conditions_is_refused_by_name(
    tmp_path: Path, kind: str, careless: str, fault: str
) -> None:
    site = type("Site", (HttpSite,), {"kind": kind})(tmp_path / "one")
    site.state.careless = frozenset({careless})
    store = site.open()
    for _ in range(2):  # it is not taken for proved
        with pytest.raises(Fault, match=fault) as caught:
            store.lock.acquire(owner())
    assert site.url in str(caught.value)
    assert site.state.lock is None
    assert store.lock.fence == 0


BAD: dict[str, tuple[Answer, str]] = {
    "empty": ((200, b"", JSON), "never means that there is no state"),
    "blank": ((200, b" \n", JSON), "never means that there is no state"),
    "cut off": ((200, b'{"format": "flowplan-sta', JSON), "not a state of this flowplan"),
    "a list": ((200, b"[]", JSON), "not a state of this flowplan"),
    "a later format": ((200, b'{"format": "flowplan-state", "format_version": 2}', JSON), "not a state of this"),
    "terraform's": ((200, b'{"version": 4, "terraform_version": "1.9.0", "serial": 3}', JSON), "a state of Terraform"),
    "a login": ((200, b"<!DOCTYPE html><title>Sign in</title>", PAGE), "a web page"),
    "another page": ((404, b"<html>nothing here</html>", PAGE), "no such project or page"),
    "a redirect": ((302, b"https://login.example.com/sign_in", PAGE), "sends flowplan on to login.example.com"),
    "no login": ((401, b'{"message":"401 Unauthorized"}', JSON), "refuses the credentials"),
    "no right": ((403, b'{"message":"403 Forbidden"}', JSON), "may not read it"),
    "no project": ((404, b'{"message":"404 Project Not Found"}', JSON), "no such project"),
    "a gateway, not GitLab": ((404, b"404 page not found", TEXT), "no such project or page"),
    "down": ((503, b'{"message":"down for maintenance"}', JSON), "down for maintenance"),
    "odd": ((206, b"{", JSON), "HTTP 206"),
}


def test_a_lock_of_which_nothing_is_said_is_described_by_what_is_known(site: HttpSite) -> None:
    site.open()
    site.state.asked = lambda wanted: (423, b"<html>Locked</html>", PAGE) if wanted == "lock" else None
    with pytest.raises(Locked) as caught:
        site.open().lock.acquire(owner())
    assert caught.value.detail == "  who      another run"
    assert "does not say who has it" in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["gitlab", "gitea"])
def test_a_server_that_stays_behind_is_named(tmp_path: Path, kind: str) -> None:
    site = SITES[kind](tmp_path / "one")
    worked(site)
    older = site.state.latest or b""
    worked(site)
    site.state.asked = lambda wanted: (200, older, JSON) if wanted == "get" else None
    with pytest.raises(StateError, match="gives an older document than the one it has"):
        site.open().lock.acquire(owner())
    assert site.state.lock is None


@pytest.mark.parametrize("bad", BAD)
def test_no_answer_but_that_of_nothing_means_nothing(site: HttpSite, bad: str) -> None:
    answer, match = BAD[bad]
    if "GitLab" in bad and site.kind != "gitlab":
        return  # these words may be the server's own there
    site.state.asked = lambda wanted: answer
    for look in (lambda: found(site), lambda: site.open().lock.holder(), lambda: site.open().lock.acquire(owner())):
        with pytest.raises(StateError) as caught:
            look()
        assert PASSWORD not in f"{caught.value} {caught.value.hint}"
    with pytest.raises(StateError, match=match):
        found(site)


def test_what_a_server_says_of_credentials_is_not_shown(site: HttpSite) -> None:
    login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    said = json.dumps({"message": f"Basic {login} and {PASSWORD} are wrong"}).encode()
    site.state.asked = lambda wanted: (400, said, JSON)
    with pytest.raises(StateError, match="are wrong") as caught:
        found(site)
    assert not {PASSWORD, login} & set(str(caught.value).replace("(", " ").split())
    assert PASSWORD not in repr(site.place().client.address)


def test_credentials_follow_no_redirect(site: HttpSite) -> None:
    elsewhere = state_servers.Server()
    for status in (301, 302, 307, 308):
        site.state.asked = lambda wanted, status=status: (  # type: ignore[misc]
            (status, elsewhere.url(site.kind, site.key).encode(), TEXT)
        )
        for ask in (lambda: found(site), lambda: site.open().lock.acquire(owner())):
            with pytest.raises(StateError, match=r"sends flowplan on to 127\.0\.0\.1"):
                ask()
    assert elsewhere.seen == []


def test_a_body_that_is_shorter_than_announced_is_an_error(site: HttpSite, monkeypatch: pytest.MonkeyPatch) -> None:
    worked(site)
    monkeypatch.setattr(site.server, "missing", 7)
    with pytest.raises(StateError, match="could not read"):
        found(site)


def test_a_write_that_is_answered_with_a_page_is_not_done(site: HttpSite) -> None:
    store = site.open()
    store.lock.acquire(owner())
    run = Run.of(store)
    site.state.asked = lambda wanted: (200, b"<!DOCTYPE html>Sign in", PAGE) if wanted == "update" else None
    with pytest.raises(StateError, match="a web page"):
        run.append([INTENT])
    assert found(site).pending == {}


@pytest.mark.parametrize("status", [102, 303, 408])
def test_an_answer_that_leaves_open_whether_a_write_was_done_is_looked_up(site: HttpSite, status: int) -> None:
    """A run that took it for a refusal would end with an error, and with its write in the document."""
    store = site.open()
    store.lock.acquire(owner())
    run = Run.of(store)
    site.state.answered = lambda wanted, answer: (status, b"", TEXT) if wanted == "update" else answer
    run.append([INTENT])
    assert list(found(site).pending) == [INTENT.intent]


def test_a_redirect_to_what_is_no_url_is_refused(site: HttpSite) -> None:
    store = site.open()
    store.lock.acquire(owner())
    run = Run.of(store)
    client, info = site.place().client, LockInfo("another")
    site.state.asked = lambda wanted: (302, b"http://[somewhere", TEXT)
    for ask in (client.get, lambda: client.lock(info), lambda: client.unlock(info), lambda: run.append([INTENT])):
        with pytest.raises(StateError, match="sends flowplan on to an invalid address"):
            ask()
    site.state.asked = lambda wanted: None
    store.lock.release()
    assert site.state.lock is None


def test_a_gateways_404_gives_no_lock_back(site: HttpSite) -> None:
    site.open().lock.acquire(owner())
    site.state.asked = lambda wanted: (404, b"<html>nothing here</html>", PAGE) if wanted == "unlock" else None
    info = LockInfo(str((site.state.lock or {})["ID"]))
    with pytest.raises(StateError, match="no such project or page"):
        site.place().client.unlock(info)
    site.state.asked = lambda wanted: None
    assert site.place().client.unlock(info)


def test_a_lock_is_asked_for_once_where_its_answer_breaks_off(serve: Callable[..., Socket]) -> None:
    """Its status came. A server that does not say who has a lock would refuse the second try, and nobody had it."""
    server = serve(says("200 OK\r\nContent-Length: 9", b"{}"), says("423 Locked\r\nContent-Length: 0"))
    client = HttpClient(HttpAddress.of(f"{server.url}/state", LOGIN), {}, lambda _: None)
    assert client.lock(LockInfo("mine")) is None
    assert server.connections == 1


def test_a_state_larger_than_any_is_asked_for_once(
    serve: Callable[..., Socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowplan.cloud.http.response.RESPONSE_CAP", 1000)
    server = serve(says("200 OK", b"{" + b" " * 1000))
    with pytest.raises(StateError, match="could not read"):
        HttpClient(HttpAddress.of(f"{server.url}/state", LOGIN), {}, lambda _: None).get()
    assert server.connections == 1


def test_tls_that_breaks_after_a_write_leaves_open_whether_it_was_done(
    serve: Callable[..., Socket], certificates: Path
) -> None:
    server = serve(lambda connection: os.write(connection.fileno(), b"no record"), tls=tls(certificates, "localhost"))
    environ = {"SSL_CERT_FILE": str(certificates / "localhost.pem")}
    client = HttpClient(HttpAddress.of(f"https://localhost:{server.port}/state", LOGIN), environ, lambda _: None)
    with pytest.raises(Unanswered, match="is not known"):
        client.update(b"{}", "mine")
    assert b"POST" in server.requests[0]


def test_a_state_that_is_too_large_for_the_server_says_so(site: HttpSite) -> None:
    worked(site)
    store = site.open()
    store.lock.acquire(owner())
    run = Run.of(store)
    site.state.asked = lambda wanted: (413, b'{"message":"too large"}', JSON) if wanted == "update" else None
    with pytest.raises(StateError, match=r"could not write .*: HTTP 413 \(too large\)"):
        run.append([INTENT])


def test_a_server_that_is_away_is_said(tmp_path: Path) -> None:
    site = HttpSite(tmp_path / "one")
    site.url = "http://127.0.0.1:9/api/v4/projects/42/terraform/state/train"
    with pytest.raises(StateError, match="cannot be reached: Connection refused"):
        found(site)


def test_a_server_that_does_not_answer_ends_with_the_deadline(site: HttpSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowplan.backends.remote.http_client.DEADLINE", 0.1)
    over = threading.Event()
    site.state.asked = lambda wanted: (over.wait(LONGEST), None)[1]
    try:
        with pytest.raises(StateError, match="timed out"):
            found(site)
    finally:
        over.set()


class Encrypted(state_servers.Server):
    """Speaks TLS."""

    context: ssl.SSLContext

    def server_bind(self) -> None:
        self.socket = self.context.wrap_socket(self.socket, server_side=True)
        super().server_bind()


def test_a_server_is_trusted_by_the_authority_that_is_named(tmp_path: Path, certificates: Path) -> None:
    """GitLab on a host of one's own has a certificate of one's own."""
    kind = type("Localhost", (Encrypted,), {"context": tls(certificates, "localhost")})
    url = kind().url("gitlab", "train").replace("http://127.0.0.1", "https://localhost")
    environ = {**LOGIN, "XDG_STATE_HOME": str(tmp_path / "home")}
    with pytest.raises(StateError, match="its server cannot be trusted: self-signed certificate") as caught:
        open_store(url, tmp_path, environ).read()
    assert "REQUESTS_CA_BUNDLE" in (caught.value.hint or "")
    store = open_store(url, tmp_path, {**environ, "SSL_CERT_FILE": str(certificates / "localhost.pem")})
    store.lock.acquire(owner())
    Run.of(store).append([INTENT])
    store.lock.release()
    store.close()
