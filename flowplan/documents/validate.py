"""What a check of the configuration found, as a document."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic
from flowplan.documents.checkout import Checkout
from flowplan.documents.diagnostics import refused, with_line
from flowplan.documents.failure import Failure

if TYPE_CHECKING:
    from flowplan.documents.shapes.validate import Found, ValidateDocument


@frozen
class Checked:
    """What a check of the configuration found: how many tasks and volumes, where it can be read, and its problems.
    `exit_code`: what the command ends with; `files`: those that were read; `checkout`: how a repository names them."""

    problems: Sequence[Diagnostic]
    tasks: int = 0
    volumes: int = 0
    exit_code: int = 0
    files: Sequence[str] = ()
    checkout: Checkout = field(factory=Checkout)


def unchecked(failure: Failure) -> Checked:
    """What is reported of a check that failed."""
    return Checked(failure.said, exit_code=failure.exit_code)


def document(found: Checked) -> ValidateDocument:
    """The shape of `terraform validate -json`, with our positions."""
    errors = sum(problem.severity == "error" for problem in found.problems)
    return {
        "format_version": "1.0",
        **refused(found.exit_code),
        "valid": not errors,
        "error_count": errors,
        "warning_count": len(found.problems) - errors,
        "diagnostics": [with_line(problem) for problem in found.problems],
    }


def in_repository(found: Checked) -> list[Found]:
    """The problems, with files as the repository names them."""
    made = [with_line(problem) for problem in found.problems]
    for one in made:
        for place in (one["source"], *(other["source"] for other in one["related"])):
            if place is not None:
                place["file"] = found.checkout.name(place["file"])
    return made


def fingerprints(problems: Sequence[Found]) -> list[str]:
    """What tells each of them from the others, also after lines above it have come or gone: 64 hexadecimal digits."""
    seen: Counter[tuple[str, str, str]] = Counter()
    made = []
    for one in problems:
        what = (one["code"], one["source"]["file"] if one["source"] else "", one["summary"])
        seen[what] += 1
        made.append(hashlib.sha256("\0".join((*what, str(seen[what]))).encode("utf-8", "surrogatepass")).hexdigest())
    return made


def sentence(one: Found) -> str:
    """All that it says, a line each: what is wrong, more about it, what to do."""
    hint = f"hint: {one['hint']}" if one["hint"] else None
    return "\n".join(part for part in (one["summary"], one["detail"], hint) if part)
