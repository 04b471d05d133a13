"""A check of the configuration -> the code quality report of GitLab."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flowplan.documents.validate import Checked, fingerprints, in_repository, sentence

if TYPE_CHECKING:
    from flowplan.documents.shapes.validate import Found
    from flowplan.reports.text.paint import Paint

_SEVERITIES = {"error": "critical", "warning": "minor", "note": "info"}
_NOWHERE = {"path": ".", "lines": {"begin": 1}}  # GitLab takes nothing without a place


def checked(found: Checked, _: Paint) -> str:
    """A list with an entry for each problem."""
    problems = in_repository(found)
    made = [_entry(one, digest) for one, digest in zip(problems, fingerprints(problems), strict=True)]
    return json.dumps(made, indent=2) + "\n"


def _entry(one: Found, fingerprint: str) -> dict[str, Any]:
    place = one["source"]
    return {
        "description": " ".join(sentence(one).split("\n")),
        "check_name": one["code"],
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[one["severity"]],
        "location": {"path": place["file"], "lines": _lines(place)} if place else _NOWHERE,
    }


def _lines(place: Any) -> dict[str, int]:
    return {"begin": place["line"], "end": place.get("end_line", place["line"])}
