"""Every key of a task file and of a stack file: one table, which the reader and the JSON Schema share. Pure.

A task file is read without the keys of a stack file: those are imported when one is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowplan.config.keys.kinds import Keys
from flowplan.config.keys.meanings import MEANINGS
from flowplan.config.keys.task import (
    ADVANCED,
    ATTACH,
    CREATE,
    DISK,
    GUARDS,
    HOMES,
    IMAGE,
    LIFECYCLE,
    LIFETIME,
    LOCAL,
    MANAGEMENT,
    MAPPINGS,
    PORT,
    SECTIONS,
    SPECIFICATION,
    STACK_VERSION,
    STORAGE,
    TASK,
)

if TYPE_CHECKING:
    from flowplan.config.keys.hooks import HOOK, HOOKS
    from flowplan.config.keys.policies import HOURS, POLICIES
    from flowplan.config.keys.stack import (
        AFTER,
        IMPORT,
        MOVED,
        OUTPUT,
        REMOVED,
        STACK,
        STACK_FILE,
        STACK_TASK,
        STACK_VOLUME,
        VARIABLE,
    )
    from flowplan.config.keys.watch import WATCH

_PLACES = {"HOOK": "hooks", "HOOKS": "hooks", "HOURS": "policies", "POLICIES": "policies", "WATCH": "watch"}
__all__ = [
    "ADVANCED",
    "AFTER",
    "ATTACH",
    "CREATE",
    "DISK",
    "GUARDS",
    "HOMES",
    "HOOK",
    "HOOKS",
    "HOURS",
    "IMAGE",
    "IMPORT",
    "LIFECYCLE",
    "LIFETIME",
    "LOCAL",
    "MANAGEMENT",
    "MAPPINGS",
    "MEANINGS",
    "MOVED",
    "OUTPUT",
    "POLICIES",
    "PORT",
    "REMOVED",
    "SECTIONS",
    "SPECIFICATION",
    "STACK",
    "STACK_FILE",
    "STACK_TASK",
    "STACK_VERSION",
    "STACK_VOLUME",
    "STORAGE",
    "TASK",
    "VARIABLE",
    "WATCH",
    "Keys",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"flowplan.config.keys.{_PLACES.get(name, 'stack')}"), name)
