"""Plan -> the JSON document: the machine format, the saved plan, and what every other report is made of.

Sorted, and byte-identical for equal input except `timestamp`. Money is a string, unknown is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from flowplan import __version__
from flowplan.cost.notes import notes
from flowplan.diagnostics import Diagnostic
from flowplan.documents.cost import cost, totals
from flowplan.documents.diagnostics import of as said
from flowplan.documents.diagnostics import source
from flowplan.model.address import Address
from flowplan.model.digest import digest
from flowplan.model.resources import Bid, Inputs, PortMapping, PortPair, Resource, Volume
from flowplan.planning.actions import ACTIONS, Action, Change, Create, NoOp, Presumed, Replace, Update
from flowplan.planning.plan import Plan
from flowplan.state.state import State

FORMAT_VERSION = "1.0"
UNKNOWN_AFTER = {"id": True}
_IDLE = (NoOp, Presumed)
_WORDS: dict[Action, list[str]] = {"replace": ["delete", "create"]}


@frozen
class Circumstances:
    """What a plan was made from, besides its input: `timestamp` in RFC 3339."""

    timestamp: str
    state: State
    config_sha256: str
    warnings: Sequence[Diagnostic] = ()
    paths: tuple[str, ...] = ()  # the PATHs given, for whoever applies the plan later


def document(plan: Plan, about: Circumstances, *, unchanged: bool = True) -> dict[str, Any]:
    """The whole document but for its digests, which cost as much as all the rest: `sealed` adds them.

    Without `unchanged` it lists no resource that stays as it is: people are not shown those.
    """
    body: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "flowplan_version": __version__,
        "timestamp": about.timestamp,
        "mode": plan.mode,
        "complete": not plan.in_doubt,
        "applyable": not plan.refusals and not plan.empty,
        "errored": bool(plan.refusals),
        "stack": _stack(about),
        "resource_changes": [entry(change) for change in plan.changes if unchanged or not isinstance(change, _IDLE)],
        "resource_drift": [entry(change) for change in plan.drift],
        "summary": {action: count for action, count in plan.count().items() if action in ACTIONS},
        "cost": totals(plan),
        "outputs": {},
        "diagnostics": [*map(said, (*about.warnings, *plan.refusals, *notes(plan)))],
    }
    return body


def failed(timestamp: str, problems: Sequence[Diagnostic]) -> dict[str, Any]:
    """The document of a plan that did not come about, because of `problems`."""
    return {
        "format_version": FORMAT_VERSION,
        "flowplan_version": __version__,
        "timestamp": timestamp,
        "complete": False,
        "applyable": False,
        "errored": True,
        "diagnostics": [said(problem) for problem in problems],
    }


def sealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with the digest of what was seen, and with its own in `sha256` (of everything but that and
    `timestamp`): what a machine reads, and what is saved."""
    seen = [[one["address"], one["id"], one["change"]["before"]] for one in body["resource_changes"]]
    whole = {**body, "stack": {**body["stack"], "observed_sha256": digest(seen)}}
    return {**whole, "sha256": digest_of(whole)}


def signed(body: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """A sealed `body` with the HMAC-SHA256 of its digest: who has no `key` cannot make such a plan."""
    return {**body, "hmac_sha256": mac_of(body, key)}


def mac_of(body: Mapping[str, Any], key: bytes) -> str:
    """What `hmac_sha256` of a sealed document must be."""
    import hmac

    return hmac.new(key, f"flowplan plan {body['sha256']}".encode(), "sha256").hexdigest()


def digest_of(body: Mapping[str, Any]) -> str:
    """What `sha256` of a document must be."""
    return digest({key: value for key, value in body.items() if key not in ("timestamp", "sha256", "hmac_sha256")})


# What a change costs, where it stands in its file and what is said of it does not change what is done.
_BESIDE = ("cost", "source", "note", "status")


def acts(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry would do, and nothing else."""
    return {key: value for key, value in entry.items() if key not in _BESIDE}


def actions_of(body: Mapping[str, Any]) -> str:
    """The digest of what a document would do: equal when two plans do the same."""
    idle = (["no-op"], ["read"])
    return digest([acts(one) for one in body["resource_changes"] if one["change"]["actions"] not in idle])


def dumps(body: Mapping[str, Any]) -> str:
    """A document as it is printed and saved."""
    return json.dumps(body, indent=2) + "\n"


def _stack(about: Circumstances) -> dict[str, Any]:
    state = about.state
    return {
        "name": state.stack,
        "project": {"id": state.project, "name": state.project_name},
        "api_url": state.api_url,
        "lineage": state.lineage if state.serial else None,  # none yet: the first apply makes it
        "serial": state.serial,
        "paths": list(about.paths),
        "config_sha256": about.config_sha256,
    }


# ---- entries ----------------------------------------------------------------------------------------------


def entry(change: Change) -> dict[str, Any]:
    """One change. `replace_paths` names the fields that force a replacement."""
    forcing = [[one.name] for one in change.fields if one.forces]
    return {
        "address": str(change.address),
        "type": change.address.kind,
        "name": change.address.name,
        "id": change.id,
        "change": {
            "actions": _WORDS.get(change.action, [change.action]),
            "before": plain(change.before),
            "after": plain(change.after),
            "after_unknown": _unknown(change),
            "replace_paths": forcing if isinstance(change, Replace) else [],
        },
        "action_reason": change.reason,
        "note": change.note,
        "status": change.status,
        "needs": sorted(map(str, change.needs or change.needs_before)),
        "source": source(change.position),
        "cost": cost(change),
    }


def _unknown(change: Change) -> dict[str, Any]:
    if not isinstance(change, (Create, Replace, Update)):
        return {}
    unknown: dict[str, Any] = {} if isinstance(change, Update) else dict(UNKNOWN_AFTER)
    if isinstance(change.after, Bid) and any(isinstance(volume, Address) for volume in change.after.volumes):
        unknown["volumes"] = [isinstance(volume, Address) for volume in change.after.volumes]
    return unknown


def plain(resource: Resource | None) -> Any:
    """A resource as JSON: what people and policies read; the state has its own, complete form."""
    if resource is None:
        return None
    if isinstance(resource, Volume):
        return {
            "name": resource.name,
            "size_gb": resource.size_gb,
            "interface": resource.interface,
            "region": resource.region,
            **({"capacity_gb": resource.capacity_gb} if resource.capacity_gb is not None else {}),
        }
    if isinstance(resource, PortMapping):
        return _pairs(resource.pairs)
    return {
        "name": resource.name,
        "instance_type": resource.instance_type,
        "instance_type_name": resource.instance_type_name,
        "region": resource.region,
        "instance_quantity": resource.instance_quantity,
        "limit_price": f"{resource.limit_price:.2f}",
        "volumes": [str(volume) for volume in resource.volumes],
        "ssh_keys": list(resource.ssh_keys),
        "ssh_key_names": list(resource.ssh_key_names),
        "paused": resource.paused,
        "memory_gb": resource.memory_gb,
        **_inputs(resource.inputs),
    }


def _inputs(inputs: Inputs | None) -> dict[str, Any]:
    """What the instance is given; null where it is not known."""
    names = ("startup_script", "mounts", "local_disks", "container_image")
    if inputs is None:
        return dict.fromkeys(names)
    script, image = inputs.startup_script, inputs.container_image
    image = image.shown if image else None
    return {
        "startup_script": {"sha256": script.sha256, "size": script.size} if script else None,
        "mounts": [{"volume": str(one.volume), "mount_point": one.mount_point} for one in inputs.mounts],
        "local_disks": [{"device": one.device, "mount_point": one.mount_point} for one in inputs.local_disks]
        if inputs.complete
        else None,
        "container_image": {
            "image_name": image.image_name,
            "build_context": image.build_context,
            "run_options": image.run_options,
        }
        if image
        else None,
    }


def _pairs(pairs: Iterable[PortPair]) -> list[dict[str, Any]]:
    return [{"external": one.external, "internal": one.internal, "protocol": one.protocol} for one in pairs]
