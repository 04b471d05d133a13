"""Which commit is checked out in a directory: as CI says, else as its repository's files say. git is not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from flowplan.files.regular import read_regular
from flowplan.operations.opening.repository import root_of
from flowplan.patterns import regex

_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA", "CIRCLE_SHA1", "BITBUCKET_COMMIT", "GIT_COMMIT")
_COMMIT = regex("[0-9a-f]{40}|[0-9a-f]{64}")
_LIMIT = 16 * 1024 * 1024  # bytes of a list of references


def commit_of(directory: Path, environ: Mapping[str, str]) -> str:
    """The commit, in hexadecimal digits; "" where there is none, or where it cannot be read. Whether the files differ
    from it is not looked at."""
    for variable in _VARIABLES:
        if _COMMIT.fullmatch(environ.get(variable, "")):
            return environ[variable]
    with suppress(OSError, ValueError):
        repository = _repository(directory)
        if repository is not None:
            return next((one for one in _told(repository) if _COMMIT.fullmatch(one)), "")
    return ""


def _repository(directory: Path) -> Path | None:
    """The directory of the repository that `directory` is in. Raises OSError, ValueError."""
    root = root_of(directory)
    if root is None:
        return None
    dot = root / ".git"
    return dot if dot.is_dir() else root / _text(dot).removeprefix("gitdir:").strip()  # a worktree, or a submodule


def _told(repository: Path) -> Iterator[str]:
    """What may be the commit that HEAD means, the likeliest first. Raises OSError, ValueError."""
    head = _text(repository / "HEAD")
    if not head.startswith("ref:"):
        yield head
        return
    name = head.removeprefix("ref:").strip()
    common = repository
    with suppress(OSError):
        common = repository / _text(repository / "commondir")
    for place in (repository, common):
        with suppress(OSError):
            yield _text(place / name)
    for line in _text(common / "packed-refs").splitlines():
        commit, _, of = line.partition(" ")
        if of == name:
            yield commit


def _text(path: Path) -> str:
    return read_regular(path, _LIMIT).decode().strip()
