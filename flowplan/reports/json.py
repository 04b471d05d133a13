"""Documents -> JSON, as it is printed and saved."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flowplan.documents.json_text import dumps
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
    from flowplan.documents.state import AfterRecovery, Kept, Migrated, Moves, Pushed, Rekeyed
    from flowplan.documents.status import Status
    from flowplan.documents.test import Outcome
    from flowplan.documents.validate import Checked
    from flowplan.reports.text.paint import Paint
    from flowplan.state.orphans import Orphans
    from flowplan.state.restored import Restored
    from flowplan.state.state import Binding


def document(body: Any, _: Paint) -> str:
    """A document that is reported as it is."""
    return dumps(body)


def failure(found: Failure, _: Paint) -> str:
    """`failure.json`: what a program reads in the place of what it asked for. The exit code is that of the command."""
    from flowplan.documents.failure import document as made

    return dumps(made(found))


def gitlab(body: SealedPlan | FailedPlan, _: Paint) -> str:
    """The counts of a plan, as GitLab's `reports:terraform` takes them: a replacement is a create and a delete. Without
    them, where there is no plan, GitLab says that the report failed."""
    if "summary" not in body:
        return dumps(body)
    add, gone = added_and_destroyed(body)
    return json.dumps({"create": add, "update": body["summary"]["update"], "delete": gone}) + "\n"


def init(done: Started, paint: Paint) -> str:
    """`init.json`: what was found out, which files were written or left, and what to type next."""
    from flowplan.documents.init import document as made

    body = made(done)
    body["next"] = [{**one, "command": paint.typed(one["command"])} for one in body["next"]]
    return dumps(body)


def checked(found: Checked, _: Paint) -> str:
    """`validate.json`: each problem with its place, and whether there is an error among them."""
    from flowplan.documents.validate import document as made

    return dumps(made(found))


def explain(found: Explained, _: Paint) -> str:
    """`explain.json`: the explanations that were asked for, in a list also where it is one."""
    from flowplan.documents.explain import document as made

    return dumps(made(found.explanations))


def state(found: Kept, _: Paint) -> str:
    """The state as its file has it; without what is in doubt, which stands in the journal."""
    from flowplan.state.codec import dump

    return dump(found.state).decode()


def addresses(found: Sequence[Binding], _: Paint) -> str:
    """`addresses.json`: each address with its id, in the order given."""
    from flowplan.documents.state import addresses as made

    return dumps(made(found))


def resource(found: Binding, _: Paint) -> str:
    """`resource.json`: one resource as the state has it, secrets left out as there."""
    from flowplan.documents.state import resource as made

    return dumps(made(found))


def history(found: History, _: Paint) -> str:
    """`history.json`: the kept versions, the newest first."""
    from flowplan.documents.history import history as made

    return dumps(made(found))


def released(found: Binding, _: Paint) -> str:
    """`released.json`: what flowplan no longer manages, and how it ended, where the state says so."""
    from flowplan.documents.state import released as made

    return dumps(made(found))


def moved(found: Moves, _: Paint) -> str:
    """`moved.json`: each address that was changed, with the one that it has now."""
    from flowplan.documents.state import moved as made

    return dumps(made(found))


def pushed(found: Pushed, _: Paint) -> str:
    """`pushed.json`: the state that is in its place now."""
    from flowplan.documents.state import pushed as made

    return dumps(made(found))


def recovered(found: AfterRecovery, _: Paint) -> str:
    """`recovered.json`: what the state holds after `recover`."""
    from flowplan.documents.state import recovered as made

    return dumps(made(found))


def rekeyed(found: Rekeyed, _: Paint) -> str:
    """`rekeyed.json`: who can open the state now, and what could not be encrypted again."""
    from flowplan.documents.state import rekeyed as made

    return dumps(made(found))


def migrated(found: Migrated, _: Paint) -> str:
    """What `state migrate` moved."""
    from flowplan.documents.state import migrated as made

    return dumps(made(found))


def restored(found: Restored, _: Paint) -> str:
    """`restored.json`, of a state that was damaged: what it was restored from, and what of it was damaged."""
    from flowplan.documents.state import restored as made

    return dumps(made(found))


def put_back(found: VersionRestored, _: Paint) -> str:
    """`restored.json`, of an earlier version that was put back."""
    from flowplan.documents.history import restored as made

    return dumps(made(found))


def lock(found: Lock, _: Paint) -> str:
    """`lock.json`: who holds the lock, as far as its record says so, and whether that run is alive."""
    from flowplan.documents.lock import document as made

    return dumps(made(found))


def doctor(found: Checkup, _: Paint) -> str:
    """`doctor.json`: each check with its verdict, and what to do."""
    from flowplan.documents.doctor import document as made

    return dumps(made(found))


def graph(found: Graph, _: Paint) -> str:
    """`graph.json`: nodes and edges; an edge leads from what is needed to what needs it."""
    from flowplan.documents.graph import document as made

    return dumps(made(found))


def market(found: Auctions, _: Paint) -> str:
    """`market.json`: dollars per instance-hour; null where a price could not be fetched."""
    from flowplan.documents.market import document as made

    return dumps(made(found))


def offers(found: Offers, _: Paint) -> str:
    """`offers.json`: of each task the places where it could go, the best first."""
    from flowplan.documents.offers import document as made

    return dumps(made(found))


def books(found: Books, _: Paint) -> str:
    """`books.json`: every order of the simulated auctions, from the highest limit per GPU."""
    from flowplan.documents.books import document as made

    return dumps(made(found))


def status(found: Status, _: Paint) -> str:
    """`status.json`: what is live, what it is charged now, and what was paid so far."""
    from flowplan.documents.status import document as made

    return dumps(made(found))


def orphans(found: Orphans, _: Paint) -> str:
    """`orphans.json`: what carries the mark of a stack, and is in no state that is known here."""
    from flowplan.documents.orphans import document as made

    return dumps(made(found))


def test(outcomes: Sequence[Outcome], _: Paint) -> str:
    """`test.json`: each case with what it expected and was given, and how many passed."""
    from flowplan.documents.test import document as made

    return dumps(made(outcomes))
