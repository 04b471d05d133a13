"""What a plan is made of: what somebody asks for, and what the files want."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.errors import ConfigError
from flowplan.model.budget import Budget
from flowplan.model.selection import Patterns, is_wild, matching, together
from flowplan.operations.validate import Named, configuration, named_in

if TYPE_CHECKING:
    from flowplan.config import Config, Source
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Wishes
    from flowplan.state.state import Binding


@frozen
class Request:
    """What to plan. `paths`: task files and directories, or sources that are read already; none means flowplan.yaml.

    `keep_volumes`: to destroy, leave volumes and forget them. `refresh_only`: only record what is live.
    `refresh` False: plan by the state alone, only to look. `patterns`:
    which part of it, and what to replace whatever differs. `destroyable`: names or addresses of volumes whose data may
    go. `hours`: how far ahead the cost is forecast, None: each task's estimated duration, else a day. `what_if`: the
    hours of a simulation of the auctions. `complete`: with what stays as it is and every span, for machines, sealed.
    `history`: with the past prices of its auctions, to be drawn. `policies`: files of rules. `hooks`: whether the
    files' commands run afterwards. `scripts`: with the startup scripts of the bids that it places.
    """

    paths: tuple[str | Source, ...] = ()
    destroy: bool = False
    keep_volumes: bool = False
    refresh_only: bool = False
    refresh: bool = True
    patterns: Patterns = field(factory=Patterns)
    destroyable: frozenset[str] = frozenset()
    hours: float | None = None
    budgets: tuple[Budget, ...] = ()
    what_if: float | None = None
    complete: bool = False
    history: bool = False
    hooks: bool = False
    scripts: bool = False
    policies: tuple[str, ...] = ()
    saved_policies: Mapping[str, str] = field(factory=dict)  # files of a saved plan, with their texts
    variables: Mapping[str, str] = field(factory=dict, repr=False)  # of a saved plan, for those that are not given

    @property
    def asked(self) -> Mapping[str, object]:
        """What of it may exclude each other, by the names of `combinations.RULES`; empty: it is not asked for."""
        return {
            "destroy": self.destroy,
            "keep_volumes": self.keep_volumes,
            "refresh_only": self.refresh_only,
            "no_refresh": not self.refresh,
            "replace": self.patterns.replace,
            "allow_volume_destroy": self.destroyable,
            "max_changes": any(one.max_changes is not None for one in self.budgets),
            "what_if": self.what_if is not None,
        }


def wanted(session: Session, request: Request, *, changes: bool = False) -> tuple[Config | None, Wishes]:
    """What the files and the request ask for. Without configuration: to destroy, none is needed. `changes`: it is about
    to be done, and while the files are read, the state's server is asked already. Raises ConfigError."""
    from flowplan.operations.checking.policies import policy_files, read_policies
    from flowplan.planning.plan import Wishes

    sources, scope = session.sources(request.paths, optional=request.destroy)
    if changes:
        session.reach()
    try:
        config = None if request.destroy else configuration(session, sources, request.variables)
    except ConfigError as error:
        from flowplan.operations.opening.not_given import say_not_given

        say_not_given(session, scope, sources, error)
        raise
    named = named_in(session, sources, request.variables) if request.destroy else Named()
    if scope.locked:
        from flowplan.planning.plan import Unread

        named = attrs.evolve(named, unread=attrs.evolve(named.unread or Unread(), locked=scope.locked))
    if named.why_unread is not None and request.paths and not session.may_have_made(scope):
        from flowplan.operations.opening.not_given import say_gone

        say_gone(session, scope)
        raise named.why_unread  # nobody is helped by "nothing to destroy": what runs is some other file's
    files = policy_files(session, request.policies, request.saved_policies)

    to_destroy = [one for one in request.patterns.targets if request.destroy and not is_wild(one)]

    def in_scope(binding: Binding) -> bool:
        if scope.covers(binding) or binding.address in named.addresses:
            return True
        return not binding.source and any(matching(one, together(binding.address)) for one in to_destroy)

    return config, Wishes(
        policies=(*read_policies(files), *(config or named).policies),
        policy_files=files,
        hooks=(config or named).hooks if request.hooks else (),
        refresh=request.refresh,
        mode="destroy" if request.destroy else "refresh-only" if request.refresh_only else "apply",
        patterns=request.patterns,
        destroyable=request.destroyable,
        keep_volumes=request.keep_volumes,
        in_scope=in_scope,
        attached=named.attached,
        lifecycles=named.lifecycles,
        spared=named.spared,
        declared=named.addresses,
        called=named.called,
        given_up=named.given_up,
        unread=named.unread,
        variables=named.variables,
        name_prefix=named.name_prefix,
        stack=named.stack,
        files=scope,
    )
