"""The fields of a change, as people are shown them: what they are, or what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowplan.documents.amounts import price
from flowplan.documents.differing import changed_fields, is_same
from flowplan.documents.ports import ranges as port_ranges
from flowplan.printable import shown
from flowplan.reports.text.actions import symbol_of
from flowplan.reports.text.folding import OWN
from flowplan.reports.text.rows import Row

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import BidEntry, Entry, PortsEntry, VolumeEntry

HIDDEN = "(a value that is not shown differs)"
KNOWN_AFTER = "(known after apply)"
UNKNOWN = "(unknown)"
_NEVER_NONE = {"mounts", "local_disks", "instance_quantity", "limit_price", "size_gb"}  # null: nobody knows

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


def fields_of(entry: Entry) -> list[Row]:
    """Its fields as people are shown them: all that says something where it is new or goes, else what differs."""
    return _port_rows(entry) if entry["type"] == "ports" else _rows(entry)


def _rows(entry: BidEntry | VolumeEntry) -> list[Row]:
    change, symbol = entry["change"], symbol_of(entry)
    before, after = both_named(change["before"] or {}, change["after"] or {})
    if symbol == "+":
        rows = [Row("+", name, value_of(after, name)) for name in after if _telling(name, after[name])]
        return [Row("+", "id", KNOWN_AFTER), *rows]
    if symbol == "<-":
        rows = [Row(" ", name, value_of(before, name)) for name in before if _telling(name, before[name])]
        return [Row(" ", "id", _quoted(entry["id"])), *rows]
    if symbol in ("-", "."):
        rows = [Row(symbol, name, value_of(before, name)) for name in before if _telling(name, before[name])]
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
    was = value_of(before, name) if name in before else UNKNOWN
    return [Row("~", name, was, remark, value_of(after, name))]


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


def both_named(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both with names for people, but for ids that differ under one name: then only those tell what differs."""
    old, new = _named(before), _named(after)
    for key in _NAMES.values():
        if key in before and key in after and not is_same(key, before[key], after[key]) and old[key] == new[key]:
            old[key], new[key] = before[key], after[key]
    return old, new


def _telling(name: str, value: Any) -> bool:
    return not (name in _DEFAULTS and value == _DEFAULTS[name]) and value != []


def value_of(values: Mapping[str, Any], name: str) -> str:
    """The field `name` as people are shown it."""
    value = values.get(name)
    if value is None:
        return UNKNOWN if name in _NEVER_NONE else "none"
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
