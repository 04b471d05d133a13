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
    from flowplan.apply.events import Silent
    from flowplan.apply.outcome import ApplyFailed, Interrupted, Outcome, OutcomeUnknown, RefusedMeanwhile, SaveFailed
    from flowplan.config import Config
    from flowplan.cost.costs import Costs
    from flowplan.diagnostics import Diagnostic
    from flowplan.documents.doctor import Checkup
    from flowplan.documents.history import History
    from flowplan.documents.market import Auctions
    from flowplan.documents.offers import Offers
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.documents.shapes.track_record import TrackRecord
    from flowplan.documents.status import Status
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
    from flowplan.model.outputs import Output
    from flowplan.planning.actions import Change
    from flowplan.planning.plan import Plan
    from flowplan.planning.steps import Step
    from flowplan.planning.watch_findings import Finding
    from flowplan.state.orphans import Orphans
    from flowplan.state.state import Binding, State

# A constant: importlib.metadata costs more than the rest of `flowplan --version` together.
__version__ = "0.1.0"
# Where what stands in no errors.py comes from.
_PLACES = {
    "Address": "model.address",
    "ApplyFailed": "apply.outcome",
    "Auctions": "documents.market",
    "Binding": "state.state",
    "Change": "planning.actions",
    "Checkup": "documents.doctor",
    "Config": "config",
    "Costs": "cost.costs",
    "Diagnostic": "diagnostics",
    "Finding": "planning.watch_findings",
    "History": "documents.history",
    "Interrupted": "apply.outcome",
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
    "Step": "planning.steps",
    "Status": "documents.status",
    "Told": "documents.watched",
    "TrackRecord": "documents.shapes.track_record",
    "load": "api",
}
__all__ = [
    "Address",
    "ApplyFailed",
    "Auctions",
    "Binding",
    "Change",
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
    "Interrupted",
    "Locked",
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
    "Told",
    "TrackRecord",
    "UsageProblem",
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
