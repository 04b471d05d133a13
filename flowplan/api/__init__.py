"""The Python API: a stack of tasks, planned, priced and applied by a program.

Nothing is printed, no signal handler is set, the working directory stays. Every call opens what it needs and closes it
again, so a Stack may be used from any thread, and several stacks in one process. A call is its own approval: nobody is
asked.

Money is Decimal, in dollars; None where it is not known. Times are texts like "90s", "24h" or "7d"; as a number, how
far to look ahead is in hours, and how long to wait in seconds. Everything that goes wrong is a FlowplanError
(flowplan.errors says which), with `hint`: what to do about it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from flowplan.api.arguments import Length, hold_keywords, seconds, sources_of, texts_of
from flowplan.api.given import hold_note, mapping, path, paths, text, variables_of
from flowplan.api.opening import Opening
from flowplan.api.proposal import Proposal
from flowplan.api.stack import Stack
from flowplan.errors import UsageProblem
from flowplan.operations.opening.settings import Settings

__all__ = ["Proposal", "Stack", "load"]


def load(
    *sources: str | Path | Mapping[str, Any],
    directory: str | Path = ".",
    api_url: str | None = None,
    project: str | None = None,
    ssh_key: str | None = None,
    state: str | Path | None = None,
    lock_timeout: Length = "0s",
    environ: Mapping[str, str] | None = None,
    variables: Mapping[str, Any] | None = None,
    variable_files: str | Path | Iterable[str | Path] = (),
    note: Callable[[str], None] | None = None,
    **task: Any,
) -> Stack:
    """A stack: the tasks of `sources` (task files, directories of them, or tasks as dicts with the keys of a task
    file), else of `flowplan.yaml` in `directory`. Other keyword arguments are the keys of one more task:

        load(name="train", resources_specification={"fcp_instance": "h100.8x.SXM5.IB"}, api_url="sim:")

    `directory`: what relative paths start from. `state`: the file or URL of the state; None: FLOWPLAN_STATE, else
    `state` of a stack file, else flowplan.state.json. `api_url`: "sim:" is the embedded simulator.
    `lock_timeout`: how long to wait for the lock. `environ` (os.environ): where credentials and FLOWPLAN_ variables are
    looked up. `variables`: values of the variables of a stack file, by name; `variable_files`: files of such values.
    `note` hears what flowplan remarks while it works, a sentence each, without secrets.
    Nothing is read yet. Raises UsageProblem.
    """
    hold_keywords(task, load.__kwdefaults__ or {})
    tasks = sources_of([one for one in sources if isinstance(one, Mapping)] + ([task] if task else []))
    given = [_path_of(one) for one in sources if not isinstance(one, Mapping)]
    hold_note(note)
    settings = Settings(
        directory=_absolute(path(directory, "directory")),
        state="" if state is None else path(state, "state"),
        given_api_url=None if api_url is None else text(api_url, "api_url"),
        project=None if project is None else text(project, "project"),
        ssh_key=None if ssh_key is None else text(ssh_key, "ssh_key"),
        lock_timeout=seconds(lock_timeout, "lock_timeout"),
        environ=os.environ if environ is None else variables_of(environ),
        command=_command,
        variables=() if variables is None else texts_of(mapping(variables, "variables")),
        variable_files=paths(variable_files, "variable_files"),
    )
    _ = settings.api_url  # one that holds a password is refused before anything shows it
    return Stack(Opening((*given, *tasks), settings, note))


def _path_of(source: str | Path) -> str:
    """The path that a source of `load` is. Raises UsageProblem."""
    if isinstance(source, str | Path):
        return path(source, "a path")
    kind = "None" if source is None else type(source).__name__
    hint = (
        "give each by itself: load(*tasks)" if isinstance(source, Iterable) else "give a file, a directory, or a dict"
    )
    raise UsageProblem(f"what load is given must be a path or a task, not {kind}", hint=hint)


def _absolute(directory: str) -> Path:
    """`directory`, from the working directory of now. Raises UsageProblem where that is gone."""
    try:
        return Path(directory).absolute()
    except OSError as error:
        hint = "give an absolute path as directory"
        raise UsageProblem(f"the working directory cannot be used: {error.strerror}", hint=hint) from error


def _command() -> str:
    """What the lock tells others is running."""
    return "python: flowplan"
