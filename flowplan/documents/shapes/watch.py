"""What one round of the watch came to."""

from typing import Literal, TypeAlias, TypedDict

from flowplan.documents.shapes.common import Amount, Said

FindingKind: TypeAlias = Literal[
    "lifetime_over", "ended", "preempted", "outbid", "raised", "moves", "drift", "unapplied", "waits", "runs", "done"
]
Act: TypeAlias = Literal["cancel", "place", "raise", "lower", "move"]


class Found(TypedDict):
    """What is the matter with one address. `act`: what the watch does about it, null: nothing; `acted`: whether a step
    of that is done. `asks`: a person is to decide, and `flowplan plan` shows about what. `why_not`: why nothing is done
    although the policy is about this, null: that is not so. `last_price`: of the auction, `to_win`: the lowest limit
    that wins now where `limit_price`, that of the bid, does not, `new_limit_price`: what it is set to; each in dollars
    per instance-hour, null where it is unknown or there is none. `status`: the API's word."""

    address: str
    id: str | None
    kind: FindingKind
    said: str
    act: Act | None
    acted: bool
    asks: bool
    why_not: str | None
    status: str | None
    last_price: Amount | None
    to_win: Amount | None
    limit_price: Amount | None
    new_limit_price: Amount | None


class AnHour(TypedDict):
    """Dollars an hour of the stack, storage included: now, null where that is unknown, and with every limit paid."""

    now: Amount | None
    worst: Amount


class RoundDocument(TypedDict):
    """One round. `as_of`: by the server's clock, RFC 3339 in UTC. `differs`: something is not as it is written, and
    stays so until a person decides. `hour`: as it was found; null: not known. `error`: why not all of it was looked at,
    or done; null: it was."""

    format_version: str
    as_of: str | None
    differs: bool
    findings: list[Found]
    hour: AnHour | None
    error: Said | None
