"""The plan document -> text for people: what changes, why, what it costs. Made from the document alone, so
that a saved plan reads the same as when it was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from flowplan.documents.amounts import price
from flowplan.documents.differing import differing_fields
from flowplan.documents.outputs import is_changed, saved_besides
from flowplan.documents.totals import added_and_destroyed
from flowplan.names import alike, ranges
from flowplan.printable import natural, shown
from flowplan.reports.text.actions import head_of, legend, ordered, padded, symbol_of
from flowplan.reports.text.candidates import chosen_and_next
from flowplan.reports.text.cost import cost_line, costs
from flowplan.reports.text.destroys import destroys
from flowplan.reports.text.fields import both_named, fields_of, value_of
from flowplan.reports.text.folding import OWN, Fold, folded
from flowplan.reports.text.left_alone import in_all, left_alone
from flowplan.reports.text.notices import notices
from flowplan.reports.text.outputs import planned, recorded, without_same
from flowplan.reports.text.paint import Paint, columns, listed, wrapped
from flowplan.reports.text.rows import ARROW, aligned, beside, differing

if TYPE_CHECKING:
    from flowplan.documents.shapes.outputs import PlannedOutput
    from flowplan.documents.shapes.plan import (
        Entry,
        Lifetime,
        PlanBody,
        PlanDocument,
        PlannedStack,
        ScriptShown,
        SealedPlan,
    )

_FOLDING = "Changes that are alike in all but the name are shown once; --verbose shows each."
_FORECASTS = " Their forecasts may differ a little: a block shows the least and the most."


def text(body: PlanDocument | SealedPlan, paint: Paint) -> str:
    """The whole report but for `refusals`, ending in a newline: what it is about, what is lost first and what is new
    last, and at the end what decides: warnings, the cost and the counts. `body` may come from a file."""
    scripts = _scripts_of(body)
    body = lines_apart(body)
    _put_back(scripts, body)
    changing = ordered(body["resource_changes"])
    parts = [head(body["stack"], paint), drift(body["resource_drift"], paint), moves(body["resource_changes"], paint)]
    parts += changes(changing, paint)
    parts.append(outputs(body["outputs"], paint))
    if "what_if" in body:
        from flowplan.reports.text.what_if import what_if

        parts.append(what_if(body["what_if"], paint))
    said = body["diagnostics"]
    if "left_alone" in body:
        parts.append(left_alone(body["left_alone"], paint))
        said = [one for one in said if one["detail"] != "left_alone"]  # listed by then
    parts.append(notices((one for one in said if one["severity"] != "error"), changing, paint))
    parts.append("\n".join(filter(None, (costs(body, paint), *in_all(body, paint.width)))))
    parts.append(summary(body, changing, paint))
    return "\n\n".join(part for part in parts if part) + "\n"


def refusals(body: PlanDocument | SealedPlan, paint: Paint) -> str:
    """What refuses it, or "": for stderr, where every error is told."""
    said = [one for one in lines_apart(body["diagnostics"]) if one["severity"] == "error"]
    return notices(said, body["resource_changes"], paint)


def head(stack: PlannedStack, paint: Paint) -> str:
    """Which stack it is a plan of, and where: who has two projects, or an environment beside this one in a state of its
    own, must see the wrong one before anything else."""
    serial, at = stack["serial"], stack.get("state")
    if not serial and stack["lineage"] is not None:
        state = f"state{f' {at}' if at is not None else ''} not saved yet: an apply was cut off"
    elif at is None:
        state = f"state serial {serial}" if serial else "no state yet"
    else:
        state = f"state {at}, serial {serial}" if serial else f"no state at {at} yet"
    where = f"project {stack['project']['name']}, API {stack['api_url']}, {state}"
    return "\n".join(wrapped(f'{paint("Stack", "bold")} "{stack["name"]}": {where}', "", "  ", paint.width))


def outputs(found: Mapping[str, PlannedOutput], paint: Paint) -> str:
    """The outputs that are new, have another value afterwards, or are removed."""
    lines = []
    for name, whole in found.items():
        if not is_changed(whole):
            continue
        one, same = (whole, 0) if paint.verbose else without_same(whole)
        after = planned(one)
        if "removed" in one:
            lines += beside(recorded(one), f"  {paint.symbol('-')} {name} = ", paint.width)
        elif "before" not in one:
            lines += beside(after, f"  {paint.symbol('+')} {name} = ", paint.width)
        else:
            first, before = f"  {paint.symbol('~')} {name} = ", recorded(one)
            line = f"{first}{before}{ARROW}{after}"
            lines += [line] if columns(line) <= paint.width else differing(before, after, first, paint.width)
            lines += [f"      # ({same:,} unchanged keys hidden)"] if same else []
    return "\n".join(["Changes to outputs:", *lines]) if lines else ""


def lines_apart(value: Any) -> Any:
    """A JSON value whose texts are each fit for one line: none breaks out of its place."""
    if isinstance(value, str):
        return shown(value, _LONGEST)
    if isinstance(value, dict):
        return {lines_apart(key): lines_apart(one) for key, one in value.items()}
    return [one if _is_apart(one) else lines_apart(one) for one in value] if isinstance(value, list) else value


_LONGEST = 2000  # characters of a text of the document


def _is_apart(value: Any) -> bool:
    """Whether all texts in it are fit as they are: one look at all of them takes a tenth of a look at each."""
    texts = _texts_of([value])
    said = "".join(texts)
    plain = said.isascii() and said.isprintable()
    return plain and (len(said) <= _LONGEST or max(map(len, texts)) <= _LONGEST)


def _texts_of(values: Iterable[Any]) -> list[str]:
    """The texts in JSON values, keys among them."""
    found: list[str] = []
    for one in values:
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, dict):
            found += one
            found += _texts_of(one.values())
        elif isinstance(one, list):
            found += _texts_of(one)
    return found


def _scripts_of(body: PlanBody) -> list[ScriptShown | None]:
    """Of each change the script as the document has it, where there is one."""
    entries = body["resource_changes"]
    return [one["script"] if one["type"] == "bid" and "script" in one else None for one in entries]


def _put_back(scripts: Sequence[ScriptShown | None], body: PlanBody) -> None:
    """Each line of a script is made fit where it is shown."""
    for script, one in zip(scripts, body["resource_changes"], strict=True):
        if script is not None and one["type"] == "bid":
            one["script"] = script


def changes(changing: Sequence[Entry], paint: Paint) -> list[str]:
    """The legend, and a block for each change or for several that are alike."""
    if not changing:
        return []
    folds = folded(changing, each=paint.verbose)
    blocks = [block_of(one, paint) for one in folds]
    said = _FOLDING if len(folds) < len(changing) else ""
    if any(cost_line(one.shown, one.forecasts) != cost_line(one.shown) for one in folds if one.forecasts):
        said += _FORECASTS
    if said and any(OWN in line for line in blocks):
        said += f" In them {OWN} stands for the name, key or id of each."
    return [legend(changing, paint), "\n".join(wrapped(said, "", "", paint.width)), *blocks]


# ---- one change -------------------------------------------------------------------------------------------


def block(entry: Entry, paint: Paint) -> str:
    """One change."""
    return block_of(Fold(entry, (entry,)), paint)


def block_of(fold: Fold, paint: Paint) -> str:
    """One change, or several that are alike: its head with the reason, its fields, what it costs."""
    entry = fold.shown
    symbol = symbol_of(entry) or ""
    lines = _titled(fold, head_of(entry), symbol, paint)
    if "previous_address" in entry:
        lines += wrapped(f"moved from {shown(entry['previous_address'])}", "      # ", "      # ", paint.width)
    if entry["note"]:
        lines += wrapped(shown(entry["note"], 400), "      # ", "      # ", paint.width)
    if "candidates" in entry:
        lines += chosen_and_next(entry["candidates"], "      # ", paint)
    if "lifetime" in entry:
        lines += wrapped(ending_of(entry, entry["lifetime"]), "      # ", "      # ", paint.width)
    for wait in entry.get("waits_for", ()):
        said = f"waits until {shown(wait['address'])} is {shown(wait['until'])}"
        lines += wrapped(said, "      # ", "      # ", paint.width)
    lines += aligned(fields_of(entry), paint)
    if "script" in fold.entries[0]:
        from flowplan.reports.text.scripts import script_of

        lines += script_of(fold.entries[0], paint)
    if line := cost_line(entry, fold.forecasts):
        word = word_of(fold, saves=symbol == "-")
        lines += wrapped(f"{paint(f'{word}:', 'cyan')} {line}", "      ", "            ", paint.width)
    return "\n".join(lines)


def word_of(fold: Fold, *, saves: bool) -> str:
    """What stands before the costs of a block."""
    many = len(fold.entries) > 1
    if saves:
        return "each saves" if many else "saves"
    return "cost of each" if many else "cost"


def _titled(fold: Fold, says: str, symbol: str, paint: Paint) -> list[str]:
    """The head of a block: which addresses, and what happens to them."""
    first = f"{padded(symbol, paint)} "
    if len(fold.entries) == 1:
        line = f"{paint(shown(fold.shown['address']), 'bold')} {paint(says, 'bold')}"
        return wrapped(line, first, "      ", paint.width)
    names = ", ".join(ranges(map(shown, fold.addresses), paint.dots))
    start, *more = listed(f"{names} ({len(fold.entries)} alike) {says}", "    ", "    ", paint.width)
    return [f"{first}{paint(start.strip(), 'bold')}", *(f"    {paint(line.strip(), 'bold')}" for line in more)]


def ending_of(entry: Entry, lifetime: Lifetime) -> str:
    """When it ends, and what ends it; or what keeps it from that."""
    if "kept_by" in lifetime:
        after = entry["change"]["after"]
        paused = isinstance(after, dict) and after.get("paused")
        kept = "keeps it" if paused else "keeps it running"
        return f"would end {_end(lifetime)}; {shown(lifetime['kept_by'])} {kept}"
    return f"ends {_end(lifetime)}; {_ended_by(lifetime)}"


def _end(lifetime: Lifetime) -> str:
    """When a task ends, whichever comes first."""
    hours, cost, end, worst = (lifetime[key] for key in ("max_hours", "max_cost", "end_at", "worst"))
    bounds = [
        hours and f"after {shown(hours)} hour{'' if hours == '1' else 's'} of running ({price(worst)} at the limit)",
        cost and f"once it has cost {price(cost)}",
        end and f"at {shown(end)}",
        lifetime["when_done"] and "when its script has ended",
    ]
    return ", or ".join(one for one in bounds if one)


def _ended_by(lifetime: Lifetime) -> str:
    """What ends it. Instances that were started with it, or will be, shut themselves down at all its bounds but
    `max_cost`, which cancels no bid."""
    if not lifetime.get("shuts_down"):
        return "only a flowplan run ends it"
    but = " (the cost alone does not make them)" if lifetime["max_cost"] else ""
    return f"its instances then shut down{but}, but only a flowplan run cancels it"


# ---- drift, summary, cost, diagnostics --------------------------------------------------------------------


def drift(entries: Sequence[Entry], paint: Paint) -> str:
    """What changed outside, briefly: the same of many once."""
    if not entries:
        return ""
    lines = ["Changed outside of flowplan since it last applied:"]
    said = [_drifted(one) for one in sorted(entries, key=lambda one: natural(one["address"]))]
    for (symbol, what, address), *others in alike(said, lambda one: one[:2], each=paint.verbose):
        mark = f"  {paint.symbol(symbol)} "
        if others:
            names = map(shown, ranges([address, *(one[2] for one in others)], paint.dots))
            lines += listed(f"{', '.join(names)} ({len(others) + 1:,} alike)  {what}", mark, "      ", paint.width)
        else:
            lines += listed(what, f"{mark}{shown(address)}  ", "      ", paint.width)
    return "\n".join(lines)


def _drifted(entry: Entry) -> tuple[str, str, str]:
    """The symbol of what became of it, what that is, and its address."""
    change = entry["change"]
    if change["after"] is None:
        return "-", f"is {entry['note'] or 'gone'} ({shown(entry['id'] or '')})", entry["address"]
    sides = (change["before"], change["after"])  # ports do not drift
    before, after = both_named(*cast("tuple[Mapping[str, Any], Mapping[str, Any]]", sides))
    names = differing_fields(before, after)
    what = ", ".join(f"{name} {value_of(before, name)} -> {value_of(after, name)}" for name in names)
    return "~", what, entry["address"]


def moves(entries: Iterable[Entry], paint: Paint) -> str:
    """The resources that have another address now, and that nothing else happens to."""
    unchanged = (one for one in entries if "previous_address" in one and not symbol_of(one))
    moved = sorted(unchanged, key=lambda one: natural(one["address"]))
    said = (f"{shown(one['previous_address'])} has moved to {shown(one['address'])}" for one in moved)
    first = f"  {paint('#', 'dim')} "
    return "\n".join(line for one in said for line in wrapped(one, first, "    ", paint.width))


def _refresh(body: PlanBody, changing: Sequence[Entry], paint: Paint) -> str:
    """What the state would record."""
    count = len(body["resource_drift"])
    if not count and not changing:
        return paint("No changes. The state matches what is live.", "bold")
    return paint(f"Refresh: {count} to record in the state. Nothing live is changed.", "bold")


def summary(body: PlanBody, changing: Sequence[Entry], paint: Paint) -> str:
    """The counts; before them, what is destroyed, because that is what must not be overlooked."""
    counts = counted(body, changing, paint)
    destroyed = [one for one in changing if "delete" in one["change"]["actions"]]
    return f"{destroys(destroyed, paint)}\n{counts}" if destroyed else counts


def _is_uncompared(body: PlanBody) -> bool:
    return any(one["detail"] == "uncompared" for one in body["diagnostics"])


def counted(body: PlanBody, changing: Sequence[Entry], paint: Paint) -> str:
    """How much there is of everything, in one line."""
    if body["mode"] == "refresh-only":
        return _refresh(body, changing, paint)
    if not changing and not any("previous_address" in one for one in body["resource_changes"]):
        saved = " and ".join(saved_besides(body["outputs"], body["diagnostics"]))
        if "selection" in body:
            return paint(f"No changes to what you selected.{f' An apply saves {saved}.' if saved else ''}", "bold")
        if body["mode"] == "destroy":
            none = "No objects need to be destroyed."
            return paint(f"{none} A destroy removes {saved}." if saved else f"No changes. {none}", "bold")
        if saved:
            return paint(f"No changes to what is live. An apply saves {saved}.", "bold")
        if _is_uncompared(body):
            return paint("No changes. The warnings say what differs, or cannot be compared.", "bold")
        return paint("No changes. What is live matches the configuration.", "bold")
    counts, (add, gone) = body["summary"], added_and_destroyed(body)
    imported = f"{counts['import']} to import, " if counts["import"] else ""
    line = f"Plan: {imported}{add} to add, {counts['update']} to change, {gone} to destroy"
    forgotten = f", {counts['forget']} to forget" if counts["forget"] else ""
    return paint(f"{line}{forgotten}.", "bold")
