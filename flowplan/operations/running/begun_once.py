"""A saved plan is begun once, whatever became of it: done twice, it would buy twice. What is said of one that was."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from flowplan.apply.events import PassesOn
from flowplan.classes import frozen
from flowplan.errors import FlowplanError, StalePlan, instead_of_again
from flowplan.names import few
from flowplan.operations.opening.paths import has_no_file
from flowplan.operations.running.saved_plan import keeps_volumes
from flowplan.state.records import intent_of
from flowplan.state.state import PLANS_KEPT, State

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.model.live import Live
    from flowplan.operations.opening.session import Session
    from flowplan.planning.actions import Change
    from flowplan.planning.steps import Step

_LONG = 200  # characters of a value that nobody types
_ROOM = 600  # characters of a command that is typed again: a hint is cut off somewhere behind it
_NAMED = 5  # variables
_ANEW = "plan again and apply the new plan"


def hold_not_begun(saved: SealedPlan, state: State) -> None:
    """Raise StalePlan for a plan whose carrying out began before, whatever became of it. So is one refused of which the
    state cannot say that any more, or never could: it is another one than the plan was made with."""
    if saved["stack"]["lineage"] not in (None, state.lineage):  # None: it was made before the first apply
        raise StalePlan(
            "this plan was made with a state that is not here; nothing was done",
            hint="apply it where that state is, or name the state with --state; planning again here would take what "
            "the state holds for somebody else's",
        )
    for plan in state.plans:
        if plan.sha256 != saved["sha256"]:
            continue
        if plan.completed:
            raise StalePlan(
                f"this plan was applied already, at {plan.at}, and nothing of it is left to do; nothing was done now",
                hint="for what has changed since: " + plan_command(saved),
            )
        raise StalePlan(
            f"this plan was begun already, at {plan.at}, and may not be complete; nothing was done now",
            hint=_once(saved),
        )
    serial, why = saved["stack"]["serial"], None
    if serial < state.put_back or serial > state.serial:
        why = "the state was restored"
    elif len(state.plans) >= PLANS_KEPT and serial <= min(plan.serial for plan in state.plans):
        why = f"{PLANS_KEPT} saved plans were applied"
    if why is not None:
        raise StalePlan(
            f"{why} since this plan was saved: whether it was applied is not known any more; nothing was done",
            hint="plan again",
        )


def plan_command(saved: SealedPlan) -> str:
    """What to type for a new plan of the same kind, of the same files and of the same part of the stack, held to the
    same rules and budgets. Sensitive values are kept nowhere: they are given as they were. So are long ones, as the map
    of a sweep, which are named behind the command, and all that it would be too long with."""
    if any(has_no_file(one) for one in saved["stack"]["paths"]):
        return "`plan()` of the same stack"
    words = ["flowplan", "plan"]
    if saved["mode"] != "apply":
        words.append(f"--{saved['mode']}")
    if keeps_volumes(saved):
        words.append("--keep-volumes")
    short = f"`{shlex.join(words)} --out FILE`"
    part = saved.get("selection")
    for option in ("target", "exclude"):
        words += [f"--{option}={address}" for address in (part[option] if part else ())]
    given = {name: one["value"] for name, one in saved.get("variables", {}).items() if one["value"] is not None}
    long = [name for name, value in given.items() if len(value) > _LONG]
    words += [f"--var={name}={value}" for name, value in given.items() if name not in long]
    words += [f"--policy={name}" for name in saved.get("policies", ())]
    budgets = [one for one in saved["cost"]["guards"] if one["source"] is None]
    words += [f"--{one['guard'].replace('_', '-')}={one['limit']}" for one in budgets]
    if "://" not in (state := saved["stack"].get("state", "")) and state:
        words.append(f"--state={state}")
    command = f"`{shlex.join(words)} --out FILE{''.join(' ' + shlex.quote(one) for one in saved['stack']['paths'])}`"
    if len(command) > _ROOM:
        return f"{short} with the same files and options"
    return f"{command} with the same --var-file or --var for {few(long, _NAMED)}" if long else command


def _once(saved: SealedPlan) -> str:
    return f"a saved plan is begun only once: {plan_command(saved)} makes a new one, of what is left to do"


def say_begun(error: FlowplanError, saved: SealedPlan) -> None:
    """Have `error`, with which a run of `saved` ended that had begun, say how to go on: not by the same command."""
    before = f"{instead_of_again(error.hint, _ANEW)}; " if error.hint else ""
    error.hint = before + _once(saved)


@frozen
class OfBegun(PassesOn):
    """Passes on each failure of a step of a saved plan with a hint that works: the same command is refused."""

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        if error.hint is not None:
            error.hint = instead_of_again(error.hint, _ANEW)
        PassesOn.failed(self, step, change, error)


def identity_of(saved: SealedPlan) -> str:
    """What tells the plan from every other, also from one that does the same and was made at another time."""
    return f"{saved['sha256']} {saved['timestamp']}"


def hold_not_made(session: Session, saved: SealedPlan, live: Live) -> None:
    """Raise StalePlan where a bid, live or ended, carries the mark of having been made by the plan: it was applied with
    another state, which this one knows nothing of."""
    from flowplan.model.address import Address

    plan = identity_of(saved)
    addresses = [Address.parse(one["address"]) for one in saved["resource_changes"] if one["type"] == "bid"]
    intents = {intent_of(plan, address) for address in addresses}
    made = sorted(bid.id for bid in live.bids.values() if bid.marker is not None and bid.marker.intent in intents)
    if made:
        raise StalePlan(
            f"this plan was begun already, with another state: it made {made[0]}; {session.nothing_was('done')}",
            hint="use that state (--state); if it is lost, `flowplan recover --from-live` writes one of what is live",
        )
