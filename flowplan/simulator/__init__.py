"""The embedded FCP: the v2 API over a market in SQLite, for `sim:`, for tests and for `flowplan simulator serve`.

One table of handlers (`routes.py`) answers plain `Request`s with plain `Response`s. flowplan asks it in the same
process (`cloud/inside.py`); `serve.py` puts it on a loopback port.

    request -> routes -> (bids | bid_views | volumes | instances | prices | ...) -> store (SQLite)
    a book changed, and somebody reads -> rounds -> clearing -> bids, instances
    time passes -> rounds -> crowd (books in memory) -> rivals (what they do), clearing -> bids, instances

Time is virtual: it stands still but for `Simulator.advance` (or runs, with `speed`). What goes wrong on demand is in
faults.py, and over HTTP in control.py.
"""

from flowplan.simulator.api.messages import Request, Response
from flowplan.simulator.simulator import SIMULATOR_KEY, SIMULATOR_URL, LedgerEntry, Simulator

__all__ = ["SIMULATOR_KEY", "SIMULATOR_URL", "LedgerEntry", "Request", "Response", "Simulator"]
