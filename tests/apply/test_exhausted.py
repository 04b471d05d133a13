"""Creates that are spared a refusal."""

from __future__ import annotations

import pytest

from flowplan.apply.exhausted import Exhausted, NotTried
from flowplan.errors import CloudError, FlowplanError, Refused
from flowplan.planning.actions import Action, Change, Create
from tests.builders import DATA, TRAIN, bid, change, volume

CREATE = Create(TRAIN, after=bid())


def spared(learnt: FlowplanError, change: Change, of: Change = CREATE) -> bool:
    """Whether `change` is not tried once `of` has met the error."""
    exhausted = Exhausted()
    exhausted.learn(of, learnt)
    try:
        exhausted.hold(change)
    except NotTried as error:
        assert str(learnt) in str(error)
        return True
    return False


@pytest.mark.parametrize(
    ("error", "is_spared"),
    [
        (Refused("Quota exceeded"), True),
        (Refused("add a billing method"), True),
        (Refused("pay", status=402), True),
        (Refused("the name is too long"), False),
        (CloudError("quota"), False),
        (NotTried("not tried: quota exceeded"), False),
    ],
)
def test_a_quota_and_the_billing_refuse_all_of_a_kind(error: FlowplanError, is_spared: bool) -> None:
    assert spared(error, CREATE) is is_spared


@pytest.mark.parametrize(
    ("planned", "is_spared"),
    [
        (Create(TRAIN, after=bid("other")), True),
        (Create(TRAIN, after=bid(instance_type="it_2")), False),
        (Create(DATA, after=volume()), False),
        (change("replace", bid(), bid()), False),
        (change("update", bid(), bid()), False),
    ],
)
def test_what_a_quota_counts_together_is_spared(planned: Change, is_spared: bool) -> None:
    assert spared(Refused("quota"), planned) is is_spared


@pytest.mark.parametrize("action", ["create", "replace", "update"])
def test_any_refusal_of_the_kind_counts(action: Action) -> None:
    assert spared(Refused("quota"), CREATE, of=change(action, bid(), bid()))
