"""Configuration files: which ones a PATH means, read with care. The only place that opens them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, field

from flowplan.classes import define
from flowplan.config import Source
from flowplan.config.foreign.shapes import is_plainly_ours
from flowplan.config.yaml import SIZE_LIMIT
from flowplan.errors import ConfigError, UsageProblem
from flowplan.files.private import is_absent, is_missing
from flowplan.files.regular import may_be_regular, read_regular
from flowplan.operations.opening.paths import DEFAULT, has_no_file, in_directory, is_directory, leads_to, plain
from flowplan.operations.opening.scope import Scope
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.config.foreign.strangers import Stranger
    from flowplan.diagnostics import Diagnostic

_MOST_SKIPPED = 5  # named in a note


def find(
    paths: Sequence[str | Source],
    base: Path,
    directory: Path = Path(),
    *,
    optional: bool = False,
    made: Callable[[Scope], bool] = lambda _: False,
    may_have_made: Callable[[Scope], bool] = lambda _: True,
    note: Callable[[str], object] = lambda _: None,
) -> tuple[list[Source], Scope]:
    """The files that `paths` mean, read; none: `flowplan.yaml`. `base`: the state's directory; `directory`: what
    relative paths start from. A `Source` among them is taken as it is, as if a file of that name held it. Raises
    ConfigError, UsageProblem.

    `optional`: without PATH and without flowplan.yaml there is no configuration, and everything is covered; and a PATH
    that is gone, or leads to something that cannot be read, covers what it once named, if `made` says that it made
    something.

    A file that only a directory brings, and none of whose keys is one of flowplan's, is skipped, with a `note`; unless
    `may_have_made` says that it made something, which would then end: its keys may all be misspelt. What files made
    that are gone is not covered then, unless they are PATHs, or it is `optional`.
    """
    root, here = os.path.realpath(base), directory.absolute()
    if not paths:
        if is_absent(directory / DEFAULT):
            if optional:
                return [], Scope(root, here, everything=True)
            from flowplan.operations.opening.not_found import nothing_in

            raise nothing_in(directory)
        paths = [DEFAULT]
    ready = {path.name: path for path in paths if isinstance(path, Source)}
    _hold_no_file(ready, paths, here)
    wanted = _Wanted([*ready])
    for path in (plain(path, here) for path in paths if not isinstance(path, Source)):
        wanted.add(path, directory, optional=optional, made=lambda path: made(Scope.of(root, here, [path], [path])))
    files = wanted.files
    sources = _all_read(_once(files, here), ready | wanted.read, directory, optional=optional)
    strange = _strange(source for source in sources if source.name in wanted.brought - wanted.named)
    strange = {name: one for name, one in strange.items() if not may_have_made(Scope.of(root, here, [name], []))}
    if strange:
        sources = _without(strange, sources, optional=bool(wanted.gone), note=note)
        files = [name for name in files if name not in strange]
    scope = Scope.of(root, here, [*files, *wanted.gone], [*wanted.directories, *wanted.gone])
    unknown = tuple(name for name, one in strange.items() if one.tool is None)
    bare = _bare(sources)
    return sources, evolve(scope, locked=tuple(wanted.locked)) if optional else evolve(scope, skipped=(*unknown, *bare))


@define
class _Wanted:
    """What PATHs mean, one after the other: `files` to read, of which some are `named` and some `brought` by
    `directories`; and the paths that are `gone`. Where it is optional that they can be read: those that are `read`, by
    their names, and those that are there, or may be, and are `locked`."""

    files: list[str]
    directories: list[str] = field(factory=list)
    gone: list[str] = field(factory=list)
    brought: set[str] = field(factory=set)
    named: set[str] = field(factory=set)
    read: dict[str, Source] = field(factory=dict)
    locked: list[Diagnostic] = field(factory=list)

    def add(self, path: str, directory: Path, *, optional: bool, made: Callable[[str], bool]) -> None:
        """`path`, from `directory`; `optional` and `made` as in `find`. Raises UsageProblem, ConfigError."""
        is_folder = is_directory(directory.absolute() / path)
        closed: list[Diagnostic] = []
        try:
            found = in_directory(path, directory) if is_folder else [path]
        except OSError as error:
            found, closed = [], [_unreadable(path, error, directory)]
            if not optional:
                raise ConfigError(closed) from error
        read, locked = _as_far_as_they_read(found, directory) if optional else ([], [])
        self.read |= {one.name: one for one in read}
        if optional and (not found or len(read) < len(found)) and made(path):
            self.gone.append(path)
            self.locked += [*closed, *locked]
            found = [one.name for one in read]
        elif closed:
            raise ConfigError(closed)
        elif not found:
            from flowplan.operations.opening.not_found import no_files_in

            raise no_files_in(path, directory, made)
        if is_folder:
            self.directories.append(path)
            self.brought.update(found)
        else:
            self.named.add(path)
        self.files += found


def _strange(sources: Iterable[Source]) -> dict[str, Stranger]:
    """Those that can be none of flowplan's, by their names, and why."""
    unsure = [source for source in sources if not is_plainly_ours(source.data)]
    if not unsure:
        return {}
    from flowplan.config.foreign.strangers import stranger

    return {source.name: found for source in unsure if (found := stranger(source)) is not None}


def _bare(sources: Iterable[Source]) -> list[str]:
    """The names of those that say nothing: each may be another one that was renamed and cut off."""
    unsure = [source for source in sources if not is_plainly_ours(source.data)]
    if not unsure:
        return []
    from flowplan.config.foreign.strangers import is_bare

    return [source.name for source in unsure if is_bare(source)]


def _without(
    strange: Mapping[str, Stranger], sources: Sequence[Source], *, optional: bool, note: Callable[[str], object]
) -> list[Source]:
    """`sources` without those that are `strange`, by their names; why is noted. Raises UsageProblem where none is left,
    unless that is `optional`."""
    listed = [f"{shown(name)} is skipped: {one.why}" for name, one in strange.items()]
    more = len(listed) - _MOST_SKIPPED
    said = "; ".join(listed[:_MOST_SKIPPED]) + (f"; and {more} more" if more > 0 else "")
    left = [source for source in sources if source.name not in strange]
    if not left and not optional:
        raise UsageProblem(
            "there is no file of flowplan there", detail=said, hint="name a file to see what is wrong with it"
        )
    note(said)
    return left


def _hold_no_file(ready: Iterable[str], paths: Iterable[str | Source], here: Path) -> None:
    """Raise UsageProblem for a file that is called what a task without a file is: the state could not tell the two
    apart."""
    given = [path for path in paths if isinstance(path, str) and has_no_file(path) and not is_directory(here / path)]
    for name in (*ready, *given):
        if os.path.lexists(here / name):
            raise UsageProblem(
                f"there is a file {shown(name)}: flowplan gives such names to tasks that have no file",
                hint="rename the file",
            )


def _once(names: Sequence[str], here: Path) -> list[str]:
    """`names` without further ones of a file given already. A task without a name has that of its file: there, another
    name is another task."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for name in names:
        means = {(one, Path(name).stem) for one in leads_to(str(here / name))}
        if seen.isdisjoint(means):
            kept.append(name)
        seen |= means
    return kept


def readable(paths: Sequence[str | Source], directory: Path) -> tuple[list[Source], list[Diagnostic]]:
    """The files that `paths` mean, as in `find`, as far as they can be read; and what is wrong with those that are
    there and cannot be. What is no file, as a pipe or a link that leads nowhere, says nothing."""
    ready = [path for path in paths if isinstance(path, Source)]
    found, locked = _as_far_as_they_read(_names(paths or [DEFAULT], directory.absolute()), directory)
    return [*ready, *found], locked


def config_files(paths: Sequence[str | Source], directory: Path) -> Iterator[str]:
    """The absolute names of the files that `paths` mean, as far as they are there; links are followed. Nothing of them
    is read."""
    for name in _names(paths or [DEFAULT], directory.absolute()):
        real = os.path.realpath(directory / name)
        if os.path.lexists(real):
            yield real


def _names(paths: Sequence[str | Source], here: Path) -> Iterator[str]:
    for path in (plain(path, here) for path in paths if isinstance(path, str)):
        with suppress(OSError):
            yield from in_directory(path, here) if is_directory(here / path) else [path]


def read_beside(directory: Path, source: str, path: str) -> bytes:
    """A file that `source`, itself named from `directory`, names relative to itself. Raises OSError."""
    try:
        there = Path(path).expanduser()
    except RuntimeError as error:  # ~NAME, where nobody is called NAME
        raise OSError(0, f"~ cannot be expanded: there is no user {path.partition('/')[0][1:]}") from error
    return read_regular((directory / source).parent / there, SIZE_LIMIT)


def _as_far_as_they_read(names: Iterable[str], directory: Path) -> tuple[list[Source], list[Diagnostic]]:
    """The files of these `names` that can be read, whole; and what is wrong with those that are there, or may be, and
    cannot."""
    found, locked = [], []
    for name in names:
        try:
            found.append(_read(name, directory))
        except OSError as error:
            if may_be_regular(directory / name):
                locked.append(_unreadable(name, error, directory))
    return found, locked


def _all_read(names: Iterable[str], ready: Mapping[str, Source], directory: Path, *, optional: bool) -> list[Source]:
    """The files of these names, but for those that are `ready`; `optional` as in `find`. Raises ConfigError with each
    that cannot be read, UsageProblem where `directory` is none."""
    found, problems = [], []
    for name in names:
        try:
            found.append(ready.get(name) or _read(name, directory))
        except OSError as error:
            if is_missing(directory.absolute()):
                from flowplan.operations.opening.not_found import no_directory

                raise no_directory(directory) from error
            problems.append(_unreadable(name, error, directory, optional=optional))
    if problems:
        raise ConfigError(problems)
    return found


def _read(name: str, directory: Path) -> Source:
    return Source(name, read_regular(directory / name, SIZE_LIMIT))


def _unreadable(name: str, error: OSError, directory: Path, *, optional: bool = False) -> Diagnostic:
    from flowplan.operations.opening.not_found import unreadable

    return unreadable(name, error, directory, optional=optional)
