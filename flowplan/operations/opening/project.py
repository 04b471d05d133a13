"""Which project: flag, file, environment, then the state's, then the only one visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowplan.config import Config
from flowplan.diagnostics import Diagnostic, candidates
from flowplan.errors import ConfigError
from flowplan.model.catalogue import Named
from flowplan.state.state import State

VARIABLES = ("FOUNDRY_PROJECT_NAME", "MITHRIL_PROJECT")


def choose_project(
    visible: Sequence[Named], flag: str | None, config: Config | None, environ: Mapping[str, str], state: State
) -> Named:
    """The one project of this stack. Raises ConfigError that lists the candidates.

    Without configuration nothing is made: the state's project is then known by its id, listed or not.
    """
    if config is None and state.project and all(one.id != state.project for one in visible):
        visible = (*visible, Named(state.project, state.project_name or state.project))
    names = (project.name for project in visible)
    if flag:
        return _named(
            flag,
            visible,
            Diagnostic("project-unknown", f"--project: there is no project {flag}", candidates(flag, names)),
        )
    if config is not None and (found := _from_files(config, visible)):
        return found
    named = next((environ[name] for name in VARIABLES if environ.get(name)), "")
    wanted = (state.project or named) if config is None else (named or state.project)
    if wanted:
        return _named(
            wanted, visible, Diagnostic("project-unknown", f"there is no project {wanted}", candidates(wanted, names))
        )
    if len(visible) == 1:
        return visible[0]
    hint = candidates("", names) or "this key has access to no project"
    raise ConfigError(
        [Diagnostic("project-missing", "no project is given, and there is not exactly one to choose", hint)]
    )


def _from_files(config: Config, visible: Sequence[Named]) -> Named | None:
    named = {address: task.project for address, task in config.tasks.items() if task.project}
    problems = []
    found: dict[str, Named] = {}
    for address, name in named.items():
        matching = [project for project in visible if project.is_called(name)]
        if len(matching) == 1:
            found[matching[0].id] = matching[0]
            continue
        what = f"several projects are named {name}" if matching else f"there is no project {name}"
        hint = "give the id" if matching else candidates(name, (project.name for project in visible))
        problems.append(config.problem(address, "project", what, hint, code="project-unknown"))
    if len(found) > 1:
        address = next(iter(named))
        what = f"a stack has only one project, but the tasks name {', '.join(sorted(p.name for p in found.values()))}"
        hint = "use a separate directory for each project"
        problems.append(config.problem(address, "project", what, hint, code="project-conflict"))
    if problems:
        raise ConfigError(problems)
    return next(iter(found.values()), None)


def _named(wanted: str, visible: Sequence[Named], problem: Diagnostic) -> Named:
    matching = [project for project in visible if project.is_called(wanted)]
    if len(matching) != 1:
        raise ConfigError([problem])
    return matching[0]
