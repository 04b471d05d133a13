"""What was paid over the life of a stack."""

from typing import Literal, TypedDict

from flowplan.documents.shapes.common import Amount


class PaidFor(TypedDict):
    """The bids that an address has and had. `paid`: null where it is not known of all of them; `at_least`: of those of
    which it is."""

    address: str
    bids: list[str]
    paid: Amount | None
    at_least: Amount


class PaidInAll(TypedDict):
    """Of instances; storage is not in it. `released`: bids that the stack released; they are not in the sum.
    `since_serial`: the serial of the state before which bids may be missing; null: none is."""

    tasks: list[PaidFor]
    released: list[PaidFor]
    paid: Amount | None
    at_least: Amount
    storage_included: Literal[False]
    since_serial: int | None
