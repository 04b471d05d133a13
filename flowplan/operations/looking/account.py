"""What there is to check of an account: credentials, API, clock, project, SSH keys, quotas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flowplan.documents.doctor import Check, of_clocks
from flowplan.errors import ConfigError, FlowplanError, Unauthorized
from flowplan.names import few
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.cloud.fcp import Fcp
    from flowplan.config import Config
    from flowplan.documents.shapes.doctor import Subject
    from flowplan.model.catalogue import Quota, SshKey
    from flowplan.operations.opening.session import Session
    from flowplan.state.state import State

_REPLACE = "they may have expired or been revoked, or be for another API: replace them there"


def account(session: Session, config: Config | None, state: State) -> Iterator[Check]:
    """The checks, in this order; those that need one that failed are skipped."""
    try:
        if session.settings.simulated and not has_data(session):
            yield Check("credentials", "ok", "sim: needs none")
            yield Check("api", "ok", "sim: has no data yet; the first plan makes them")
            yield from _skipped("clock", "project", "ssh_key", "quota")
            return
    except FlowplanError as error:
        yield _failed("api", error)
        yield from _skipped("credentials", "clock", "project", "ssh_key", "quota")
        return
    yield from _asked(session, config, state)


def has_data(session: Session) -> bool:
    """Whether the simulator was used: to open one that was not would make it."""
    try:
        return session.settings.simulator_data.stat().st_size > 0
    except OSError:
        return False


def _skipped(*subjects: Subject, why: str = "the API was not asked") -> Iterator[Check]:
    for subject in subjects:
        yield Check(subject, "skipped", f"not checked: {why}")


def _failed(subject: Subject, error: FlowplanError) -> Check:
    if isinstance(error, ConfigError):
        problem = error.problems[0]
        return Check(subject, "failed", problem.summary, problem.hint)
    return Check(subject, "failed", str(error), error.hint)


def _asked(session: Session, config: Config | None, state: State) -> Iterator[Check]:
    """With credentials, and a look at the list of projects, which needs nothing else."""
    from flowplan.cloud import credentials

    environ, simulated = session.settings.environ, session.settings.simulated
    try:
        source = "sim: needs none" if simulated else _source(credentials.find(environ).source, environ)
    except FlowplanError as error:
        yield _failed("credentials", error)
        yield from _skipped("api", "clock", "project", "ssh_key", "quota")
        return
    try:
        with session.listener.busy("asking the API..."):
            cloud = session.cloud()
            seen = len(cloud.projects())
    except Unauthorized as error:
        yield Check("credentials", "failed", f"{source}: {error}", _REPLACE)
        yield Check("api", "ok", f"{session.settings.api_url} answers")
        yield from _skipped("clock", "project", "ssh_key", "quota", why="the API does not accept the credentials")
    except FlowplanError as error:
        yield Check("credentials", "ok", source)
        yield _failed("api", error)
        yield from _skipped("clock", "project", "ssh_key", "quota", why="they take the list of projects")
    else:
        here = session.interruption.clock().wall()
        yield Check("credentials", "ok", source if simulated else f"{source}; the API accepts them")
        yield _offers(session, cloud)
        yield _clock(session, cloud.now(), here)
        yield from _project(session, cloud, config, state, seen)


def _offers(session: Session, cloud: Fcp) -> Check:
    """Whether the API tells what is offered, which every plan takes that makes something."""
    try:
        cloud.offered()
    except FlowplanError as error:
        return _failed("api", error)
    return Check("api", "ok", f"{session.settings.api_url} answers")


def _source(used: str, environ: Mapping[str, str]) -> str:
    """Where the credentials are from, and what else is set and not used. Nothing of them is in it."""
    from flowplan.cloud.credentials import KEY_FILE, SOURCES

    others = [name for name in SOURCES if environ.get(name) and name != used]
    named = f"the file {shown(environ[KEY_FILE])} of {KEY_FILE}" if used == KEY_FILE else used
    ignored = f" ({', '.join(others)} {'is' if len(others) == 1 else 'are'} set too, and not used)" if others else ""
    return f"from {named}{ignored}"


def _clock(session: Session, there: datetime | None, here: float) -> Check:
    if session.settings.simulated or urlsplit(session.settings.api_url).scheme == "http":
        return Check("clock", "skipped", "a simulator, or an API on this machine, has a time of its own")
    return of_clocks(here, there)


def _project(session: Session, cloud: Fcp, config: Config | None, state: State, seen: int) -> Iterator[Check]:
    try:
        project = session.enter_project(state, config)
    except FlowplanError as error:
        yield _failed("project", error)
        yield from (Check(one, "skipped", "not checked: no project") for one in _OF_A_PROJECT)
        return
    among = "" if seen == 1 else f", one of {seen} that these credentials see"
    yield Check("project", "ok", f"{project.name} ({project.id}){among}")
    for subject, check in zip(_OF_A_PROJECT, (_keys, _quotas), strict=True):
        try:
            yield check(session, cloud, config)
        except FlowplanError as error:
            yield _failed(subject, error)


_OF_A_PROJECT: tuple[Subject, Subject] = ("ssh_key", "quota")


def _keys(session: Session, cloud: Fcp, config: Config | None) -> Check:
    keys, given = cloud.ssh_keys(), session.settings.ssh_keys
    written = [name for task in (config.tasks.values() if config else ()) for name in task.ssh_keys or given]
    wanted = dict.fromkeys(written or given)
    unknown = [name for name in wanted if not any(key.is_called(name) for key in keys)]
    if unknown:
        there = ", ".join(key.name for key in keys[:12]) or "none"
        return Check("ssh_key", "failed", f"there is no SSH key {shown(unknown[0])}", f"there are: {there}")
    return _chosen(keys, list(wanted))


def _chosen(keys: tuple[SshKey, ...], wanted: list[str]) -> Check:
    """What the bids would get, of the `keys` that there are."""
    required = [key.name for key in keys if key.required and not any(map(key.is_called, wanted))]
    if not keys:
        return Check("ssh_key", "failed", "the project has no SSH key", "add one in the console")
    if len(keys) == 1 and not wanted:
        return Check("ssh_key", "ok", f"{keys[0].name}, the only one")
    if required:
        remedy = "name it: ssh_key_name, --ssh-key or FOUNDRY_SSH_KEY_NAME"
        return Check("ssh_key", "failed", f"every bid of the project must name the key {required[0]}", remedy)
    if not wanted:
        remedy = "name one: ssh_key_name, --ssh-key or FOUNDRY_SSH_KEY_NAME"
        return Check("ssh_key", "warning", f"there are {len(keys)}, and none is chosen", remedy)
    return Check("ssh_key", "ok", ", ".join(wanted))


def _quotas(session: Session, cloud: Fcp, config: Config | None) -> Check:
    quotas = cloud.quotas()
    full = [one for one in quotas if one.used >= one.total]
    if not full:
        count = len(quotas)
        return Check("quota", "ok", f"{count} quota{'' if count == 1 else 's'}, none of them used up")
    listed = few([*map(_used, full)], 6)
    return Check("quota", "warning", f"used up: {listed}", "free something, or ask for more in the console")


def _used(quota: Quota) -> str:
    return f"{quota.name} ({quota.used:,} of {quota.total:,} {quota.units})"
