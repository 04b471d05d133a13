"""What a `postgres://` URL says: where the database is, and which of the states in it is meant.

    postgres://user@host:5432/database/state?schema=flowplan&sslmode=verify-full

Everything but the state and the schema is libpq's, and is read by libpq: also what PGHOST, PGSERVICE and the like say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import quote, unquote

import psycopg
from attrs import field
from psycopg import conninfo, pq

from flowplan.backends.sent import Sent
from flowplan.classes import frozen
from flowplan.errors import UsageProblem
from flowplan.patterns import regex
from flowplan.printable import shown
from flowplan.secret import Secret

_STATE = regex(r"(?!.{201})[\w+-][\w.+-]*(/[\w+-][\w.+-]*)*", re.ASCII)
_SCHEMA = regex(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_SECRET = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
# What a URL needs beside the name, and is not secret.
_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "require_auth", "gssencmode")
_TYPED = (*_TLS, "passfile", "target_session_attrs")
_WRITTEN = (
    "write it as postgres://host:5432/database/state?sslmode=verify-full, with the user and @ before the host; "
    "in names and passwords write %25 for %, %40 for @, %2F for /, %3A for :, %3F for ? and %26 for &"
)
DEFAULT_STATE, DEFAULT_SCHEMA = "default", "flowplan"


@frozen
class Target:
    """One state in a database. `parameters` are libpq's, as the URL has them; `secrets` what of them, and of libpq's
    own defaults, no message may hold."""

    parameters: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    server: str  # host:port, host:port,host:port, or the directory of a socket
    database: str
    schema: str
    state: str
    options: str = field(default="", repr=False)  # of a session, as PGOPTIONS has them
    service: str = ""  # whose host is not known here
    finds_writable: bool = False  # of several hosts the one that takes writes is looked for
    password: Secret = field(default=Secret(""))  # "": none, or one that ~/.pgpass has for this server

    @property
    def name(self) -> str:
        """How messages name the state: a URL that has no credentials."""
        query = [] if self.schema == DEFAULT_SCHEMA else [f"schema={self.schema}"]
        server = self.server
        if "/" in server:
            directory, _, port = server.rpartition(":")
            query = [f"host={directory}", *([f"port={port}"] if port != "5432" else []), *query]
            server = ""
        if self.service:
            query.append(f"service={self.service}")
        if not self.database:  # the service says which
            query.append(f"state={self.state}")
        path = f"{self.database}/{self.state}" if self.database else ""
        return f"postgres://{server}/{path}" + (f"?{'&'.join(query)}" if query else "")

    @property
    def typed(self) -> str:
        """The name with the user and what of libpq's parameters says how the server is found and trusted."""
        user = self.parameters.get("user", "")
        said = [f"{key}={quote(self.parameters[key], safe='/')}" for key in _TYPED if key in self.parameters]
        start, _, query = self.name.partition("?")
        rest = start.removeprefix("postgres://")
        again = "&".join(filter(None, [query, *said]))
        return f"postgres://{quote(user, safe='')}{'@' if user else ''}{rest}" + (f"?{again}" if again else "")

    @property
    def sends(self) -> Sent | None:
        """The password, which a server may ask for as it is; None: none, or one that is written for this server."""
        if not self.password.reveal():
            return None
        servers = (f"service {self.service}",) if self.service else self.server.split(",")
        return Sent(frozenset(servers), self.password, () if "password" in self.parameters else ("PGPASSWORD",))

    @property
    def identity(self) -> str:
        """What tells the state from every other one: a URL too, which the place that it has moved from shows."""
        return self.name


def read_url(url: str, password: str = "") -> Target:
    """What `url` names; no server is asked. `password` stands for what PGPASSWORD says, "": it does not. Raises
    UsageProblem, which quotes nothing that may be a password."""
    rest, _, query = url.partition("://")[2].partition("?")
    authority, _, path = rest.partition("/")
    if authority.count("@") > 1 or "@" in path:  # of a password: nothing after it is what it seems
        _refuse("it has an @ too many", _WRITTEN)
    database, _, state = path.partition("/")
    own: dict[str, str] = {"state": unquote(state)} if state else {}
    others = []
    for item in filter(None, query.split("&")):
        key, _, value = item.partition("=")
        if key not in ("state", "schema"):
            others.append(item)
        elif own.setdefault(key, unquote(value)) != unquote(value):
            _refuse(f"it names two {key}s", f"name the {key} once")
    parameters = _parameters(f"postgresql://{authority}/{database}?{'&'.join(others)}")
    if password:
        parameters = {"password": password, **parameters}
    return _target(parameters, own.get("schema", DEFAULT_SCHEMA), own.get("state", DEFAULT_STATE))


def _target(parameters: Mapping[str, str], schema: str, state: str) -> Target:
    if not _STATE.fullmatch(state):
        _refuse(
            "this cannot be the name of a state",
            "name it in letters, digits and . _ - +, and / between, at most 200; none begins with .",
        )
    if not _SCHEMA.fullmatch(schema):
        _refuse("this cannot be the name of a schema", "name it in lowercase letters, digits and _, at most 63")
    service = parameters.get("service", "")
    said = {**_defaults(), **parameters}
    place = (
        parameters if service else said
    )  # a service in the URL comes before the environment, and says what it does not
    return Target(
        parameters,
        tuple(said[key] for key in _SECRET if said.get(key)),
        _server(place, "" if service else "localhost"),
        place.get("dbname") or ("" if service else said.get("user")) or "",
        schema,
        state,
        said.get("options", ""),
        shown(service),
        said.get("target_session_attrs") in ("read-write", "primary"),
        Secret(said.get("password", "")),
    )


def _parameters(url: str) -> Mapping[str, str]:
    """libpq's parameters in `url`, which has nothing else."""
    try:
        found = conninfo.conninfo_to_dict(url)
    except psycopg.Error:  # its text quotes the URL
        _refuse("PostgreSQL's library cannot read it", _WRITTEN)
    return {key: str(value) for key, value in found.items() if value is not None}


def _defaults() -> dict[str, str]:
    """What libpq takes where a URL says nothing: from PGHOST and the like, and the service that PGSERVICE names."""
    try:
        options = pq.Conninfo.get_defaults()
    except psycopg.Error:  # PGSERVICE names none: connecting says so
        return {}
    return {one.keyword.decode(): one.val.decode(errors="replace") for one in options if one.val is not None}


def _server(said: Mapping[str, str], unsaid: str) -> str:
    hosts = (said.get("host") or said.get("hostaddr") or unsaid).split(",")
    ports = (said.get("port") or "5432").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if hosts == [""]:
        return ""
    return ",".join(f"{_bracketed(host)}:{port or '5432'}" for host, port in zip(hosts, ports, strict=False))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _refuse(what: str, hint: str) -> NoReturn:
    raise UsageProblem(f"--state postgres://…: {what}", hint=hint)
