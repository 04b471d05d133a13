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
    from flowplan.errors import (
        ApplyFailed,
        CloudError,
        ConfigError,
        FlowplanError,
        GuardRefused,
        Locked,
        OutcomeUnknown,
        StalePlan,
        StateError,
        UsageProblem,
    )

# A constant: importlib.metadata costs more than the rest of `flowplan --version` together.
__version__ = "0.1.0"
__all__ = [
    "ApplyFailed",
    "CloudError",
    "ConfigError",
    "FlowplanError",
    "GuardRefused",
    "Locked",
    "OutcomeUnknown",
    "Proposal",
    "Stack",
    "StalePlan",
    "StateError",
    "UsageProblem",
    "__version__",
    "load",
]
_OF_THE_API = ("Proposal", "Stack", "load")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("flowplan.api" if name in _OF_THE_API else "flowplan.errors"), name)


def __dir__() -> list[str]:
    return __all__
