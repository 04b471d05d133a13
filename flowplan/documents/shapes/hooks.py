"""What a hook reads on its stdin."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from flowplan.documents.shapes.common import Stack
from flowplan.documents.shapes.plan import PlanDocument, SealedPlan
from flowplan.model.hooks import Event
from flowplan.planning.plan import Mode

Result: TypeAlias = Literal["done", "failed", "unknown", "not_started"]


class HookResource(TypedDict):
    """A resource that it is about. `status`: the API's word for how it is. `result`: what became of it, and `error` why
    it failed; null where nothing was carried out."""

    address: str
    type: str
    id: str | None
    actions: list[str]
    status: str | None
    result: Result | None
    error: str | None


class HookDocument(TypedDict):
    """`resources`: what is to change (planned), what was carried out (applied), the bids whose instances were taken
    back (preempted), or what changed outside (drifted). `summary`, of applied: how many were added, and so on."""

    format_version: str
    flowplan_version: str
    timestamp: str
    event: Event
    mode: Mode
    stack: Stack
    resources: list[HookResource]
    plan: NotRequired[PlanDocument | SealedPlan]  # of planned
    summary: NotRequired[dict[str, int]]
