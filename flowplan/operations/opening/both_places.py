"""The two places of a move: what is set for each of them, which secret must not go from one to the other, and how each
names files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from flowplan.backends.open import at_endpoint, takes_endpoint
from flowplan.backends.sent import at_target, of_target
from flowplan.backends.store import Store
from flowplan.classes import frozen
from flowplan.errors import UsageProblem
from flowplan.operations.opening.scope import Scope
from flowplan.operations.opening.settings import Settings
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.state.records import Intent

_ENDPOINTS = ("FLOWPLAN_TO_S3_ENDPOINT", "FLOWPLAN_TO_AZURE_ENDPOINT")


def both_places(settings: Settings, source: str, target: str) -> tuple[Settings, Settings]:
    """`settings` as they count at `source`, and at `target`, where variables of its own come first. --endpoint is for
    each that can have one. Raises UsageProblem where that is none, or the two are of different kinds."""
    endpoint = settings.endpoint
    able = [one for one in (source, target) if takes_endpoint(one)]
    if endpoint and not able:
        at_endpoint(source, settings.environ, endpoint)
    if endpoint and len({one.partition(":")[0].lower() for one in able}) > 1:
        raise UsageProblem(
            "--endpoint names one server, and this move is between servers of two kinds",
            hint="set FLOWPLAN_S3_ENDPOINT and FLOWPLAN_AZURE_ENDPOINT",
        )
    own = any(settings.environ.get(one) for one in _ENDPOINTS)
    here = evolve(settings, state=source, endpoint=endpoint if source in able else "")
    there = evolve(settings, state=target, endpoint=endpoint if target in able and not own else "")
    return here, evolve(there, environ=at_target(settings.environ))


def hold_own_secrets(old: Store, new: Store, environ: Mapping[str, str]) -> None:
    """Raise UsageProblem where a secret of one place would be sent to the server of the other as well, and `environ`
    does not say that the other takes it. Nothing was sent yet."""
    here, there = old.sends, new.sends
    if here is None or there is None or not here.astray(there):
        return
    own = of_target(there.variables)
    if any(environ.get(one) for one in own):
        return
    raise UsageProblem(
        f"{old.name} and {new.name} are on different servers, and the credentials that are set would be sent to both",
        hint=f"set those for {new.name} as {' and '.join(own)}; the others are then for {old.name} alone",
    )


@frozen
class Names:
    """How a state names files, which it does from its own directory: at the `old` place, and at the `new` one."""

    old: Scope
    new: Scope

    def state(self, state: State) -> State:
        """`state` of the old place, as it is at the new one."""
        if self._same:
            return state
        moved = {
            address: evolve(one, source=self._name(one.source), protected=self._place(one.protected))
            for address, one in state.bindings.items()
        }
        return evolve(state, bindings=moved)

    def intent(self, intent: Intent) -> Intent:
        """The same of one that is in doubt."""
        if self._same:
            return intent
        return evolve(intent, source=self._name(intent.source), protected=self._place(intent.protected))

    @property
    def _same(self) -> bool:
        return self.old.base == self.new.base

    def _name(self, source: str) -> str:
        return self.new.kept(str(self.old.here / self.old.for_people(source))) if source else source

    def _place(self, protected: str) -> str:
        """Of a file with a line and a column."""
        name, *place = protected.rsplit(":", 2)
        return ":".join((self._name(name), *place))
