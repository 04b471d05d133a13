"""flowplan: plan, price and apply GPU tasks on the Foundry Cloud Platform.

    import flowplan

    stack = flowplan.load("flowplan.yaml", api_url="sim:")
    proposal = stack.plan()
    stack.apply(proposal)

docs/api.md shows all of it. What stands here is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowplan.api import Proposal, Stack, load
    from flowplan.apply.events import Awaited, Silent
    from flowplan.apply.outcome import ApplyFailed, Interrupted, Outcome, OutcomeUnknown, RefusedMeanwhile, SaveFailed
    from flowplan.config import Config
    from flowplan.cost.costs import Costs
    from flowplan.diagnostics import Diagnostic
    from flowplan.documents.doctor import Check, Checkup
    from flowplan.documents.history import History
    from flowplan.documents.market import Auctions
    from flowplan.documents.offers import Offers, TaskOffers
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.documents.shapes.track_record import TrackRecord
    from flowplan.documents.status import BidRow, Status, VolumeRow
    from flowplan.documents.watched import Told
    from flowplan.errors import (
        CloudError,
        ConfigError,
        FlowplanError,
        GuardRefused,
        Locked,
        StalePlan,
        StateError,
        UsageProblem,
    )
    from flowplan.model.address import Address
    from flowplan.model.live import LiveVolume
    from flowplan.model.outputs import Output
    from flowplan.planning.actions import Change
    from flowplan.planning.plan import Plan
    from flowplan.planning.steps import Step
    from flowplan.planning.watch_findings import Finding
    from flowplan.pricing.offers import Offer
    from flowplan.state.history import Version
    from flowplan.state.orphans import MarkedBid, Orphans
    from flowplan.state.records import Intent
    from flowplan.state.state import Binding, State

# A constant: importlib.metadata costs more than the rest of `flowplan --version` together.
__version__ = "0.1.0"
# Where what stands in no errors.py comes from.
_PLACES = {
    "Address": "model.address",
    "ApplyFailed": "apply.outcome",
    "Auctions": "documents.market",
    "Awaited": "apply.events",
    "BidRow": "documents.status",
    "Binding": "state.state",
    "Change": "planning.actions",
    "Check": "documents.doctor",
    "Checkup": "documents.doctor",
    "Config": "config",
    "Costs": "cost.costs",
    "Diagnostic": "diagnostics",
    "Finding": "planning.watch_findings",
    "History": "documents.history",
    "Intent": "state.records",
    "Interrupted": "apply.outcome",
    "LiveVolume": "model.live",
    "MarkedBid": "state.orphans",
    "Offer": "pricing.offers",
    "Offers": "documents.offers",
    "Orphans": "state.orphans",
    "Outcome": "apply.outcome",
    "OutcomeUnknown": "apply.outcome",
    "Output": "model.outputs",
    "Plan": "planning.plan",
    "Proposal": "api",
    "RefusedMeanwhile": "apply.outcome",
    "SaveFailed": "apply.outcome",
    "SealedPlan": "documents.shapes.plan",
    "Silent": "apply.events",
    "Stack": "api",
    "State": "state.state",
    "Status": "documents.status",
    "Step": "planning.steps",
    "TaskOffers": "documents.offers",
    "Told": "documents.watched",
    "TrackRecord": "documents.shapes.track_record",
    "Version": "state.history",
    "VolumeRow": "documents.status",
    "load": "api",
}
__all__ = [
    "Address",
    "ApplyFailed",
    "Auctions",
    "Awaited",
    "BidRow",
    "Binding",
    "Change",
    "Check",
    "Checkup",
    "CloudError",
    "Config",
    "ConfigError",
    "Costs",
    "Diagnostic",
    "Finding",
    "FlowplanError",
    "GuardRefused",
    "History",
    "Intent",
    "Interrupted",
    "LiveVolume",
    "Locked",
    "MarkedBid",
    "Offer",
    "Offers",
    "Orphans",
    "Outcome",
    "OutcomeUnknown",
    "Output",
    "Plan",
    "Proposal",
    "RefusedMeanwhile",
    "SaveFailed",
    "SealedPlan",
    "Silent",
    "Stack",
    "StalePlan",
    "State",
    "StateError",
    "Status",
    "Step",
    "TaskOffers",
    "Told",
    "TrackRecord",
    "UsageProblem",
    "Version",
    "VolumeRow",
    "__version__",
    "load",
]


if not TYPE_CHECKING:  # a type checker would take every name for one that is here

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"flowplan.{_PLACES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return __all__
