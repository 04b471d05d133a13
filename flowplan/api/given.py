"""What a program gives, held to its type before anything is done with it: a notebook has no type checker, and what is
empty mostly comes of a variable that is not set. What is refused is not shown: it may hold a secret."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowplan.apply.events import Silent
from flowplan.errors import UsageProblem
from flowplan.model.address import Address
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter

Names = str | Address | Iterable[str | Address]  # one, or several
EVENTS = tuple(name for name in vars(Silent) if not name.startswith("_"))  # the methods of a reporter


def text(given: str, name: str) -> str:
    """`given`, which is text, and not empty. Raises UsageProblem."""
    if not isinstance(given, str):
        raise _misfit(given, name, "text")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise UsageProblem(f"{name} has half a character", hint="give text that UTF-8 can encode") from None
    return _filled(given, name)


def flag(given: bool, name: str) -> bool:
    """`given`, which is True or False: a text such as "false" would be as good as True. Raises UsageProblem."""
    if not (isinstance(given, Hashable) and given in (True, False)):
        raise _misfit(given, name, "True or False")
    return bool(given)


def path(given: str | Path, name: str) -> str:
    """`given`, which is a text or a Path, and can be the name of a file. Raises UsageProblem."""
    if not isinstance(given, str | Path):
        raise _misfit(given, name, "text or a Path")
    if "\0" in str(given):
        raise UsageProblem(f"{name} has a NUL character", hint="no file name can hold one")
    return _filled(str(given), name)


def paths(given: str | Path | Iterable[str | Path], name: str) -> tuple[str, ...]:
    """Names of files, of which one may be given alone. Raises UsageProblem."""
    return tuple(path(one, name) for one in _several(given, name, (str, Path), "a path, or several in a list"))


def names(given: Names, name: str) -> tuple[str, ...]:
    """Texts and addresses, of which one may be given alone: its letters are not meant. Raises UsageProblem."""
    several = _several(given, name, (str, Address), "text, an Address, or several in a list")
    return tuple(address_text(one, name) for one in several)


def ids(given: str | Iterable[str], name: str) -> tuple[str, ...]:
    """Ids of the API, of which one may be given alone. Raises UsageProblem."""
    return tuple(text(one, name) for one in _several(given, name, (str,), "an id, or several in a list"))


def address_text(given: str | Address, name: str) -> str:
    """An address as it is written, of which nobody knows yet whether it is one. Raises UsageProblem."""
    if not isinstance(given, str | Address):
        raise _misfit(given, name, "text or an Address")
    return text(str(given), name)


def mapping(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """`given`, which is a dict or like one, its keys text. Raises UsageProblem."""
    if not isinstance(given, Mapping):
        raise _misfit(given, name, "a dict")
    for key in given:
        if not isinstance(key, str):
            raise UsageProblem(f"{name}: {key!r} is not a name")
    return given


def variables_of(environ: Mapping[str, str]) -> Mapping[str, str]:
    """`environ`, whose values are texts, as those of os.environ. Raises UsageProblem."""
    for key, value in mapping(environ, "environ").items():
        if not isinstance(value, str):
            raise _misfit(value, f"environ: {shown(key)}", "text")
    return environ


def hold_note(note: Callable[[str], None] | None) -> None:
    """Raise UsageProblem for what cannot be called: the first remark may come late."""
    if note is not None and not callable(note):
        raise _misfit(note, "note", "a function of one text")


def hold_reporter(reporter: Reporter | None) -> None:
    """Raise UsageProblem for what cannot hear every event of a run: the first may come when a bid is placed."""
    if reporter is None:
        return
    hint = "give an object of a class that derives from flowplan.Silent"
    if isinstance(reporter, type):
        raise UsageProblem(f"reporter is the class {reporter.__name__}, not an object of it", hint=hint)
    if deaf := [name for name in EVENTS if not callable(getattr(reporter, name, None))]:
        raise UsageProblem(f"reporter, of type {type(reporter).__name__}, has no method {', '.join(deaf)}", hint=hint)


def _several(given: Any, name: str, alone: tuple[type, ...], what: str) -> Iterable[Any]:
    if isinstance(given, alone):
        return (given,)
    if not isinstance(given, Iterable) or isinstance(given, bytes | bytearray):
        raise _misfit(given, name, what)
    return given


def _filled(given: str, name: str) -> str:
    if not given.strip():
        raise UsageProblem(f"{name} is empty", hint="give a value, or leave it out")
    return given


def _misfit(given: object, name: str, what: str) -> UsageProblem:
    kind = "None" if given is None else type(given).__name__
    return UsageProblem(f"{name} must be {what}, not {kind}")
