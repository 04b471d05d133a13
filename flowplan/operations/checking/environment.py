"""Whether a configuration is that of the environment that the state is of: told by `name_prefix`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from flowplan.diagnostics import Diagnostic
from flowplan.errors import GuardRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flowplan.apply.outcome import Outcome
    from flowplan.config import Config
    from flowplan.operations.looking.observe import Observed
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Plan, Wishes
    from flowplan.state.state import State

_CODE = "other-environment"
_GIVE = "give the variables that belong to this state; if "
_LOOK = "with the same --state and variables, look at it, and `flowplan apply FILE` with that --state"
_HINTS = {
    "apply": f"the prefix is to change: `flowplan plan --out FILE` {_LOOK}",
    "destroy": f"this state is meant: `flowplan plan --destroy --out FILE` {_LOOK}; "
    "or `flowplan destroy` without --auto-approve, and answer yes",
}


def other_environment(seen: Observed, wishes: Wishes) -> Diagnostic | None:
    """A warning where the files give names another prefix than the state was applied with; None: they do not, or it is
    not known."""
    config, state = seen.config, seen.recorded
    prefix = wishes.name_prefix if config is None else config.name_prefix
    known = prefix is not None and wishes.mode in _HINTS
    if not known or not state.bindings or state.name_prefix in ("", prefix):
        return None
    now = f"is {prefix} here" if prefix else "is missing here"
    summary = f"the state was applied with the name_prefix {state.name_prefix}, which {now}: another environment?"
    return Diagnostic(_CODE, summary, _GIVE + _HINTS[wishes.mode], severity="warning")


def hold_environment(session: Session, seen: Observed, wishes: Wishes) -> None:
    """Raise GuardRefused where `other_environment` warns: nobody has looked at the plan."""
    found = other_environment(seen, wishes)
    hold_warned([] if found is None else [found], session.nothing_was("changed"))


def hold_warned(found: Iterable[Diagnostic], untouched: str = "nothing was changed") -> None:
    """Raise GuardRefused where what is said of a plan, at which nobody has looked, has that warning. `untouched`: what
    to say of what was not done."""
    for one in found:
        if one.code == _CODE:
            raise GuardRefused(f"{one.summary} {untouched}", code=_CODE, hint=one.hint)


def with_prefix(state: State, config: Config | None, plan: Plan, outcome: Outcome) -> State:
    """`state` with the prefix of `config`, once something of `plan` is done, or nothing was to be done."""
    if config is None or plan.mode != "apply" or not (outcome.done or plan.empty):
        return state
    return state if state.name_prefix == config.name_prefix else attrs.evolve(state, name_prefix=config.name_prefix)
