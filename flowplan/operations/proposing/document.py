"""A plan's document: for people, and sealed for those who apply it later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.cost.priced_plan import PricedPlan
    from flowplan.documents.shapes.plan import PlanDocument, SealedPlan
    from flowplan.model.live import Live
    from flowplan.model.outputs import Output
    from flowplan.operations.looking.observe import Observed
    from flowplan.operations.opening.session import Session
    from flowplan.planning.plan import Plan, Wishes
    from flowplan.state.state import State

    Body = TypeVar("Body", bound=PlanDocument | SealedPlan)


def document_of(
    session: Session,
    seen: Observed,
    found: PricedPlan,
    paths: Sequence[str] = (),
    *,
    unchanged: bool = True,
    wishes: Wishes | None = None,
) -> PlanDocument:
    """The plan's JSON document. `paths`: what it was made of, for those who apply it later; `unchanged`: with the
    resources that stay as they are, and the digest of the configuration, neither of which people are shown; `wishes`:
    with the policy files, and the variables where there is no configuration. Hooks are told the digest, too."""
    from flowplan.documents.plan import Circumstances, document
    from flowplan.operations.checking.sensitive import kept_of

    config = seen.config
    tells = unchanged or (wishes is not None and bool(wishes.hooks))
    sha256, sensitive = kept_of(session, config) if tells and config is not None else ("", None)
    about = Circumstances(
        timestamp=session.now(),
        state=seen.state,
        config_sha256=sha256,
        paths=tuple(paths),
        variables=config.variables if config is not None else wishes.variables if wishes is not None else {},
        policies=wishes.policy_files if wishes is not None else {},
        sensitive=sensitive,
        outputs=_outputs(seen.state, config, found.plan),
        recorded=seen.recorded,
        state_at=session.chosen.recorded(session.identity, session.settings.directory),
        typed=session.settings.typed,
    )
    return document(found, about, unchanged=unchanged)


def _outputs(state: State, config: Config | None, plan: Plan) -> Mapping[str, Output]:
    """As they are once `plan` is carried out."""
    if not state.outputs and (config is None or not config.outputs):
        return {}
    from flowplan.operations.outputs import planned_outputs

    return planned_outputs(state, config, plan)


def sealed(session: Session, body: PlanDocument) -> SealedPlan:
    """`body` with its digest, and signed where there is a key to sign with."""
    from flowplan.documents.plan import sealed, signed

    made = sealed(body)
    key = session.settings.plan_key
    return made if key is None else signed(made, key.reveal().encode())


def with_scripts(session: Session, body: Body, plan: Plan, live: Live) -> Body:
    """`body`, the document of `plan`, with the startup scripts of the bids that it places, beside those that run, as
    far as the API shows them."""
    from flowplan.documents.scripts import with_scripts as made
    from flowplan.planning.actions import Replace
    from flowplan.startup.carried import script_of

    replaced = [live.bids.get(one.id) for one in plan.changes if isinstance(one, Replace) and one.id is not None]
    scripts = {bid.id: script_of(bid) for bid in replaced if bid is not None}
    running = {id: script for id, script in scripts.items() if script is not None}
    return made(body, plan.changes, running, session.listener.secretless)
