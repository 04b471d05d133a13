"""Open the API that the session's URL means: the embedded simulator, or a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.cloud.fcp import Fcp
from flowplan.cloud.http.transport import Transport
from flowplan.printable import Secret

if TYPE_CHECKING:
    from flowplan.operations.settings import Session


def connect(session: Session, parallelism: int) -> Fcp:
    """A client with credentials. Raises Unauthorized when there are none, UsageProblem for a bad URL."""
    log = session.terminal.err if session.told.get("verbose") else None

    def wait(seconds: float) -> None:
        session.pause(seconds)  # looked up late: a run sets it after connecting

    if session.simulated:
        from flowplan.simulator import SIMULATOR_KEY, SIMULATOR_URL, Simulator

        simulator = Simulator.open(session.simulator_data)
        transport = Transport(
            SIMULATOR_URL,
            Secret(SIMULATOR_KEY),
            adapter=simulator.adapter(),
            parallelism=parallelism,
            log=log,
            wait=wait,
        )
        return Fcp(transport, parallelism=1, close=simulator.close, note=session.terminal.note)
    from flowplan.cloud import credentials
    from flowplan.cloud.http.redaction import anywhere

    found = credentials.find(session.environ)
    token = credentials.token(found, session.api_url, environ=session.environ, log=log)
    transport = Transport(
        session.api_url,
        token,
        parallelism=parallelism,
        log=log,
        wait=wait,
        environ=session.environ,
        secrets=[found.secret],
    )
    session.terminal.hide(lambda: anywhere(transport.hidden))
    return Fcp(transport, parallelism=parallelism, note=session.terminal.note)
