"""What sends a request and brings what comes back: the network (`network`), or the simulator in this process
(`cloud/inside.py`). Neither is imported for the other."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from flowplan.cloud.http.request import Outgoing
from flowplan.cloud.http.response import Reply


class Patience(NamedTuple):
    """Seconds: to connect, TLS included; without a byte; for the whole attempt."""

    connect: float
    read: float
    deadline: float


class Wire(Protocol):
    """Safe for several threads at once."""

    def send(self, request: Outgoing, own_id: str, patience: Patience) -> Reply:
        """Sends once. `own_id` is the id of a request whose answer has none. Nothing that the network does is
        raised."""

    def close(self) -> None:
        """Closes what is idle; what is sent after it opens again."""
