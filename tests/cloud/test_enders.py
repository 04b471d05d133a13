"""Who ended a bid, by its history: the cloud, where the history names people, and nobody for the end."""

from __future__ import annotations

from typing import Any

import pytest

from flowplan.cloud.rows import ender

PLACED, ENDED = {"event_type": "Placed"}, {"event_type": "Terminated"}
BY_US, BY_NOBODY = PLACED | {"user_id": "user_1"}, ENDED | {"user_id": None}


@pytest.mark.parametrize(
    ("events", "who"),
    [
        ([BY_US, BY_NOBODY], "cloud"),
        ([BY_US, ENDED | {"user_id": "user_2"}], "user"),
        ([BY_US, BY_NOBODY, ENDED | {"user_id": "user_2"}], "user"),
        ([BY_US, ENDED | {"user_id": "user_2"}, ENDED], "user"),
        ([BY_US, ENDED | {"user_id": ""}], "user"),
        ([BY_US, ENDED | {"user_id": False}], "user"),
        ([BY_US, ENDED], None),
        ([BY_US, BY_NOBODY, ENDED], None),
        ([BY_US], None),
        ([BY_NOBODY], None),
        ([PLACED, BY_NOBODY], None),
        ([PLACED | {"user_id": None}, BY_NOBODY], None),
        ([PLACED | {"user_id": ""}, BY_NOBODY], None),
        ([PLACED | {"user_id": 0}, BY_NOBODY], None),
        ([BY_US, PLACED, BY_NOBODY], None),
        ([], None),
    ],
)
def test_the_cloud_ended_a_bid_only_where_a_history_that_names_people_names_nobody(
    events: list[dict[str, Any]], who: str | None
) -> None:
    assert ender(events) == who
