"""The first files of a stack, with what the API can say filled in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from flowplan.diagnostics import Diagnostic
from flowplan.documents.init import FILE, IGNORED, NOT_FOR_GIT, SCHEMA, Choice, Form, Known, Started, ignored, text
from flowplan.errors import CloudError, ConfigError, FlowplanError, UsageProblem
from flowplan.files.regular import read_regular
from flowplan.operations.files import write_new
from flowplan.operations.opening.session import Session
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.cloud.fcp import Fcp
    from flowplan.model.catalogue import Auction, Catalogue, Named, SshKey

_LARGEST = 1_000_000  # bytes of a .gitignore


def init(session: Session, place: str, form: Form) -> Started:
    """Write the first files into `place`, a directory, which is made if it is not there ("" is that of the settings).
    What exists stays as it is. Raises UsageProblem where there is a configuration, ConfigError for a project or a key
    that was given and does not exist, FlowplanError."""
    directory = session.settings.directory / place
    _hold_free(directory, place)
    settings = evolve(session.settings, directory=directory)
    with Session(settings, session.listener, session.interruption) as there:
        there.so_far = "nothing was written"
        with there.unwound():
            known, unasked = _looked(there)
    missing = _not_ignored(directory / IGNORED)
    files = {
        IGNORED: ignored(),
        SCHEMA: _schema(),
        FILE: text(form, known, "train"),  # the last: a run that was cut off is simply repeated
    }
    written = tuple(name for name, content in files.items() if write_new(directory / name, content))
    if FILE not in written:
        raise _exists(place)
    left = tuple(name for name in files if name not in written)
    return Started(place, form, known, written, left, missing, settings.given_api_url, unasked)


def _hold_free(directory: Path, place: str) -> None:
    """Make the directory. Raise UsageProblem where it has a configuration, or cannot be one."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FILE).lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageProblem(
            f"{shown(place)} cannot be made: {error.strerror}",
            hint="`flowplan init DIR` writes into any directory that is yours to write to",
        ) from error
    raise _exists(place)


def _exists(place: str) -> UsageProblem:
    name = shown(str(Path(place) / FILE))
    return UsageProblem(
        f"{name} exists; nothing was written",
        hint="`flowplan plan` shows what it would make; `flowplan init DIR` starts another one",
    )


def _schema() -> str:
    from flowplan.config.schema import schema
    from flowplan.documents.json_text import dumps

    return dumps(schema())


def _not_ignored(path: Path) -> tuple[str, ...]:
    """The lines that the .gitignore there lacks; none where there is no such file."""
    try:
        lines = {line.strip() for line in read_regular(path, _LARGEST).decode(errors="replace").splitlines()}
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise FlowplanError(f"{shown(str(path))} cannot be read: {error.strerror}") from error
    return tuple(one for one in NOT_FOR_GIT if not lines & {one, one.rstrip("/"), f"/{one}"})


def _looked(session: Session) -> tuple[Known, Diagnostic | None]:
    """What the API says; where it cannot be asked, why. Raises ConfigError."""
    try:
        with session.listener.busy("asking for projects, SSH keys and offers..."):
            return _known(session, session.cloud()), None
    except CloudError as error:
        return Known(), Diagnostic("not-fetched", str(error), error.hint, severity="warning")


def _known(session: Session, cloud: Fcp) -> Known:
    from flowplan.documents.stack_file import key_name, type_name

    visible = cloud.projects()
    project = _project(session, visible)
    if project is None:
        catalogue, keys = cloud.offered(), Choice()
        chosen = Choice(names=tuple(one.name for one in visible))
    else:
        cloud.enter(project.id)
        catalogue, _ = cloud.read(cloud.all_but_bids())
        keys = _key(session, catalogue)
        alike = sum(one.name == project.name for one in visible)
        chosen = Choice(project.name if alike == 1 else project.id)
    if keys.value:
        keys = Choice(key_name(keys.value, catalogue))
    known = Known(chosen, keys)
    cheapest = min(filter(_is_offered, catalogue.auctions), key=_by_price, default=None)
    kind = catalogue.type(cheapest.instance_type) if cheapest else None
    if cheapest is None or kind is None:
        return known
    name = type_name(kind.id, cheapest.region, catalogue)
    return evolve(known, instance_type=name, gpus=kind.gpus, region=cheapest.region)


def _project(session: Session, visible: tuple[Named, ...]) -> Named | None:
    """The one given, or the only one. Raises ConfigError for one that does not exist."""
    from flowplan.operations.opening.project import choose_project
    from flowplan.state.state import State

    try:
        return choose_project(visible, session.settings.project, None, session.settings.environ, State(lineage=""))
    except ConfigError as error:
        if any(one.code != "project-missing" for one in error.problems):
            raise
        return None


def _key(session: Session, catalogue: Catalogue) -> Choice:
    """The id of the key that was given, of the one that the project requires, or of the only one; else their names.
    Raises ConfigError for one that does not exist."""
    keys = catalogue.ssh_keys
    for name in session.settings.ssh_keys:
        keys = tuple(key for key in keys if key.is_called(name))
        if not keys:
            raise _no_key(name, catalogue.ssh_keys)
    required = tuple(key for key in keys if key.required)
    if len(required) == 1 or len(keys) == 1:
        return Choice((required or keys)[0].id)
    return Choice(names=tuple(key.name for key in keys))


def _no_key(name: str, keys: tuple[SshKey, ...]) -> ConfigError:
    from flowplan.diagnostics import candidates

    hint = candidates(name, (key.name for key in keys)) or "add one in the console first"
    return ConfigError([Diagnostic("key-unknown", f"there is no SSH key {shown(name)}", hint)])


def _is_offered(auction: Auction) -> bool:
    return auction.last_price is not None and auction.last_price > 0


def _by_price(auction: Auction) -> tuple[object, ...]:
    return (auction.last_price, auction.region, auction.instance_type)
