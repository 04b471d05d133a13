"""A saved plan beside the one that planning again gives: all that it says of what it touches must be said again. Pure.

Left out is what prices and times decide (docs/planning.md lists it), and what only positions in a text do. What it says
of the rest of the stack, which may have changed since, need only fit together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from decimal import Decimal
from typing import Any

from flowplan.cost.notes import FIRST_LOOKED_UP
from flowplan.cost.warnings import OF_THE_MARKET
from flowplan.documents.plan import acts
from flowplan.documents.ports import ranges
from flowplan.model.digest import digest
from flowplan.patterns import regex
from flowplan.planning.actions import LIFETIME_OVER
from flowplan.planning.lifetimes import is_why
from flowplan.pricing.units import CENT
from flowplan.printable import shown

_VOLATILE = (
    "timestamp",
    "sha256",
    "hmac_sha256",
    "what_if",
    "price_history",
    "guards",
    "variables",
    "sensitive",
    "policies",
)
_OF_THE_WHOLE = ("complete", "summary", "cost", "diagnostics", "stack", "selection", "outputs", "left_alone")
_OF_THE_STATE = ("serial", "lineage", "observed_sha256", "state")
_ADDRESS = regex(r'\b(?:bid|volume|ports)\.[\w.@-]+(?:\["[^"]*"\])?(?:@g\d+)?')
_JUDGED_AGAIN = {"max_hourly_cost", "max_cost_increase", "max_changes", "policy", "policy_unused"}
_OF_NOW = {*OF_THE_MARKET, *_JUDGED_AGAIN, "unchecked", "preempting", "unknown_status"}
_OF_NOW |= {"done", "other_lifetime", "lifetime_short", "lifetime_again", "lifetime_over", "lifetime_unknown"}
_OF_SELECTION = ("partial", "dependents")  # what is left out may be more, or less, by now
_FIXED = ("unit", "quantity", "gpus_per_instance", "limit")  # of a bid's cost


def touched(body: Mapping[str, Any]) -> list[str]:
    """The addresses that a plan does something about."""
    idle = (["no-op"], ["read"])
    changes = body["resource_changes"]
    return [one["address"] for one in changes if one["change"]["actions"] not in idle or "previous_address" in one]


def acting(body: Mapping[str, Any]) -> list[str]:
    """The addresses of which a plan does more than give them another address."""
    return [one["address"] for one in body["resource_changes"] if one["change"]["actions"] not in (["no-op"], ["read"])]


def differences(saved: Mapping[str, Any], now: Mapping[str, Any], choices: Container[str]) -> list[str]:
    """Where `saved` says something else than `now`, both sealed, of what either touches and that needs: one line each,
    with both values. `choices`: addresses whose notes say why a type or region was chosen, by the prices of then."""
    about = {*touched(saved), *touched(now)}
    for body in (saved, now):
        about.update(need for one in body["resource_changes"] if one["address"] in about for need in one["needs"])
    found = list(_between(_held(saved, choices, about), _held(now, choices, about), ""))
    return found + [f"{what} does not fit the rest of the saved plan" for what in _unfit(saved)]


def _held(body: Mapping[str, Any], choices: Container[str], about: Container[str]) -> dict[str, Any]:
    held = {key: value for key, value in body.items() if key not in (*_VOLATILE, *_OF_THE_WHOLE)}
    for name in ("resource_changes", "resource_drift"):
        entries = [_entry(one, choices) for one in body[name] if one["address"] in about]
        held[name] = {one["address"]: one for one in entries}
        held[f"number of {name}"] = len(entries)
    held["stack"] = {key: value for key, value in body["stack"].items() if key not in _OF_THE_STATE}
    said = [one for one in body["diagnostics"] if _counts(one, about)]
    held["diagnostics"] = [{**one, "source": _file(one["source"]), "hint": None} for one in said]
    held["cost"] = {"unit": body["cost"]["unit"], "delta": body["cost"]["delta"]["worst"]}
    held["cost"] |= {"refused": [one["guard"] for one in _refusing(body)]}
    return held


def _counts(said: Mapping[str, Any], about: Container[str]) -> bool:
    """Whether a diagnostic is compared: one of these resources, or of none, that no price decides."""
    if said["severity"] == "error":
        return True
    if said["detail"] in (*_OF_NOW, *_OF_SELECTION) or said["hint"] == FIRST_LOOKED_UP:
        return False
    named = [one.rstrip(".") for one in _ADDRESS.findall(said["summary"])]
    return not named or any(one in about for one in named)


def _unfit(body: Mapping[str, Any]) -> Iterator[str]:
    """What the body says of the whole that does not fit its parts: other resources may have changed since, and that is
    no reason to believe what somebody wrote there."""
    counts: Counter[str] = Counter()
    for one in body["resource_changes"]:
        actions = one["change"]["actions"]
        counts.update(["replace"] if {*actions} == {"create", "delete"} else actions)
    yield from (f"summary.{action}" for action, count in body["summary"].items() if count != counts[action])
    seen = [[one["address"], one["id"], one["change"]["before"]] for one in body["resource_changes"]]
    if body["stack"]["observed_sha256"] != digest(seen):
        yield "stack.observed_sha256"
    whole = [body["cost"][side]["worst"] for side in ("current", "planned", "delta")]
    before, after, more = (Decimal(amount or 0) for amount in whole)
    is_unknown = None in whole[:2]
    if is_unknown is not (whole[2] is None) or (not is_unknown and abs(before + more - after) > CENT):
        yield "cost.planned"
    doubted = any(one["hint"] == FIRST_LOOKED_UP for one in body["diagnostics"])
    if body["complete"] is (doubted or "selection" in body):
        yield "complete"


def _refusing(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in body["cost"]["guards"] if one["refused"]]


def _entry(entry: Mapping[str, Any], choices: Container[str]) -> dict[str, Any]:
    held = {**entry, "source": _file(entry["source"]), "cost": _cost(entry), "status": None, "candidates": None}
    if entry["action_reason"] == LIFETIME_OVER and is_why(entry["note"]):
        return {**held, "note": LIFETIME_OVER}  # that it is; how long the bid has run moves on
    return {**held, "note": None} if entry["address"] in choices else held


def _cost(entry: Mapping[str, Any]) -> Any:
    """What no price decides: all that a volume costs; the size and the limit of a bid, and what it costs at most."""
    cost = entry["cost"]
    if cost is None or entry["type"] != "bid":
        return cost
    per_gpu = cost["per_gpu"]
    fixed = {name: cost[name] for name in _FIXED}
    return fixed | {"per_gpu": per_gpu and per_gpu["limit"], "worst": cost["cost"]["hour"]["worst"]}


def _file(place: Mapping[str, Any] | None) -> str | None:
    return None if place is None else str(place["file"])


def _between(one: Any, other: Any, path: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys((*one, *other)):
            yield from _between(one.get(key), other.get(key), f"{path}.{key}" if path else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _between(*pair, f"{path}[{index}]")
    elif one != other or type(one) is not type(other):
        yield f"{path}: {_brief(one)}, planned again {_brief(other)}"


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _moves(old: Any, new: Any) -> str:
    """The fields of an object that differ, each with both values; of ports, the pairs."""
    if isinstance(old, list) or isinstance(new, list):
        return f"{', '.join(ranges(old or [])) or 'no ports'} -> {', '.join(ranges(new or [])) or 'no ports'}"
    old, new = old or {}, new or {}
    names = [name for name in (*old, *new) if old.get(name) != new.get(name)]
    pairs = (f"{name} {shown(str(old.get(name)))} -> {shown(str(new.get(name)))}" for name in dict.fromkeys(names))
    return ", ".join(pairs)


def moved(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Where planning again differs from a saved plan, one line an address that either does something about."""
    then = {one["address"]: one for one in saved["resource_changes"]}
    today = {one["address"]: one for one in now["resource_changes"]}
    lines = []
    for address in sorted({*touched(saved), *touched(now)}):
        old, new = then.get(address), today.get(address)
        if old is None or new is None:
            lines.append(f"{address}: {'only in the saved plan' if new is None else 'not in the saved plan'}")
        elif old["change"]["actions"] != new["change"]["actions"]:
            lines.append(f"{address}: {'+'.join(old['change']['actions'])}, now {'+'.join(new['change']['actions'])}")
        elif old["change"]["before"] != new["change"]["before"]:
            lines.append(
                f"{address}: what is live has changed: {_moves(old['change']['before'], new['change']['before'])}"
            )
        elif acts(old) != acts(new):
            lines.append(f"{address}: differs")
    return lines
