"""What a code or an exit code means; no file and no network."""

from __future__ import annotations

from flowplan.diagnostics import candidates
from flowplan.documents.explain import Explained, explanations
from flowplan.errors import UsageProblem
from flowplan.printable import shown


def explain(name: str | None) -> Explained:
    """What `name` means, a code, its word or an exit code; None: all of them. Raises UsageProblem for another one."""
    known = tuple(explanations())
    if name is None:
        return Explained(known, alone=False)
    found = next((one for one in known if one.is_called(name)), None)
    if found is None:
        kind = "exit_code" if name.strip().isdigit() else "code"
        hint = candidates(name.replace("_", "-"), (one.name for one in known if one.kind == kind))
        raise UsageProblem(f"there is no code {shown(name)}", hint=f"{hint}; `flowplan explain` lists all of them")
    return Explained((found,), alone=True)
