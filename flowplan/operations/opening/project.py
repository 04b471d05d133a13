"""Which project: flag, file, environment, then the state's, then the only one visible; and what is listed there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from flowplan.cloud.fcp import Fcp
from flowplan.cloud.looks import NO_CALL, NO_CALL_STOPS, or_why
from flowplan.config import Config
from flowplan.diagnostics import Diagnostic, candidates
from flowplan.errors import CloudError, ConfigError, GuardRefused
from flowplan.model.catalogue import Named
from flowplan.state.state import State, lately

if TYPE_CHECKING:
    from flowplan.cloud.looks import Looks
    from flowplan.operations.opening.settings import Settings

T = TypeVar("T")
VARIABLES = ("FOUNDRY_PROJECT_NAME", "MITHRIL_PROJECT")


def entered(
    cloud: Fcp, settings: Settings, state: State, config: Config | None, lists: Looks[T]
) -> tuple[Named, T, tuple[CloudError, ...]]:
    """The project, which `cloud` has entered; what comes of `lists`; and why the projects cannot be listed, where the
    state's is gone on with.

    Beside the list of projects those are read that need none. Where the state has a project, so are all others: it is
    that project, or this raises. Raises ConfigError, GuardRefused for another project than the state's, CloudError;
    what is wrong with the project before what is wrong with a list.
    """
    if state.project:
        cloud.enter(state.project, ended=cloud.ended, placed=cloud.placed)
    ahead = lists.calls if state.project else lists.of_all
    raising = NO_CALL_STOPS if config is None else NO_CALL
    projects = or_why(cloud.projects, raising) if state.project else cloud.projects
    visible, *found = cloud.side_by_side([projects, *map(_kept_back, ahead)])
    if isinstance(visible, CloudError):
        cloud.note(f"the projects cannot be listed; flowplan uses the project in the state: {visible}")
    project = _chosen(visible, settings, state, config)
    now = cloud.time().timestamp()
    bound = {binding.id for binding in state.bindings.values()}  # imported since: it is there after all
    cloud.enter(project.id, ended=lately(state.ended, now) - bound, placed=state.placed)
    results = [one() for one in found]
    if not state.project:
        results += cloud.side_by_side(lists.of_project)
    return project, lists.made(results), (visible,) if isinstance(visible, CloudError) else ()


def _kept_back(call: Callable[[], Any]) -> Callable[[], Callable[[], Any]]:
    """`call`, which returns what gives its result, or raises its CloudError."""

    def made() -> Callable[[], Any]:
        try:
            result = call()
        except CloudError as error:
            why = error
        else:
            return lambda: result

        def failed() -> Any:
            raise why

        return failed

    return made


def _chosen(visible: Sequence[Named] | CloudError, settings: Settings, state: State, config: Config | None) -> Named:
    """The project, of those that are `visible`, or the state's where that cannot be told."""
    known = (Named(state.project, state.project_name or state.project),)
    listed = known if isinstance(visible, CloudError) else visible
    try:
        project = choose_project(listed, settings.project, config, settings.environ, state)
    except ConfigError as error:
        raise (visible if isinstance(visible, CloudError) else error) from None
    if state.project and state.project != project.id:
        ours, theirs = state.project_name or state.project, project.name
        if ours == theirs:  # another account has a project of this name
            ours, theirs = state.project, project.id
        raise GuardRefused(
            f"this state belongs to project {ours}, not to {theirs}",
            code="other-project",
            hint=f"give --project {ours}, or another --state for {theirs}",
        )
    return project


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
