"""What PATHs cover: which resources of the state are a run's business, and how the state names files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic
from flowplan.files.private import is_absent
from flowplan.operations.opening.paths import entry_of, has_no_file, leads_to

if TYPE_CHECKING:
    from flowplan.state.records import Intent
    from flowplan.state.state import Binding


@frozen
class Scope:
    """What the PATHs cover: these files, and every file that is or was directly in these directories, all absolute and
    in their real directories. `given`: how each file is called here, and what that leads to.
    `everything`: no PATH was needed (destroy of a whole state). `skipped`: files that have no tasks, being none of
    flowplan's or empty, as a PATH leads to them, where one may be a file that is gone. `locked`: files that are there,
    or may be, and cannot be read, where what they made is covered anyway.
    `base`: the real directory of the state; `here`: the absolute one that relative paths start from."""

    base: str
    here: Path
    files: frozenset[str] = frozenset()
    directories: frozenset[str] = frozenset()
    given: tuple[tuple[str, frozenset[str]], ...] = ()
    everything: bool = False
    skipped: tuple[str, ...] = ()
    locked: tuple[Diagnostic, ...] = ()
    # What is known of each name by now: a file has thousands of resources, and each would have the disk asked again.
    _entries: dict[str, str] = field(factory=dict, init=False, eq=False, repr=False)
    _kept: dict[str, str] = field(factory=dict, init=False, eq=False, repr=False)
    _targets: dict[str, frozenset[str]] = field(factory=dict, init=False, eq=False, repr=False)

    @classmethod
    def of(cls, base: str, here: Path, files: Sequence[str], directories: Sequence[str]) -> Scope:
        """That of `files` and `directories`, as they are named from `here`."""
        places = [str(here / name) for name in files]
        return cls(
            base,
            here,
            files=frozenset(map(entry_of, places)),
            directories=frozenset(os.path.realpath(here / name) for name in directories),
            given=tuple((name, leads_to(path)) for name, path in zip(files, places, strict=True)),
        )

    def covers(self, binding: Binding | Intent) -> bool:
        """Whether a resource that `binding.source` named is this run's business. Where no file is known to have
        named it (it was adopted, or imported), only a run over everything may end it, or a destroy with its address
        as a --target; and where its file is gone, and may be one that is skipped, only a run that names it."""
        if self.everything or not binding.source:
            return self.everything
        entry = self._entry(binding.source)
        if entry in self.files:
            return True
        return (
            str(Path(entry).parent) in self.directories and not has_no_file(entry) and not self.may_be(binding.source)
        )

    def kept(self, name: str) -> str:
        """How the state names a file: from its own directory, "./tasks/a.yaml" or "../a.yaml", so that both may move.

        `name` may be as the command line has it, or as a state names it: also as earlier versions did, absolute or
        from the working directory of then, which mostly was the state's.
        """
        if name not in self._kept:
            self._kept[name] = self._from_base(self._entry(name))
        return self._kept[name]

    def for_people(self, source: str) -> str:
        """How somebody here names the file that the state calls `source`."""
        there = Path(self._place(source))
        return str(there.relative_to(self.here)) if there.is_relative_to(self.here) else str(there)

    def is_gone(self, source: str) -> bool:
        """Whether that file is proved not to be there any more; one that cannot be looked at is not, nor what never was
        a file: some program has it still."""
        return not has_no_file(source) and is_absent(Path(self._place(source)))

    def may_be(self, source: str) -> tuple[str, ...]:
        """The files that are skipped, if the one that the state calls `source` is gone: it may be any of them, renamed
        and damaged."""
        return self.skipped if self.skipped and self.is_gone(source) else ()

    def is_given(self, source: str) -> bool:
        """Whether a PATH leads to that file, under whatever name, or to its like in this checkout."""
        leads_to = self._target(source)
        return any(not leads_to.isdisjoint(target) or self._is_like(source, name) for name, target in self.given)

    def same(self, one: str, other: str) -> bool:
        """Whether two names, as the state has them, lead to one file, or the second to the like of the first in this
        checkout."""
        linked = not self._target(one).isdisjoint(self._target(other))
        return linked or self._is_like(one, self.for_people(other))

    def _is_like(self, source: str, name: str) -> bool:
        """Whether that file is called in another checkout what `name` is in this one. Several checkouts share a state
        only where it lies outside of them."""
        end = Path(name).parts
        if Path(name).is_absolute() or Path(self.base).is_relative_to(self.here):
            return False
        return Path(self._place(source)).parts[-len(end) :] == end

    def _entry(self, name: str) -> str:
        """The file that `name` means, in its real directory."""
        if name not in self._entries:
            self._entries[name] = entry_of(self._place(name))
        return self._entries[name]

    def _target(self, name: str) -> frozenset[str]:
        """What the file that `name` means leads to."""
        if name not in self._targets:
            self._targets[name] = leads_to(self._place(name))
        return self._targets[name]

    def _from_base(self, path: str) -> str:
        relative = os.path.relpath(path, self.base)
        return relative if relative.startswith("../") else f"./{relative}"

    def _place(self, name: str) -> str:
        """The absolute path that `name` means."""
        if name.startswith(("./", "../")):
            return os.path.normpath(os.path.join(self.base, name))  # noqa: PTH118
        here, there = self.here / name, Path(self.base) / name
        return str(there if not os.path.lexists(here) and os.path.lexists(there) else here)
