"""What can go wrong, each with its exit code. Nothing here imports anything else of flowplan.

The tree (exit codes are those of the README's table):

    FlowplanError            1   failed
    |- CloudError            1   the API could not be reached, or refused
    |   |- NotFound          1   404: the object is not there
    |   |- Refused           1   another 4xx that proves that nothing was done
    |   |- NameTaken         1   409, or the 400 that means it: somebody has that name
    |   |- Unauthorized      1   401, or 409 needs_reauth: stop everything, the credentials are no good
    |   |- Unreachable       1   no connection: nothing was sent, and nothing else can be either
    |   |- Held              1   202 held: an approval proxy keeps the request
    |   `- Ambiguous         1   the request may or may not have been executed
    |- ApplyFailed           1   some steps failed; what was done is saved
    |- ApprovalMissing       1   apply without approval
    |- GuardRefused          3   a guard says no
    |   `- StalePlan         3   the saved plan no longer fits
    |- Locked                4   somebody else holds the lock
    |- StateError            5   the state cannot be read, went back, or cannot be made durable
    |   `- NoLocks           5   files cannot be locked where the state is
    |- OutcomeUnknown        6   a create may have happened; its intent is kept
    |- UsageProblem         64   wrong usage
    |- ConfigError          65   problems in the configuration, each a `Problem`
    `- Interrupted     130/143   stopped by a signal, state saved
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from attrs import field, frozen


@frozen(order=True)
class Position:
    """A place in a file: `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@frozen
class Problem:
    """One thing that is wrong (or doubtful): what, where, and what to do about it.

    `source` is the text of the line at `position`, for the caret; `also` names further places,
    each with what it is ("first given here").
    """

    summary: str
    position: Position | None = None
    hint: str | None = None
    detail: str | None = None
    severity: str = "error"
    source: str | None = None
    also: tuple[tuple[str, Position], ...] = ()
    code: str | None = None


class FlowplanError(Exception):
    """The root. `str(error)` says what happened; `hint` says what to do."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.detail = detail


class CloudError(FlowplanError):
    """The API could not be reached or refused. `status` is the HTTP status, or None without an answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        hint: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.status = status
        self.request_id = request_id


class NotFound(CloudError):
    """404: the object is not there (or not for this key)."""


class Refused(CloudError):
    """A 4xx answer that proves that nothing was done (validation, permission, quota, price)."""


class NameTaken(CloudError):
    """409, or a 400 that says the name is in use."""


class Unauthorized(CloudError):
    """401, or 409 `needs_reauth`: no further call can succeed with these credentials."""


class Unreachable(CloudError):
    """No connection to the API came about: nothing was sent."""


class Held(CloudError):
    """202 `held`: an approval proxy keeps the request; nothing was created yet."""


class Ambiguous(CloudError):
    """The request may or may not have been executed: only a look-up can tell."""


class ApplyFailed(FlowplanError):
    """Some steps failed. What was done is in the state; the next apply continues."""


class ApprovalMissing(FlowplanError):
    """Nobody approved the plan."""


class GuardRefused(FlowplanError):
    """A guard refuses. `reason` is the machine-readable name of the guard."""

    exit_code = 3

    def __init__(self, message: str, *, reason: str, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.reason = reason


class StalePlan(GuardRefused):
    """The saved plan is not what would be planned now."""

    def __init__(self, message: str, *, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message, reason="stale_plan", hint=hint, detail=detail)


class Locked(FlowplanError):
    """Somebody else holds the lock."""

    exit_code = 4


class StateError(FlowplanError):
    """The state is unreadable, went back, or could not be made durable."""

    exit_code = 5


class NoLocks(StateError):
    """The file system of the state knows no locks (flock): nobody could be kept out."""


class OutcomeUnknown(FlowplanError):
    """A create may or may not have happened. Its intent is kept in the journal."""

    exit_code = 6


class UsageProblem(FlowplanError):
    """Wrong usage that click cannot see."""

    exit_code = 64


class ConfigError(FlowplanError):
    """The configuration has problems: all of them, in the order of their positions."""

    exit_code = 65

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = sorted(problems, key=_by_position)
        count = len(self.problems)
        super().__init__(f"{count} problem{'' if count == 1 else 's'} in the configuration")


class Interrupted(FlowplanError):
    """A signal stopped the run. The state is saved."""

    def __init__(self, message: str, *, signal_number: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal_number


def _by_position(problem: Problem) -> tuple[str, int, int]:
    place = problem.position
    return (place.file, place.line, place.column) if place else ("", 0, 0)


@frozen
class Secret:
    """A value that is never shown: str, repr and format give asterisks. `reveal()` is the only way out."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return "********"

    def __repr__(self) -> str:
        return "Secret(********)"

    def __format__(self, spec: str) -> str:
        return format("********", spec)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return (Secret, ("********",))


def shown(text: str, limit: int = 80) -> str:
    """`text` from a file or from the cloud, fit to be printed on one line: what a terminal would obey, hide or put in
    another order (control and line characters, right-to-left letters, zero-width ones, odd blanks) is escaped, and what
    is long is cut."""
    if len(text) > limit:
        text = text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_in_words(text, escape=lambda char: char.encode("unicode_escape").decode("ascii")))


def inert(text: str) -> str:
    """`text` of several lines as `shown` shows each; an escape here may stand in JSON, too (`\\u001b`)."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    lines = text.split("\n")
    plain = [line.isascii() and line.isprintable() for line in lines]
    return "\n".join(
        line if ok else "".join(_in_words(line, escape=_json_escape)) for line, ok in zip(lines, plain, strict=True)
    )


def _in_words(text: str, escape: Callable[[str], str]) -> Iterator[str]:
    """The characters of `text`, escaped where they must be; of marks that pile up on one letter the first two stay."""
    from unicodedata import category  # only for what is not plain

    piled = 0
    for char in text:
        piled = piled + 1 if not char.isascii() and category(char) in ("Mn", "Me") else 0
        yield char if visible(char) and piled <= _PILE else escape(char)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


@lru_cache(maxsize=4096)
def visible(char: str) -> bool:
    """Whether a terminal shows `char`, in its place, and does nothing else with it."""
    if char.isascii():
        return char.isprintable()
    from unicodedata import bidirectional  # only for what is not plain

    # A number beside a word in Hebrew or Arabic may be shown on its other side: columns would change places.
    return char.isprintable() and char not in _INVISIBLE and bidirectional(char) not in ("R", "AL", "AN")


_PILE = 2  # marks
# Printable by Python's account, and yet nothing is seen: fillers and variation selectors.
_INVISIBLE = frozenset(
    map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810)))
) | frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
