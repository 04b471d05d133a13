"""The values of a mapping, read strictly: nothing is coerced, nothing is dropped, everything wrong is reported. Pure.

Every function gives None for a value that is absent or wrong; what is wrong was reported then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from flowplan.classes import frozen
from flowplan.config.section import Section
from flowplan.config.yaml import KINDS, Document, Node, Scalar, quoted, strange_character
from flowplan.config.yaml import Sequence as SequenceNode
from flowplan.diagnostics import looks_like
from flowplan.masking import masked
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
        detail=strange_character(found.text),
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
    for suggestion in () if strange_character(text) else (plain, plain.lower(), dashed(plain)):
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
