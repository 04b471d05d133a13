"""Whether the state, the cloud and the plan that is made now are those of a saved plan."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

from flowplan.backends.state_name import DEFAULT
from flowplan.errors import GuardRefused, StalePlan
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import PlanDocument, PlannedStack, SealedPlan
    from flowplan.model.address import Address
    from flowplan.operations.opening.session import Session

_TOLD = 8  # differences of a saved plan that are shown


def hold_same_state(saved: PlannedStack, here: str | None) -> None:
    """Raise GuardRefused for a plan that was made for another state than `here`. A state in a file may be elsewhere in
    another checkout: its lineage tells it from others, and before it has one, its name."""
    made_for = saved.get("state")
    in_files = not any("://" in (one or "") for one in (made_for, here))
    alike = PurePath(made_for or DEFAULT).name == PurePath(here or DEFAULT).name
    if made_for == here or (in_files and (saved["lineage"] is not None or alike)):
        return
    raise GuardRefused(
        f"this plan is for the state {shown(made_for or DEFAULT)}, not for {shown(here or DEFAULT)}",
        code="other-plan",
        hint="plan again, or say with --state which it is",
    )


def hold_same_cloud(saved: PlannedStack, now: PlannedStack) -> None:
    """Raise GuardRefused for a plan that was made for another API or project."""
    for what, theirs, ours in (
        ("API", saved["api_url"], now["api_url"]),
        ("project", saved["project"]["name"], now["project"]["name"]),
        ("project id", saved["project"]["id"], now["project"]["id"]),
    ):
        if theirs != ours:
            raise GuardRefused(
                f"this plan is for the {what} {theirs}, not for {ours}",
                code="other-plan",
                hint="plan again",
            )


def hold_to(session: Session, saved: SealedPlan, planned: PlanDocument, choices: Iterable[Address]) -> None:
    """Raise StalePlan unless `planned`, the document that planning again gives of what the saved plan touches, is the
    saved plan: all that it says of that. (What refuses it is another matter.) `choices`: addresses whose type or region
    flowplan chose."""
    from flowplan.documents.plan import actions_of, sealed
    from flowplan.documents.plan_held import differences, moved

    now = sealed(planned)
    hold_same_cloud(saved["stack"], now["stack"])
    if now["stack"]["name"] != saved["stack"]["name"]:
        raise GuardRefused(
            f"this plan is for the stack {saved['stack']['name']}, not for {now['stack']['name']}",
            code="other-plan",
            hint="apply it in the directory where it was planned; with a `name` in its file a stack has that anywhere",
        )
    if now["stack"]["config_sha256"] != saved["stack"]["config_sha256"]:
        raise StalePlan("the configuration has changed since the plan was made", hint="plan again")
    if actions_of(now) != actions_of(saved):
        raise StalePlan(
            f"resources in the plan have changed since it was made; {session.nothing_was('done')}",
            detail="\n".join(moved(saved, now)),
            hint=_plan_again(saved["stack"], now["stack"]),
        )
    if differing := differences(saved, now, set(map(str, choices))):
        raise StalePlan(
            f"planning again gives a different plan; {session.nothing_was('done')}",
            detail="\n".join(differing[:_TOLD]),
            hint=_plan_again(saved["stack"], now["stack"]),
        )


def _plan_again(saved: PlannedStack, now: PlannedStack) -> str:
    """What to do about a plan that is out of date, and where to read who made it so, if a run of flowplan has."""
    if saved["serial"] == now["serial"]:
        return "plan again"
    return "plan again; another run has saved the state since: `flowplan state history` says whose it was"
