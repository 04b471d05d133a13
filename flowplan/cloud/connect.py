"""Open the API that a URL means: the embedded simulator, or a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from flowplan.clock import Clock
from flowplan.cloud.fcp import Fcp
from flowplan.cloud.http.transport import Caller, Transport
from flowplan.secret import Secret

__all__ = ["Caller", "connect", "simulated"]


def simulated(data: Path, start: datetime, parallelism: int, *, caller: Caller, clock: Clock | None = None) -> Fcp:
    """A client of the embedded simulator, whose data are in the file `data`. New data begin at `start`."""
    from flowplan.cloud.inside import Inside
    from flowplan.simulator import SIMULATOR_KEY, SIMULATOR_URL, Simulator

    simulator = Simulator.open(data, start=start)
    key, wire = Secret(SIMULATOR_KEY), Inside(simulator)
    transport = Transport(SIMULATOR_URL, key, wire=wire, parallelism=parallelism, caller=caller)
    return Fcp(transport, parallelism=1, close=simulator.close, note=caller.note, clock=clock)


def connect(
    api_url: str,
    environ: Mapping[str, str],
    parallelism: int,
    *,
    caller: Caller,
    clock: Clock | None = None,
    hide: Callable[[Callable[[], Iterable[str]]], None],
) -> Fcp:
    """A client with credentials from `environ` or the user's files. `hide` hears what must be shown nowhere. Once it
    is closed, this machine remembers what was offered. Raises Unauthorized when there are none, UsageProblem for a bad
    URL."""
    from flowplan.cloud import credentials
    from flowplan.cloud.http.endpoint import checked_url
    from flowplan.cloud.http.redaction import anywhere
    from flowplan.cloud.remembered import remember

    checked_url(api_url, in_process=False)  # a URL that is none needs no credentials
    found = credentials.find(environ)
    token = credentials.token(found, api_url, environ=environ, caller=caller)
    transport = Transport(
        api_url, token, parallelism=parallelism, environ=environ, secrets=[found.secret], caller=caller
    )
    hide(lambda: anywhere(transport.hidden))
    client = Fcp(
        transport,
        parallelism=parallelism,
        close=lambda: remember(environ, api_url, client.names),
        note=caller.note,
        clock=clock,
    )
    return client
