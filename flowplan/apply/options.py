"""How a plan is carried out."""

from __future__ import annotations

from typing import Literal, TypeAlias

from flowplan.apply.scan import SETTLE_WINDOW
from flowplan.classes import frozen

# "stop": what came of a create is looked up, and it is never sent a second time.
OnUnknown: TypeAlias = Literal["retry", "stop"]


@frozen
class Options:
    """`parallelism`: calls at once; `settle_window` in seconds; `endpoint`: the URL of the API, as intents name it.
    `far`: whether the journal is on a server, where it takes as long as a call until an intent is durable."""

    parallelism: int = 10
    settle_window: float = SETTLE_WINDOW
    on_unknown: OnUnknown = "retry"
    endpoint: str = ""
    timeout: float = 1800.0  # seconds for a removal, for a task that another waits for, or for what --wait waits for
    far: bool = False
    late: str = ""  # what to do about a wait: added where one begins, and to the error of one in vain

    @property
    def ahead(self) -> int:
        """How many intents may be durable before there is room for their calls. None where one call waits for the
        other, nor where an intent whose call was never sent would stop the next run after a kill."""
        return self.parallelism if self.far and self.parallelism > 1 and self.on_unknown == "retry" else 0
