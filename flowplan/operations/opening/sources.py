"""Configuration files: which ones a PATH means, read with care. The only place that opens them."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, field

from flowplan.classes import define, frozen
from flowplan.config import Source
from flowplan.config.foreign.shapes import is_plainly_ours
from flowplan.config.yaml import SIZE_LIMIT
from flowplan.diagnostics import Diagnostic, candidates
from flowplan.errors import ConfigError, FlowplanError, UsageProblem
from flowplan.files.private import is_absent, is_missing
from flowplan.files.regular import how_to_read, may_be_regular, read_regular
from flowplan.names import few
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.config.foreign.strangers import Stranger
    from flowplan.state.records import Intent
    from flowplan.state.state import Binding

DEFAULT = "flowplan.yaml"
SUFFIXES = (".yaml", ".yml")
_MOST_SKIPPED = 5  # named in a note
_OF_ANOTHER = "nothing in the state is of that file: `flowplan state list` shows what the state has"
CASES = (".test.yaml", ".test.yml")  # what `flowplan test` runs, beside the stack that it is about


def without_file(name: str) -> str:
    """What a source is called that is no file, but the task `name` of a program."""
    return f"<task {name}>"


def has_no_file(entry: str) -> bool:
    """Whether it is such a source, below any directory."""
    return re.fullmatch(r"<task [^/]+>", os.path.basename(entry)) is not None  # noqa: PTH119


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
            self._entries[name] = _entry(self._place(name))
        return self._entries[name]

    def _target(self, name: str) -> frozenset[str]:
        """What the file that `name` means leads to."""
        if name not in self._targets:
            self._targets[name] = _leads_to(self._place(name))
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


def _entry(path: str) -> str:
    """`path` in its real directory; of a link it is the link itself, which may lead elsewhere tomorrow."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118


def _leads_to(path: str) -> frozenset[str]:
    """What `path` leads to: the real path, and the number of a file that has several names."""
    real = os.path.realpath(path)
    with suppress(OSError):
        found = os.stat(real)  # noqa: PTH116
        if found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
            return frozenset((real, f"{found.st_dev}:{found.st_ino}"))
    return frozenset((real,))


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
            raise _nothing_in(directory)
        paths = [DEFAULT]
    ready = {path.name: path for path in paths if isinstance(path, Source)}
    _hold_no_file(ready, paths, here)
    wanted = _Wanted([*ready])
    for path in (_plain(path, here) for path in paths if not isinstance(path, Source)):
        wanted.add(path, directory, optional=optional, made=lambda path: made(_scope(root, here, [path], [path])))
    files = wanted.files
    sources = _all_read(_once(files, here), ready | wanted.read, directory, optional=optional)
    strange = _strange(source for source in sources if source.name in wanted.brought - wanted.named)
    strange = {name: one for name, one in strange.items() if not may_have_made(_scope(root, here, [name], []))}
    if strange:
        sources = _without(strange, sources, optional=bool(wanted.gone), note=note)
        files = [name for name in files if name not in strange]
    scope = _scope(root, here, [*files, *wanted.gone], [*wanted.directories, *wanted.gone])
    unknown = tuple(name for name, one in strange.items() if one.tool is None)
    bare = _bare(sources)
    return sources, evolve(scope, locked=tuple(wanted.locked)) if optional else evolve(scope, skipped=(*unknown, *bare))


def readable(paths: Sequence[str | Source], directory: Path) -> tuple[list[Source], list[Diagnostic]]:
    """The files that `paths` mean, as in `find`, as far as they can be read; and what is wrong with those that are
    there and cannot be. What is no file, as a pipe or a link that leads nowhere, says nothing."""
    found = [path for path in paths if isinstance(path, Source)]
    locked = []
    for name in _names(paths or [DEFAULT], directory.absolute()):
        try:
            found.append(Source(name, read_regular(directory / name, SIZE_LIMIT)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if may_be_regular(directory / name):
                locked.append(_unreadable(name, error, directory))
    return found, locked


def config_files(paths: Sequence[str | Source], directory: Path) -> Iterator[str]:
    """The absolute names of the files that `paths` mean, as far as they are there; links are followed. Nothing of them
    is read."""
    for name in _names(paths or [DEFAULT], directory.absolute()):
        real = os.path.realpath(directory / name)
        if os.path.lexists(real):
            yield real


def _names(paths: Sequence[str | Source], here: Path) -> Iterator[str]:
    for path in (_plain(path, here) for path in paths if isinstance(path, str)):
        with suppress(OSError):
            yield from in_directory(path, here) if _is_directory(here / path) else [path]


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
        is_directory = _is_directory(directory.absolute() / path)
        try:
            found, closed = in_directory(path, directory) if is_directory else [path], list[Diagnostic]()
        except OSError as error:
            found, closed = [], [_unreadable(path, error, directory)]
            if not optional:
                raise ConfigError(closed) from error
        readable, locked = self._as_it_reads(found, directory) if optional else (found, [])
        if optional and (not found or readable != found) and made(path):
            self.gone.append(path)
            self.locked += [*closed, *locked]
            found = readable
        elif closed:
            raise ConfigError(closed)
        elif not found:
            hint = _of_what_is_gone(path, made) or _first_in(path, directory)
            raise UsageProblem(f"there is no *.yaml or *.yml in {path}", hint=hint)
        if is_directory:
            self.directories.append(path)
            self.brought.update(found)
        else:
            self.named.add(path)
        self.files += found

    def _as_it_reads(self, names: Sequence[str], directory: Path) -> tuple[list[str], list[Diagnostic]]:
        """Which of the files of these `names` can be read, whole, and are kept; and what is wrong with those that are
        there, or may be, and cannot."""
        readable, locked = [], []
        for name in names:
            try:
                self.read[name] = Source(name, read_regular(directory / name, SIZE_LIMIT))
                readable.append(name)
            except OSError as error:
                if may_be_regular(directory / name):
                    locked.append(_unreadable(name, error, directory))
        return readable, locked


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
    given = [path for path in paths if isinstance(path, str) and has_no_file(path) and not _is_directory(here / path)]
    for name in (*ready, *given):
        if os.path.lexists(here / name):
            raise UsageProblem(
                f"there is a file {shown(name)}: flowplan gives such names to tasks that have no file",
                hint="rename the file",
            )


def _scope(base: str, here: Path, files: Sequence[str], directories: Sequence[str]) -> Scope:
    places = [str(here / name) for name in files]
    return Scope(
        base,
        here,
        files=frozenset(map(_entry, places)),
        directories=frozenset(os.path.realpath(here / name) for name in directories),
        given=tuple((name, _leads_to(path)) for name, path in zip(files, places, strict=True)),
    )


def _once(names: Sequence[str], here: Path) -> list[str]:
    """`names` without further ones of a file given already. A task without a name has that of its file: there, another
    name is another task."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for name in names:
        means = {(one, Path(name).stem) for one in _leads_to(str(here / name))}
        if seen.isdisjoint(means):
            kept.append(name)
        seen |= means
    return kept


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long: reading it says so
        return False


def _plain(path: str, here: Path) -> str:
    """One spelling of a path, as messages have it."""
    whole = here / path
    # `link/..` is beside what the link leads to, not beside the link.
    there = Path(_entry(str(whole)) if ".." in whole.parent.parts else os.path.normpath(whole))
    if whole.name == "..":
        there = Path(os.path.realpath(whole))
    return str(there.relative_to(here)) if there.is_relative_to(here) else str(there)


def no_directory(directory: Path) -> UsageProblem:
    """What is said where `directory`, from which relative paths start, is not there."""
    return UsageProblem(
        f"there is no directory {shown(str(directory))}", hint="create it, or name the one that has the state"
    )


def _nothing_in(directory: Path) -> UsageProblem:
    try:
        every = list(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return no_directory(directory)
    except OSError as error:
        said = f"what is in {shown(str(directory))} cannot be read: {error.strerror}"
        return UsageProblem(f"there is no {DEFAULT} here, and no PATH was given", detail=said)
    entries = [entry for entry in every if not entry.name.startswith((".", "flowplan.state", "flowplan.lock"))]
    states = [one.name for one in every if one.name.startswith("flowplan.state") and not one.name.endswith(".lock")]
    if not entries and states:
        return UsageProblem(
            f"there is no {DEFAULT} here, and no PATH was given",
            detail="this directory has a state, and no task file",
            hint="`flowplan state list` shows what it holds; `flowplan import ADDR ID --generate FILE` writes a file",
        )
    there = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in entries)
    return UsageProblem(
        f"there is no {DEFAULT} here, and no PATH was given",
        detail=f"here: {few([*map(shown, there)], 12)}" if there else "this directory is empty",
        hint=_what_to_name(entries, directory),
    )


def _what_to_name(entries: Iterable[Path], directory: Path) -> str:
    """What a command without a PATH can be given, where `entries` are what is in `directory`."""
    if any(entry.suffix in SUFFIXES for entry in entries):
        return "name a task file, or `.` for all of this directory"
    folders = []
    for entry in entries:
        with suppress(OSError):
            folders += [entry.name] if entry.is_dir() and in_directory(entry.name, directory) else []
    if folders:
        named = few([f"`{shlex.quote(shown(name))}`" for name in sorted(folders)], 3)
        return f"name a task file, or a directory of such files: {named}"
    return "`flowplan init` writes one; a PATH names a task file or a directory"


def in_directory(path: str, directory: Path) -> list[str]:
    """The configuration files directly in the directory `path`, which stands in `directory`, in order. Raises
    OSError."""
    entries = [entry.name for entry in (directory / path).iterdir()]
    found = [
        Path(path) / name for name in entries if name.endswith(SUFFIXES) and not name.endswith(CASES) and name[0] != "."
    ]
    return sorted(map(str, found))


def read_beside(directory: Path, source: str, path: str) -> bytes:
    """A file that `source`, itself named from `directory`, names relative to itself. Raises OSError."""
    try:
        there = Path(path).expanduser()
    except RuntimeError as error:  # ~NAME, where nobody is called NAME
        raise OSError(0, f"~ cannot be expanded: there is no user {path.partition('/')[0][1:]}") from error
    return read_regular((directory / source).parent / there, SIZE_LIMIT)


def _all_read(names: Iterable[str], ready: Mapping[str, Source], directory: Path, *, optional: bool) -> list[Source]:
    """The files of these names, but for those that are `ready`; `optional` as in `find`. Raises ConfigError with each
    that cannot be read, UsageProblem where `directory` is none."""
    found, problems = [], []
    for name in names:
        try:
            found.append(ready.get(name) or Source(name, read_regular(directory / name, SIZE_LIMIT)))
        except OSError as error:
            if is_missing(directory.absolute()):
                raise no_directory(directory) from error
            problems.append(_unreadable(name, error, directory, optional=optional))
    if problems:
        raise ConfigError(problems)
    return found


def _first_in(folder: str, directory: Path) -> str | None:
    """What to type for a first file in `folder`, named from `directory`, in which there is none; None: nothing writes
    one."""
    if os.path.lexists(directory / folder / DEFAULT):
        return None
    where = "" if folder == "." else f" {shlex.quote(folder)}"
    return f"`flowplan init{where}` writes a first one"


def _of_what_is_gone(folder: str, made: Callable[[str], bool]) -> str | None:
    """What to do where files that were in `folder` `made` something: a new file there is none of them. None: they did
    not, or the state cannot be read."""
    try:
        if not made(folder):
            return None
    except (FlowplanError, OSError):
        return None
    return (
        "the state holds what the files there made: put them back, or end all of it with "
        f"`flowplan destroy {shlex.quote(folder)}`"
    )


def _no_plan(name: str) -> str:
    saved = f"a plan that `flowplan plan --out {shlex.quote(name)}` has saved"
    return f"name a task file or a directory, or, to apply it, {saved}"


def _unreadable(name: str, error: OSError, directory: Path, *, optional: bool = False) -> Diagnostic:
    """`optional`: nothing that the state has is of this file."""
    if isinstance(error, FileNotFoundError):
        folder, there = str(Path(name).parent), list[str]()
        with suppress(OSError):
            there = in_directory(folder, directory)
        hint = candidates(name, there, lambda one: Path(one).stem) if name.endswith(SUFFIXES) else _no_plan(name)
        return Diagnostic(
            "file-unreadable",
            f"there is no file {name}",
            hint or (_OF_ANOTHER if optional else _first_in(folder, directory)),
        )
    hint = how_to_read(error, "give a regular file, or a directory: flowplan reads all *.yaml and *.yml in it")
    return Diagnostic("file-unreadable", f"{name} cannot be read: {error.strerror or error}", hint)
