"""What a journal records: what was about to be done (`Intent`), and what came of it (`Done`, `Closed`). Pure."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, Literal, Self, TypeAlias

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.clock import Moment
from flowplan.model.address import Address
from flowplan.model.lifecycle import Bounds
from flowplan.model.resources import Resource
from flowplan.state.state import IF_SET, AppliedPlan, Binding

_OF_PLANS = uuid.UUID("6b1f4a5e-3c0d-4f0e-9d2b-7a8c1e5f9b30")  # what `intent_of` makes ids in; never another


def intent_of(plan: str, address: Address) -> str:
    """The id of the intent by which the saved plan `plan` makes `address`: the same wherever it is applied. So what it
    made is known by its marker to a state that knows nothing of it, and a create sent again has the same key."""
    return str(uuid.uuid5(_OF_PLANS, f"{plan} {address}"))


def _hold_its_class(intent: Intent, _: Any, op: str) -> None:
    if (op == "create") is not isinstance(intent, CreateIntent):
        raise ValueError("the intent of a create, and no other, carries what is made")


@frozen
class Intent:
    """Durable before the call it announces. `key` is the Idempotency-Key, the same in every attempt; `at` is when the
    last attempt was about to be sent: after a crash the settle window is counted from it. `since`: when the first one
    was, where that was another."""

    intent: str
    op: Literal["create", "update", "delete"] = field(validator=_hold_its_class)
    address: Address
    generation: int
    name: str
    key: str
    payload_sha256: str
    at: Moment
    id: str | None = None  # of the object, where it exists already
    resource: Resource | None = None  # what it is to be
    needs: tuple[Address, ...] = ()
    source: str = ""
    endpoint: str = ""
    project: str = ""
    resent: bool = False  # the one re-POST of a run was used
    since: Moment | None = field(default=None, metadata=IF_SET)
    protected: str = field(default="", metadata=IF_SET)  # as a Binding has it
    protected_by: str = field(default="", metadata=IF_SET)  # as a Binding has it
    lifetime: Bounds | None = field(default=None, metadata=IF_SET)  # as a Binding has it
    raised_from: Decimal | None = field(default=None, metadata=IF_SET)  # as a Binding has it

    def again(self, at: Moment, *, resent: bool) -> Self:
        """The same intent for one more attempt, which is about to be sent."""
        return attrs.evolve(self, at=at, since=self.since or self.at, resent=resent)


def _as_in_an_intent(_: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """A record has its keys in the order of the fields."""
    names = [one.name for one in attrs.fields(Intent)]
    return sorted(fields, key=lambda one: names.index(one.name))


@frozen(field_transformer=_as_in_an_intent)
class CreateIntent(Intent):
    """The intent of a create, which carries what is being made."""

    resource: Resource = field(kw_only=True)


@frozen
class Done:
    """The call of `intent` succeeded: this is what the address is now (None: it is gone). Without intent: no call was
    needed. `released` and `adopted`: an id that belongs to the state's set of this name from now on. What is bound is
    released no longer. `placed_at`: when the bid was placed, where no intent tells that (seconds since the epoch, as in
    `State.placed`); 0: an intent does, or long ago."""

    intent: str
    address: Address
    binding: Binding | None
    released: str = field(default="", metadata=IF_SET)
    adopted: str = field(default="", metadata=IF_SET)
    placed_at: float = field(default=0.0, metadata=IF_SET)


@frozen
class Closed:
    """`intent` is proved not to have happened; nothing changed."""

    intent: str
    why: str


Record: TypeAlias = Intent | Done | Closed | AppliedPlan  # the last: before the first call of a saved plan
RECORDS: dict[str, type[Record]] = {"intent": Intent, "done": Done, "closed": Closed, "plan": AppliedPlan}
RECORD_NAMES = {**{cls: name for name, cls in RECORDS.items()}, CreateIntent: "intent"}
