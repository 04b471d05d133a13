"""What a watch remembers from one round to the next, and after a restart: what it has told, and how often it failed.

It is no part of the state. Without it everything is told again, and nothing else is different.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from attrs import evolve, field

from flowplan import clock
from flowplan.classes import define
from flowplan.documents.watch import Round
from flowplan.documents.watched import Told
from flowplan.errors import ConfigError, FlowplanError, Locked, StalePlan, StateError, UsageProblem
from flowplan.files.atomic import replace_file
from flowplan.files.private import make_directory
from flowplan.files.regular import read_regular
from flowplan.model.address import Address, in_order
from flowplan.planning.watch_findings import Finding, Kind, event_of

DIRECTORY = ".flowplan/watch"
FORMAT_VERSION = 1
LEAST, LONGEST = 30.0, 3600.0  # seconds between two rounds, and between two that fail
_SIZE_LIMIT = 16 * 1024 * 1024  # bytes
_CALM: frozenset[Kind] = frozenset(("runs", "waits", "done"))  # nothing that anybody has to hear of at the start

# What passes by itself, or by a person's hand at the files: it is looked at again in the usual time.
_PASSING = (Locked, StalePlan, ConfigError, UsageProblem)


@define
class Memory:
    """That of the watch of one state, in the file `path`. `told`: by address, the marks of what was told last; `error`:
    that of the error; `failures`: how many rounds have failed since one did not."""

    path: Path
    told: dict[str, list[Any]] = field(factory=dict)
    error: str = ""
    failures: int = 0
    due: float | None = field(default=None, init=False)  # when a lifetime is over, by `since_boot`; never kept
    _kept: bytes = field(default=b"", init=False)

    @classmethod
    def of(cls, directory: Path, identity: str) -> Memory:
        """What is remembered in `directory` of the state `identity`; one that is damaged, or cannot be read, is
        empty."""
        name = hashlib.sha256(identity.encode()).hexdigest()[:16]
        path = directory / DIRECTORY / f"{name}.json"
        try:
            data = read_regular(path, _SIZE_LIMIT)
            found = json.loads(data)
            told = {str(Address.parse(one)): mark for one, mark in found["told"].items()}
            made = cls(path, told, str(found["error"]), int(found["failures"]))
            if found["format_version"] != FORMAT_VERSION or not all(map(_is_mark, made.told.values())):
                return cls(path)
        except (OSError, ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
            return cls(path)
        made._kept = data
        return made

    def after(self, found: Round) -> Told:
        """Remember `found`; what of it is new."""
        error, before = _mark_of_error(found.error), self.error
        counts = found.error is not None and not isinstance(found.error, _PASSING)
        self.error, self.failures = error, self.failures + 1 if counts else 0
        if found.at is not None and (found.due is not None or found.error is None):
            self.due = None if found.due is None else clock.since_boot() + found.due
        told = Told(
            found.at,
            found.findings,
            found.acted,
            found.error,
            found.differs,
            is_new_error=error != before and bool(error),
            recovered=bool(before) and not error,
        )
        if found.at is None and not found.findings:  # it has not looked
            return told
        now = {str(one.address): _mark(one) for one in found.findings}
        began = tuple(one for one in found.findings if self._is_news(one, found))
        over = tuple(sorted(map(Address.parse, self.told.keys() - now.keys()), key=in_order))
        heard = tuple(one for one in found.findings if self._sets_off(one))
        self.told = now
        return evolve(told, began=began, over=over, heard=heard)

    def _is_news(self, one: Finding, found: Round) -> bool:
        before = self.told.get(str(one.address))
        if one.act is not None and one.address in found.acted:
            return True
        return before != _mark(one) and not (before is None and one.kind in _CALM and not one.to_decide)

    def _sets_off(self, one: Finding) -> bool:
        """Whether hooks are to hear of it: it begins, or the watch is kept from doing something about it from now on,
        as by a budget."""
        before = self.told.get(str(one.address))
        if one.event is None or before is None:
            return one.event is not None
        kind, _, to_decide, is_kept_back, id = before
        begins = id != one.id or event_of(str(kind), to_decide=bool(to_decide)) != one.event
        return begins or (bool(one.why_not) and not is_kept_back)

    def keep(self) -> None:
        """Write it, if it is another. Raises StateError."""
        body = {"format_version": FORMAT_VERSION, "told": self.told, "error": self.error, "failures": self.failures}
        data = (json.dumps(body, indent=1, sort_keys=True) + "\n").encode()
        if data == self._kept:
            return
        try:
            make_directory(self.path.parent)
        except OSError as error:
            raise StateError(f"{self.path.parent} cannot be made: {error.strerror}") from error
        replace_file(self.path, data, through_link=False)
        self._kept = data

    def pause(self, every: float, jitter: float) -> float:
        """Seconds until the next round, with `every` between two that do not fail. After failures it doubles, up to an
        hour. `jitter`, from 0 to 1, makes it up to a fifth shorter then, so that not all that failed together come
        again together. It ends with the first lifetime that does, and is no longer than `every` after that."""
        longest = max(every, LONGEST)
        pause = max(min(every * 2.0 ** min(self.failures, 20), longest) * (1 - jitter / 5), every)
        pause = pause if self.failures else every
        if self.due is None:
            return pause
        left = self.due - clock.since_boot()
        return min(pause, max(left + 1, LEAST) if left > 0 else every)


def _mark(one: Finding) -> list[Any]:
    """What tells a finding from the one before: no price, which is another one each time."""
    return [one.kind, one.act, one.to_decide, bool(one.why_not), one.id]


def _is_mark(found: object) -> bool:
    return isinstance(found, list) and len(found) == 5


def _mark_of_error(error: FlowplanError | None) -> str:
    """The same for the same error, whatever amounts and times it names."""
    return "" if error is None else unnumbered(f"{error.code}: {error}")[:500]


def unnumbered(text: str) -> str:
    """The same for texts that differ in nothing but amounts, times and counts, and in what the API calls a request. The
    numbers in a name are part of it: `task-1` is not `task-2`."""
    text = re.sub(r"\brequest [^\s),;]+", "request #", text)
    return re.sub(r"(?<![\w.-])[0-9][\w.,:]*", "#", text)
