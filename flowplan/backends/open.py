"""Which store a state has, by what `--state` says."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from flowplan.backends.state_name import file_of
from flowplan.diagnostics import looks_like
from flowplan.errors import UsageProblem
from flowplan.masking import without_userinfo
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.backends.store import Store
    from flowplan.state.form import Form

ENDPOINT_OPTION = "--endpoint"  # stands in an environ beside the variables, and comes before them

# What opens a store, by what `open_store` was given.
Opener: TypeAlias = "Callable[[str, Path, Mapping[str, str], Callable[[], None], Form], Store]"


def _file(given: str, directory: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form) -> Store:
    from flowplan.backends.local import LocalStore
    from flowplan.backends.overflow import overflow_directory

    return LocalStore(file_of(given, directory), overflow_directory(environ), hold, form)


def _http(given: str, directory: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form) -> Store:
    from flowplan.backends.remote.http_lock import open_http

    return open_http(given, directory, environ, hold, form)


def _postgres(given: str, directory: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form) -> Store:
    try:
        from flowplan.backends.remote.postgres import PostgresPlace
        from flowplan.backends.remote.postgres_url import read_url
        from flowplan.backends.remote.store import RemoteStore
    except ImportError as error:
        raise _without("PostgreSQL", "postgres", error) from error
    password = environ.get("PGPASSWORD", "")
    if password == os.environ.get("PGPASSWORD"):  # libpq reads that itself, after what a service says
        password = ""
    return RemoteStore.on(PostgresPlace(read_url(given, password)), directory, environ, hold, form)


def _s3(given: str, directory: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form) -> Store:
    try:
        from flowplan.backends.remote.s3 import open_s3
    except ImportError as error:
        raise _without("S3", "s3", error) from error
    return open_s3(given, directory, environ, hold, form)


def _azure(given: str, directory: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form) -> Store:
    try:
        from flowplan.backends.remote.azure import open_azure
    except ImportError as error:
        raise _without("Azure", "azure", error) from error
    return open_azure(given, directory, environ, hold, form)


def _without(server: str, extra: str, error: ImportError) -> UsageProblem:
    """The problem that what flowplan needs for states on a `server` is not installed, or does not load."""
    return UsageProblem(
        f"flowplan cannot keep a state in {server}: a library is missing ({shown(str(error).splitlines()[0])})",
        hint=f"pip install 'flowplan[{extra}]'",
    )


# The scheme of a URL -> what opens it; without a scheme it is a file.
STORES: Mapping[str, Opener] = MappingProxyType(
    {
        "": _file,
        "http": _http,
        "https": _http,
        "postgres": _postgres,
        "postgresql": _postgres,
        "s3": _s3,
        "az": _azure,
    }
)


def takes_endpoint(state: str) -> bool:
    """Whether --endpoint can name the server of `state`."""
    return _scheme(state) in ("s3", "az")


def at_endpoint(state: str, environ: Mapping[str, str], endpoint: str) -> Mapping[str, str]:
    """`environ` for `open_store`, with the server that --endpoint names; "": it is not given. Raises UsageProblem where
    `state` is at neither s3:// nor az://."""
    if endpoint and not takes_endpoint(state):
        raise UsageProblem(
            "--endpoint names the server of a state at s3:// or az://, and this one is at neither", hint="leave it out"
        )
    return {**environ, ENDPOINT_OPTION: endpoint} if endpoint else environ


def _scheme(state: str) -> str:
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", state)
    return found[1].lower() if found else ""


def base_of(state: str, directory: Path) -> Path:
    """The directory from which the state that `state` names, which is a file, names those of its configuration:
    `Store.base`, without opening it. Raises UsageProblem for what can be no state, StateError for a device."""
    return file_of(state, directory).parent


def open_store(
    state: str,
    directory: Path,
    environ: Mapping[str, str],
    hold: Callable[[], None] = lambda: None,
    form: Form | None = None,
) -> Store:
    """The store of the state that `state` names, a file or a URL; nothing is read or written yet. One run uses one
    store: what it has read is what its save puts an end to.

    `directory`: what a relative name starts from. `environ`: what else a store goes by, as where to keep results
    that the journal cannot take. `hold` is called before each write, and raises StateError when the lock is not ours.
    `form`: how the state is read and written (in the clear). Raises UsageProblem for what can be no state.
    """
    from flowplan.state.form import Form

    scheme = _scheme(state)
    if scheme not in STORES:
        near = looks_like(scheme, filter(None, STORES))
        meant = f"did you mean {near}://? " if near else ""
        raise UsageProblem(
            f"--state {shown(without_userinfo(state.partition('?')[0]))}: flowplan cannot keep a state at {scheme}://",
            hint=f"{meant}name a file, or a URL with https://, postgres://, s3:// or az://",
        )
    return STORES[scheme](state, directory, environ, hold, form or Form())
