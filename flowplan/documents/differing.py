"""Which fields of a change in a plan document differ: two values may be written differently and say the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

# What a bid carries. It may be unknown (null) without being different: the plan says which of it differ.
_CARRIED = ("startup_script", "mounts", "local_disks", "container_image")


def differing_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields of `after` that are other than `before`, in their order."""
    return [name for name in after if not is_same(name, before.get(name), after[name])]


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any], forcing: Collection[str]) -> list[str]:
    """Those that a change changes. `forcing`: the fields that make it a replacement. A script that is known, and not
    placed again, is one of them, also where the plan is about another field."""
    shown = {*forcing, *(["startup_script"] if before.get("startup_script") is not None else [])}
    return [name for name in differing_fields(before, after) if name not in _CARRIED or name in shown]


def is_same(name: str, old: Any, new: Any) -> bool:
    """Whether two values of a field are one: the order of a list says nothing, nor that the default is filled in."""
    if isinstance(old, list) and isinstance(new, list):
        return old == new or (
            len(old) == len(new) and all(one in new for one in old) and all(one in old for one in new)
        )
    return bool(old == new) or (name == "memory_gb" and new is None)
