"""Open the API that a URL means: the embedded simulator, or a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from flowplan.cloud.fcp import Fcp
from flowplan.cloud.http.transport import Transport
from flowplan.secret import Secret

Say = Callable[[str], None]


def simulated(
    data: Path,
    start: datetime,
    parallelism: int,
    *,
    log: Say | None,
    wait: Callable[[float], None],
    hold: Callable[[], None],
    note: Say,
) -> Fcp:
    """A client of the embedded simulator, whose data are in the file `data`. New data begin at `start`. `wait`, `hold`:
    as in `connect`."""
    from flowplan.cloud.inside import Inside
    from flowplan.simulator import SIMULATOR_KEY, SIMULATOR_URL, Simulator

    simulator = Simulator.open(data, start=start)
    transport = Transport(
        SIMULATOR_URL,
        Secret(SIMULATOR_KEY),
        wire=Inside(simulator),
        parallelism=parallelism,
        log=log,
        wait=wait,
        hold=hold,
        note=note,
    )
    return Fcp(transport, parallelism=1, close=simulator.close, note=note)


def connect(
    api_url: str,
    environ: Mapping[str, str],
    parallelism: int,
    *,
    log: Say | None,
    wait: Callable[[float], None],
    hold: Callable[[], None],
    note: Say,
    hide: Callable[[Callable[[], Iterable[str]]], None],
) -> Fcp:
    """A client with credentials from `environ` or the user's files. `wait`: between two tries of a call; `hold`: before
    each; either may abandon it. `hide` hears what must be shown nowhere. Once it is closed, this machine remembers what
    was offered. Raises Unauthorized when there are none, UsageProblem for a bad URL."""
    from flowplan.cloud import credentials
    from flowplan.cloud.http.endpoint import checked_url
    from flowplan.cloud.http.redaction import anywhere
    from flowplan.cloud.remembered import remember

    checked_url(api_url, in_process=False)  # a URL that is none needs no credentials
    found = credentials.find(environ)
    token = credentials.token(found, api_url, environ=environ, log=log)
    transport = Transport(
        api_url,
        token,
        parallelism=parallelism,
        log=log,
        wait=wait,
        hold=hold,
        environ=environ,
        secrets=[found.secret],
        note=note,
    )
    hide(lambda: anywhere(transport.hidden))
    client = Fcp(
        transport,
        parallelism=parallelism,
        close=lambda: remember(environ, api_url, client.names),
        note=note,
    )
    return client
