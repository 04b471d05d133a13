"""Which files of a stack were not given, where those that were do not say enough: the state knows what made it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.errors import ConfigError, FlowplanError
from flowplan.files.regular import read_regular
from flowplan.operations.opening.paths import in_directory
from flowplan.patterns import regex

if TYPE_CHECKING:
    from flowplan.config import Source
    from flowplan.operations.opening.scope import Scope
    from flowplan.operations.opening.session import Session

# What is wrong with a part of a stack whose other files declare it.
_APART = frozenset(("missing", "volume-unknown", "depends-on", "reference"))
_LARGEST = 1_000_000  # bytes of a file that is looked through
_STACK = regex(rb"^version:\s*['\"]?2", re.MULTILINE)


def say_not_given(session: Session, scope: Scope, sources: Sequence[Source], error: ConfigError) -> None:
    """Note the files that made what the state has beside `sources`, a part of a stack that is refused with `error`.
    A state that cannot be read says nothing: the problems do."""
    codes = {one.code for one in error.problems}
    if codes.isdisjoint(_APART) or not any(_STACK.search(one.data) for one in sources):
        return
    try:
        bindings = session.store.read().state.bindings.values()
    except FlowplanError:
        return
    known = sorted({one.source for one in bindings if one.source})
    others = [scope.for_people(one) for one in known if not scope.is_given(one) and not scope.is_gone(one)]
    if others and len(others) < len(known):
        every = shlex.join(sorted({*others, *(one.name for one in sources)}))
        was = "was" if len(others) == 1 else "were"
        session.listener.note(f"{', '.join(others)} made a part of this stack, and {was} not given: give {every}")


def say_gone(session: Session, scope: Scope) -> None:
    """Note which command ends what runs of files that are gone: none that is given made it. A state that cannot be read
    says nothing."""
    try:
        bindings = session.store.read().state.bindings.values()
    except FlowplanError:
        return
    gone = sorted({scope.for_people(one.source) for one in bindings if one.source and scope.is_gone(one.source)})
    if gone:
        made = f"{', '.join(gone)} made what the state holds, and {'is' if len(gone) == 1 else 'are'} gone"
        session.listener.note(f"{made}: `{shlex.join(('flowplan', 'destroy', *gone))}` ends it")


def beside(scope: Scope, names: Collection[str]) -> Iterator[Source]:
    """The configuration files that stand beside those given, are not given themselves, and have one of `names` as a
    word. What cannot be read has none."""
    from flowplan.config import Source

    given = {os.path.normpath(name) for name, _ in scope.given}
    words = regex(rb"(?<![\w-])(?:" + b"|".join(re.escape(one.encode()) for one in names) + rb")(?![\w-])")
    for folder in sorted({str(Path(name).parent) for name in given}):
        paths: list[str] = []
        with suppress(OSError):
            paths = [one for one in in_directory(folder, scope.here) if one not in given]
        for path in paths:
            with suppress(OSError):
                data = read_regular(scope.here / path, _LARGEST)
                if words.search(data):
                    yield Source(path, data)
