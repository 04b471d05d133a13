"""What a state in Azure Blob Storage holds against answers that are none, lost answers and late runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("obstore")

from flowplan.backends.remote.azure import AzureBlobs
from flowplan.backends.remote.azure_address import AZURE_ENDPOINT, AzureAddress
from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.backends.remote.place import Conflict, Unanswered
from flowplan.errors import StateError, UsageProblem
from tests.builders import DATA
from tests.contracts.azure_site import KEY, AzureSite, endpoint, environ
from tests.contracts.begun import BINDING, DONE, INTENT, begun, found
from tests.contracts.odd import Odd, error, reply
from tests.contracts.relay import Relay
from tests.contracts.under_lock import Killed, holders, in_a_renewal, work

URL = "az://myaccount/states/train"


@pytest.fixture
def site(tmp_path: Path) -> AzureSite:
    return AzureSite(tmp_path / "one")


@pytest.fixture
def odd() -> Iterator[Odd]:
    server = Odd()
    yield server
    server.close()


def at(odd: Odd, limits: tuple[float, float] = (5.0, 10.0), **variables: str) -> AzureBlobs:
    """The container `states` of `odd`."""
    given = {AZURE_ENDPOINT: odd.url, "HOME": "/nonexistent", **(variables or {"AZURE_STORAGE_KEY": KEY})}
    return AzureBlobs(AzureAddress.of(URL, given), given, lambda _: None, limits)


def calls(blobs: AzureBlobs) -> list[Callable[[], object]]:
    return [
        lambda: blobs.get("train"),
        lambda: blobs.put("train", b"one", ""),
        lambda: blobs.put("train", b"one", '"1"'),
        lambda: blobs.names("train.d/states/"),
        lambda: blobs.delete("train"),
    ]


# -- answers that are none


REFUSALS = [
    (error(403, "AuthorizationPermissionMismatch"), "denies access", "Storage Blob Data Contributor"),
    (error(403, "AuthorizationFailure"), "denies access", "network rules"),
    (error(404, "ContainerNotFound"), "there is no container states in http://127", "az storage container create"),
    (error(404, "ResourceNotFound"), "HTTP 404 ResourceNotFound", AZURE_ENDPOINT),
    (error(403, "AuthenticationFailed", "x RequestId:1"), "refuses the credentials: HTTP 403", "AZURE_STORAGE_KEY"),
    (error(401, "InvalidAuthenticationInfo"), "refuses the credentials", "az login"),
    (error(401, "NoAuthenticationInformation"), "refuses the credentials", "az login"),
    (error(412, "LeaseIdMissing"), "HTTP 412 LeaseIdMissing", "az storage blob lease break"),
    (error(409, "BlobImmutableDueToPolicy"), "HTTP 409 BlobImmutableDueToPolicy", AZURE_ENDPOINT),
    (error(400, "InvalidHeaderValue"), "HTTP 400 InvalidHeaderValue", AZURE_ENDPOINT),
]


@pytest.mark.parametrize(("answer", "says", "hint"), REFUSALS, ids=[says for _, says, _ in REFUSALS])
def test_a_refusal_says_what_it_is_and_what_to_do(odd: Odd, answer: bytes, says: str, hint: str) -> None:
    odd.answer = answer
    for call in calls(at(odd)):
        with pytest.raises(StateError, match=says) as caught:
            call()
        assert not isinstance(caught.value, Conflict | Unanswered)
        assert hint in (caught.value.hint or "")
        assert KEY not in f"{caught.value} {caught.value.hint} {caught.value.detail}"
    assert len(odd.asked) == len(calls(at(odd)))  # a refusal is not tried again


@pytest.mark.parametrize(
    "answer",
    [error(500, "InternalError"), error(503, "ServerBusy"), error(429, "TooManyRequests"), b"", b"hello\r\n\r\n"],
    ids=["500", "503", "429", "nothing", "no HTTP"],
)
def test_what_may_pass_is_asked_again_and_a_write_is_in_doubt(odd: Odd, answer: bytes) -> None:
    odd.answer = answer
    blobs = at(odd)
    for call in (lambda: blobs.get("train"), lambda: blobs.names("train.d/states/")):
        odd.asked.clear()
        with pytest.raises(StateError):
            call()
        assert len(odd.asked) == 4
    for expected in ("", '"1"'):
        odd.asked.clear()
        with pytest.raises(Unanswered, match=f"whether {URL} was written is not known"):
            blobs.put("train", b"one", expected)
        assert len(odd.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(404),
        reply(404, "<html>Not Found</html>"),
        error(404, "ContainerNotFound"),
        reply(204),
        reply(200, ""),
        reply(200, "<html>Log in</html>"),
        reply(200, "{}", 'ETag: "1"', "Last-Modified: Sun, 29 Nov 2026 03:15:11 GMT", length=100),
        reply(302, "", "Location: https://login.example.com/"),
        reply(304),
    ],
    ids=["404", "a page", "another 404", "204", "empty", "a login", "cut off", "a redirect", "304"],
)
def test_no_answer_but_one_means_that_nothing_is_there(odd: Odd, answer: bytes) -> None:
    odd.answer = answer
    blobs = at(odd)
    place = ObjectPlace(blobs, "train", URL, "train", lambda _: None)
    for look in (place.read, place.fence, lambda: blobs.get("train"), lambda: blobs.names("train.d/states/")):
        with pytest.raises(StateError):
            look()


def test_a_blob_that_is_not_there_is_nothing(odd: Odd) -> None:
    odd.answer = error(404, "BlobNotFound")
    blobs = at(odd)
    assert blobs.get("train") is None
    with pytest.raises(Conflict):
        blobs.put("train", b"one", '"1"')
    with pytest.raises(StateError) as caught:
        blobs.put("train", b"one", "")
    assert not isinstance(caught.value, Conflict)


def test_removing_what_is_not_there_is_nothing_to_do(site: AzureSite) -> None:
    site.objects.delete("nothing")


def test_a_server_that_is_not_there_or_hangs_is_said_to_be() -> None:
    gone = Odd()
    gone.close()
    with pytest.raises(StateError, match="cannot be reached: the connection is refused"):
        at(gone).get("train")
    with Relay(urlsplit(endpoint()).port or 0) as relay:
        relay.deaf(True)
        gone.url = f"http://127.0.0.1:{relay.port}"
        with pytest.raises(Unanswered, match="no answer in time"):
            at(gone, (5.0, 0.5)).put("train", b"one", "")


# -- credentials


CLIENT = {"AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": "tenant"}


@pytest.mark.parametrize(
    ("variables", "says", "hint"),
    [
        ({"AZURE_STORAGE_KEY": ""}, "is set, to nothing", "unset AZURE_STORAGE_KEY"),
        ({"AZURE_STORAGE_KEY": "!CANARY"}, "the credentials for Azure cannot be used", "AZURE_STORAGE_KEY"),
        ({"AZURE_STORAGE_SAS_TOKEN": "CANARY"}, "the credentials for Azure cannot be used", "SAS"),
        ({"AZURE_CLIENT_SECRET": "CANARY"}, "not AZURE_CLIENT_ID and AZURE_TENANT_ID", "set all three"),
        ({"AZURE_FEDERATED_TOKEN_FILE": "f", "AZURE_CLIENT_ID": "c"}, "not AZURE_TENANT_ID", "set all three"),
    ],
)
def test_credentials_that_cannot_be_any_are_refused(odd: Odd, variables: dict[str, str], says: str, hint: str) -> None:
    with pytest.raises(UsageProblem, match=says) as caught:
        at(odd, **variables)
    assert hint in (caught.value.hint or "")
    assert "CANARY" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({**CLIENT, "AZURE_FEDERATED_TOKEN_FILE": "/nonexistent/token"}, "reading federated token file"),
        ({**CLIENT, "AZURE_CLIENT_SECRET": "CANARY", "AZURE_AUTHORITY_HOST": "http://127.0.0.1:1/"}, "gives no token"),
    ],
    ids=["workload identity", "service principal"],
)
def test_a_token_that_cannot_be_had_says_so(odd: Odd, variables: dict[str, str], says: str) -> None:
    for call in calls(at(odd, **variables)):
        with pytest.raises(StateError, match=f"there are no credentials for Azure: .*{says}") as caught:
            call()
        assert "CANARY" not in str(caught.value)
    assert odd.asked == []


def test_whoever_is_logged_in_is_asked_for_a_token(odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "azureProfile.json").write_text("{}")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(StateError, match="Azure Cli not installed"):
        at(odd, AZURE_CONFIG_DIR=str(tmp_path)).get("train")
    tool = tmp_path / "az"
    tool.write_text(
        '#!/bin/sh\necho \'{"accessToken": "CANARY", "expiresOn": "2099-01-01 00:00:00.000000", '
        ' "expires_on": 4070908800, "subscription": "s", "tenant": "t", "tokenType": "Bearer"}\'\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    odd.answer = error(404, "BlobNotFound")
    assert at(odd, AZURE_CONFIG_DIR=str(tmp_path)).get("train") is None
    assert b"authorization: bearer canary" in odd.asked[0].lower()


def test_a_sas_token_is_sent_and_never_shown(odd: Odd) -> None:
    odd.answer = error(403, "AuthorizationFailure")
    for call in calls(at(odd, AZURE_STORAGE_SAS_TOKEN="?sv=2021-08-06&sig=CANARY")):
        with pytest.raises(StateError) as caught:
            call()
        assert "CANARY" not in f"{caught.value} {caught.value.hint} {caught.value.detail}"
    assert all(b"sig=CANARY" in one for one in odd.asked)


def test_no_variable_of_the_library_moves_the_state(site: AzureSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library reads variables of its own: none of them leads elsewhere than the URL."""
    site.objects.put("train", b"one", "")
    for name, value in {
        "AZURE_CONTAINER_NAME": "others",
        "AZURE_STORAGE_ACCOUNT_NAME": "other",
        "AZURE_STORAGE_ENDPOINT": "https://other.example.com",
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "AZURE_SKIP_SIGNATURE": "true",
        "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=2",
        "AZURE_USE_AZURE_CLI": "true",
    }.items():
        monkeypatch.setenv(name, value)
    again = AzureBlobs(AzureAddress.of(site.url, environ()), environ())
    there = again.get("train")
    assert there is not None
    assert there.data == b"one"


# -- runs


def test_the_answer_to_a_write_may_be_lost_on_the_way(site: AzureSite) -> None:
    with Relay(urlsplit(endpoint()).port or 0) as relay:
        server = urlsplit(endpoint())
        variables = environ(f"http://127.0.0.1:{relay.port}{server.path}")
        blobs = AzureBlobs(AzureAddress.of(site.url, variables), variables, lambda _: None)
        place = ObjectPlace(blobs, site.key, site.url, site.url, lambda _: None)
        version = place.put_lease(b"record-1", "")
        for number, write in enumerate(
            (lambda: place.append(1, 1, b"frames"), lambda: place.put_lease(b"record-2", version)), start=1
        ):
            relay.lose_next_answer()
            write()
            assert relay.lost == number
        assert place.lease().record == b"record-2"
        with pytest.raises(Conflict):
            place.put_lease(b"record-3", version)


def test_a_write_that_arrives_late_is_not_taken_for_ours(site: AzureSite) -> None:
    first, second = site.place(), site.place()
    version = first.put_lease(b"one", "")
    assert second.put_lease(b"two", version) != version
    with pytest.raises(Conflict):
        first.put_lease(b"three", version)
    assert first.lease().record == b"two"


def test_a_kill_at_every_write_loses_nothing_that_was_durable(tmp_path: Path) -> None:
    for at_write in range(40):
        site, number, known = AzureSite(tmp_path / str(at_write)), count(), list[str]()

        def dies(call: str, key: str, number: count[int] = number, at_write: int = at_write) -> None:
            if not in_a_renewal() and call == "put" and next(number) >= at_write:
                raise Killed

        site.objects.answered = dies
        try:
            work(site.open(), known)
            break
        except Killed:
            loaded = found(AzureSite(tmp_path / str(at_write)))
        assert "intent" not in known or loaded.pending or DATA in loaded.state.bindings, at_write
        assert "done" not in known or loaded.state.bindings == {DATA: BINDING}, at_write
        again = begun(AzureSite(tmp_path / str(at_write)))
        again.append([INTENT])
        again.append([DONE])
        assert again.save(again.read().state).bindings == {DATA: BINDING}, at_write
    assert at_write > 5


def test_of_many_at_once_one_holds_the_lock(site: AzureSite) -> None:
    assert holders(8, site.open) == [1]


def test_the_server_keeps_its_conditions_and_its_clock(site: AzureSite) -> None:
    place = site.place()
    place.prove()
    place.put_lease(b"one", "")
    age = place.age(place.lease())
    assert age is not None
    assert 0 <= age < 60
