"""Plans whose texts attack the page that shows them."""

from __future__ import annotations

import copy
from typing import Any


def marked(body: Any, mark: str) -> Any:
    """A plan with `mark` behind each text that comes from outside."""
    body = copy.deepcopy(body)
    body["stack"]["name"] += mark
    body["stack"]["project"]["name"] += mark
    for said in body["diagnostics"]:
        said["summary"] += mark
        said["hint"] = (said["hint"] or "") + mark
    for entry in (*body["resource_changes"], *body["resource_drift"]):
        entry["note"] = (entry["note"] or "") + mark
        for side in ("before", "after"):
            if isinstance(entry["change"][side], dict):
                entry["change"][side] |= {"name": mark, "region": mark}
        for one in entry.get("candidates", ()):
            one["region"] += mark
        if entry["source"]:
            entry["source"]["file"] += mark
    return body
