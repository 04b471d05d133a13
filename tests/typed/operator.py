"""An orchestrator's operator of somebody else, as `mypy --strict` sees it: it places a stack, waits for it, hands its
outputs on, and takes it away; what a run left in doubt or behind it settles first."""

from __future__ import annotations

import threading
from pathlib import Path

import flowplan


class Operator:
    """One stack. `stop` is set when the orchestrator gives the task up."""

    def __init__(self, directory: Path, stop: threading.Event) -> None:
        self.stop = stop
        self.stack = flowplan.load(directory=directory, api_url="sim:", environ={}, note=self.hear)
        self.heard: list[str] = []

    def hear(self, said: str) -> None:
        self.heard.append(said)

    def up(self) -> dict[str, str]:
        """The outputs that are known, once all runs."""
        self.stack.recover(cancel=[bid.id for bid in self.stack.orphans(stop=self.stop).ours], settle_window=0.2)
        try:
            outcome: flowplan.Outcome = self.stack.apply(self.stack.plan(stop=self.stop), stop=self.stop)
        except (flowplan.ApplyFailed, flowplan.OutcomeUnknown):
            self.stack.recover(settle_window=0.2, stop=self.stop)
            raise
        assert outcome.clean
        found: dict[str, flowplan.Output] = self.stack.outputs(stop=self.stop)
        return {name: str(one.value) for name, one in found.items() if one.value is not None}

    def ready(self) -> bool:
        bids = self.stack.status(stop=self.stop).bids
        return bool(bids) and all(row.runs for row in bids)

    def down(self) -> list[str]:
        """What is left of it."""
        self.stack.destroy(allow_volume_destroy="*", settle_window=0.2)
        left: flowplan.Orphans = self.stack.orphans()
        return [bid.id for bid in (*left.ours, *left.released)]

    def rename(self, old: flowplan.Address, new: str) -> list[flowplan.Address]:
        return [*self.stack.move(old, new, stop=self.stop).values()]

    def adopt(self, address: str, id: str) -> flowplan.Address:
        return self.stack.import_(address, id, stop=self.stop)

    def disown(self, address: flowplan.Address) -> str:
        left: flowplan.Binding = self.stack.release(address)
        return left.id

    def audit(self) -> list[str]:
        kept: flowplan.History = self.stack.history()
        return [f"{one.serial}: {one.change.who}" for one in kept.versions if one.change is not None]

    def said(self) -> tuple[flowplan.Config, flowplan.SealedPlan, flowplan.TrackRecord]:
        """What its tasks are, what an apply would do, and what it costs."""
        return self.stack.validate(), self.stack.plan(stop=self.stop).document, self.stack.cost("1d", stop=self.stop)
