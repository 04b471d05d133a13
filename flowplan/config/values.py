"""The values of a mapping, read strictly: nothing is coerced, nothing is dropped, everything wrong is reported. Pure.

Every function gives None for a value that is absent or wrong; what is wrong was reported then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from attrs import field

from flowplan.classes import define, frozen
from flowplan.config.keys import HOMES, MEANINGS, SECTIONS, Keys
from flowplan.config.positions import Notes
from flowplan.config.yaml import KINDS, Broken, Document, Node, Scalar, home_of, quoted
from flowplan.config.yaml import Mapping as MappingNode
from flowplan.config.yaml import Sequence as SequenceNode
from flowplan.diagnostics import looks_like
from flowplan.masking import looks_secret, masked
from flowplan.patterns import regex
from flowplan.printable import shown

Choice = TypeVar("Choice", bound=str)


@frozen
class Grammar:
    """What a text must look like. `letters`: what each of its characters must be; `says` is read after "must be"."""

    pattern: re.Pattern[str]
    letters: re.Pattern[str]
    says: str
    longest: int = 128
    hint: Callable[[str], str | None] | None = None  # what to say of a text that is not of it


@define(eq=False)
class Section:
    """A mapping that is being read. `title`: how messages name it; "" for the task itself."""

    document: Document
    node: MappingNode
    title: str
    misspelt: set[str] = field(factory=set)  # known keys that an unknown one was probably meant to be
    key: Scalar | None = None  # the one whose value it is, in a resource's own mapping
    notes: Notes = field(factory=Notes)  # of the resource that it belongs to

    def get(self, key: str) -> Node | None:
        """The value of `key`; None when there is none, or when it is empty, which is reported: a section that holds
        nothing is as if it were not there."""
        node = self.node.get(key)
        if node is None:
            return None
        if isinstance(node, Scalar):
            if not node.is_null:
                return node
            if self._is_section(key):
                return None
            hint = "give it one, or delete the key"
            self.document.problem(node, f"{self.name(key)} has no value", hint, code="empty")
            return None
        return None if isinstance(node, Broken) else node

    def has(self, key: str) -> bool:
        """Whether `key` is written, whatever stands behind it."""
        return key in self.node.entries

    def lacks(self, key: str) -> bool:
        """Whether `key` is missing, and nothing was reported that explains it."""
        return not ((self.has(key) and not self._is_absent(key)) or key in self.misspelt or self.node.incomplete)

    def _is_absent(self, key: str) -> bool:
        """Whether `key` is a section that holds nothing."""
        node = self.node.get(key)
        return self._is_section(key) and isinstance(node, Scalar) and node.is_null

    def _is_section(self, key: str) -> bool:
        """Whether `key` holds a section; a volume of a stack has some of a task's."""
        return self.name(key) in SECTIONS or (self.title.startswith("volumes.") and key in SECTIONS)

    def at(self, key: str) -> Node:
        """Where to report something about `key`: its value, or the whole mapping when it has none."""
        return self.node.get(key) or self.node

    def note(self, name: str, *keys: str) -> None:
        """Note where the field `name` of the resource is written: at the value of the first of `keys` that is there (at
        the key, where the value has several lines), else at the section's own key."""
        for key in keys:
            entry = self.node.entries.get(key)
            if entry is not None:
                place = entry[1] if isinstance(entry[1], Scalar) else entry[0]
                break
        else:
            if self.key is None:
                return
            place = self.key
        self._note(name, place)

    def note_items(self, name: str, key: str) -> None:
        """Note where each item of a list of texts under `key` is written: that of `a` as the field `name.a`."""
        found = self.node.get(key)
        for item in found.items if isinstance(found, SequenceNode) else ():
            if isinstance(item, Scalar):
                self._note(f"{name}.{item.text}", item)

    def _note(self, name: str, place: Node) -> None:
        mark, text = place.alias or place.start, self.document.text
        home = home_of(mark, text)
        self.notes.add(name, mark, None if home is text or home.file == text.file else home.file)

    def within(self, key: str, keys: Keys) -> Section | None:
        """The mapping under `key`, as a section of the same resource."""
        found = open_section(self.document, self.get(key), self.name(key), keys)
        if found is not None:
            found.key, found.notes = self.key or self.node.entries[key][0], self.notes
        return found

    def name(self, key: str) -> str:
        """The whole name of `key`, as messages have it: `task_management.priority`."""
        return f"{self.title}.{key}" if self.title else key


def open_section(
    document: Document, node: Node | None, title: str, keys: Keys, defaults: MappingNode | None = None
) -> Section | None:
    """`node` as a section, its unknown keys reported; None when it is no mapping. `defaults`: what lies under it, whose
    unknown keys are those of `defaults`."""
    if node is None or node.kind == "broken":
        return None
    if not isinstance(node, MappingNode):
        summary = f"{title or 'a document'} must be a mapping, not {KINDS[node.kind]}"
        document.problem(node, summary, f"write {keys.example}", code="type")
        return None
    section = Section(document, node, title)
    if not keys.every.issuperset(node.entries):
        for key in node.entries:
            if key not in keys.every and not key.startswith("x-"):  # a place to hang anchors on
                of_defaults = defaults is not None and key in defaults.entries and defaults.key(key) is node.key(key)
                _unknown_key(section, key, keys, "defaults" if of_defaults else title)
    return section


# ---- keys that are not known --------------------------------------------------------------------------------


_ALIKE = 0.75  # of two keys that are one with a slip; below it they only have letters in common


def _unknown_key(section: Section, key: str, keys: Keys, title: str) -> None:
    node, where = section.node.key(key), f" in {title}" if title else ""
    if meant := looks_like(key, keys.known, _ALIKE):
        section.misspelt.add(meant)
    if looks_secret(key):
        hint = "set FLOWPLAN_API_KEY in the environment; a credential in a file soon ends up in a repository"
        section.document.problem(node, f"{quoted(key)}: credentials are not read from files", hint, code="credential")
        return
    section.document.problem(
        node,
        f"unknown key {quoted(key)}{where}",
        _key_hint(section, key, keys),
        detail=_strange(key),
        code="unknown-key",
    )


def _key_hint(section: Section, key: str, keys: Keys) -> str:
    from flowplan.config.keys import STACK  # what a mistake costs; most files have none

    plain = key.lower().replace("-", "_")
    hint = keys.instead.get(key) or (MEANINGS.get(plain) if key not in HOMES and key not in STACK else None)
    if hint is not None:
        section.misspelt.update(known for known in re.findall(r"\w+", hint) if known in keys.every)
        return hint
    name, colon, _ = key.partition(":")
    if colon and name in HOMES:
        section.misspelt.add(name)
        return f"a space is missing after the ':' of '{name}: '"
    near = looks_like(key, keys.known, _ALIKE)
    if near and key not in HOMES:
        return f"did you mean '{near}'?"
    if HOMES.get(key, section.title) != section.title:
        return f"it belongs in {HOMES[key]}" if HOMES[key] else "it belongs at the top of the task"
    if key in STACK:
        return "it belongs in a stack file (version: 2)"
    elsewhere = looks_like(key, HOMES, _ALIKE)
    if elsewhere:
        return f"did you mean '{elsewhere}', in {HOMES[elsewhere] or 'the task itself'}?"
    return f"known here: {', '.join(keys.known)}"


def _strange(text: str) -> str | None:
    """What to say of the first character that is not what it seems, or not seen at all."""
    from unicodedata import name as name_of  # only when something is wrong

    for char in text[:200]:
        if not char.isascii() or not char.isprintable():
            name = name_of(char, "a control character").lower()
            return f"it has the character U+{ord(char):04X} ({name})"
    return None


# ---- texts ------------------------------------------------------------------------------------------------


def text(section: Section, key: str, grammar: Grammar) -> str | None:
    """The text under `key` that fits `grammar`, or None; a problem is reported."""
    node = section.get(key)
    return None if node is None else text_of(section.document, node, section.name(key), grammar)


def text_of(document: Document, node: Node, name: str, grammar: Grammar) -> str | None:
    """`node` as a text of this grammar."""
    if isinstance(node, Scalar) and node.kind in ("int", "float", "bool") and not _fits(node.text, grammar):
        summary = f"{name} must be {grammar.says}, not {KINDS[node.kind]}"  # in quotes it would be wrong as well
        document.problem(node, summary, _text_hint(node.text, grammar), code="type")
        return None
    found = as_text(document, node, name)
    if found is None:
        return None
    if _fits(found.text, grammar):
        return found.text
    document.problem(
        found,
        f"{name} {quoted(found.text)} must be {grammar.says}",
        _text_hint(found.text, grammar),
        detail=_strange(found.text),
        code="value",
    )
    return None


def _fits(text: str, grammar: Grammar) -> bool:
    return len(text) <= grammar.longest and grammar.pattern.fullmatch(text) is not None


def as_text(document: Document, node: Node, name: str) -> Scalar | None:
    """`node` when it is a text, of any grammar."""
    kind = node.kind
    if isinstance(node, Scalar):
        if kind == "string":
            return node
        hint = f'put it in quotes: "{shown(node.text)}"' if kind != "null" else None
        document.problem(node, f"{name} must be text, not {KINDS[kind]}", hint, code="type")
    elif kind != "broken":
        document.problem(node, f"{name} must be text, not {KINDS[kind]}", code="type")
    return None


def _text_hint(text: str, grammar: Grammar) -> str | None:
    if "${" in text:
        return "a task file has no substitution; ${...} belongs in a stack file (version: 2)"
    if len(text) > grammar.longest:
        return f"it has {len(text):,} characters; at most {grammar.longest} are allowed"
    if text != text.strip():
        return "it begins or ends with a space"
    if grammar.hint is not None and (hint := grammar.hint(text)):
        return hint
    if masked(text) != text:
        return None
    plain = re.sub(r"[\s_]+", "-", text)
    for suggestion in () if _strange(text) else (plain, plain.lower(), dashed(plain)):
        if suggestion != text and grammar.pattern.fullmatch(suggestion):
            return f"for example '{suggestion}'"
    wrong = next((char for char in text if not grammar.letters.fullmatch(char)), None)
    return f"'{shown(wrong)}' is not allowed" if wrong else None


def dashed(text: str) -> str:
    """`text` as a name would be: lowercase letters and digits, a - for each run of other characters; "" for none."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def prose(section: Section, key: str) -> str:
    """A text for people, of any characters that can be shown; "" where there is none."""
    node = section.get(key)
    found = None if node is None else as_text(section.document, node, section.name(key))
    return "" if found is None else found.text.strip()


def choice(section: Section, key: str, options: Sequence[Choice]) -> Choice | None:
    """A text that is one of `options`, exactly."""
    node = section.get(key)
    found = None if node is None else as_text(section.document, node, section.name(key))
    if found is None:
        return None
    for option in options:
        if found.text == option:
            return option
    near = looks_like(found.text, options)
    known = " or ".join([", ".join(options[:-1]), options[-1]] if len(options) > 1 else options)
    hint = f"did you mean '{near}'? It is {known}" if near else f"it is {known}"
    section.document.problem(found, f"{section.name(key)} cannot be {quoted(found.text)}", hint, code="value")
    return None


def texts(section: Section, key: str, grammar: Grammar) -> tuple[str, ...]:
    """One text, or a list of different ones."""
    node = section.get(key)
    if node is None:
        return ()
    found: dict[str, Node] = {}
    for item in items(section.document, node, section.name(key)):
        value = text_of(section.document, item, section.name(key), grammar)
        if value is not None and value in found:
            also = (("first given here", found[value]),)
            summary = f"{section.name(key)} has {quoted(value)} twice"
            section.document.problem(item, summary, "keep one of the two", code="duplicate", also=also)
        elif value is not None:
            found[value] = item
    return tuple(found)


def items(document: Document, node: Node, name: str) -> list[Node]:
    """The items of a list, or the one thing that stands for a list of one. An empty list is reported."""
    if not isinstance(node, SequenceNode):
        return [node]
    if not node.items:
        document.problem(node, f"{name} is an empty list", "put something in it, or delete the key", code="empty")
    return [item for item in node.items if item.kind != "broken"]


# ---- numbers ----------------------------------------------------------------------------------------------

_WHOLE = regex(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_DECIMAL = regex(r"-?(?:0|[1-9][0-9]*)(?:\.([0-9]+))?([eE][-+]?[0-9]{1,3})?", re.ASCII)
CENTS = 2
_LONGEST_NUMBER = 40
_HIGHEST_PRICE = Decimal(1_000_000)  # dollars per hour; beyond that it is a slip of the pen


def whole(section: Section, key: str, low: int, high: int, unit: str = "") -> int | None:
    """A whole number from `low` to `high`, written plainly: not 1.0, '1', 010, 0x1 or true."""
    node = section.get(key)
    if node is None:
        return None
    name = section.name(key)
    wanted = f"{name} must be a whole number{f' of {unit}' if unit else ''} from {low:,} to {high:,}"
    if not isinstance(node, Scalar) or not is_plain_number(node):
        hint = (
            _digits_hint(key, node.text, unit, low, high)
            if isinstance(node, Scalar) and node.kind == "string"
            else None
        )
        section.document.problem(node, f"{wanted}, not {KINDS[node.kind]}", hint, code="type")
        return None
    if not _WHOLE.fullmatch(node.text):
        section.document.problem(node, f"{wanted}, not {shown(node.text, 24)}", whole_hint(node.text), code="value")
        return None
    number = int(node.text)
    if not low <= number <= high:
        section.document.problem(node, f"{wanted}, not {number:,}", code="value")
        return None
    return number


def _digits_hint(key: str, text: str, unit: str, low: int, high: int) -> str:
    """What to write for a text that stands for a whole number of `unit`, of which one from `low` to `high` is taken."""
    if _WHOLE.fullmatch(text):
        return "write it without quotes"
    with_unit = re.fullmatch(r"([0-9]{1,18})\s*([GT])i?B?", text.strip(), re.IGNORECASE)
    of = f"{with_unit[2].upper()}B" if with_unit is not None else ""
    if with_unit is None or (of != unit and key != "size"):  # no other key has a unit beside it
        return f"write it in digits, such as {low}"
    most = high if of == unit else high // 1024 if of == "TB" else high * 1024
    if not low <= int(with_unit[1]) <= most:
        return f"write a size from {low} to {most:,} {of}"
    return f"write {key}: {int(with_unit[1])}" + ("" if of == unit else f", and {key}_unit: {of.lower()}")


def is_plain_number(node: Scalar) -> bool:
    """Whether a scalar is a number that was not quoted."""
    return not node.style and node.kind in ("int", "float")


def whole_hint(text: str) -> str | None:
    """What is the matter with a text that looks like a number and is no plain whole one."""
    digits = text.lstrip("+-")
    if len(digits) > 18 and digits.isdigit():
        return f"it has {len(digits):,} digits"
    if re.fullmatch(r"0[0-9]+", digits):
        return f"some programs read a leading zero as octal: write {digits.lstrip('0') or '0'}"
    if text.startswith("+"):
        return f"write {digits}"
    if digits[:2].lower() in ("0x", "0o"):
        return "write it in decimal"
    return None


def money(section: Section, key: str, unit: str) -> Decimal | None:
    """Dollars: a number or a decimal text, above zero, in whole cents. Taken from the text, never through a float."""
    number = decimal(section, key, unit, places=CENTS, highest=_HIGHEST_PRICE)
    return None if number is None else number.quantize(Decimal("0.01"))


def numeral(section: Section, key: str, unit: str) -> Scalar | None:
    """What may be a number of `unit`, as it is written, in quotes or not; None if it is missing or of another kind."""
    node = section.get(key)
    if node is None or (isinstance(node, Scalar) and node.kind in ("int", "float", "string")):
        return node
    what = f"{section.name(key)} must be a number of {unit}, not {KINDS[node.kind]}"
    section.document.problem(node, what, code="type")
    return None


def decimal(section: Section, key: str, unit: str, *, places: int, highest: Decimal) -> Decimal | None:
    """A number above zero up to `highest` with at most `places` decimals, not counting zeros at the end; a text in
    quotes will do."""
    node = numeral(section, key, unit)
    if node is None:
        return None
    name = section.name(key)
    found = _DECIMAL.fullmatch(node.text) if len(node.text) <= _LONGEST_NUMBER else None
    if found is None:
        summary = f"{name} {quoted(node.text)} is not a number of {unit}"
        section.document.problem(node, summary, _decimal_hint(node.text, unit), code="value")
        return None
    number = Decimal(node.text)
    wrong = None
    if number <= 0:
        wrong = f"{name} must be above zero, not {shown(node.text)}"
    elif number > highest:
        wrong = f"{name} must be at most {highest:,}, not {shown(node.text)}"
    elif number != round(number, places):
        wrong = f"{name} has more than {places} decimals: {shown(node.text)}"
    if wrong:
        section.document.problem(node, wrong, f"it is a number of {unit}", code="value")
        return None
    return round(number, places) if len(found[1] or "") > places else number


def _decimal_hint(text: str, unit: str) -> str | None:
    if "$" in text:
        return f"leave out the dollar sign: {shown(text.replace('$', '').strip())}"
    if len(text) > _LONGEST_NUMBER:
        return f"it has {len(text):,} characters"
    if re.fullmatch(r"[0-9]+,[0-9]{1,2}", text):
        return f"write {text.replace(',', '.')}"
    if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?|[0-9_]+(\.[0-9]+)?", text):
        return "write it like 17.92: a decimal point, and no thousands separator"
    if re.fullmatch(r"[-+]?\.(inf|nan)", text, re.IGNORECASE):
        return "it must be finite"
    if unit == "hours" and (found := re.fullmatch(r"([0-9]+(\.[0-9]+)?)\s*(h|hrs?|hours?)", text, re.IGNORECASE)):
        return f"leave out the unit: {found[1]}"
    return "write it like 17.92" if unit != "hours" else "write hours as a number, such as 12 or 0.5"


# ---- the rest -----------------------------------------------------------------------------------------------


def flag(section: Section, key: str) -> bool:
    """true or false; absent is false."""
    node = section.get(key)
    if node is None:
        return False
    if isinstance(node, Scalar) and node.kind == "bool":
        return node.text.lower() == "true"
    hint = "write true or false, without quotes; yes and no are text in YAML 1.2"
    section.document.problem(
        node, f"{section.name(key)} must be true or false, not {KINDS[node.kind]}", hint, code="type"
    )
    return False


@frozen
class Given:
    """A value, what messages call it, and where it is written."""

    name: str
    value: object
    node: Node


def given(section: Section | None, key: str, value: object) -> list[Given]:
    """`value` as one `Given` when it is there, for `agree`."""
    return [] if section is None or value is None else [Given(section.name(key), value, section.at(key))]


def agree(document: Document, spellings: Sequence[Given]) -> None:
    """Report spellings of one setting that say different things."""
    for other in spellings[1:]:
        first = spellings[0]
        if other.value != first.value:
            summary = f"{other.name} is {shown(str(other.value))}, but {first.name} is {shown(str(first.value))}"
            also = ((f"{first.name} is given here", first.node),)
            document.problem(other.node, summary, "they are one setting: keep one", code="conflict", also=also)
