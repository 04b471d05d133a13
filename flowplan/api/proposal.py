"""What `Stack.plan` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field

from flowplan.api.arguments import whole
from flowplan.classes import frozen
from flowplan.errors import GuardRefused, UsageProblem
from flowplan.exact import exactly
from flowplan.operations.plan import Planned
from flowplan.operations.proposing.request import Request
from flowplan.operations.running.plan_file import hold_whole

if TYPE_CHECKING:
    from flowplan.cost.costs import Costs
    from flowplan.diagnostics import Diagnostic
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.planning.plan import Plan


@frozen
class Proposal:
    """What would be done, what it costs and what is said about it. `apply` carries out exactly this, or raises."""

    _planned: Planned = field(repr=False)
    _request: Request = field(repr=False)
    _state: str = field(repr=False)  # what tells the state from others that it was made for

    @property
    def plan(self) -> Plan:
        """`changes`, in the order of addresses, and `empty`: whether there is nothing to do."""
        return self._planned.priced.plan

    @property
    def costs(self) -> Costs:
        """What each change costs, now and ahead, and the whole: dollars, None where it is not known."""
        return self._planned.priced.costs

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What refuses it (severity "error": `apply` raises), and what is warned of or noted."""
        return self._planned.priced.diagnostics

    @property
    def refused(self) -> bool:
        """Whether a guard refuses it: `apply` raises GuardRefused. The `diagnostics` of severity "error" say why."""
        return bool(self._planned.priced.refusals)

    @property
    def document(self) -> SealedPlan:
        """What `flowplan plan --format json` prints."""
        return self._planned.sealed

    def markdown(self, max_bytes: int = 60_000) -> str:
        """What `flowplan plan --format markdown` prints: a comment for a pull request, cut at a resource to so many
        bytes, at least 4,000. Raises UsageProblem."""
        from flowplan.reports.markdown.plan import comment
        from flowplan.reports.text.paint import PLAIN

        with exactly():
            return comment(self.document, PLAIN, whole(max_bytes, "max_bytes", 4000, 1_000_000_000))

    def approved(self, here: str) -> tuple[Request, SealedPlan]:
        """What an apply carries out where the state is `here`. Raises UsageProblem for a proposal that was made for
        another state or without a look at the cloud, StalePlan for one that was edited, and GuardRefused for one that a
        guard refuses."""
        if self._state != here:
            raise UsageProblem(f"this proposal was made for {self._state}, not for {here}")
        if not self._request.refresh:
            raise UsageProblem("this proposal was made with refresh=False: the cloud was not checked")
        document = self._planned.sealed
        hold_whole(document)
        self._hold_allowed()
        return self._request, document

    def _hold_allowed(self) -> None:
        if why := self._planned.priced.refusals:
            first, said = why[0], "this proposal is refused; nothing was changed"
            raise GuardRefused(said, code=first.code, hint=first.hint, refusals=why)

    def __repr__(self) -> str:
        counts = [f"{count} {action}" for action, count in self.plan.count().items() if count]
        return f"<Proposal: {', '.join(counts) or 'nothing'}{'; refused' if self._planned.priced.errored else ''}>"

    def __str__(self) -> str:
        """What `flowplan plan` prints, and what refuses it."""
        from flowplan.reports.text.paint import Paint
        from flowplan.reports.text.plan import refusals, text

        body, paint = self._planned.document, Paint(on=False)
        with exactly():
            why = refusals(body, paint)
            return text(body, paint) + (f"\n{why}\n" if why else "")

    def _repr_html_(self) -> str:
        """The plan in a notebook."""
        from flowplan.reports.html.plan import html

        with exactly():
            return html(self._planned.document)
