"""What happens to a resource of a plan: its symbol, the words of its head, and where it stands among the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flowplan.printable import Natural, natural
from flowplan.reports.text.paint import Paint

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import Entry

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


def symbol_of(entry: Entry) -> str | None:
    """The symbol of a change, or None for one that changes nothing."""
    return _SYMBOLS.get(tuple(entry["change"]["actions"]))


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
        return "will be forgotten: it is gone"
    return _HEADS[symbol]


def ordered(entries: Iterable[Entry]) -> list[Entry]:
    """Those of `entries` that change something: what is lost before what is changed, and that before what is new. Data
    goes first of what is lost; addresses are in natural order."""

    def key(one: Entry) -> tuple[int, bool, str, Natural]:
        rank = _RANKS[symbol_of(one) or ""]
        return rank, rank > 0 or one["type"] != "volume", one["type"], natural(one["address"])

    return sorted((one for one in entries if symbol_of(one)), key=key)


def legend(changing: Iterable[Entry], paint: Paint) -> str:
    """The symbols in use, each explained."""
    used = {symbol_of(one) for one in changing}
    lines = [f"  {padded(one, paint)} {what}" for one, what in _LEGEND.items() if one in used]
    return "\n".join(["flowplan will perform the following actions:", *lines])


def padded(symbol: str, paint: Paint) -> str:
    """A symbol, painted, as wide as the widest."""
    return " " * (3 - len(symbol)) + paint.symbol(symbol)
