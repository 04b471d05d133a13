"""Changes that are alike -> one for all of them.

Two are alike if all that the document says of them is equal but the name and what follows from it: the address, the id,
the place in a file, and addresses of other resources that contain the name or the key. So what differs in price, count
or region is not alike. Scripts may differ, as those of a sweep do, where they are new with the resource (then it says
so), or where an update leaves them as they are (then it shows none). Forecasts may differ by as little as the seconds
between the placing of many bids cost: then it says from what to what.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from flowplan.classes import define, frozen
from flowplan.patterns import regex
from flowplan.pricing.notable import hardly_differ
from flowplan.reports.text.cost import Forecast, forecast_of

if TYPE_CHECKING:
    from decimal import Decimal

    from flowplan.documents.shapes.cost import BidCost
    from flowplan.documents.shapes.plan import Entry

OWN = "*"  # in what is shown of several: the name or key of each; no name in a file has it
_ALONE = 3  # so many that are alike are shown one by one
_KIND = regex(r"(?<![\w.@-])((?:bid|volume|ports)\.)")  # what the name of an address follows
_WORD = regex(r"[A-Za-z0-9_]")
_CANONICAL = 0  # the format in which equal texts are equal bytes; nothing outside of this process sees them
_BLANK = dict.fromkeys(  # what of a cost depends on how the prices go, or is of another time for each
    (
        "price_paid",
        "availability",
        "preemptions_per_day",
        "finish_time",
        "advice",
        "savings_vs_limit",
        "savings_vs_list",
        "hourlyCost",
        "monthlyCost",
    )
)


@frozen
class Fold:
    """Changes shown as one. `shown`: what they have in common, with OWN where each has its name, or, of one alone, that
    one; `entries`: all of them, in the order in which they were; `forecasts`: the cost of each, where what is shown of
    it may differ."""

    shown: Entry
    entries: tuple[Entry, ...]
    forecasts: tuple[BidCost, ...] = ()

    @property
    def addresses(self) -> list[str]:
        """Those of all its changes, in their order."""
        return [one["address"] for one in self.entries]


def folded(entries: Iterable[Entry], *, each: bool = False) -> list[Fold]:
    """`entries` with those that are alike as one, where the first of them stands. `each`: nothing is folded. The loss
    of a volume's data is shown for each."""
    groups: dict[str | bytes, list[Entry]] = {}
    shapes: dict[str | bytes, Entry] = {}
    for one in entries:
        shape = None if each or _loses_data(one) else in_common(one)
        key = one["address"] if shape is None else marshal.dumps([_unforecast(shape), _shown_script(one)], _CANONICAL)
        groups.setdefault(key, []).append(one)
        if shape is not None:
            shapes[key] = shape
    return [fold for key, found in groups.items() for near in _near(found) for fold in _folds(*near, shapes.get(key))]


def _unforecast(shape: Entry) -> Any:
    """`shape` but for what is forecast."""
    cost = shape["cost"]
    if cost is None or cost["unit"] != "USD/instance-hour":
        return shape
    hour = cost["cost"]["hour"]
    return {**shape, "cost": {**cost, **_BLANK, "cost": [hour["now"], hour["if_won"], hour["worst"]]}}


def _near(found: list[Entry]) -> list[tuple[list[Entry], tuple[BidCost, ...]]]:
    """Those together of which the same is forecast but for amounts, and these are near each other; with their costs,
    where one differs."""
    if all(one["cost"] == found[0]["cost"] for one in found):
        return [(found, ())]
    groups: list[_Group] = []
    for one in found:
        said = forecast_of(one)
        if not any(group.takes(one, said) for group in groups):
            groups.append(_Group.of(one, said))
    return [(one.entries, () if one.words is None else _costs(one.entries)) for one in groups]


def _costs(entries: Iterable[Entry]) -> tuple[BidCost, ...]:
    return tuple(one["cost"] for one in entries if one["type"] == "bid" and one["cost"] is not None)


@define
class _Group:
    """Changes with forecasts that are near each other: `words` as of Forecast, None: nothing is forecast of them;
    `spans`: the least and the most of each amount."""

    words: tuple[object, ...] | None
    spans: list[tuple[Decimal, Decimal]]
    entries: list[Entry]

    @classmethod
    def of(cls, entry: Entry, said: Forecast | None) -> _Group:
        if said is None:
            return cls(None, [], [entry])
        return cls(said.words, [(one, one) for one in said.amounts], [entry])

    def takes(self, entry: Entry, said: Forecast | None) -> bool:
        """Take `entry` in, of which this is `said`, if that is near to what is said of all that are here."""
        words, amounts = (None, []) if said is None else said
        if words != self.words:
            return False
        spans = [(min(least, one), max(most, one)) for (least, most), one in zip(self.spans, amounts, strict=True)]
        if not all(map(hardly_differ, spans)):
            return False
        self.spans = spans
        self.entries.append(entry)
        return True


def _folds(found: list[Entry], forecasts: tuple[BidCost, ...], shape: Entry | None) -> list[Fold]:
    if shape is None or len(found) <= _ALONE:
        return [Fold(one, (one,)) for one in found]
    scripts = {json.dumps(script) for one in found if (script := _new_script(one)) is not None}
    if len(scripts) == 1:  # of all: one without a script has another shape
        shape = _with_script(shape, json.loads(scripts.pop()))
    shape = cast("Entry", {**shape, "cost": found[0]["cost"]})
    return [Fold(shape, tuple(found), forecasts)]


def _shown_script(entry: Entry) -> Any:
    """The script as it is shown, where it was asked for: what is shown of several is that of each."""
    return entry["script"] if entry["type"] == "bid" and "script" in entry else None


def _new_script(entry: Entry) -> Any:
    """The script that a resource is created with; None: it is not created, or has none."""
    after: Any = entry["change"]["after"]
    is_new = entry["change"]["actions"] == ["create"] and isinstance(after, Mapping)
    return after.get("startup_script") if is_new else None


def _same_script(change: Any) -> Any:
    """The script of what is there, which a change leaves as it is; None: it has none, or another one then."""
    before, after = change["before"], change["after"]
    script = before.get("startup_script") if isinstance(before, Mapping) else None
    return script if isinstance(after, Mapping) and script == after.get("startup_script") else None


def _with_script(entry: Entry, script: Mapping[str, Any]) -> Entry:
    change: Any = entry["change"]
    return cast("Entry", {**entry, "change": {**change, "after": {**change["after"], "startup_script": script}}})


def _loses_data(entry: Entry) -> bool:
    return entry["type"] == "volume" and "delete" in entry["change"]["actions"]


def in_common(entry: Entry) -> Entry:
    """`entry` with OWN in place of its name, and of what has it from its name."""
    unnamed = _unnamed(entry["name"])

    def without(value: Any) -> Any:
        if isinstance(value, str):
            return unnamed(value)
        if isinstance(value, dict):
            return {name: without(one) for name, one in value.items()}
        return [without(one) for one in value] if isinstance(value, list) else value

    shape: Any = {**entry, "source": None, "name": OWN, "address": f"{entry['type']}.{OWN}"}
    shape["change"] = change = dict[str, Any](**entry["change"])
    change["before"], change["after"] = _side(change["before"], without), _side(change["after"], without)
    if _new_script(entry) is not None:
        change["after"]["startup_script"] = {"sha256": OWN, "size": 0}
    elif change["actions"] == ["update"] and _same_script(change) is not None:
        change["before"]["startup_script"] = change["after"]["startup_script"] = {"sha256": OWN, "size": 0}
    if entry["id"] is not None:
        shape["id"] = OWN
    for name in ("note", "needs", "waits_for"):
        if shape.get(name):
            shape[name] = without(shape[name])
    if entry["id"] and shape["note"]:
        shape["note"] = shape["note"].replace(entry["id"], OWN)
    return cast("Entry", shape)


def _unnamed(name: str) -> Callable[[str], str]:
    """What puts OWN in place of `name` in the addresses of a text; of a name with a key, in place of the key in quotes.
    No pattern is made of the name: there are as many as resources, and to compile one costs more than all the rest."""
    base, bracket, key = name.partition("[")
    if bracket:
        quoted = f'"{key.strip("]").strip(chr(34))}"'
        return lambda text: text.replace(quoted, f'"{OWN}"')

    def rest(text: str) -> str:
        """What follows `bid.` or another kind."""
        is_own = text.startswith(base) and not _WORD.match(text, len(base))
        return f"{OWN}{text[len(base) :]}" if is_own else text

    def unnamed(text: str) -> str:
        if base not in text:
            return text
        parts = _KIND.split(text)
        return "".join(rest(part) if n and n % 2 == 0 else part for n, part in enumerate(parts))

    return unnamed


def _side(values: Any, without: Any) -> Any:
    """What a bid or volume is, with OWN for its name, and in the addresses of its volumes."""
    if not isinstance(values, Mapping):
        return values
    named = {name: without(values[name]) for name in ("volumes", "mounts") if name in values}
    return {**values, **named, "name": OWN}
