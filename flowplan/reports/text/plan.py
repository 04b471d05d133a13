"""The plan document -> text for people: what changes, why, what it costs. Made from the document alone, so
that a saved plan reads the same as when it was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from flowplan.documents.amounts import price
from flowplan.documents.differing import changed_fields, differing_fields, is_same
from flowplan.documents.ports import ranges as port_ranges
from flowplan.documents.totals import added_and_destroyed
from flowplan.printable import Natural, natural, shown
from flowplan.reports.text.cost import cost_line, costs
from flowplan.reports.text.destroys import destroys
from flowplan.reports.text.folding import OWN, Fold, folded
from flowplan.reports.text.left_alone import in_all, left_alone
from flowplan.reports.text.names import ranges
from flowplan.reports.text.notices import notices
from flowplan.reports.text.offers import chosen_and_next
from flowplan.reports.text.outputs import planned, recorded
from flowplan.reports.text.paint import Paint, columns, listed, wrapped
from flowplan.reports.text.rows import ARROW, Row, aligned, differing

if TYPE_CHECKING:
    from flowplan.documents.shapes.outputs import PlannedOutput
    from flowplan.documents.shapes.plan import (
        BidEntry,
        Entry,
        Lifetime,
        PlanBody,
        PlanDocument,
        PlannedStack,
        PortsEntry,
        SealedPlan,
        VolumeEntry,
    )

HIDDEN = "(a value that is not shown differs)"
KNOWN_AFTER = "(known after apply)"
UNKNOWN = "(unknown)"

_SYMBOLS = {
    ("create",): "+",
    ("update",): "~",
    ("delete",): "-",
    ("delete", "create"): "-/+",
    ("create", "delete"): "+/-",
    ("forget",): ".",
    ("import",): "<-",
    ("import", "update"): "~",
}
_HEADS = {
    "+": "will be created",
    "~": "will be updated in place",
    "-": "will be destroyed",
    "-/+": "must be replaced",
    "+/-": "must be replaced",
    ".": "will be forgotten: flowplan stops managing it",
    "<-": "will be imported",
}
_LEGEND = {
    "-": "destroy",
    "-/+": "destroy and then create replacement",
    "+/-": "create replacement and then destroy",
    "~": "update in place",
    "<-": "import: what is live is managed from now on",
    ".": "forget",
    "+": "create",
}
_RANKS = {"-": 0, "-/+": 0, "+/-": 0, "~": 1, "<-": 1, ".": 1, "+": 2}
_FOLDING = "Changes that are alike in all but the name are shown once; --verbose shows each."
# Shown only where it differs from this: it says nothing in a new bid.
_DEFAULTS: dict[str, Any] = {
    "paused": False,
    "memory_gb": None,
    "local_disks": [],
    "container_image": None,
    "startup_script": None,
}
# People read names where there are any: the name's key -> the key it stands for.
_NAMES = {"instance_type_name": "instance_type", "ssh_key_names": "ssh_keys"}


def text(body: PlanDocument | SealedPlan, paint: Paint) -> str:
    """The whole report but for `refusals`, ending in a newline: what it is about, what is lost first and what is new
    last, and at the end what decides: warnings, the cost and the counts. `body` may come from a file."""
    body = lines_apart(body)
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
    """Which stack it is a plan of, and where: who has two projects must see the wrong one before anything else."""
    state = f"state serial {stack['serial']}" if stack["serial"] else "no state yet"
    where = f"project {stack['project']['name']}, API {stack['api_url']}, {state}"
    return "\n".join(wrapped(f"{paint('Stack', 'bold')} {stack['name']}: {where}", "", "  ", paint.width))


def ordered(entries: Iterable[Entry]) -> list[Entry]:
    """Those of `entries` that change something: what is lost before what is changed, and that before what is new. Data
    goes first of what is lost; addresses are in natural order."""

    def key(one: Entry) -> tuple[int, bool, str, Natural]:
        rank = _RANKS[symbol_of(one) or ""]
        return rank, rank > 0 or one["type"] != "volume", one["type"], natural(one["address"])

    return sorted((one for one in entries if symbol_of(one)), key=key)


def outputs(found: Mapping[str, PlannedOutput], paint: Paint) -> str:
    """The outputs that are new, or another value afterwards."""
    lines = []
    for name, one in found.items():
        after = planned(one)
        if "before" not in one:
            lines += listed(after, f"  {paint.symbol('+')} {name} = ", "      ", paint.width)
        elif one["value"] != one["before"]:
            first, before = f"  {paint.symbol('~')} {name} = ", recorded(one)
            line = f"{first}{before}{ARROW}{after}"
            lines += [line] if columns(line) <= paint.width else differing(before, after, first, paint.width)
    return "\n".join(["Changes to outputs:", *lines]) if lines else ""


def lines_apart(value: Any) -> Any:
    """A JSON value whose texts are each fit for one line: none breaks out of its place."""
    if isinstance(value, str):
        return shown(value, 2000)
    if isinstance(value, dict):
        return {lines_apart(key): lines_apart(one) for key, one in value.items()}
    return [lines_apart(one) for one in value] if isinstance(value, list) else value


def symbol_of(entry: Entry) -> str | None:
    """The symbol of a change, or None for one that changes nothing."""
    return _SYMBOLS.get(tuple(entry["change"]["actions"]))


def changes(changing: Sequence[Entry], paint: Paint) -> list[str]:
    """The legend, and a block for each change or for several that are alike."""
    if not changing:
        return []
    folds = folded(changing, each=paint.verbose)
    blocks = [block_of(one, paint) for one in folds]
    said = _FOLDING if len(folds) < len(changing) else ""
    if said and any(OWN in line for line in blocks):
        said += f" In them {OWN} stands for the name, key or id of each."
    return [legend(changing, paint), "\n".join(wrapped(said, "", "", paint.width)), *blocks]


def legend(changing: Iterable[Entry], paint: Paint) -> str:
    """The symbols in use, each explained."""
    used = {symbol_of(one) for one in changing}
    lines = [f"  {_pad(one, paint)} {what}" for one, what in _LEGEND.items() if one in used]
    return "\n".join(["flowplan will perform the following actions:", *lines])


def _pad(symbol: str, paint: Paint) -> str:
    return " " * (3 - len(symbol)) + paint.symbol(symbol)


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
        lines.append(f"      # moved from {shown(entry['previous_address'])}")
    if entry["note"]:
        lines += wrapped(shown(entry["note"], 400), "      # ", "      # ", paint.width)
    if "candidates" in entry:
        lines += chosen_and_next(entry["candidates"], "      # ", paint)
    if "lifetime" in entry:
        lines += wrapped(ending_of(entry, entry["lifetime"]), "      # ", "      # ", paint.width)
    for wait in entry.get("waits_for", ()):
        lines.append(f"      # waits until {shown(wait['address'])} is {shown(wait['until'])}")
    lines += aligned(fields_of(entry), paint)
    if line := cost_line(entry):
        each = "" if len(fold.entries) == 1 else " of each"
        word = f"{'saves' if symbol == '-' else 'cost'}{each}:"
        lines += wrapped(f"{paint(word, 'cyan')} {line}", "      ", "            ", paint.width)
    return "\n".join(lines)


def _titled(fold: Fold, says: str, symbol: str, paint: Paint) -> list[str]:
    """The head of a block: which addresses, and what happens to them."""
    first = f"{_pad(symbol, paint)} "
    if len(fold.entries) == 1:
        line = f"{paint(shown(fold.shown['address']), 'bold')} {paint(says, 'bold')}"
        return wrapped(line, first, "      ", paint.width)
    names = ", ".join(ranges(map(shown, fold.addresses), paint.dots))
    start, *more = listed(f"{names} ({len(fold.entries)} alike) {says}", "    ", "    ", paint.width)
    return [f"{first}{paint(start.strip(), 'bold')}", *(f"    {paint(line.strip(), 'bold')}" for line in more)]


def ending_of(entry: Entry, lifetime: Lifetime) -> str:
    """When it ends, and what ends it."""
    starts = symbol_of(entry) in ("+", "-/+", "+/-")
    return f"ends {_end(lifetime)}; {_ended_by(lifetime, starts=starts)}"


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


def _ended_by(lifetime: Lifetime, *, starts: bool) -> str:
    """What ends it. Instances that it starts (`starts`) shut themselves down at all its bounds but `max_cost`, which
    cancels no bid."""
    if not starts or not any(lifetime[key] for key in ("max_hours", "end_at", "when_done")):
        return "only a flowplan run ends it"
    but = " (not at its cost)" if lifetime["max_cost"] else ""
    return f"its instances then shut down{but}, but only a flowplan run cancels it"


def head_of(entry: Entry) -> str:
    """What happens to it, as its head says it behind the address."""
    symbol = symbol_of(entry) or ""
    if symbol in ("-/+", "+/-") and entry["action_reason"] == "replace_by_request":
        return "will be replaced, as requested"
    if symbol in ("-/+", "+/-") and entry["action_reason"] == "replace_because_dependency":
        return "will be replaced"
    if entry["change"]["actions"] == ["import", "update"]:
        return "will be imported, and updated in place"
    if entry["action_reason"] == "delete_because_lifetime":
        return "will be destroyed: its lifetime is over"
    if entry["action_reason"] == "update_by_restart":
        return "will be updated in place, and restarts"
    if symbol == "." and entry["action_reason"] == "gone_outside":
        return "is gone, and will be forgotten"
    return _HEADS[symbol]


def fields_of(entry: Entry) -> list[Row]:
    """Its fields as people are shown them: all that says something where it is new or goes, else what differs."""
    return _port_rows(entry) if entry["type"] == "ports" else _rows(entry)


def _rows(entry: BidEntry | VolumeEntry) -> list[Row]:
    change, symbol = entry["change"], symbol_of(entry)
    before, after = _both_named(change["before"] or {}, change["after"] or {})
    if symbol == "+":
        rows = [Row("+", name, _value(after, name)) for name in after if _telling(name, after[name])]
        return [Row("+", "id", KNOWN_AFTER), *rows] if symbol == "+" else rows
    if symbol == "<-":
        rows = [Row(" ", name, _value(before, name)) for name in before if _telling(name, before[name])]
        return [Row(" ", "id", _quoted(entry["id"])), *rows]
    if symbol in ("-", "."):
        rows = [Row(symbol, name, _value(before, name)) for name in before if _telling(name, before[name])]
        return [Row(symbol, "id", _quoted(entry["id"])), *rows]
    return _differing(entry, before, after)


def _differing(entry: BidEntry | VolumeEntry, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Row]:
    forcing = {name for path in entry["change"]["replace_paths"] for name in path}
    rows: list[Row] = []
    if "id" in entry["change"]["after_unknown"]:
        rows.append(Row("~", "id", _quoted(entry["id"]), after=KNOWN_AFTER))
    names = changed_fields(before, after, forcing)
    old, new = entry["change"]["before"], entry["change"]["after"]
    if old and new and old["name"] != new["name"]:
        remark = "forces replacement" if "name" in forcing else ""
        rows.append(Row("~", "name", _quoted(old["name"]), remark, _quoted(new["name"])))
    for name in names:
        rows += _difference(name, before, after, "forces replacement" if name in forcing else "")
    hidden = sum(_telling(name, value) for name, value in after.items() if name not in names)
    if "ports" in forcing and "ports" not in after:
        rows.append(Row("~", "ports", f"see ports.{entry['name']}", "forces replacement"))
    if "container_image" in forcing and "container_image" not in names:
        rows.append(Row("~", "container_image", HIDDEN, "forces replacement"))
        hidden -= 1
    if "inputs" in forcing:
        rows.append(Row("~", "startup script or image", UNKNOWN, "forces replacement", KNOWN_AFTER))
    if hidden:
        rows.append(Row("#", "", f"({hidden} unchanged {'field' if hidden == 1 else 'fields'} hidden)"))
    return rows


def _difference(name: str, before: Mapping[str, Any], after: Mapping[str, Any], remark: str) -> list[Row]:
    old, new = before.get(name), after[name]
    if isinstance(old, list) and isinstance(new, list) and old and new and len(old) + len(new) > 2:
        return [Row("~", name, "", remark), *_inner(old, new)]
    was = _value(before, name) if name in before else UNKNOWN
    return [Row("~", name, was, remark, _value(after, name))]


def _inner(old: Sequence[Any], new: Sequence[Any]) -> list[Row]:
    """What differs inside two lists, element by element, whatever their order."""
    from deepdiff import DeepDiff  # 85 ms: only for lists already known to differ

    # Without pairing, what changed inside an element is shown as the old one gone and the new one come.
    diff = DeepDiff(old, new, ignore_order=True, report_repetition=True, cutoff_distance_for_pairs=0)
    gone = diff.get("iterable_item_removed", {}).values()
    come = diff.get("iterable_item_added", {}).values()
    return [Row("-", "  ", _item(one)) for one in gone] + [Row("+", "  ", _item(one)) for one in come]


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with names for people in the place of ids; without `name`, which the address has."""
    found = {key: value for key, value in values.items() if key not in _NAMES and key != "name"}
    for named, key in _NAMES.items():
        if values.get(named):
            found[key] = values[named]
    return found


def _both_named(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both with names for people, but for ids that differ under one name: then only those tell what differs."""
    old, new = _named(before), _named(after)
    for key in _NAMES.values():
        if key in before and key in after and not is_same(key, before[key], after[key]) and old[key] == new[key]:
            old[key], new[key] = before[key], after[key]
    return old, new


def _telling(name: str, value: Any) -> bool:
    return not (name in _DEFAULTS and value == _DEFAULTS[name]) and value != []


def _value(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return UNKNOWN if name in ("mounts", "local_disks") else "none"
    if name == "startup_script":
        if value["sha256"] == OWN:
            return "another one each (--verbose shows them)"
        size = value["size"]
        return f"{size:,} byte{'' if size == 1 else 's'}, sha256 {value['sha256'][:12]}"
    if name == "size_gb":
        return f"{value}"
    if name == "limit_price":
        return price(value)
    if isinstance(value, list):
        return "[" + ", ".join(_item(one) for one in value) + "]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_quoted(one)}" for key, one in value.items() if one is not None)
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else str(value)


def _item(value: Any) -> str:
    if isinstance(value, dict) and "mount_point" in value:
        return f"{_item(value.get('volume') or value.get('device') or '')} at {shown(value['mount_point'])}"
    if isinstance(value, str) and value.startswith("volume."):  # an address: its id does not exist yet
        return f"{shown(value)} {KNOWN_AFTER}"
    return shown(value) if isinstance(value, str) else str(value)


def _quoted(value: Any) -> str:
    return f'"{shown(str(value))}"'


# ---- ports ------------------------------------------------------------------------------------------------


def _port_rows(entry: PortsEntry) -> list[Row]:
    before, after = entry["change"]["before"] or [], entry["change"]["after"] or []
    gone = [pair for pair in before if pair not in after]
    come = [pair for pair in after if pair not in before]
    if not gone and not come:
        return [Row("#", "", f"({len(after)} unchanged {'pair' if len(after) == 1 else 'pairs'} hidden)")]
    remark = "forces replacement" if entry["change"]["replace_paths"] else ""
    rows = [Row("-", "", text_, remark) for text_ in port_ranges(gone)]
    rows += [Row("+", "", text_, remark) for text_ in port_ranges(come)]
    same = len(after) - len(come)
    if same and before:
        rows.append(Row("#", "", f"({same} unchanged {'pair' if same == 1 else 'pairs'} hidden)"))
    return rows


# ---- drift, summary, cost, diagnostics --------------------------------------------------------------------


def drift(entries: Sequence[Entry], paint: Paint) -> str:
    """What changed outside, briefly."""
    if not entries:
        return ""
    lines = ["Changed outside of flowplan since it last applied:"]
    for entry in sorted(entries, key=lambda one: natural(one["address"])):
        change = entry["change"]
        if change["after"] is None:
            what = f"is {entry['note'] or 'gone'} ({shown(entry['id'] or '')})"
        else:
            sides = (change["before"], change["after"])  # ports do not drift
            before, after = _both_named(*cast("tuple[Mapping[str, Any], Mapping[str, Any]]", sides))
            names = differing_fields(before, after)
            what = ", ".join(f"{name} {_value(before, name)} -> {_value(after, name)}" for name in names)
        symbol = paint.symbol("~" if change["after"] else "-")
        lines += listed(what, f"  {symbol} {shown(entry['address'])}  ", "      ", paint.width)
    return "\n".join(lines)


def moves(entries: Iterable[Entry], paint: Paint) -> str:
    """The resources that have another address now, and that nothing else happens to."""
    unchanged = (one for one in entries if "previous_address" in one and not symbol_of(one))
    moved = sorted(unchanged, key=lambda one: natural(one["address"]))
    return "\n".join(
        f"  {paint('#', 'dim')} {shown(one['previous_address'])} has moved to {shown(one['address'])}" for one in moved
    )


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


def counted(body: PlanBody, changing: Sequence[Entry], paint: Paint) -> str:
    """How much there is of everything, in one line."""
    if body["mode"] == "refresh-only":
        return _refresh(body, changing, paint)
    if not changing and not any("previous_address" in one for one in body["resource_changes"]):
        if "selection" in body:
            return paint("No changes to what you selected.", "bold")
        if body["mode"] == "destroy":
            return paint("No changes. No objects need to be destroyed.", "bold")
        return paint("No changes. What is live matches the configuration.", "bold")
    counts, (add, gone) = body["summary"], added_and_destroyed(body)
    imported = f"{counts['import']} to import, " if counts["import"] else ""
    line = f"Plan: {imported}{add} to add, {counts['update']} to change, {gone} to destroy"
    forgotten = f", {counts['forget']} to forget" if counts["forget"] else ""
    return paint(f"{line}{forgotten}.", "bold")
