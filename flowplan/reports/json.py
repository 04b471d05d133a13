"""Documents -> JSON, as it is printed and saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flowplan.documents.plan import dumps
from flowplan.documents.totals import added_and_destroyed

if TYPE_CHECKING:
    from flowplan.documents.books import Books
    from flowplan.documents.doctor import Checkup
    from flowplan.documents.explain import Explained
    from flowplan.documents.failure import Failure
    from flowplan.documents.graph import Graph
    from flowplan.documents.history import History
    from flowplan.documents.history import Restored as VersionRestored
    from flowplan.documents.init import Started
    from flowplan.documents.lock import Lock
    from flowplan.documents.market import Auctions
    from flowplan.documents.offers import Offers
    from flowplan.documents.shapes.plan import FailedPlan, SealedPlan
    from flowplan.documents.state import Kept, Moves, Pushed, Rekeyed
    from flowplan.documents.status import Status
    from flowplan.documents.test import Outcome
    from flowplan.documents.validate import Checked
    from flowplan.reports.text.paint import Paint
    from flowplan.state.ownership import Orphans
    from flowplan.state.restored import Restored
    from flowplan.state.state import Binding


def document(body: Any, _: Paint) -> str:
    """A document that is reported as it is."""
    return dumps(body)


def failure(found: Failure, _: Paint) -> str:
    from flowplan.documents.failure import document as made

    return dumps(made(found))


def gitlab(body: SealedPlan | FailedPlan, _: Paint) -> str:
    """The counts of a plan, as GitLab's `reports:terraform` takes them: a replacement is a create and a delete. Without
    them, where there is no plan, GitLab says that the report failed."""
    if "summary" not in body:
        return dumps(body)
    add, gone = added_and_destroyed(body)
    return json.dumps({"create": add, "update": body["summary"]["update"], "delete": gone}) + "\n"


def init(done: Started, _: Paint) -> str:
    from flowplan.documents.init import document as made

    return dumps(made(done))


def checked(found: Checked, _: Paint) -> str:
    from flowplan.documents.validate import document as made

    return dumps(made(found))


def explain(found: Explained, _: Paint) -> str:
    from flowplan.documents.explain import document as made

    return dumps(made(found.explanations))


def state(found: Kept, _: Paint) -> str:
    """The state as its file has it; without what is in doubt, which stands in the journal."""
    from flowplan.state.codec import dump

    return dump(found.state).decode()


def addresses(found: Sequence[Binding], _: Paint) -> str:
    from flowplan.documents.state import addresses as made

    return dumps(made(found))


def resource(found: Binding, _: Paint) -> str:
    from flowplan.documents.state import resource as made

    return dumps(made(found))


def history(found: History, _: Paint) -> str:
    from flowplan.documents.history import history as made

    return dumps(made(found))


def released(found: Binding, _: Paint) -> str:
    from flowplan.documents.state import released as made

    return dumps(made(found))


def moved(found: Moves, _: Paint) -> str:
    from flowplan.documents.state import moved as made

    return dumps(made(found))


def pushed(found: Pushed, _: Paint) -> str:
    from flowplan.documents.state import pushed as made

    return dumps(made(found))


def rekeyed(found: Rekeyed, _: Paint) -> str:
    from flowplan.documents.state import rekeyed as made

    return dumps(made(found))


def restored(found: Restored, _: Paint) -> str:
    from flowplan.documents.state import restored as made

    return dumps(made(found))


def put_back(found: VersionRestored, _: Paint) -> str:
    from flowplan.documents.history import restored as made

    return dumps(made(found))


def lock(found: Lock, _: Paint) -> str:
    from flowplan.documents.lock import document as made

    return dumps(made(found))


def doctor(found: Checkup, _: Paint) -> str:
    from flowplan.documents.doctor import document as made

    return dumps(made(found))


def graph(found: Graph, _: Paint) -> str:
    from flowplan.documents.graph import document as made

    return dumps(made(found))


def market(found: Auctions, _: Paint) -> str:
    from flowplan.documents.market import document as made

    return dumps(made(found))


def offers(found: Offers, _: Paint) -> str:
    from flowplan.documents.offers import document as made

    return dumps(made(found))


def books(found: Books, _: Paint) -> str:
    from flowplan.documents.books import document as made

    return dumps(made(found))


def status(found: Status, _: Paint) -> str:
    from flowplan.documents.status import document as made

    return dumps(made(found))


def orphans(found: Orphans, _: Paint) -> str:
    from flowplan.documents.orphans import document as made

    return dumps(made(found))


def test(outcomes: Sequence[Outcome], _: Paint) -> str:
    from flowplan.documents.test import document as made

    return dumps(made(outcomes))
