"""A state at a server that keeps Terraform states: `contracts.places.Place`."""

from __future__ import annotations

import base64
import json
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowplan.backends.parts import Part
from flowplan.backends.remote.asked import Asked
from flowplan.backends.remote.http import HttpPlace
from flowplan.backends.remote.http_address import PASSWORD as PASSWORD_VARIABLE
from flowplan.backends.remote.http_address import USERNAME as USERNAME_VARIABLE
from flowplan.backends.remote.http_address import HttpAddress
from flowplan.backends.remote.http_client import HttpClient
from flowplan.backends.remote.http_lock import HttpLock
from flowplan.backends.remote.lease import Clocks
from flowplan.backends.remote.seen import Seen
from flowplan.backends.remote.store import RemoteStore
from flowplan.backends.store import StateLock
from flowplan.backends.watch_lock import NoWatchLock
from flowplan.cloud.http.response import Reply
from flowplan.state.state import State
from tests.contracts import state_servers
from tests.contracts.state_servers import JSON, Answer

LOGIN = {USERNAME_VARIABLE: state_servers.USERNAME, PASSWORD_VARIABLE: state_servers.PASSWORD}


class Watched(HttpClient):
    """`sends` is called with method and URL before each request, `got` after it: what they raise ends the run."""

    sends: Callable[[str], None] = staticmethod(lambda asked: None)
    got: Callable[[str], None] = staticmethod(lambda asked: None)

    def _exchange(self, method: str, url: str, lock_id: str, body: bytes | None, seconds: float) -> Reply:
        self.sends(f"{method} {url}")
        reply = super()._exchange(method, url, lock_id, body, seconds)
        self.got(f"{method} {url}")
        return reply


class HttpSite:
    """At a server of the `kind` that a subclass names."""

    kind = "gitlab"

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.server = directory, state_servers.server()
        self.key = f"{directory.name}-{uuid.uuid4().hex[:8]}"
        self.url = self.server.url(self.kind, self.key)
        self.state = self.server.state(self.key)
        self.sends: Callable[[str], None] = lambda asked: None
        self.got: Callable[[str], None] = lambda asked: None
        self.seen: Seen | None = None  # what this machine has seen there

    def remember(self) -> None:
        """This machine has seen what is there."""
        place = self.place()
        self.seen = Seen(self.directory / "seen", place.identity, place.name)
        self.seen.note(*place.look().state)

    def place(self, clocks: Clocks | None = None) -> HttpPlace:
        client = Watched(HttpAddress.of(self.url, LOGIN), {}, lambda _: None)
        client.sends, client.got = self.sends, self.got
        return HttpPlace(client, clocks, lambda _: None, self.seen)

    def open(self, hold: Callable[[], None] = lambda: None, clocks: Clocks | None = None) -> RemoteStore:
        place = self.place(clocks)
        seen = Seen(None, place.identity, place.name)  # the contract takes states away, which no machine forgives
        proved = Seen(self.directory / "proved", place.identity, place.name)
        noted = Asked(self.directory / "asked", place.identity, place.name)
        lock = HttpLock(place, lambda: proved.prove_once(place.prove), noted, clocks, poll=0.02)
        beside = HttpAddress.of(self.url, LOGIN).for_watching()
        watch_lock: StateLock = NoWatchLock(place.name)
        if beside is not None:
            watched = HttpPlace(HttpClient(beside, {}, lambda _: None), clocks, lambda _: None)
            noted = Asked(self.directory / "asked", watched.identity, watched.name)
            watch_lock = HttpLock(watched, lambda: None, noted, clocks, poll=0.02, of_watcher=True)
        return RemoteStore(place, lock, self.directory, seen, self.directory / "overflow", hold, watch_lock=watch_lock)

    def holds(self, part: Part) -> bytes | None:
        contents = self.place().read()
        return {"snapshot": contents.snapshot, "backup": contents.backup, "journal": contents.journal or None}[part]

    def put(self, part: Part, data: bytes | None) -> None:
        written: object = None if data is None else data.decode("latin-1")
        if data is not None and b"\0" in data:
            written = {"base64": base64.b64encode(data).decode()}
        self.state.edit(lambda document: document.update({part: written}))

    def _versions(self, change: Callable[[list[dict[str, Any]]], None]) -> None:
        self.state.edit(lambda document: change(document["versions"]))

    def damage_version(self, state: State) -> None:
        def damage(versions: list[dict[str, Any]]) -> None:
            for one in versions:
                if (one["lineage"], one["serial"]) == (state.lineage, state.serial):
                    one["data"] = base64.b64encode(zlib.compress(b"{")).decode()

        self._versions(damage)

    def rename_version(self, old: State, new: State) -> None:
        def rename(versions: list[dict[str, Any]]) -> None:
            versions[:] = [one for one in versions if (one["lineage"], one["serial"]) != (new.lineage, new.serial)]
            for one in versions:
                if (one["lineage"], one["serial"]) == (old.lineage, old.serial):
                    one.update(lineage=new.lineage, serial=new.serial)

        self._versions(rename)

    @contextmanager
    def full(self) -> Iterator[None]:
        def refused(wanted: str) -> Answer | None:
            return (
                (507, json.dumps({"message": "No space left on device"}).encode(), JSON) if wanted == "update" else None
            )

        self.state.asked = refused
        try:
            yield
        finally:
            self.state.asked = lambda _: None

    def kept_elsewhere(self) -> int:
        return len(list((self.directory / "overflow").glob("*.spill")))


class GiteaSite(HttpSite):
    kind = "gitea"


class PlainSite(HttpSite):
    """A server that minds locks and no serials: nothing is written there without a lock."""

    kind = "plain"


SITES: dict[str, type[HttpSite]] = {"gitlab": HttpSite, "gitea": GiteaSite, "plain": PlainSite}
