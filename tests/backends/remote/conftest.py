"""A server of the tests, and places on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from flowplan.backends.remote.postgres import PostgresPlace
from flowplan.backends.remote.postgres_connection import Limits
from flowplan.backends.remote.postgres_url import read_url
from tests.contracts.postgres import PostgresServer, the_server

At: TypeAlias = Callable[..., PostgresPlace]


@pytest.fixture
def server() -> PostgresServer:
    return the_server()


@pytest.fixture
def state() -> str:
    return f"stack-{uuid.uuid4().hex}"


@pytest.fixture
def at() -> Iterator[At]:
    """A place for one more run; it is closed at the end."""
    opened = []

    def made(url: str, limits: Limits | None = None) -> PostgresPlace:
        opened.append(PostgresPlace(read_url(url), limits))
        return opened[-1]

    yield made
    for one in opened:
        one.close()
