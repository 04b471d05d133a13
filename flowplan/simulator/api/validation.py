"""Reading bodies and queries as FastAPI reads them: every problem of a request in one 422, in its words.

A check takes (value, loc, problems), appends to `problems` and returns the value as read (what it returns after a
problem does not matter). Patterns are compiled when first used: most runs need none. `integer` and `boolean` are as
lenient as pydantic's default mode, because clients rely on it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowplan.simulator.api.messages import Query, Refusal, Request, compact
from flowplan.simulator.clock import from_iso, to_datetime

Loc = tuple[str | int, ...]
Problems = list[dict[str, Any]]
Check = Callable[[Any, Loc, Problems], Any]
_MISSING = object()
_DOLLARS = r"\$(\d{1,9})\.(\d\d)"
_TIMESTAMP = r"\s*[+-]?\d{1,15}(\.\d*)?\s*"
_LARGEST_OF_SECONDS = 2 * 10**10  # a larger timestamp counts milliseconds


class Field:
    """One member of a body, or one parameter of a query. Without a default it is required.

    `several`: the query's parameter may be given several times; the check gets the list.
    """

    __slots__ = ("check", "default", "required", "several")

    def __init__(self, check: Check, default: Any = _MISSING, *, several: bool = False) -> None:
        self.check = check
        self.default = default
        self.required = default is _MISSING
        self.several = several


def read_body(request: Request, fields: Mapping[str, Field]) -> dict[str, Any]:
    """The body as a mapping with exactly `fields`. Raises Refusal (422) with every problem."""
    try:
        value = json.loads(request.body) if request.body.strip() else _MISSING
    except json.JSONDecodeError as error:
        raise _refuse([_problem("json_invalid", ("body", error.pos), "JSON decode error", {}, error.msg)]) from None
    except (ValueError, RecursionError) as error:
        raise _refuse([_problem("json_invalid", ("body", 0), "JSON decode error", {}, str(error))]) from None
    if value is _MISSING:
        raise _refuse([_problem("missing", ("body",), "Field required", None)])
    problems: Problems = []
    read: dict[str, Any] = members(fields)(value, ("body",), problems)
    if problems:
        raise _refuse(problems)
    return read


def read_query(query: Query, fields: Mapping[str, Field]) -> dict[str, Any]:
    """The query's parameters. Of one given twice the last counts, but for `several`. Raises Refusal (422)."""
    problems: Problems = []
    read = {}
    for name, field in fields.items():
        values = query.get(name)
        if values is None:
            read[name] = _default(name, field, ("query",), None, problems)
        else:
            read[name] = field.check(values if field.several else values[-1], ("query", name), problems)
    if problems:
        raise _refuse(problems)
    return read


def members(fields: Mapping[str, Field]) -> Check:
    """A mapping with these members; others are ignored, as FCP does."""

    def check(value: Any, loc: Loc, problems: Problems) -> Any:
        if not isinstance(value, dict):
            message = "Input should be a valid dictionary or object to extract fields from"
            return problems.append(_problem("model_attributes_type", loc, message, value))
        read = {}
        for name, field in fields.items():
            given = value.get(name, _MISSING)
            if given is _MISSING:
                read[name] = _default(name, field, loc, value, problems)
            else:
                read[name] = field.check(given, (*loc, name), problems)
        return read

    return check


def _default(name: str, field: Field, loc: Loc, whole: Any, problems: Problems) -> Any:
    if field.required:
        problems.append(_problem("missing", (*loc, name), "Field required", whole))
    return field.default


def nullable(check: Check) -> Check:
    """`check`, or null."""

    def checked(value: Any, loc: Loc, problems: Problems) -> Any:
        return None if value is None else check(value, loc, problems)

    return checked


def text(*, shortest: int = 0, longest: int | None = None, pattern: str | None = None) -> Check:
    """A string of Unicode characters; lengths in characters."""

    def check(value: Any, loc: Loc, problems: Problems) -> Any:
        problem = None
        if not isinstance(value, str):
            problem = _problem("string_type", loc, "Input should be a valid string", value)
        elif not value.isascii() and not _is_unicode(value):
            message = "Input should be a valid string, unable to parse raw data as a unicode string"
            problem = _problem("string_unicode", loc, message, value)
        elif len(value) < shortest:
            problem = _problem("string_too_short", loc, f"String should have at least {_characters(shortest)}", value)
        elif longest is not None and len(value) > longest:
            problem = _problem("string_too_long", loc, f"String should have at most {_characters(longest)}", value)
        elif pattern and not re.fullmatch(pattern, value):
            problem = _problem("string_pattern_mismatch", loc, f"String should match pattern '{pattern}'", value)
        if problem:
            problems.append(problem)
        return value

    return check


def integer(*, above: int | None = None, least: int | None = None, most: int | None = None) -> Check:
    """An integer within bounds; text that is one counts, as it does for the API."""

    def check(value: Any, loc: Loc, problems: Problems) -> Any:
        number = _read_integer(value, loc, problems)
        if number is None:
            return None
        if above is not None and number <= above:
            problems.append(_problem("greater_than", loc, f"Input should be greater than {above}", value))
        if least is not None and number < least:
            message = f"Input should be greater than or equal to {least}"
            problems.append(_problem("greater_than_equal", loc, message, value))
        if most is not None and number > most:
            message = f"Input should be less than or equal to {most}"
            problems.append(_problem("less_than_equal", loc, message, value))
        return number

    return check


def _read_integer(value: Any, loc: Loc, problems: Problems) -> int | None:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            problems.append(_problem("finite_number", loc, "Input should be a finite number", None))
        elif not value.is_integer():
            message = "Input should be a valid integer, got a number with a fractional part"
            problems.append(_problem("int_from_float", loc, message, value))
        else:
            return int(value)
    elif isinstance(value, str):
        if re.fullmatch(r"\s*[+-]?\d{1,4000}(\.0*)?\s*", value, re.ASCII):
            return int(value.strip().partition(".")[0])
        message = "Input should be a valid integer, unable to parse string as an integer"
        problems.append(_problem("int_parsing", loc, message, value))
    else:
        problems.append(_problem("int_type", loc, "Input should be a valid integer", value))
    return None


_TRUTH = {
    **dict.fromkeys((True, 1, "1", "true", "t", "on", "yes", "y"), True),
    **dict.fromkeys((False, 0, "0", "false", "f", "off", "no", "n"), False),
}


def boolean(value: Any, loc: Loc, problems: Problems) -> Any:
    """A boolean, or what the API takes for one."""
    if isinstance(value, str | int | float):
        key = value.lower() if isinstance(value, str) else value
        if key in _TRUTH:
            return _TRUTH[key]
        message = "Input should be a valid boolean, unable to interpret input"
        return problems.append(_problem("bool_parsing", loc, message, value))
    return problems.append(_problem("bool_type", loc, "Input should be a valid boolean", value))


def choice(*allowed: str) -> Check:
    """One of these words."""
    quoted = [f"'{word}'" for word in allowed]
    expected = " or ".join((", ".join(quoted[:-1]), quoted[-1])) if len(quoted) > 1 else quoted[0]

    def check(value: Any, loc: Loc, problems: Problems) -> Any:
        if not isinstance(value, str) or value not in allowed:
            problems.append(_problem("enum", loc, f"Input should be {expected}", value))
        return value

    return check


def list_of(check_item: Check) -> Check:
    """A list whose items pass `check_item`."""

    def check(value: Any, loc: Loc, problems: Problems) -> Any:
        if not isinstance(value, list):
            return problems.append(_problem("list_type", loc, "Input should be a valid list", value))
        return [check_item(item, (*loc, index), problems) for index, item in enumerate(value)]

    return check


def separated(check_item: Check) -> Check:
    """For a `several` field: values given one by one or separated by commas (the clients do the latter)."""

    def check(values: Any, loc: Loc, problems: Problems) -> Any:
        words = [word for value in values for word in value.split(",") if word]
        return [check_item(word, (*loc, index), problems) for index, word in enumerate(words)]

    return check


def moment(value: Any, loc: Loc, problems: Problems) -> Any:
    """A time, read to milliseconds since 1970 UTC: RFC 3339, a date alone (its midnight) or a Unix timestamp."""
    try:
        return _read_moment(value)
    except (ValueError, OverflowError):
        message = "Input should be a valid datetime or date, invalid character in year"
        return problems.append(_problem("datetime_from_date_parsing", loc, message, value))


def _read_moment(value: Any) -> int:
    if isinstance(value, str) and not re.fullmatch(_TIMESTAMP, value, re.ASCII):
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            return from_iso(f"{value}T00:00")
        # A plus sign in a query that was not quoted arrives as a space.
        return from_iso(re.sub(r" (\d\d:?\d\d)$", r"+\1", value))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("not a time")
    number = float(value)
    read = round(number if abs(number) > _LARGEST_OF_SECONDS else number * 1000)
    to_datetime(read)  # whether there is such a year
    return read


def dollars(value: Any, loc: Loc, problems: Problems) -> Any:
    """Money as FCP writes it, "$25.60", read to cents."""
    if not isinstance(value, str):
        return problems.append(_problem("string_type", loc, "Input should be a valid string", value))
    found = re.fullmatch(_DOLLARS, value, re.ASCII)
    if not found:
        message = 'Value error, expected dollars with two decimals, such as "$25.60"'
        return problems.append(_problem("value_error", loc, message, value))
    whole, cents = found.groups()
    return int(whole) * 100 + int(cents)


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _characters(count: int) -> str:
    return f"{count} character{'' if count == 1 else 's'}"


def _problem(type: str, loc: Sequence[str | int], message: str, value: Any, error: str | None = None) -> dict[str, Any]:
    problem = {"type": type, "loc": list(loc), "msg": message, "input": value}
    return problem | {"ctx": {"error": error}} if error else problem


def _refuse(problems: Problems) -> Refusal:
    try:
        compact(problems)
    except (ValueError, RecursionError):  # an input that JSON cannot give back, such as NaN
        problems = [problem | {"input": None} for problem in problems]
    return Refusal(422, problems)
