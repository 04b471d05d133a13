"""What a run goes on from: the state, what became of what an earlier run left in it, and what is there. For apply and
destroy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from flowplan.apply.outcome import ApplyFailed, Outcome, OutcomeUnknown
from flowplan.apply.recover import Recovered, recover
from flowplan.classes import frozen
from flowplan.clock import since_boot
from flowplan.errors import UsageProblem
from flowplan.operations.looking.hand_over import hand_over
from flowplan.operations.looking.live import say_assumed
from flowplan.operations.looking.observe import Observed, observe, observe_beside
from flowplan.operations.opening.loading import load_state
from flowplan.operations.running.begun_once import hold_not_begun
from flowplan.operations.running.saved_plan import places_of
from flowplan.operations.running.stopping import Stopping
from flowplan.state.journal import fold
from flowplan.state.ownership import strays

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowplan.backends.store import Loaded, StateLock
    from flowplan.config import Config
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.model.address import Address
    from flowplan.model.catalogue import Place
    from flowplan.operations.opening.session import Session
    from flowplan.operations.running.options import RunOptions
    from flowplan.planning.plan import Wishes
    from flowplan.state.records import Intent
    from flowplan.state.state import State


@frozen
class Settled:
    """What a run goes on from. `recovered`: what became of what an earlier run left; `left`: the intents still in
    doubt; `journal`: as `Settling.journal` gives it, continuing the state of `recovered`; `began`: when the look at the
    cloud began, by `since_boot`. `doubt`: why it is not known what became of the creates `doubted`, where the run goes
    on anyway."""

    loaded: Loaded
    recovered: Recovered
    seen: Observed
    journal: Stopping
    left: frozenset[str]
    began: float
    doubt: OutcomeUnknown | None = None
    doubted: tuple[Intent, ...] = ()


@frozen
class Settling:
    """How one run comes to what it goes on from. `config` None: destroy, which needs none. `saved`: a plan that is
    carried out exactly."""

    session: Session
    config: Config | None
    wishes: Wishes
    saved: SealedPlan | None
    how: RunOptions

    def load(self) -> Loaded:
        """The state that the run goes on from. Raises UsageProblem where --init finds one, StalePlan for a saved plan
        that was applied, OutcomeUnknown where only what is live was to be recorded, and something is in doubt."""
        removes = self.wishes.mode == "destroy"
        loaded = self._afresh() if self.how.init else load_state(self.session, removes=removes)
        if self.saved is not None:
            hold_not_begun(self.saved, loaded.state)
        if loaded.pending and self.wishes.mode == "refresh-only":
            raise OutcomeUnknown(
                "operations of an earlier run are in doubt, and recording what is live does not settle them",
                hint="run `flowplan recover`, then this again",
            )
        return loaded

    def _afresh(self) -> Loaded:
        """--init: only where the state itself is missing. What is left of it is set aside once the plan stands."""
        store = self.session.store
        if store.exists():
            raise UsageProblem(
                f"--init: {store.name} exists",
                hint="to start again, move it away; the bids in it keep costing money until you cancel them",
            )
        return store.fresh()

    def journal(self, state: State) -> Stopping:
        """This run's journal, which continues `state`: of one that only stops, until its plan is known to do more."""
        return Stopping(self.session.store.prepare(state), self.session.listener.note)

    def before_asking(self) -> Settled:
        """What is there, without the lock: that is taken only to settle what an earlier run left, and released
        again."""
        loaded = self.load()
        if not loaded.pending and (found := self._beside(loaded)) is not None:
            return found
        with self.session.changing() as lock:
            found = self.settle(self.load(), lock)
            self.session.store.close()
        return found

    def _beside(self, loaded: Loaded) -> Settled | None:
        """What is there, if there is nothing to settle; None: there is, in doubt or lost from the state."""
        session = self.session
        session.cloud(self.how.parallelism)
        began = since_boot()
        stops, partial = self.wishes.mode == "destroy", self.wishes.partial
        loaded, seen = observe_beside(session, loaded, self.config, kept=self._kept, partial=partial, stops=stops)
        state = placed_as(seen.state, loaded.state)
        if loaded.pending or strays(state, seen.live):
            return None
        return Settled(loaded, Recovered(state, (), {}), seen, self.journal(state), frozenset(), began)

    def settle(self, loaded: Loaded, lock: StateLock) -> Settled:
        """Settle what an earlier run left, which the `lock` is for, then observe. Raises ApplyFailed for what was made
        by then and has ended since, OutcomeUnknown, and what `observe` raises."""
        session = self.session
        session.cloud(self.how.parallelism)
        began = since_boot()
        seen = self._observed(loaded.state, loaded.pending)
        state = placed_as(seen.state, loaded.state)
        stays = self._stays_in_doubt(loaded.pending)
        if loaded.pending and not stays:
            count = len(loaded.pending)
            session.listener.note(f"recovering {count} operation{'s' if count > 1 else ''} of an earlier run")
            say_assumed(session.cloud(), seen.live)
        with session.interruption.listening():
            found, doubt = (Recovered(state, (), {}), None) if stays else self._settled(state, loaded, seen)
        journal = self.journal(state)
        if found.records:
            lock.verify()
            journal.append_anyway(found.records)
        for note in found.notes:
            session.listener.note(note)
        if found.ended and self.wishes.mode != "destroy":  # which is what that asks for
            raise ApplyFailed(
                "; ".join(found.ended),
                Outcome(found.state),
                hint="this run does not place it again; run the same command again to place a new one",
            )
        if loaded.pending or found.notes:
            # Types, regions and names have to be looked up again, with what was found in its place.
            began = since_boot()
            seen = self._observed(found.state, {})
        _, left = fold(state, [*loaded.pending.values(), *found.records])
        unsettled = loaded.pending.values() if stays or doubt is not None else ()
        doubted = tuple(one for one in unsettled if one.op == "create")
        seen = self._restated(seen, found.state)
        return Settled(loaded, found, seen, journal, frozenset(left), began, doubt, doubted)

    def _stays_in_doubt(self, pending: Mapping[str, Intent]) -> bool:
        """Whether the run leaves in doubt what is: one that only ends lifetimes does not wait for a create to show up,
        which another run settles. Bids that are past their lifetime would run on meanwhile."""
        ends = self.wishes.mode == "destroy" and bool(self.wishes.lapsed)
        return ends and any(one.op == "create" for one in pending.values())

    def _settled(self, state: State, loaded: Loaded, seen: Observed) -> tuple[Recovered, OutcomeUnknown | None]:
        """What became of the operations in doubt, or why that is not known. Raises OutcomeUnknown; but what is known to
        cost money is ended first, and that one of them stays in doubt is the last word then."""
        try:
            found = recover(
                state,
                loaded.pending,
                self.session.cloud(),
                seen.live,
                window=self.how.settle_window,
                clock=self.session.interruption.clock(),
                resend=self.how.on_unknown == "retry",
            )
        except OutcomeUnknown as error:
            if self.wishes.mode != "destroy" or not state.bindings:
                raise
            what = (
                "what this run is to end ends anyway" if self.wishes.partial else "everything known is destroyed anyway"
            )
            self.session.listener.note(f"{error}; {what}")
            return Recovered(state, (), {}), error
        return found, None

    def _restated(self, seen: Observed, state: State) -> Observed:
        """`seen` by `state`, which is recorded: with what the configuration says of its addresses."""
        now = state
        if self.config is not None:
            now = hand_over(self.session, self.config, state, (), seen.live).state
        return attrs.evolve(seen, recorded=state, state=now, pending={})

    def _observed(self, state: State, pending: Mapping[str, Intent]) -> Observed:
        """What is there."""
        stops, partial = self.wishes.mode == "destroy", self.wishes.partial
        return observe(self.session, self.config, state, pending, kept=self._kept, partial=partial, stops=stops)

    @property
    def _kept(self) -> Mapping[Address, Place]:
        """The types and regions of a saved plan, or of the watch: prices may have moved since."""
        return self.wishes.places if self.saved is None else places_of(self.saved)


def placed_as(seen: State, state: State) -> State:
    """`state` with the stack, the API and the project of `seen`."""
    return attrs.evolve(
        state, stack=seen.stack, api_url=seen.api_url, project=seen.project, project_name=seen.project_name
    )
