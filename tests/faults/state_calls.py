"""The calls to the server that keeps the state: a point before each, "asked ...", and one after it, "replied ...", when
it is done and nobody has read the answer."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from typing import Any

Point = Callable[[str], None]  # called with its label


def watch_state(point: Point) -> None:
    """From now on, for the kind of state that FLOWPLAN_STATE names."""
    scheme = os.environ.get("FLOWPLAN_STATE", "").partition("://")[0]
    if scheme == "s3":
        from flowplan.backends.remote.s3 import S3Objects

        for name in ("get", "put", "names", "delete"):
            setattr(S3Objects, name, _watched(getattr(S3Objects, name), point, functools.partial(_object, name)))
    elif scheme == "http":
        from flowplan.backends.remote.http_client import HttpClient

        HttpClient._exchange = _watched(HttpClient._exchange, point, _request)  # type: ignore[method-assign]
    elif scheme == "postgres":
        from flowplan.backends.remote.postgres_connection import Server

        Server._ask = _watched(Server._ask, point, _statement)  # type: ignore[method-assign]


def _watched(real: Callable[..., Any], point: Point, label: Callable[..., str]) -> Callable[..., Any]:
    @functools.wraps(real)
    def call(server: Any, *args: Any, **kwargs: Any) -> Any:
        what = label(*args)
        point(f"asked {what}")
        result = real(server, *args, **kwargs)
        point(f"replied {what}")
        return result

    return call


def _object(call: str, key: str, *_: object) -> str:
    """Without what differs from run to run."""
    return f"{call} {re.sub(r'[0-9a-f]{8}[0-9a-f-]*', '*', key.partition('/')[2] or key)}"


def _request(method: str, url: str, *_: object) -> str:
    return f"{method} {url.rpartition('/')[2].partition('?')[0]}"


def _statement(connection: Any, statement: Any, *_: object) -> str:
    words = statement.as_string(connection).split()
    table = next((word.rpartition('"flowplan".')[2] for word in words if "flowplan" in word), "")
    return f"{words[0]} {table}"
