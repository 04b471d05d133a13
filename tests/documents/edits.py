"""A saved plan edited by somebody: every edit of every value, and which of them are no lie."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from flowplan.documents.plan_held import touched

Path = tuple[str | int, ...]
SIDES = ("current", "planned", "delta")
FREE_COST = {"unit", "quantity", "gpus_per_instance", "limit"}


def is_free(path: Path, body: dict[str, Any]) -> bool:
    """Prices, times, and what they decide; positions in a text; what is shown of budgets, and of the rest of the stack,
    which may have changed since: resources that the plan does nothing about, the whole cost, outputs."""
    head, *rest = path
    if head in ("timestamp", "sha256", "what_if", "outputs"):
        return True
    if head == "stack":
        return rest in (["serial"], ["lineage"])
    if (
        head in ("resource_changes", "resource_drift")
        and rest
        and body[str(head)][rest[0]]["address"] not in about(body)
    ):
        return True
    if head in ("resource_changes", "resource_drift") and len(rest) > 1:
        key, *inner = rest[1:]
        if key == "source":
            return inner in (["line"], ["column"])
        if key == "cost":
            return (
                bool(inner)
                and inner not in (*([one] for one in FREE_COST), ["per_gpu"], ["cost"])
                and not is_worst(inner)
            )
        return key == "status"
    if head == "cost" and rest:
        whole = (["unit"], *([side] for side in SIDES), *([side, "worst"] for side in SIDES))
        return rest not in whole[:4] + whole[6:] and rest[-1] != "refused"
    return head == "diagnostics"


def about(body: dict[str, Any]) -> set[str]:
    """What the plan does something about, and what that needs."""
    found = set(touched(body))
    return found.union(*(one["needs"] for one in body["resource_changes"] if one["address"] in found))


def is_worst(inner: list[str | int]) -> bool:
    return inner in (["per_gpu", "limit"], ["cost", "hour"], ["cost", "hour", "worst"])


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        yield from paths(one, (*path, key))


ODD: tuple[Any, ...] = (None, True, 7, -1, 1.5, "", "x", "0.01", "NaN", [], {}, [None], "9" * 50)


def edits(body: dict[str, Any]) -> list[tuple[Path, Any]]:
    """(path, what to do to it): leave it out, rename or double it, or put another type or value there."""
    ways: dict[bool, tuple[Any, ...]] = {
        named: ("left out", "renamed" if named else "doubled", *ODD) for named in (True, False)
    }
    return [(path, what) for path in paths(body) for what in ways[isinstance(path[-1], str)]]


def edited(body: dict[str, Any], path: Path, what: Any) -> dict[str, Any]:
    made = copy.deepcopy(body)
    *way, last = path
    parent: Any = made
    for key in way:
        parent = parent[key]
    if what == "left out":
        del parent[last]
    elif what == "renamed":
        parent[f"{last}s"] = parent.pop(last)
    elif what == "doubled":
        parent.append(parent[last])
    else:
        parent[last] = what
    return made
