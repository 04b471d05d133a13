"""The embedded FCP: the v2 API over a market in SQLite, for `sim:`, for tests and for `flowplan simulator serve`.

One table of handlers (`routes.py`) answers plain `Request`s with plain `Response`s. `adapter.py` puts it under
requests, in the same process; `serve.py` puts it on a loopback port.

    request -> routes -> (bids | volumes | instances | prices | profile) -> store (SQLite)
                                   `- market: clears an auction when it is read after a change

Time is virtual: it stands still but for `Simulator.advance` (or runs, with `speed`).
"""

from flowplan.cloud.simulator.messages import Request, Response
from flowplan.cloud.simulator.simulator import SIMULATOR_KEY, SIMULATOR_URL, LedgerEntry, Simulator

__all__ = ["SIMULATOR_KEY", "SIMULATOR_URL", "LedgerEntry", "Request", "Response", "Simulator"]
