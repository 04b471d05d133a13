"""FCP API v2 in flowplan's own classes. Units, case and names are normalised here and nowhere else:

    money       "$25.60" on bids and auctions, integer cents in prices    -> Decimal dollars
    volumes     `size_gb` and `disk_interface` in requests, `capacity_gb` and `interface` in answers
    bids        `status` "Paused"                                         -> `paused`

One list call per kind, whatever the number of resources: never one call a resource.
"""

from __future__ import annotations

from collections.abc import Callable

from flowplan.clock import Clock
from flowplan.cloud.changing import Changing
from flowplan.cloud.http.transport import Transport
from flowplan.cloud.prices import Prices
from flowplan.cloud.proving import Proving


class Fcp(Proving, Prices, Changing):
    """The cloud, for one project once it is entered (`enter`). Methods raise CloudError and its children (see
    http/meaning.py)."""

    def __init__(
        self,
        transport: Transport,
        *,
        parallelism: int = 8,
        close: Callable[[], object] = lambda: None,
        note: Callable[[str], object] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(transport, parallelism=parallelism, note=note, clock=clock)
        self._close = close

    def close(self) -> None:
        """Release the connections, and the simulator inside this process."""
        super().close()
        self._close()
