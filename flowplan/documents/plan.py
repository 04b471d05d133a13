"""Plan -> the JSON document: the machine format, the saved plan, and what every other report is made of.

Sorted, and byte-identical for equal input except `timestamp`. Money is a string, unknown is null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from attrs import field

from flowplan import __version__
from flowplan.classes import frozen
from flowplan.cost.costs import Priced
from flowplan.cost.priced_plan import PricedPlan
from flowplan.documents.about import stack_of
from flowplan.documents.cost import cost, totals
from flowplan.documents.diagnostics import of as said
from flowplan.documents.diagnostics import source
from flowplan.documents.left_alone import left_alone
from flowplan.documents.outputs import planned, removed, saved_besides
from flowplan.documents.ports import listed
from flowplan.errors import GuardRefused
from flowplan.model.address import Address
from flowplan.model.digest import digest
from flowplan.model.lifecycle import Lifetime
from flowplan.model.live import OPEN
from flowplan.model.resources import Bid, ContainerImage, Ends, Inputs, PortMapping, Resource, Script, Volume
from flowplan.planning.actions import Change, Completed, Create, CreateFirst, Import, NoOp, Presumed, Replace, Update
from flowplan.planning.plan import Plan
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.documents.failure import Failure
    from flowplan.documents.shapes import plan as shape
    from flowplan.documents.shapes.common import Disk, Image
    from flowplan.model.given import GivenValue
    from flowplan.model.outputs import Output
    from flowplan.planning.mass_change import MassChange

FORMAT_VERSION = "1.0"
_IDLE = (NoOp, Completed, Presumed)


def words(change: Change) -> list[str]:
    """What is done, in the order in which it is."""
    if isinstance(change, Import) and change.fields:
        return ["import", "update"]
    if isinstance(change, Replace):
        return ["create", "delete"] if isinstance(change, CreateFirst) else ["delete", "create"]
    return [change.action]


@frozen
class Circumstances:
    """What a plan was made from, besides its input: `timestamp` in RFC 3339. `recorded`: `state` without what the plan
    imports; None: it imports nothing."""

    timestamp: str
    state: State
    config_sha256: str
    paths: tuple[str, ...] = ()  # the PATHs given, for those who apply the plan later
    variables: Mapping[str, GivenValue] = field(factory=dict)
    sensitive: shape.SensitiveValues | None = None
    outputs: Mapping[str, Output] = field(factory=dict)  # as they are once it is carried out
    policies: Mapping[str, str] = field(factory=dict)  # files of rules given beside the configuration, with their texts
    recorded: State | None = None
    state_at: str | None = None  # which state it is; None: the file in the directory
    typed: Callable[[str], str] = str  # what is said to type, as it is typed to work on that state


def document(found: PricedPlan, about: Circumstances, *, unchanged: bool = True) -> shape.PlanDocument:
    """The whole document but for its digests, which cost as much as all the rest: `sealed` adds them.

    Without `unchanged` it lists no resource that stays as it is, as people are not shown those, but for a bid that
    waits and wins: they are told that an hour counts it.
    """
    plan, costs = found.plan, found.costs
    counts, former = plan.count(), _former(about.state)
    outputs = planned(about.outputs, former) | removed(about.outputs, former)
    diagnostics = [said(one.typed(about.typed)) for one in found.diagnostics]
    saves = bool(saved_besides(outputs, diagnostics))
    made: shape.PlanDocument = {
        "format_version": FORMAT_VERSION,
        "flowplan_version": __version__,
        "timestamp": about.timestamp,
        "mode": plan.mode,
        "complete": not plan.in_doubt and not plan.patterns.partial and plan.refreshed,
        "applyable": not found.errored and plan.refreshed and (not plan.empty or saves),
        "errored": found.errored,
        "stack": _stack(about),
        "resource_changes": [entry(one) for one in costs.changes if unchanged or not _is_idle(one)],
        "resource_drift": [entry(Priced(change)) for change in plan.drift],
        "summary": {
            "create": counts["create"],
            "update": counts["update"],
            "replace": counts["replace"],
            "delete": counts["delete"],
            "no-op": counts["no-op"],
            "read": counts["read"],
            "forget": counts["forget"],
            "import": counts["import"],
        },
        "cost": totals(costs, found.judged),
        "outputs": outputs,
        "diagnostics": diagnostics,
    }
    if found.errored:
        made["exit_code"] = GuardRefused.exit_code
    if about.variables:
        made["variables"] = {name: _variable(one) for name, one in sorted(about.variables.items())}
    if about.sensitive is not None:
        made["sensitive"] = about.sensitive
    if plan.patterns.partial:
        made["selection"] = _selection(plan)
    if costs.left_alone:
        made["left_alone"] = left_alone(costs)
    if about.policies:
        made["policies"] = dict(sorted(about.policies.items()))
    if found.mass:
        made["guards"] = [_guard(one) for one in found.mass]
    return made


def _former(state: State) -> Mapping[str, Output]:
    """The outputs of `state`."""
    if not state.outputs:
        return {}
    from flowplan.state.outputs import evaluated

    return evaluated(state, {})


def _variable(given: GivenValue) -> shape.VariableGiven:
    return {"value": given.text, "sensitive": given.text is None}


def _guard(found: MassChange) -> shape.ChangeGuard:
    return {
        "guard": "max_changes",
        "limit": str(found.limit),
        "changed": found.changed,
        "there": found.there,
        "refused": found.refused,
        "source": source(found.budget.position),
    }


def _selection(plan: Plan) -> shape.Selection:
    return {
        "target": list(plan.patterns.targets),
        "exclude": list(plan.patterns.excluded),
        "left_out": list(map(str, plan.left_out)),
    }


def _is_idle(one: Priced) -> bool:
    """Whether nothing is done about it, nor recorded under another address, nor said of it."""
    joins = one.change.status == OPEN and one.cost is not None and one.cost.outlook == "runs"
    return isinstance(one.change, _IDLE) and one.change.previous_address is None and not joins


def failed(failure: Failure) -> shape.FailedPlan:
    """The document of a plan that did not come about."""
    return {
        "format_version": FORMAT_VERSION,
        "flowplan_version": __version__,
        "timestamp": failure.timestamp,
        "complete": False,
        "applyable": False,
        "errored": True,
        "exit_code": failure.exit_code,
        "diagnostics": [said(problem) for problem in failure.said],
    }


def sealed(body: shape.PlanDocument | shape.SealedPlan) -> shape.SealedPlan:
    """`body` with the digest of what was seen, and with its own in `sha256` (of everything but that and
    `timestamp`): what a machine reads, and what is saved."""
    seen = [[one["address"], one["id"], one["change"]["before"]] for one in body["resource_changes"]]
    whole: dict[str, object] = {**body, "stack": {**body["stack"], "observed_sha256": digest(seen)}}
    return cast("shape.SealedPlan", {**whole, "sha256": digest_of(whole)})


def signed(body: shape.SealedPlan, key: bytes) -> shape.SealedPlan:
    """A sealed `body` with the HMAC-SHA256 of its digest: who has no `key` cannot make such a plan."""
    return {**body, "hmac_sha256": mac_of(body, key)}


def mac_of(body: shape.SealedPlan, key: bytes) -> str:
    """What `hmac_sha256` of a sealed document must be."""
    import hmac

    return hmac.new(key, f"flowplan plan {body['sha256']}".encode(), "sha256").hexdigest()


def digest_of(body: Mapping[str, object]) -> str:
    """What `sha256` of a document must be."""
    return digest({key: value for key, value in body.items() if key not in ("timestamp", "sha256", "hmac_sha256")})


# What a change costs, where it stands in its file and what is said of it does not change what is done.
_BESIDE = ("cost", "source", "note", "status", "candidates")


def acts(entry: shape.Entry) -> dict[str, object]:
    """What an entry would do, and nothing else."""
    return {key: value for key, value in entry.items() if key not in _BESIDE}


def actions_of(body: shape.PlanBody) -> str:
    """The digest of what a document would do: equal when two plans do the same."""
    idle = (["no-op"], ["read"])
    changes = body["resource_changes"]
    return digest([acts(one) for one in changes if one["change"]["actions"] not in idle or "previous_address" in one])


def _stack(about: Circumstances) -> shape.PlannedStack:
    made: shape.PlannedStack = {
        **stack_of(about.state, about.recorded),
        "serial": about.state.serial,
        "paths": list(about.paths),
        "config_sha256": about.config_sha256,
        "state": about.state_at or "",
    }
    if about.state_at is None:
        del made["state"]
    return made


# ---- entries ----------------------------------------------------------------------------------------------


def entry(one: Priced) -> shape.Entry:
    """One change. `replace_paths` names the fields that force a replacement."""
    change = one.change
    forcing = [[field.name] for field in change.fields if field.forces]
    made = {
        "address": str(change.address),
        "type": change.address.kind,
        "name": change.address.name,
        "id": change.id,
        "change": {
            "actions": words(change),
            "before": plain(change.applied if isinstance(change, Completed) else change.before),
            "after": plain(change.applied if isinstance(change, Completed) else change.after),
            "after_unknown": _unknown(change),
            "replace_paths": forcing if isinstance(change, Replace) else [],
        },
        "action_reason": change.reason,
        "note": change.note,
        "status": change.status,
        "needs": sorted(map(str, change.needs or change.needs_before)),
        **_order_and_end(change),
        "source": source(change.position),
        "cost": cost(one),
    }
    if change.previous_address is not None:
        made["previous_address"] = str(change.previous_address)
    if change.raised_from is not None:
        made["raised_from"] = f"{change.raised_from:.2f}"
    return cast("shape.Entry", made)  # its type says which shape the rest has


def _order_and_end(change: Change) -> shape.Ending:
    waits: list[shape.WaitsFor] = [{"address": str(one.task), "until": one.until} for one in change.waits_for]
    found: shape.Ending = {"waits_for": waits} if waits else {}
    if change.lifetime is not None and isinstance(change.after, Bid):
        found["lifetime"] = _lifetime(change, change.lifetime, change.after)
    if change.candidates:
        from flowplan.documents.offers import candidate

        found["candidates"] = [candidate(one) for one in change.candidates]
    return found


def _lifetime(change: Change, lifetime: Lifetime, bid: Bid) -> shape.Lifetime:
    there = None if isinstance(change, (Create, Replace)) else change.before
    inputs, ends = there.inputs if isinstance(there, Bid) else bid.inputs, Ends.of(lifetime)
    hours, cost, end = lifetime.max_hours, lifetime.max_cost, lifetime.end_at
    made: shape.Lifetime = {
        "max_hours": None if hours is None else f"{hours.normalize():f}",
        "max_cost": None if cost is None else f"{cost:.2f}",
        "end_at": None if end is None else end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "when_done": "cancel" if lifetime.cancel_when_done else None,
        "worst": None if hours is None or bid.worst is None else f"{bid.worst * hours:.2f}",
        "shuts_down": inputs is not None and ends is not None and inputs.ends == ends,
    }
    return made if change.guard is None else {**made, "kept_by": change.guard.by}


def _unknown(change: Change) -> shape.AfterUnknown:
    if not isinstance(change, (Create, Replace, Update)):
        return {}
    unknown: shape.AfterUnknown = {} if isinstance(change, Update) else {"id": True}
    if isinstance(change.after, Bid) and any(isinstance(volume, Address) for volume in change.after.volumes):
        unknown["volumes"] = [isinstance(volume, Address) for volume in change.after.volumes]
    return unknown


def plain(resource: Resource | None) -> shape.Bid | shape.Volume | shape.Ports | None:
    """A resource as JSON: what people and policies read; the state has its own, complete form."""
    if resource is None:
        return None
    if isinstance(resource, Volume):
        return _volume(resource)
    return listed(resource.pairs) if isinstance(resource, PortMapping) else _bid(resource)


def _volume(volume: Volume) -> shape.Volume:
    made: shape.Volume = {
        "name": volume.name,
        "size_gb": None if "size_gb" in volume.unreported else volume.size_gb,
        "interface": volume.interface,
        "region": volume.region,
    }
    if volume.capacity_gb is not None:
        made["capacity_gb"] = volume.capacity_gb
    return made


def _bid(bid: Bid) -> shape.Bid:
    return {
        "name": bid.name,
        "instance_type": bid.instance_type,
        "instance_type_name": bid.instance_type_name,
        "region": bid.region,
        "instance_quantity": bid.quantity,
        "limit_price": None if bid.limit is None else f"{bid.limit:.2f}",
        "volumes": [str(volume) for volume in bid.volumes],
        "ssh_keys": list(bid.ssh_keys),
        "ssh_key_names": list(bid.ssh_key_names),
        "paused": bid.paused,
        "memory_gb": bid.memory_gb,
        **(_unplaced(bid.runs) if bid.inputs is None else _given(bid.inputs)),
    }


def _unplaced(runs: Script | None) -> shape.Given:
    """What a bid that flowplan did not place carries: all that may be known of it is its script."""
    return {"startup_script": _script(runs), "mounts": None, "local_disks": None, "container_image": None}


def _script(script: Script | None) -> shape.Script | None:
    return {"sha256": script.sha256, "size": script.size} if script is not None and script.size else None


def _given(inputs: Inputs) -> shape.Given:
    disks: list[Disk] = [{"device": one.device, "mount_point": one.mount_point} for one in inputs.local_disks]
    return {
        "startup_script": _script(inputs.startup_script),
        "mounts": [{"volume": str(one.volume), "mount_point": one.mount_point} for one in inputs.mounts],
        "local_disks": disks if inputs.complete else None,
        "container_image": _image(inputs.container_image),
    }


def _image(image: ContainerImage | None) -> Image | None:
    if image is None:
        return None
    found = image.shown
    return {
        "image_name": found.image_name,
        "build_context": found.build_context,
        "run_options": found.run_options,
    }
