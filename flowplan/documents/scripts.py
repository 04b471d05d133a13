"""The startup scripts of a plan, for who asks to see them: never saved, and without what looks like a credential."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flowplan.classes import frozen
from flowplan.masking import MASK, masked, opens_secret
from flowplan.model.resources import Bid, Script
from flowplan.patterns import regex
from flowplan.planning.actions import Change, Create, Replace

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import PlanDocument, Running, ScriptShown, SealedPlan

    Body = TypeVar("Body", bound=PlanDocument | SealedPlan)

_MOST_COMPARED = 2000  # lines that differ: beyond that a comparison helps nobody, and takes long
_LONGEST = 10_000  # characters of a line that is looked at; of a longer one nothing is shown
_NO_END = "\\ No newline at end of file"
_BEGINS, _ENDS = regex(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"), regex(r"-----END ")


def with_scripts(
    body: Body, changes: Iterable[Change], running: Mapping[str, Script], secretless: Callable[[str], str]
) -> Body:
    """A plan with the scripts of the bids that it places: `text` beside each digest, and what differs. `running`: the
    scripts of live bids, by the bids' ids, as far as they are known. `secretless`: a text without the secrets that are
    known. The digest stays that of the plan without scripts, which is what is saved."""
    placed = (one for one in changes if isinstance(one, Create | Replace) and isinstance(one.after, Bid))
    found = {str(one.address): one for one in placed}
    masks = _Masks(secretless)
    entries = [_shown(one, found.get(one["address"]), running, masks) for one in body["resource_changes"]]
    return cast("Body", {**body, "resource_changes": entries})


def without_scripts(body: Mapping[str, Any]) -> dict[str, Any]:
    """A plan of any origin, unchecked, as `with_scripts` took it."""
    entries = body.get("resource_changes")
    if not isinstance(entries, list):
        return dict(body)
    return {**body, "resource_changes": [_bare(one) for one in entries]}


def _bare(entry: Any) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("change"), dict) or "script" not in entry:
        return entry
    change = dict(entry["change"])
    for side in ("before", "after"):
        bid = change.get(side)
        if isinstance(bid, dict) and isinstance(bid.get("startup_script"), dict):
            kept = {key: value for key, value in bid["startup_script"].items() if key != "text"}
            change[side] = {**bid, "startup_script": kept}
    return {key: change if key == "change" else value for key, value in entry.items() if key != "script"}


def _shown(entry: Any, change: Create | Replace | None, running: Mapping[str, Script], masks: _Masks) -> Any:
    if change is None:
        return entry
    before, after = _of(change.before), _of(change.after)
    ran = running.get(change.id or "")
    known = ran if ran is not None and (before is None or before.sha256 == ran.sha256) else None
    old, new = entry["change"]["before"], entry["change"]["after"]
    sides = {"before": _side(old, known, masks), "after": _side(new, after, masks)}
    return {**entry, "change": {**entry["change"], **sides}, "script": _compared(change, known, after, masks)}


def _of(resource: object) -> Script | None:
    inputs = resource.inputs if isinstance(resource, Bid) else None
    return None if inputs is None else inputs.startup_script


def _side(bid: Any, script: Script | None, masks: _Masks) -> Any:
    """A side of a change with the text of its script, where that is known."""
    if bid is None or script is None or script.text is None or not bid["startup_script"]:
        return bid
    text = "\n".join(masks.lines(script.text.split("\n")))
    return {**bid, "startup_script": {**bid["startup_script"], "text": text}}


def _compared(change: Create | Replace, ran: Script | None, after: Script | None, masks: _Masks) -> ScriptShown:
    running = _standing(change, ran, after)
    if running == "same":
        return {"running": running, "lines": []}
    whole = [f"+{line}" for line in masks.lines(_lines(after))]
    lines = _diff(*_both(ran, after), masks) if running == "differs" else whole
    return {"running": running, "lines": lines} if lines is not None else {"running": "rewritten", "lines": whole}


def _standing(change: Create | Replace, ran: Script | None, after: Script | None) -> Running:
    """What is known of the script that is replaced."""
    if isinstance(change, Create):
        return "new"
    before = change.before.inputs if isinstance(change.before, Bid) else None
    if before is None and ran is None:
        return "unknown"
    old = ran if before is None else before.startup_script
    if old == after:
        return "same"
    if old is None:
        return "none"
    return "unknown" if ran is None else "differs"


def _lines(script: Script | None) -> list[str]:
    return [] if script is None or script.text is None else script.text.removesuffix("\n").split("\n")


def _both(old: Script | None, new: Script | None) -> tuple[list[str], list[str]]:
    """The lines of two scripts; where only one of them ends without a newline, it has a line that says so."""
    open_ = [one is not None and not (one.text or "").endswith("\n") for one in (old, new)]
    before, after = (
        [*_lines(one), *([_NO_END] if ends and open_[0] != open_[1] else [])]
        for one, ends in zip((old, new), open_, strict=True)
    )
    return before, after


def _diff(old: Sequence[str], new: Sequence[str], masks: _Masks) -> list[str] | None:
    """What differs, with three lines around it; None: too much, or it cannot be shown line by line. It is compared
    before anything is masked: of a secret is shown that it differs. What was in the place of a secret was one, too."""
    shown_old, shown_new = masks.lines(old), masks.lines(new)
    if (len(shown_old), len(shown_new)) != (len(old), len(new)) or _apart(old, new) > _MOST_COMPARED:
        return None
    made = []
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(3):
        (_, i1, _, j1, _), (_, _, i2, _, j2) = group[0], group[-1]
        made.append(f"@@ -{i1 + 1},{i2 - i1} +{j1 + 1},{j2 - j1} @@")
        for word, start, end, begin, stop in group:
            if word == "equal":
                made += [f" {line}" for line in shown_new[begin:stop]]
                continue
            hides = any(map(masks.hides, new[begin:stop]))
            made += [f"-{MASK if hides else line}" for line in shown_old[start:end]]
            made += [f"+{line}" for line in shown_new[begin:stop]]
    return made


def _apart(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines the longer one has between what both begin and end with."""
    most = min(len(old), len(new))
    start = next((n for n in range(most) if old[n] != new[n]), most)
    end = next((n for n in range(most - start) if old[-1 - n] != new[-1 - n]), most - start)
    return max(len(old), len(new)) - start - end


@frozen
class _Masks:
    """`secretless`: a text without the secrets that are known."""

    secretless: Callable[[str], str]

    def hides(self, line: str) -> bool:
        """Whether a known secret is in it."""
        return self.secretless(line) != line

    def lines(self, lines: Sequence[str]) -> list[str]:
        """`lines` without what is secret: what is known to be, what looks like a credential, private keys, and what
        stands below `password: |`. As many, unless one secret has several lines."""
        made: list[str] = []
        inside, below = False, None
        for line in self.secretless("\n".join(lines)).split("\n") if lines else ():
            indent = len(line) - len(line.lstrip())
            if below is not None and line.strip() and indent <= below:
                below = None
            inside = inside or _BEGINS.search(line) is not None
            hidden = inside or (below is not None and line.strip() != "")
            made.append(MASK if hidden else _masked(line))
            inside = inside and _ENDS.search(line) is None
            below = indent if below is None and opens_secret(line[:_LONGEST]) else below
        return made


def _masked(line: str) -> str:
    return masked(line) if len(line) <= _LONGEST else f"({len(line):,} characters in one line)"
