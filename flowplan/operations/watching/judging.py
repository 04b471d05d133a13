"""What of a decision of the watch every guard and budget lets through, judged with the plan of nothing else."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.errors import CloudError, ConfigError
from flowplan.model.address import Address
from flowplan.model.budget import Budget, side_by_side
from flowplan.operations.opening.session import Session
from flowplan.operations.proposing.priced import hold_budgets, priced_plan
from flowplan.operations.proposing.request import Request
from flowplan.operations.watching.look import Looked
from flowplan.planning.plan import Plan, Wishes
from flowplan.planning.watch_findings import COSTLY, Act, Decision
from flowplan.pricing.units import CENT

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.cost.priced_plan import PricedPlan

# What is carried out together: what stops something is by itself, and waits for no price.
TOGETHER: tuple[frozenset[Act], ...] = (frozenset(("cancel",)), frozenset(("lower",)), frozenset(COSTLY))


@frozen
class Judging:
    """Judges what a round `looked` at, and has `found`."""

    session: Session
    request: Request
    looked: Looked
    found: Decision
    _limits: dict[Address, Decimal] = field(init=False)  # that it sets, as far as they are allowed

    @_limits.default
    def _of_found(self) -> dict[Address, Decimal]:
        return self.found.limits

    def __call__(self) -> tuple[Decision, list[tuple[Plan, Wishes]]]:
        """What of `found` is done: as much of it as every guard and budget lets through; with the plan of each part. A
        limit is raised less far where only that is allowed, as long as it wins."""
        why: dict[Address, str] = {}
        acts: frozenset[Address] = frozenset()
        plans: list[tuple[Plan, Wishes]] = []
        for together in TOGETHER:
            wanted = [one.address for one in self.found.findings if one.act in together]
            done, made = self._most(wanted, why)
            acts |= done
            plans += [made] if made is not None else []
        return self.found.at(self._limits).only(acts, why, refused=True), plans

    def _most(
        self, wanted: list[Address], why: dict[Address, str]
    ) -> tuple[frozenset[Address], tuple[Plan, Wishes] | None]:
        """All of `wanted`, where that is allowed together, else one by one in natural order what is with those before;
        and the plan of that."""
        made = self._allowed(frozenset(wanted), why)
        if made is not None:
            return frozenset(wanted), made
        done: frozenset[Address] = frozenset()
        for address in wanted:
            more = self._allowed(done | {address}, why, address) if len(wanted) > 1 else None
            more = more or self._lower(done, why, address)
            if more is not None:
                done, made = done | {address}, more
        return done, made

    def _lower(self, done: frozenset[Address], why: dict[Address, str], address: Address) -> tuple[Plan, Wishes] | None:
        """The plan of `done` and of `address` at the highest limit that is allowed and wins, which is below the one
        that was to be set; of what is placed again, at the one in the files where there is none. None: not even that
        is allowed."""
        one = next(one for one in self.found.findings if one.address == address)
        if one.new_limit is None or one.to_win is None or one.act not in COSTLY:
            return None
        least, highest = one.to_win.quantize(CENT, ROUND_CEILING), one.new_limit

        def at(limit: Decimal) -> tuple[Plan, Wishes] | None:
            self._limits[address] = limit
            return self._allowed(done | {address}, why, address)

        made = at(least)
        if made is None:
            del self._limits[address]
            return self._allowed(done | {address}, why, address) if one.act == "place" else None
        while highest - least > CENT:
            middle = ((least + highest) / 2).quantize(CENT, ROUND_FLOOR)
            if (more := at(middle)) is not None:
                least, made = middle, more
            else:
                highest = middle
        self._limits[address] = least
        return made

    def _allowed(
        self,
        acts: frozenset[Address],
        why: dict[Address, str],
        judged: Address | None = None,
    ) -> tuple[Plan, Wishes] | None:
        """The plan of nothing but `acts`; None where it is not allowed, or nothing is to be done: `why` says so of
        `judged`, or of each of them."""
        if not acts:
            return None
        part = self._part(acts)
        try:
            made = self._priced(part)
        except (ConfigError, CloudError) as error:
            said = error.problems[0].summary if isinstance(error, ConfigError) else str(error)
        else:
            touched = {one.address for one in made.plan.changes if one.ways}
            more = sorted(str(one) for one in touched - acts if one.kind != "ports")
            if not made.refusals and not more:
                return made.plan, part
            said = made.refusals[0].summary if made.refusals else f"{more[0]} would be changed with it"
        why |= dict.fromkeys(acts if judged is None else (judged,), said)
        return None

    def _priced(self, part: Wishes) -> PricedPlan:
        made = priced_plan(self.session, self.looked.seen, part)
        budgets = budgets_of(self.request, self.looked.config)
        return hold_budgets(self.session, made, budgets, self.request.hours)

    def _part(self, acts: frozenset[Address]) -> Wishes:
        """What is wished for, of nothing but `acts`, and the ports of their bids."""
        limits = {a: limit for a, limit in self._limits.items() if a in acts}
        ports = {Address("ports", one.name) for one in acts if one.kind == "bid"}
        bindings = self.looked.seen.state.bindings
        return attrs.evolve(
            self.looked.wishes,
            held_to=acts | ports,
            unrecorded=True,
            limits=limits,
            moving=self.found.moving & acts,
            lapsed={bindings[address].id: why for address, why in self.looked.dropped.items() if address in acts},
        )


def budgets_of(request: Request, config: Config) -> tuple[Budget, ...]:
    """Those that any apply is held to, and the one of the watch."""
    every = side_by_side(request.budgets, config.budgets)
    watch = config.watch
    if watch is None or watch.max_hourly_cost is None:
        return every
    return (*every, Budget(max_hourly_cost=watch.max_hourly_cost, position=watch.position, section="watch"))
