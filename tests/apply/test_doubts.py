"""What the look-up of a create in doubt means. Pure."""

from __future__ import annotations

import pytest

from flowplan.apply.doubts import became
from flowplan.apply.outcome import OutcomeUnknown
from flowplan.apply.scan import Finding, Verdict
from flowplan.apply.working_state import WorkingState
from flowplan.errors import CloudError, FlowplanError, Refused
from tests.builders import TRAIN, bid, bound, create_of, state

FIRST = create_of(TRAIN, bid())
SECOND = create_of(TRAIN, bid(), resent=True)
MADE = bound(TRAIN, "bid_1", bid())


def finding(verdict: Verdict, *ids: str, again: bool = False, error: CloudError | None = None) -> Finding:
    return Finding(SECOND if again else FIRST, verdict, MADE if verdict == "found" else None, ids, error)


def test_what_is_found_is_what_was_made() -> None:
    assert became(finding("found", "bid_1"), WorkingState(state()), resend=True) == MADE


def test_what_is_found_and_known_as_something_else_is_no_answer() -> None:
    """Whatever the marker says: one id is at one address."""
    working = WorkingState(state(bound(TRAIN.__class__("bid", "other"), "bid_1", bid("other"))))
    said = became(finding("found", "bid_1"), working, resend=True)
    assert isinstance(said, OutcomeUnknown) and "is in the state as bid.other" in str(said)


@pytest.mark.parametrize(
    ("again", "resend", "sent"), [(False, True, True), (True, True, False), (False, False, False), (True, False, False)]
)
def test_what_is_absent_is_sent_once_more_and_only_where_that_is_allowed(again: bool, resend: bool, sent: bool) -> None:
    said = became(finding("absent", again=again), WorkingState(state()), resend=resend)
    assert (said == "send again") is sent
    assert sent or isinstance(said, OutcomeUnknown)


@pytest.mark.parametrize(
    ("found", "kind", "text"),
    [
        (finding("foreign", "bid_9"), Refused, "the name train is taken by bid_9, which flowplan did not make"),
        (finding("ended", "bid_9"), Refused, "bid_9 was created and has ended since"),
        (finding("several", "bid_8", "bid_9"), OutcomeUnknown, "several live objects carry its marker: bid_8, bid_9"),
        (finding("unclear", "bid_9"), OutcomeUnknown, "bid_9 has its name, but may be somebody else's"),
        (finding("unprovable"), OutcomeUnknown, "the look-up was stopped"),
        (finding("unprovable", error=CloudError("the list is down")), OutcomeUnknown, "the list is down"),
        (finding("absent", again=True), OutcomeUnknown, "it is not listed, but may still appear"),
    ],
)
def test_what_else_may_be_found(found: Finding, kind: type[FlowplanError], text: str) -> None:
    said = became(found, WorkingState(state()), resend=True)
    assert isinstance(said, kind) and text in str(said)
