"""Every key of `hooks` in a stack file. Pure."""

from __future__ import annotations

from flowplan.config.keys.kinds import TEXT, Either, Key, Keys, ListOf, Within, whole
from flowplan.model.hooks import TIMEOUT

LONGEST = 600  # seconds
_COMMAND = ListOf(TEXT)

HOOK = Keys(
    {
        "command": Key(_COMMAND, "The program and its arguments; no shell reads them."),
        "timeout": Key(whole(1, LONGEST), "Seconds after which it is killed.", TIMEOUT),
    },
    "applied: {command: [./notify.sh, ops], timeout: 60}",
    required=("command",),
)

_HOOK = Either((_COMMAND, Within(HOOK)))
HOOKS = Keys(
    {
        "planned": Key(_HOOK, "Runs after a plan is shown."),
        "applied": Key(_HOOK, "Runs after an apply or a destroy, once the state is saved."),
        "preempted": Key(_HOOK, "Runs after a plan or an apply that finds bids whose instances the cloud took back."),
        "drifted": Key(_HOOK, "Runs after a plan or an apply that finds what changed outside of flowplan."),
    },
    "hooks: {applied: [./notify.sh, ops]}",
    {
        "on_apply": "write applied",
        "on_plan": "write planned",
        "on_preempt": "write preempted",
        "on_drift": "write drifted",
    },
)
