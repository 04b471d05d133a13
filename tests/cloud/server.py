"""What the tests of the transport share: a clock that only waiting moves, canned answers, and a server whose every
connection follows a script. The fixtures are those of tests/cloud/conftest.py.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import responses

from flowplan.cloud.http.response import Reply
from flowplan.cloud.http.transport import Caller, Timing, Transport
from flowplan.errors import CloudError
from flowplan.secret import Secret
from tests.processes import LONGEST

API = "https://api.example.test"
BIDS = "/v2/spot/bids"
CANARY = "fkey_CANARY+/wZ7q==x9"
TOKEN = Secret(CANARY)
IDEMPOTENT = ["GET", "PUT", "DELETE"]
PAID = ["POST", "PATCH"]


class Time:
    """A clock that only `wait` moves; `waits` are the seconds waited."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def times() -> Time:
    return Time()


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def api(times: Time, log: list[str]) -> Transport:
    return transport(times, log=log.append)


def transport(times: Time, url: str = API, token: Any = TOKEN, **options: Any) -> Transport:
    def of(kind: Any, **usual: Any) -> Any:
        given = {one.name: options.pop(one.name) for one in attrs.fields(kind) if one.name in options}
        return kind(**{**usual, **given})

    caller, timing = of(Caller, wait=times.wait), of(Timing, clock=times.clock, jitter=lambda: 0.5)
    return Transport(url, token, caller=caller, timing=timing, **{"environ": {}, **options})


@pytest.fixture
def net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def answers(net: responses.RequestsMock, method: str, *given: dict[str, Any], path: str = BIDS) -> None:
    """`given` in this order; the last one stays."""
    for answer in given:
        net.add(method, API + path, **answer)


def failure(api: Transport, method: str, path: str = BIDS, kind: type[CloudError] = CloudError, **kwargs: Any) -> Any:
    """What the call raises: exactly a `kind`, whose texts hold no credential."""
    with pytest.raises(CloudError) as caught:
        api.call(method, path, **kwargs)
    assert type(caught.value) is kind, repr(caught.value)
    texts = "".join(traceback.format_exception(caught.value)) + f"{caught.value.hint}{caught.value.detail}"
    assert CANARY not in texts
    return caught.value


def local_answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> Reply:
    """What a wire in this process brings, as that of the simulator does."""
    return Reply(status, headers or {}, body, "req_1")


def page(rows: list[Any], cursor: object = None) -> dict[str, Any]:
    return {"json": {"data": rows, "next_cursor": cursor}}


def rows(*names: str) -> list[dict[str, str]]:
    return [{"fid": name} for name in names]


Script = Callable[[socket.socket], None]


class Server:
    """A server on loopback: the n-th connection is handled by the n-th script, further ones by the last.

    `requests` holds what each connection received until its script began, `connections` counts them.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, reads: bool = True) -> None:
        self.scripts, self.tls, self.reads = scripts, tls, reads
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            self.connections += 1
            threading.Thread(target=self._handle, args=(connection, script), daemon=True).start()

    def _handle(self, connection: socket.socket, script: Script) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(LONGEST)
            with self.tls.wrap_socket(connection, server_side=True) if self.tls else connection as plain:
                if self.reads:
                    self.requests.append(received(plain))
                script(plain)

    def close(self) -> None:
        self.stopped.set()
        self.listener.close()


def received(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (chunk := connection.recv(65536)):
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def says(text: str, *more: bytes) -> Script:
    """Sends an answer's head with `text` for status and headers, then `more`, then closes."""

    def script(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {text}\r\nConnection: close\r\n\r\n".encode())
        for part in more:
            connection.sendall(part)

    return script


OK = says("200 OK\r\nContent-Length: 2", b"[]")


def silent(connection: socket.socket) -> None:
    """Never answers; goes when the client goes."""
    connection.recv(1)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*scripts: Script, **options: Any) -> Server:
        servers.append(Server(*scripts, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


_SIGNING = """[ca]
default_ca = own
[own]
database = index
unique_subject = no
new_certs_dir = .
default_md = sha256
rand_serial = yes
policy = any
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:localhost
"""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with self-signed certificates, each with its key: localhost.pem and wrong.pem, expired.pem, and own.pem,
    which is that of no authority."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command")
    folder = tmp_path_factory.mktemp("certificates")
    for name, host in (("localhost", "localhost"), ("wrong", "other.test")):
        command = (
            f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={host} -addext subjectAltName=DNS:{host}"
        )
        files = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
        subprocess.run([*command.split(), *files], check=True, capture_output=True)
    (folder / "ca.cnf").write_text(_SIGNING)
    (folder / "index").touch()
    for name, ends in (("own", 2099), ("expired", 2021)):
        lasting = f"-startdate 20200101000000Z -enddate {ends}0101000000Z"
        for command in (
            f"req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {name}.key -out {name}.csr",
            f"ca -config ca.cnf -batch -selfsign {lasting} -in {name}.csr -keyfile {name}.key -out {name}.pem",
        ):
            subprocess.run([openssl, *command.split()], check=True, capture_output=True, cwd=folder)
    return folder


def tls(certificates: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context
