"""Servers that keep Terraform states, as GitLab, Gitea and a plain one do by what they document; and bad ones.

One server has many states, each by its name. What a test sets on a `State` happens to that one alone.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

from attrs import define, field

USERNAME, PASSWORD = "gitlab-ci-token", "CANARYstate0123456789"
Answer: TypeAlias = tuple[int, bytes, str]  # status, body, content type
JSON, TEXT, PAGE = "application/json", "text/plain", "text/html; charset=utf-8"


class Dropped(Exception):
    """The connection breaks, and no answer comes."""


@define
class State:
    """One state. `asked` is called with what is wanted ("get", "update", "lock", "unlock") before it is done: what it
    returns is the answer instead. `answered` is called after it, with the answer, and returns the one that is sent."""

    versions: dict[int, bytes] = field(factory=dict)  # by serial, in the order in which they came
    lock: dict[str, str] | None = None
    asked: Callable[[str], Answer | None] = lambda wanted: None
    answered: Callable[[str, Answer], Answer] = lambda wanted, answer: answer
    careless: frozenset[str] = frozenset()  # the conditions that the server does not look at
    cached: dict[str, Answer] | None = None  # by URL, what a cache before the server has; None: there is none
    guard: threading.RLock = field(factory=threading.RLock)

    @property
    def latest(self) -> bytes | None:
        return next(reversed(self.versions.values()), None)

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the document as it is, past all conditions."""
        with self.guard:
            serial, data = next(reversed(self.versions.items()))
            document = json.loads(data)
            change(document)
            self.versions[serial] = json.dumps(document).encode()


class Kind:
    """What a kind of server answers. `path` is where it has states, before their names."""

    path = "/states/"
    lock_path = ""  # after the name
    methods = ("LOCK", "UNLOCK")

    def get(self, state: State) -> Answer:
        latest = state.latest
        return (404, b"not found", TEXT) if latest is None else (200, latest, JSON)

    def update(self, state: State, id: str, body: bytes) -> Answer:
        if (state.lock or {}).get("ID", "") != id and "write" not in state.careless:
            return 423, json.dumps(state.lock).encode(), JSON
        serial = json.loads(body)["serial"]
        state.versions.clear()
        state.versions[serial] = body
        return 200, b"", TEXT

    def take(self, state: State, info: dict[str, str]) -> Answer:
        if state.lock is not None and "lock" not in state.careless:
            return 423, json.dumps(state.lock).encode(), JSON
        state.lock = info
        return 200, b"", TEXT

    def free(self, state: State, id: str, info: dict[str, str]) -> Answer:
        if (state.lock or {}).get("ID") != id and "unlock" not in state.careless:
            return 409, b"", TEXT
        state.lock = None
        return 200, b"", TEXT


class Late(Kind):
    """Anybody writes there while nobody has the lock."""

    path = "/late/"

    def update(self, state: State, id: str, body: bytes) -> Answer:
        return super().update(state, id if state.lock is not None else "", body)


class GitLab(Kind):
    """Keeps each serial once. It keeps of a lock its ID, its user and its time, and not what else it was given."""

    path = "/api/v4/projects/42/terraform/state/"
    lock_path = "/lock"
    methods = ("POST", "DELETE")

    def get(self, state: State) -> Answer:
        if state.latest is None:  # it is there once it was locked, without a version
            return (204, b"", JSON) if state.lock is not None else (404, b'{"message":"404 Not found"}', JSON)
        return 200, state.versions[max(state.versions)], "application/octet-stream"

    def update(self, state: State, id: str, body: bytes) -> Answer:
        if (state.lock or {}).get("ID", "") != id and "write" not in state.careless:
            return 500, b'{"message":"500 Internal Server Error"}', JSON
        serial = json.loads(body)["serial"]
        if serial in state.versions:
            return 422, b'{"message":"duplicate key value violates unique constraint"}', JSON
        state.versions[serial] = body
        return 200, b"", JSON

    def take(self, state: State, info: dict[str, str]) -> Answer:
        fields = {"ID", "Operation", "Info", "Who", "Version", "Created", "Path"}
        if set(info) != fields or not all(isinstance(one, str) for one in info.values()):
            return 400, b'{"error":"a field is missing"}', JSON
        status = 200
        if state.lock is None or "lock" in state.careless:
            state.lock = {"ID": info["ID"], "Who": "ann", "Created": "2026-01-02T03:04:05.678Z"}
        else:
            status = 409
        return status, json.dumps({**info, **state.lock}).encode(), "application/octet-stream"


class Gitea(Kind):
    """Keeps each serial once, whoever has the lock or nobody. An unlock needs the body of the lock."""

    path = "/api/packages/ann/terraform/state/"
    lock_path = "/lock"
    methods = ("POST", "DELETE")

    def update(self, state: State, id: str, body: bytes) -> Answer:
        if state.lock is not None and state.lock["ID"] != id:
            return 423, json.dumps(state.lock).encode(), JSON
        serial = json.loads(body)["serial"]
        if serial in state.versions:
            return 409, b"package file already exists", TEXT
        state.versions[serial] = body
        return 201, b"", TEXT

    def free(self, state: State, id: str, info: dict[str, str]) -> Answer:
        if not info.get("ID"):
            return 400, b"EOF", TEXT
        if state.lock is not None and state.lock["ID"] != info["ID"]:
            return 423, b"lock ID mismatch", TEXT
        state.lock = None
        return 200, b"", TEXT


KINDS: dict[str, Kind] = {"plain": Kind(), "late": Late(), "gitlab": GitLab(), "gitea": Gitea()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    server: Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            status, data, kind = self._answer(body)
        except Dropped:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", data.decode())
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(data) + self.server.missing))
        self.end_headers()
        if status != 204:
            self.wfile.write(data)
        self.close_connection = self.close_connection or self.server.missing > 0

    do_GET = do_POST = do_PUT = do_DELETE = do_LOCK = do_UNLOCK = _serve

    def _answer(self, body: bytes) -> Answer:
        self.server.seen.append(f"{self.command} {self.path} {self.headers.get('Authorization', '')}")
        given = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {given}":
            return 401, b'{"message":"401 Unauthorized"}', JSON
        parts = urlsplit(self.path)
        for kind in KINDS.values():
            if parts.path.startswith(kind.path):
                return self._of(kind, parts.path.removeprefix(kind.path), parse_qs(parts.query), body)
        return 404, b'{"message":"404 Project Not Found"}', JSON

    def _of(self, kind: Kind, rest: str, query: dict[str, list[str]], body: bytes) -> Answer:
        name, _, tail = rest.partition("/")
        state, id = self.server.state(name), query.get("ID", [""])[0]
        locking = (f"/{tail}" if tail else "") == kind.lock_path
        wanted = {"GET": "get", "POST": "update"}.get(self.command, "")
        if locking and self.command in kind.methods:
            wanted = "lock" if self.command == kind.methods[0] else "unlock"
        with state.guard:
            instead = state.asked(wanted)
            if instead is not None:
                return instead
            done = {
                "get": lambda: kind.get(state),
                "update": lambda: kind.update(state, id, body),
                "lock": lambda: kind.take(state, json.loads(body)),
                "unlock": lambda: kind.free(state, id, json.loads(body or b"{}")),
            }
            if wanted == "get" and state.cached is not None:
                return state.cached.setdefault(self.path, kind.get(state))
            return state.answered(wanted, done[wanted]() if wanted in done else (405, b"", TEXT))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


class Server(ThreadingHTTPServer):
    """All kinds on one port. `missing`: so many bytes more are announced than are sent."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.states: dict[str, State] = {}
        self.seen: list[str] = []
        self.missing = 0
        self._guard = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def state(self, name: str) -> State:
        with self._guard:
            return self.states.setdefault(name, State())

    def url(self, kind: str, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{KINDS[kind].path}{name}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is none."""


_running: list[Server] = []


def server() -> Server:
    """The one of this process."""
    if not _running:
        _running.append(Server())
    return _running[0]
