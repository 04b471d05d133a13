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

from flowplan.api.arguments import Length, files, hold_keywords, seconds, sources_of, texts_of
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
    given = [str(one) for one in sources if not isinstance(one, Mapping)]
    for one in sources:
        if not isinstance(one, str | Path | Mapping):
            raise UsageProblem(f"{one!r} is neither a path nor a task", hint="give a file, a directory, or a dict")
    settings = Settings(
        directory=Path(directory).absolute(),
        state="" if state is None else str(state),
        given_api_url=api_url,
        project=project,
        ssh_key=ssh_key,
        lock_timeout=seconds(lock_timeout, "lock_timeout"),
        environ=os.environ if environ is None else environ,
        command=_command,
        variables=texts_of(variables or {}),
        variable_files=files(variable_files),
    )
    _ = settings.api_url  # one that holds a password is refused before anything shows it
    return Stack((*given, *tasks), settings, note)


def _command() -> str:
    """What the lock tells others is running."""
    return "python: flowplan"
