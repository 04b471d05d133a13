"""A stack, and what can be asked of it that changes nothing there: each call one operation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from attrs import evolve

from flowplan.api.arguments import Length, budgets, hours, limit_price, patterns
from flowplan.api.given import Names, flag, names, path, paths, text
from flowplan.api.hearing import Hearing
from flowplan.api.opening import Opening
from flowplan.api.proposal import Proposal
from flowplan.api.thread import Stop, in_a_thread
from flowplan.classes import frozen
from flowplan.documents.json_text import dumps
from flowplan.model.bases import BudgetBasis
from flowplan.model.durations import WHAT_IF
from flowplan.operations.files import hold_writable, write_output
from flowplan.operations.market import Asked, look
from flowplan.operations.opening.combinations import hold_together
from flowplan.operations.opening.loading import load_of_any_api
from flowplan.operations.opening.paths import DEFAULT
from flowplan.operations.plan import plan
from flowplan.operations.proposing.request import Request
from flowplan.operations.running.hooks import after_plan
from flowplan.operations.running.plan_file import as_file

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.documents.doctor import Checkup
    from flowplan.documents.history import History
    from flowplan.documents.market import Auctions
    from flowplan.documents.offers import Offers
    from flowplan.documents.shapes.track_record import TrackRecord
    from flowplan.documents.status import Status
    from flowplan.model.outputs import Output
    from flowplan.operations.opening.session import Session
    from flowplan.state.orphans import Orphans
    from flowplan.state.state import State

T = TypeVar("T")


@frozen
class Looking:
    """Tasks and what is live of them."""

    _opening: Opening

    @property
    def directory(self) -> Path:
        """What relative paths start from; absolute."""
        return self._opening.settings.directory

    def __repr__(self) -> str:
        """Without the URL of its state, which may have a password."""
        given = ", ".join(one if isinstance(one, str) else one.name for one in self._opening.sources)
        return f"<{type(self).__name__}: {given or DEFAULT} in {self.directory}>"

    def __hash__(self) -> int:
        """A stack can be a key, though `environ` is a dict."""
        return hash((self._opening.sources, self.directory, self._opening.settings.state))

    def __reduce__(self) -> tuple[object, ...]:
        """As another process gets it: what it was given goes along, also secrets in `environ` and `variables`. Without
        an `environ` of its own it has that of the process that it is in."""
        settings = self._opening.settings
        own = settings.environ is os.environ
        settings = evolve(settings, environ={} if own else dict(settings.environ))
        return _again, (type(self), evolve(self._opening, settings=settings), own)

    def validate(self) -> Config:
        """Read and check the tasks, without network. Raises ConfigError with every problem, each with its place."""
        from flowplan.operations.validate import configuration

        with self._opening.session() as session:
            sources, _ = session.sources(self._opening.sources)
            return configuration(session, sources)

    def plan(
        self,
        *,
        destroy: bool = False,
        keep_volumes: bool = False,
        refresh_only: bool = False,
        refresh: bool = True,
        target: Names | None = None,
        exclude: Names = (),
        replace: Names = (),
        allow_volume_destroy: Names = (),
        horizon: Length | None = None,
        max_hourly_cost: Decimal | str | None = None,
        max_cost_increase: Decimal | str | None = None,
        budget_basis: BudgetBasis = "worst",
        max_changes: int | str | None = None,
        what_if: Length | None = None,
        policies: str | Path | Iterable[str | Path] = (),
        hooks: bool = False,
        out: str | Path | None = None,
        stop: Stop | None = None,
    ) -> Proposal:
        """What `apply` would do. Nothing is changed.

        `destroy`: remove everything; `keep_volumes` then leaves the volumes, and forgets them.
        `refresh_only`: record in the state what changed outside, and nothing else.
        `refresh` False: plan by the state alone; such a proposal is not applied. `target`: only these
        addresses (like "bid.train", "task.sweep*") and what they need, at least one; `exclude`: all but these and what
        depends on them; `replace`: these whatever differs. `allow_volume_destroy`: names or addresses of volumes whose
        data may be lost. `horizon`: how far ahead the cost is forecast, at least a minute. `max_hourly_cost`: dollars
        per hour that the stack may cost afterwards; `max_cost_increase`: dollars, or "25%", that it may cost more; both
        on `budget_basis`. `max_changes`: how many resources, or "30%" of them, it may update, replace and delete.
        `what_if`: a simulation of the auctions over so long, from "1h" to "7d". `policies`: files of rules for the plan
        and its apply, beside those of the stack. `hooks`: run the commands of the stack file that a plan sets off,
        unless FLOWPLAN_NO_HOOKS is set. `note` (see load) hears what they write and which failed; that raises nothing.
        `out`: a file to save the plan in, for `apply`, here or by the command line; one that a guard refuses is saved,
        too. `stop`: a threading.Event that any thread may set: nothing more is asked from then on, and Interrupted is
        raised once the calls under way have ended.

        Raises UsageProblem, ConfigError, CloudError, StateError, Locked, and GuardRefused for a state of another API or
        project. A plan that a guard refuses is returned: its `diagnostics` say so, and `apply` raises GuardRefused.
        """
        request = Request(
            paths=self._opening.sources,
            destroy=flag(destroy, "destroy"),
            keep_volumes=flag(keep_volumes, "keep_volumes"),
            refresh_only=flag(refresh_only, "refresh_only"),
            refresh=flag(refresh, "refresh"),
            patterns=patterns(target, exclude, replace),
            destroyable=frozenset(names(allow_volume_destroy, "allow_volume_destroy")),
            hours=None if horizon is None else hours(horizon, "horizon"),
            budgets=budgets(max_hourly_cost, max_cost_increase, budget_basis, max_changes),
            what_if=None if what_if is None else hours(what_if, "what_if", *WHAT_IF, "1h and 7d"),
            policies=paths(policies, "policies"),
            hooks=self._opening.runs(hooks),
            complete=True,
        )
        hold_together({**request.asked, "out": out}, lambda name: "refresh=False" if name == "no_refresh" else name)
        saved = None if out is None else str(self.directory / path(out, "out"))
        if saved is not None:
            hold_writable(saved, state=self._opening.settings.named_state)

        def run(event: Hearing) -> Proposal:
            def simulating(*_: int) -> None:
                if event.stopped():
                    raise event.interrupted("nothing was changed")

            with self._opening.session(event) as session:
                found = plan(session, request, simulating)
                if saved is not None:
                    write_output(saved, as_file(dumps(found.document), session.store.form))
                if found.hooks:
                    after_plan(session, found.hooks, found)
                return Proposal(found, request, session.identity)

        if request.hooks or stop is not None:  # Ctrl-C kills a command, and leaves none behind
            return in_a_thread(run, stop=stop)
        return run(Hearing())

    def status(self, *, stop: Stop | None = None) -> Status:
        """What flowplan made, and what it is doing: bids with instances, price and what was paid, and volumes. `stop`:
        as in `plan`. Raises UsageProblem, CloudError, StateError, Interrupted, and GuardRefused for a state of another
        API or project."""
        from flowplan.operations.status import status

        return self._look(status, stop)

    def outputs(self, *, stop: Stop | None = None) -> dict[str, Output]:
        """The outputs that the last apply declared, by name, as they are now: what `flowplan output` shows. `value` is
        None where it is not known yet, and of a `sensitive` one, which is stored nowhere. The API is asked only where
        one names an instance. `stop`: as in `plan`. Raises what `status` raises."""
        from flowplan.operations.outputs import outputs

        return self._look(outputs, stop)

    def cost(self, horizon: Length = "30d", *, stop: Stop | None = None) -> TrackRecord:
        """What the stack as it is will cost over `horizon`, and how earlier forecasts compare with what was paid: what
        `flowplan cost --format json` prints. Keeps forecasts of the coming day in the stack's directory. `stop`: as in
        `plan`. Raises what `status` raises."""
        from flowplan.documents.track_record import document
        from flowplan.operations.cost import truth

        ahead = hours(horizon, "horizon")
        return self._look(lambda session: document(truth(session, ahead)), stop)

    def market(
        self,
        *types: str,
        region: str | None = None,
        limit: Decimal | str | None = None,
        horizon: Length = "24h",
        history: Length | None = None,
        stop: Stop | None = None,
    ) -> Auctions:
        """The auctions as anybody sees them; the tasks do not matter. `types`: as in a task file, a GPU ("h100": all
        its sizes), or the id of an auction; none: all. `limit`: dollars per instance-hour of a bid for one instance,
        whose outlook is asked for. `horizon`: how far ahead to forecast; `history`: how far back, and the document then
        lists the price changes since. `stop`: as in `plan`.

        `offers` of it: each auction with `market` (prices now, dollars per instance-hour), `entry`, `ahead` (a
        forecast), `advice` on a limit, and with `limit` also `bid` and its `outlook`. What could not be fetched is
        unknown, and in `notes`. Raises UsageProblem, ConfigError for a type or a region that is not there, CloudError,
        Interrupted.
        """
        asked = Asked(
            hours(horizon, "horizon"),
            None if history is None else timedelta(hours=hours(history, "history")),
            None if limit is None else limit_price(limit, "limit"),
            advice=True,
        )
        named = tuple(text(one, "a type") for one in types)
        where = None if region is None else text(region, "region")
        return self._look(lambda session: look(session, named, where, asked), stop)

    def offers(self, *, stop: Stop | None = None) -> Offers:
        """Where the tasks could go now, without a plan: `tasks` in the order of the files, each with its `places`, the
        best first, and why each other is not. Volumes that exist fix the region. No lock is taken, nothing is changed.
        `stop`: as in `plan`. Raises ConfigError, also for a task that can go nowhere, and what `status` raises."""
        from flowplan.operations.offers import offers

        return self._look(lambda session: offers(session, self._opening.sources), stop)

    def doctor(self, *, stop: Stop | None = None) -> Checkup:
        """Whether all is there that these calls need: `checks` of credentials, API, clock, project, SSH key, quota,
        configuration, backend, state and lock, each with `verdict` ("ok", "warning", "failed", "skipped"), `summary`
        and `remedy`. Nothing is changed, and no simulator made. `stop`: as in `plan`. Raises nothing of what it checks,
        but UsageProblem and Interrupted."""
        from flowplan.operations.doctor import doctor

        return self._look(lambda session: doctor(session, self._opening.sources), stop)

    def orphans(self, *, stop: Stop | None = None) -> Orphans:
        """What is live with flowplan's marker and in no state here: bids as `ours` (which `recover` cancels by their
        `id`), `released` and `elsewhere` (of other stacks), and `volumes`. `stop`: as in `plan`. Raises what `status`
        raises."""
        from flowplan.operations.orphans import find

        return self._look(find, stop)

    def state(self) -> State:
        """What flowplan made, as it was last applied. The API is not asked. Raises StateError."""
        return self._look(lambda session: load_of_any_api(session).state, None)

    def history(self) -> History:
        """The `versions` of the state that are kept, the newest first, also of one that is lost: each with its
        `serial`, and in `change` who saved it, when, and by which plan and commit. The API is not asked. Raises
        StateError."""
        from flowplan.operations.history import history

        return self._look(history, None)

    def _look(self, look: Callable[[Session], T], stop: Stop | None) -> T:
        """What `look` finds, in a session of its own. Once `stop` is set, it asks nothing more, and Interrupted is
        raised."""

        def run(event: Hearing) -> T:
            with self._opening.session(event) as session, session.unwound():
                return look(session)

        return run(Hearing()) if stop is None else in_a_thread(run, stop=stop)


def _again(kind: type[Looking], opening: Opening, own: bool) -> Looking:
    """A stack that was pickled. `own`: its environment is that of this process."""
    settings = opening.settings
    return kind(evolve(opening, settings=evolve(settings, environ=os.environ)) if own else opening)
