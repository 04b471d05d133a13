"""What codes and exit codes mean -> text."""

from __future__ import annotations

from flowplan.documents.explain import Explained, Explanation
from flowplan.reports.text.paint import Paint, wrapped


def text(found: Explained, paint: Paint) -> str:
    """One with what to do about it, or a list of all."""
    lines = _alone(found.explanations[0], paint) if found.alone else _listed(found, paint)
    return "\n".join(lines) + "\n"


def _alone(one: Explanation, paint: Paint) -> list[str]:
    name = f"exit code {one.name}" if one.kind == "exit_code" else one.name
    word = f" (in JSON: {one.word})" if one.word else ""
    head = paint(name, "bold") + word
    return [
        head,
        *wrapped(one.sentence, "  ", "  ", paint.width),
        *wrapped(f"What to do: {one.remedy}", "  ", "    ", paint.width),
    ]


def _listed(found: Explained, paint: Paint) -> list[str]:
    lines = ["Codes of problems, refusals, warnings and notes:"]
    for one in found.explanations:
        if one.kind == "code":
            lines += wrapped(one.sentence, f"  {one.name:<24}  ", " " * 28, paint.width)
    lines += ["", "Exit codes:"]
    for one in found.explanations:
        if one.kind == "exit_code":
            lines += wrapped(one.sentence, f"  {one.name:<24}  ", " " * 28, paint.width)
    return [*lines, "", "`flowplan explain CODE` says what to do about one."]
