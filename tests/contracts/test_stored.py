"""What a state in a store of objects holds against answers that are none, lost answers and late runs: S3 and Azure."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("obstore")

from flowplan.backends.remote.azure import AzureBlobs
from flowplan.backends.remote.azure_address import AzureAddress
from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.backends.remote.place import Conflict, Unanswered
from flowplan.backends.remote.s3 import S3Objects
from flowplan.backends.remote.s3_address import S3Address
from flowplan.backends.remote.stored import StoredObjects
from flowplan.errors import StateError, UsageProblem
from tests.builders import DATA
from tests.cloud.server import Server, certificates, reset, silent, tls
from tests.contracts.begun import BINDING, DONE, INTENT, begun, found
from tests.contracts.memory import ObjectSite
from tests.contracts.odd import Odd, reply
from tests.contracts.relay import Relay
from tests.contracts.stores import KINDS, Kind, calls
from tests.contracts.under_lock import Killed, holders, in_a_renewal, work

__all__ = ["certificates"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]()


@pytest.fixture
def site(kind: Kind, tmp_path: Path) -> ObjectSite:
    return kind.site(tmp_path / "one")


# -- answers that are none


def test_a_refusal_says_what_it_is_and_what_to_do(kind: Kind, odd: Odd) -> None:
    for answer, says, hint in kind.refused:
        odd.answer = answer
        odd.asked.clear()
        for call in calls(kind.at(odd)):
            with pytest.raises(StateError, match=says) as caught:
                call()
            assert not isinstance(caught.value, Conflict | Unanswered)
            assert hint in (caught.value.hint or "")
            assert kind.secret not in f"{caught.value} {caught.value.hint} {caught.value.detail}"
        assert len(odd.asked) == len(calls(kind.at(odd)))  # a refusal is not tried again


def test_what_may_pass_is_asked_again_and_a_write_is_in_doubt(kind: Kind, odd: Odd) -> None:
    for name, answer in kind.passing.items():
        odd.answer = answer
        objects = kind.at(odd)
        for call in (lambda: objects.get("train"), lambda: objects.names("train.d/states/")):  # noqa: B023 - called here
            odd.asked.clear()
            with pytest.raises(StateError):
                call()
            assert len(odd.asked) == 4, name
        for expected in ("", '"1"'):
            odd.asked.clear()
            with pytest.raises(Unanswered, match=f"whether {kind.url} was written is not known"):
                objects.put("train", b"one", expected)
            assert len(odd.asked) == 1, name


def test_no_answer_but_one_means_that_nothing_is_there(kind: Kind, odd: Odd) -> None:
    """An empty or cut off body, a web page, an answer of something else."""
    for name, answer in kind.nothing.items():
        odd.answer = answer
        objects = kind.at(odd)
        place = ObjectPlace(objects, "train", kind.url, "train", lambda _: None)
        looks: dict[str, Callable[[], object]] = {"read": place.read, "fence": place.fence}
        looks["list"] = lambda: objects.names("train.d/states/")  # noqa: B023 - called here
        if name != "empty, ETag":  # which is an object that is empty
            looks["get"] = lambda: objects.get("train")  # noqa: B023 - called here
        for which, look in looks.items():
            try:
                look()
            except StateError:
                continue
            pytest.fail(f"{name}: {which} takes it for an answer")


def test_an_object_that_is_no_state_by_its_size_is_not_fetched(kind: Kind, odd: Odd) -> None:
    """The library takes as much memory as the answer announces, and ends the process where there is less."""
    modified = "Last-Modified: Tue, 01 Dec 2026 10:00:00 GMT"
    odd.answer = reply(200, "", 'ETag: "1"', modified, length=2**50)
    with pytest.raises(StateError, match="has more than 256 MB as train: flowplan did not write it") as caught:
        kind.at(odd).get("train")
    assert (caught.value.hint, len(odd.asked)) == ("check the name of the state: something else may be there", 1)


def test_an_object_that_is_not_there_is_nothing(kind: Kind, odd: Odd, site: ObjectSite) -> None:
    odd.answer = kind.absent
    objects = kind.at(odd)
    assert objects.get("train") is None
    with pytest.raises(Conflict):
        objects.put("train", b"one", '"1"')
    with pytest.raises(StateError) as caught:
        objects.put("train", b"one", "")
    assert not isinstance(caught.value, Conflict)
    site.objects.delete("nothing")


def test_a_server_that_is_not_there_or_hangs_is_said_to_be(kind: Kind) -> None:
    gone = Odd()
    gone.close()
    with pytest.raises(StateError, match="cannot be reached: the connection is refused"):
        kind.at(gone).get("train")
    with Relay(urlsplit(kind.endpoint()).port or 0) as relay:
        relay.deaf(True)
        gone.url = f"http://127.0.0.1:{relay.port}"
        with pytest.raises(Unanswered, match="no answer in time"):
            kind.at(gone, (5.0, 0.5)).put("train", b"one", "")


@pytest.mark.parametrize(
    ("name", "trusted", "why", "hint"),
    [
        ("own", "", "is not trusted", "name the file of your certificate authority in"),
        (
            "localhost",
            "localhost",
            r"says that it is that of an authority \(CA:TRUE\)",
            "give the server a certificate",
        ),
        ("wrong", "wrong", "says that it is that of an authority", "give the server a certificate with CA:FALSE"),
        ("expired", "expired", "has expired", "look at this machine's clock"),
    ],
    ids=["unknown", "of an authority", "of an authority and another host", "expired"],
)
def test_a_server_with_a_certificate_that_does_not_count_is_not_looked_for(
    kind: Kind, odd: Odd, certificates: Path, name: str, trusted: str, why: str, hint: str
) -> None:
    """It is up, and so is the network."""
    server = Server(silent, tls=tls(certificates, name))
    odd.url = f"https://localhost:{server.port}"
    variables = {"SSL_CERT_FILE": str(certificates / f"{trusted}.pem")} if trusted else {}
    with pytest.raises(StateError, match=f"cannot be reached: its certificate {why}") as caught:
        kind.at(odd, **variables).get("train")
    server.close()
    assert (caught.value.hint or "").startswith(hint)


def test_a_certificate_for_another_host_is_said_to_be(kind: Kind, odd: Odd, certificates: Path) -> None:
    server = Server(silent, tls=tls(certificates, "own"))
    odd.url = f"https://127.0.0.1:{server.port}"
    with pytest.raises(StateError, match="its certificate is that of another host") as caught:
        kind.at(odd, SSL_CERT_FILE=str(certificates / "own.pem")).get("train")
    server.close()
    assert caught.value.hint == "check the host in the URL: the server shows the certificate of another one"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, an authority, and localhost.pem, which it has signed, with its key."""
    folder = tmp_path_factory.mktemp("signed")
    new = "openssl req -x509 -newkey rsa:2048 -nodes -days 2"
    leaf = "-CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost"
    for command in (
        f"{new} -subj /CN=authority -keyout ca.key -out ca.pem",
        f"{new} -subj /CN=localhost -keyout localhost.key -out localhost.pem {leaf}",
    ):
        subprocess.run(command.split(), check=True, capture_output=True, cwd=folder)
    return folder


@pytest.mark.parametrize("given", ["a file", "a directory"])
def test_its_authority_may_be_in_a_file_or_in_a_directory(
    kind: Kind, odd: Odd, certificates: Path, signed: Path, tmp_path: Path, given: str
) -> None:
    """As for the cloud's API. What is wrong with either is said, and no other authorities are taken in its place."""
    shutil.copy(certificates / "wrong.pem", tmp_path / "a.pem")
    shutil.copy(signed / "ca.pem", tmp_path / "b.pem")
    variables = {"SSL_CERT_FILE": str(tmp_path / "b.pem")}
    if given == "a directory":
        variables = {"REQUESTS_CA_BUNDLE": str(tmp_path)}
        with pytest.raises(UsageProblem, match=r"REQUESTS_CA_BUNDLE .* a directory without hashed certificates"):
            kind.at(odd, **variables)
        subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
    server = Server(silent, tls=tls(signed, "localhost"))
    odd.url = f"https://localhost:{server.port}"
    with pytest.raises(StateError, match="no answer in time"):  # it is trusted, and asked
        kind.at(odd, (5.0, 0.5), **variables).get("train")
    server.close()


def test_a_bundle_of_amazon_that_is_none_is_said_to_be(odd: Odd, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"AWS_CA_BUNDLE names .* neither a file nor a directory"):
        KINDS["s3"]().at(odd, AWS_CA_BUNDLE=str(tmp_path / "gone.pem"))


def test_it_is_asked_by_the_proxy_of_the_cloud(kind: Kind, odd: Odd) -> None:
    """One that is none is refused: without a word, the server would be asked past it."""
    proxy, odd.url = Server(silent), "https://states.example.test"
    for url in ("socks5://proxy.test", "http://[proxy", "http://"):
        with pytest.raises(UsageProblem, match="HTTPS_PROXY is not the URL of an HTTP proxy"):
            kind.at(odd, HTTPS_PROXY=url)
    given = {"HTTPS_PROXY": f"http://me:hush-hush@127.0.0.1:{proxy.port}"}
    with pytest.raises(StateError) as caught:
        kind.at(odd, (5.0, 0.5), **given).get("train")
    proxy.close()
    assert proxy.requests[0].startswith(b"CONNECT states.example.test:443 ")
    assert "hush-hush" not in f"{caught.value} {caught.value.hint} {caught.value.detail}"


@pytest.mark.parametrize("no_proxy", ["", "states.example.test:{port}"])
def test_what_is_exempt_from_the_proxy_of_the_cloud_is_asked_without_it(
    kind: Kind, odd: Odd, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    """A state on this machine is for no proxy, least of all in the clear."""
    proxy, port = Server(silent), urlsplit(odd.url).port
    given = {"HTTPS_PROXY": proxy.url, "HTTP_PROXY": proxy.url, "NO_PROXY": no_proxy.format(port=port)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    odd.answer = kind.absent
    if no_proxy:
        odd.url = f"https://states.example.test:{port}"
        with pytest.raises(StateError, match="cannot be reached"):  # there is no such host
            kind.at(odd, (5.0, 2.0), **given).get("train")
    else:
        assert kind.at(odd, (5.0, 2.0), **given).get("train") is None
    proxy.close()
    assert proxy.requests == []


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("which", ["s3", "azure"])
def test_no_proxy_is_asked_for_the_credentials_of_the_machine(
    which: str, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come in the clear, and a proxy on another machine would give those of that one; also where a variable names
    a host `beside` this one."""
    proxy, machine = Server(silent), Server(reset)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    there = (
        f"http://tokens.example.test:{urlsplit(machine.url).port}" if beside else machine.url
    )  # there is no such host
    named = {"AWS_METADATA_ENDPOINT": there, "IDENTITY_ENDPOINT": there}
    for name, url in named.items():
        monkeypatch.setenv(name, url)
    given = {"HOME": "/nonexistent", "HTTPS_PROXY": proxy.url, **named}
    limits = (5.0, 2.0)
    if which == "s3":
        store: StoredObjects[Any] = S3Objects(S3Address.of("s3://states/train", given), given, lambda _: None, limits)
    else:
        store = AzureBlobs(AzureAddress.of("az://account/states/train", given), given, lambda _: None, limits)
    with pytest.raises(StateError):
        store.get("train")
    proxy.close()
    machine.close()
    assert (bool(machine.requests), proxy.requests) == (not beside, [])


# -- runs


def test_the_answer_to_a_write_may_be_lost_on_the_way(kind: Kind, site: ObjectSite) -> None:
    """The server does it, and the connection breaks before it says so."""
    with Relay(urlsplit(kind.endpoint()).port or 0) as relay:
        place = ObjectPlace(kind.behind(site, relay.port), site.key, site.url, site.url, lambda _: None)
        version = place.put_lease(b"record-1", "")
        writes = (lambda: place.append(1, 1, b"frames"), lambda: place.put_lease(b"record-2", version))
        for number, write in enumerate(writes, start=1):
            relay.lose_next_answer()
            write()
            assert relay.lost == number
        assert place.lease().record == b"record-2"
        with pytest.raises(Conflict):
            place.put_lease(b"record-3", version)


def test_a_write_that_arrives_late_is_not_taken_for_ours(site: ObjectSite) -> None:
    first, second = site.place(), site.place()
    version = first.put_lease(b"one", "")
    assert second.put_lease(b"two", version) != version
    with pytest.raises(Conflict):
        first.put_lease(b"three", version)
    assert first.lease().record == b"two"


@pytest.mark.parametrize("when", ["asked", "answered"])
def test_a_kill_at_every_write_loses_nothing_that_was_durable(kind: Kind, tmp_path: Path, when: str) -> None:
    for at in range(40):
        site, number, known = kind.site(tmp_path / str(at)), count(), list[str]()

        def dies(call: str, key: str, number: count[int] = number, at: int = at) -> None:
            if not in_a_renewal() and call == "put" and next(number) >= at:
                raise Killed

        setattr(site.objects, when, dies)
        try:
            work(site.open(), known)
            break
        except Killed:
            loaded = found(kind.site(tmp_path / str(at)))
        assert "intent" not in known or loaded.pending or DATA in loaded.state.bindings, at
        assert "done" not in known or loaded.state.bindings == {DATA: BINDING}, at
        again = begun(kind.site(tmp_path / str(at)))
        again.append([INTENT])
        again.append([DONE])
        assert again.save(again.read().state).bindings == {DATA: BINDING}, at
    assert at > 5


@pytest.mark.parametrize("writers", [2, 8, pytest.param(32, marks=pytest.mark.slow)])
def test_of_many_at_once_one_holds_the_lock(site: ObjectSite, writers: int) -> None:
    assert holders(writers, site.open) == [1]


def test_the_server_keeps_its_conditions_and_says_how_old_a_lock_is(site: ObjectSite) -> None:
    place = site.place()
    place.prove()
    place.put_lease(b"one", "")
    age = place.age(place.lease())
    assert age is not None
    assert 0 <= age < 60
