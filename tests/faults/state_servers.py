"""Places whose state is on a server: each kind of server, as a scenario needs it."""

from __future__ import annotations

import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path

import pytest

from flowplan.backends.open import open_store
from flowplan.backends.parts import Part
from flowplan.backends.remote.seen import Seen
from flowplan.backends.remote.store import RemoteStore
from tests.contracts import http_site
from tests.contracts.state_servers import KINDS, State, server
from tests.faults.points import Act
from tests.faults.runner import Ran, Runner
from tests.faults.scenarios import Command, Folder


class StateServer(ABC):
    """A server that runs, with a new state for each place. `close` ends the connection that is open."""

    unnamed = False  # whether it keeps a lock, and not who has it: the first write under it says that

    def __init__(self) -> None:
        self.port = self.own_port()  # where it is reached: its own, or that of what stands before it
        self._open: list[RemoteStore] = []  # one, or none

    @abstractmethod
    def own_port(self) -> int:
        """Where it listens."""

    @abstractmethod
    def environ(self) -> Mapping[str, str]:
        """What a command needs to reach it."""

    @abstractmethod
    def new(self) -> str:
        """The URL of a state that is not there yet."""

    @abstractmethod
    def copy(self, source: str, target: str) -> None:
        """Make the state `target`, a new one, what the state `source` is, with its lock."""

    def store(self, url: str, directory: Path, environ: Mapping[str, str]) -> RemoteStore:
        """One to look at; the one before is closed."""
        self.close()
        store = open_store(url, directory, environ)
        assert isinstance(store, RemoteStore)
        self._open.append(store)
        return store

    def close(self) -> None:
        while self._open:
            self._open.pop().close()


class GitLab(StateServer):
    unnamed = True

    def own_port(self) -> int:
        return server().server_port

    def environ(self) -> Mapping[str, str]:
        return http_site.LOGIN

    def new(self) -> str:
        return f"http://127.0.0.1:{self.port}{KINDS['gitlab'].path}{uuid.uuid4().hex}"

    def copy(self, source: str, target: str) -> None:
        old, new = (server().state(url.rpartition("/")[2]) for url in (source, target))
        _be(new, old)


def _be(new: State, old: State) -> None:
    new.versions, new.lock = dict(old.versions), deepcopy(old.lock)


class S3(StateServer):
    """Each state has a bucket of its own."""

    def own_port(self) -> int:
        pytest.importorskip("obstore")
        pytest.importorskip("moto")
        from tests.contracts.s3_site import endpoint

        return int(endpoint().rpartition(":")[2])

    def environ(self) -> Mapping[str, str]:
        from tests.contracts.s3_site import environ

        return environ(f"http://127.0.0.1:{self.port}")

    def new(self) -> str:
        from tests.contracts.s3_site import make_bucket

        name = f"states-{uuid.uuid4().hex}"
        make_bucket(name)
        return f"s3://{name}/train"

    def copy(self, source: str, target: str) -> None:
        from flowplan.backends.remote.s3 import S3Objects
        from flowplan.backends.remote.s3_address import S3Address

        old, new = (S3Objects(S3Address.of(url, self.environ()), self.environ()) for url in (source, target))
        for key in old.names(""):
            found = old.get(key)
            if found is not None:
                new.put(key, found.data, "")


class Postgres(StateServer):
    def own_port(self) -> int:
        from tests.contracts.postgres import the_server

        return the_server().port

    def environ(self) -> Mapping[str, str]:
        return {}

    def new(self) -> str:
        from tests.contracts.postgres import the_server

        return the_server().url(f"stack-{uuid.uuid4().hex}", port=self.port)

    def copy(self, source: str, target: str) -> None:
        from tests.contracts.postgres import the_server

        old, new = (url.rpartition("/")[2] for url in (source, target))
        for table in ("states", "journal", "locks", "versions", "aside"):
            the_server().run(
                f"INSERT INTO flowplan.{table} "
                "SELECT (jsonb_populate_record(t, jsonb_build_object('state', %s::text))).* "
                f"FROM flowplan.{table} t WHERE state = %s",
                new,
                old,
            )


SERVERS: Mapping[str, Callable[[], StateServer]] = {"s3": S3, "postgres": Postgres, "gitlab": GitLab}


class ServedFolder(Folder):
    """A place whose state is on `server`, and what this machine has seen of it beside the place."""

    def __init__(self, path: Path, runner: Runner, server: StateServer) -> None:
        super().__init__(path, runner)
        self.server, self.url = server, server.new()

    def environ(self) -> Mapping[str, str]:
        home = {"XDG_STATE_HOME": str(self.path.parent / "state-home")}
        return {**self.server.environ(), **home, "FLOWPLAN_STATE": self.url, "CI": ""}

    def run(self, *commands: Command, at: int = 0, act: Act = "kill", counting: bool = False) -> Ran:
        """Of a lock that a killed run left without its name, the command says how it is freed: that is what is done."""
        ran = super().run(*commands, at=at, act=act, counting=counting)
        freeing = re.search(r"flowplan force-unlock ([0-9a-f-]{36})", " ".join(ran.err.split()))
        if not self.server.unnamed or 4 not in ran.codes or freeing is None:
            return ran
        assert self.lock_names_nobody(), ran
        assert super().run(("force-unlock", freeing[1])).codes == [0]
        return super().run(*commands, at=at, act=act, counting=counting)

    def copied(self, name: str) -> ServedFolder:
        path = super().copied(name).path
        made = ServedFolder(path, self.runner, self.server)
        self.server.copy(self.url, made.url)
        last = self._seen().last()
        if last.lineage:
            made._seen().note(last.lineage, last.serial)
        if last.proved:
            made._seen().prove_once(lambda: None)
        return made

    def _seen(self) -> Seen:
        store = self.store()
        return Seen.of(self.environ(), store.identity, store.name)

    def store(self) -> RemoteStore:
        return self.server.store(self.url, self.path, self.environ())

    def holds(self, part: Part) -> bytes | None:
        there = self.store()._look().contents
        return {"snapshot": there.snapshot, "journal": there.journal or None, "backup": there.backup}[part]

    def standing(self) -> str:
        """How far a run came that changed nothing of the state itself: whether it has the lock, and has begun."""
        store = self.store()
        return f"{store.lock.holder() is not None}, {store._look().contents.fence}, {self._seen().last().proved}"

    def spilled(self) -> int:
        """How many runs have results that are kept on this machine."""
        return len(list((self.path.parent / "state-home").rglob("*.spill")))

    def lock_is_free(self) -> bool:
        return not self.store().lock.held()

    def lock_names_nobody(self) -> bool:
        return self.store().lock.holder() is None
