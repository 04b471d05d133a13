"""What the files ask a bid to carry, where that cannot be compared: of a bid that flowplan did not place. Pure.

Nothing is replaced because of what is not known; but a plan says what it did not compare, and what a replacement drops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowplan.diagnostics import Diagnostic
from flowplan.model.lifecycle import Lifecycle
from flowplan.model.resources import INPUTS, Bid, Inputs, Script
from flowplan.planning.actions import Change, Create, LeftOut, NoOp, Replace, Update
from flowplan.planning.desired import Desired

_WORDS = {"startup_script": "startup script", "local_disks": "local disks", "container_image": "container image"}


def uncompared(bids: Iterable[tuple[Change, Bid]], desired: Desired) -> Iterator[Diagnostic]:
    """Warnings, at most one of each bid: what of it was not compared, or differs and stays so; of one that is replaced,
    that its startup script goes. `bids`: the changes of live bids, with what those are."""
    for change, bid in bids:
        wanted = desired.resources.get(change.address)
        if isinstance(change, Replace | Create):
            yield from _dropped(change, bid)
        elif isinstance(change, (NoOp, Update)) and not isinstance(change, LeftOut) and isinstance(wanted, Bid):
            yield from _open(change, bid, wanted.inputs or Inputs(), change.lifecycle)


def _open(change: Change, bid: Bid, asked: Inputs, lifecycle: Lifecycle) -> Iterator[Diagnostic]:
    """What of it is not compared, and how its script stands to that of the files."""
    names = [name for name in INPUTS if getattr(asked, name) and not lifecycle.ignores(name)]
    found = []
    if bid.runs is not None:
        names = [name for name in names if name != "startup_script"]
        said = None if lifecycle.ignores("startup_script") else _said_of(bid.runs, asked.startup_script)
        found += [said] if said is not None else []
    if names:
        words = [_WORDS.get(name, name) for name in names]
        are = "are" if len(words) > 1 or words[0].endswith("s") else "is"
        found.append(f"its {' and '.join((', '.join(words[:-1]), words[-1]) if words[1:] else words)} {are} not known")
    if not found:
        return
    ignored = [*names, *(["startup_script"] if len(found) > bool(names) else [])]
    word = change.address.word
    leave = f"`lifecycle: {{ignore_changes: [{', '.join(ignored)}]}}` leaves it as it is, without this warning"
    if ignored == ["startup_script"] and asked.startup_script is None:
        remedy = f"{_written(change)}; {leave}"
    else:
        remedy = f"--replace {word} places it again, as the files say; {leave}"
    yield _warning("uncompared", change, f"{change.address} was not placed by flowplan: {', and '.join(found)}", remedy)


def _said_of(runs: Script, asked: Script | None) -> str | None:
    """How what a bid runs stands to what the files ask for; None: they are one."""
    if asked is None:
        return f"the files do not have its startup script{_size(runs)}" if runs.size else None
    if asked in (runs, runs.with_lf):
        return None
    return f"its startup script{_size(runs)} is not that of the files" if runs.size else "it has no startup script"


def _dropped(change: Replace | Create, bid: Bid) -> Iterator[Diagnostic]:
    """That what is placed runs no startup script, and what is replaced runs one, or may."""
    after = change.after.inputs if isinstance(change.after, Bid) else None
    if after is None or after.startup_script is not None:
        return
    known = bid.runs if bid.inputs is None else None
    if bid.inputs is not None:
        ignored = change.lifecycle.ignores("startup_script") and not bid.inputs.complete
        if not ignored or bid.inputs.alike(after):
            return
    elif known is not None and not known.size:
        return
    runs = f"its startup script{_size(known)} is not in the files" if known is not None else "what it runs is not known"
    if isinstance(change, Replace):
        what = f"{change.address} is replaced, and {runs}: its replacement runs no startup script"
        remedy = f"put the script into the files first: {_written(change)}"
    else:
        what = f"{change.address} is placed again, and {runs}: it will run no startup script"
        remedy = "put the script into the files first"
    yield _warning("script-dropped", change, what, remedy)


def _written(change: Change) -> str:
    """How its script comes into the files. FILE asks for the same bid, so it cannot stay beside them."""
    command = f"flowplan import {change.address.word} {change.id} --generate FILE"
    return f"`{command}` writes what is known; copy its startup_script into the task, and delete FILE"


def _size(script: Script) -> str:
    return f" ({script.size:,} byte{'' if script.size == 1 else 's'})"


def _warning(code: str, change: Change, summary: str, hint: str) -> Diagnostic:
    return Diagnostic(code, summary, hint, severity="warning", position=change.position, about=str(change.address))
