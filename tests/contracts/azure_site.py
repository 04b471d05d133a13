"""A state in a container of Azurite, Microsoft's own stand-in for Azure Blob Storage: `contracts.places.Place`."""

from __future__ import annotations

import atexit
import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import sys
from email.utils import formatdate
from functools import cache
from pathlib import Path

import pytest
import requests

from flowplan.backends.remote.azure import AzureBlobs
from flowplan.backends.remote.azure_address import AZURE_ENDPOINT, AzureAddress
from tests.contracts.memory import ObjectSite
from tests.contracts.watched import Watched

ACCOUNT = "statesofflowplan"
KEY = base64.b64encode(b"CANARYkey0123456789").decode()
PROGRAM = Path(sys.prefix) / "node_modules/.bin/azurite-blob"  # where .ci/run installs it


def program() -> str | None:
    """Azurite's; None: it is not installed."""
    return str(PROGRAM) if PROGRAM.exists() else shutil.which("azurite-blob")


@cache
def endpoint() -> str:
    """A server of its own process, which has all containers of the tests of this one."""
    found = program()
    if found is None:
        pytest.skip(f"Azurite is not installed: npm install --prefix {sys.prefix} azurite")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [found, "--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        text=True,
    )
    atexit.register(server.kill)
    assert server.stdout is not None
    said = []
    while "successfully listens" not in (line := server.stdout.readline()):
        said.append(line)
        assert line, f"Azurite ended: {''.join(said)}"
    return f"http://127.0.0.1:{port}/{ACCOUNT}"


def environ(url: str = "") -> dict[str, str]:
    """What a run needs to reach it, or the server at `url`."""
    return {"AZURE_STORAGE_KEY": KEY, AZURE_ENDPOINT: url or endpoint()}


def make_container(name: str) -> None:
    """Make it, unless it is there; signed with the account's key as "Authorize with Shared Key" documents it."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    canonical = "".join(f"{key}:{value}\n" for key, value in sorted(headers.items()))
    signed = f"PUT{chr(10) * 12}{canonical}/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    answer = requests.put(f"{endpoint()}/{name}?restype=container", headers=headers, timeout=30)
    if answer.status_code != 409:  # it is there
        answer.raise_for_status()


class WatchedBlobs(Watched, AzureBlobs):
    """With faults where a test wants them."""

    def __init__(self, address: AzureAddress) -> None:
        AzureBlobs.__init__(self, address, environ(), lambda _: None)


class AzureSite(ObjectSite):
    """A directory has a container: what is opened for it again is the same state."""

    forks = False  # the library has threads

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        container = f"states-{hashlib.sha256(str(directory).encode()).hexdigest()[:20]}"
        make_container(container)
        self.directory, self.key, self.url = directory, "train", f"az://{ACCOUNT}/{container}/train"
        self.objects = WatchedBlobs(AzureAddress.of(self.url, environ()))
