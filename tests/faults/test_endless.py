"""Lists and answers that do not end, or that hold more than anybody has: refused, and named."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses

from flowplan.cloud.http import paging
from flowplan.cloud.http import response as replies
from flowplan.errors import Ambiguous, CloudError, Refused
from flowplan.model.resources import PortPair
from flowplan.startup import marker
from tests.cloud.server import API, BIDS, Time, answers, api, failure, log, net, page, rows, times, transport

__all__ = ["api", "log", "net", "times"]  # fixtures


def endless(net: responses.RequestsMock, data: list[Any]) -> list[int]:
    """Every page has `data` and another cursor; the list that is returned grows by an entry a call."""
    calls: list[int] = []

    def answer(_: Any) -> tuple[int, dict[str, str], str]:
        calls.append(1)
        return 200, {}, json.dumps({"data": data, "next_cursor": str(len(calls))})

    net.add_callback("GET", API + BIDS, callback=answer)
    return calls


@pytest.mark.parametrize(
    ("cap", "value", "says", "calls"),
    [
        ("PAGES_CAP", 7, "more than 7 pages", 7),
        ("ROWS_CAP", 20, "more than 20 rows", 7),
        ("LIST_CAP", 2 << 20, "larger than 2 MB", 2),
    ],
)
def test_a_list_that_never_ends_is_an_error_that_names_it(
    net: responses.RequestsMock,
    times: Time,
    monkeypatch: pytest.MonkeyPatch,
    cap: str,
    value: int,
    says: str,
    calls: int,
) -> None:
    monkeypatch.setattr(paging, cap, value)
    made = endless(net, [{"text": "x" * 2**20 if cap == "LIST_CAP" else ""}] * (1 if cap == "LIST_CAP" else 3))
    with pytest.raises(CloudError, match=f"GET {BIDS}: invalid response: the list (has|is) {says}"):
        list(transport(times).pages(BIDS))
    assert len(made) == calls


def test_rows_that_come_again_count_too(net: responses.RequestsMock, times: Time) -> None:
    made = endless(net, rows(*map(str, range(1000))))
    with pytest.raises(CloudError, match="more than 200,000 rows"):
        list(transport(times).pages(BIDS))
    assert len(made) == 201


def test_a_list_whose_pages_each_take_long_ends_in_time(net: responses.RequestsMock, times: Time) -> None:
    made = endless(net, rows("a"))
    pages = transport(times).pages(BIDS)
    with pytest.raises(CloudError, match="did not end in 10 minutes"):
        for _ in pages:
            times.now += 29
    assert len(made) == 22


def test_a_list_that_ends_within_its_limits_is_whole(net: responses.RequestsMock, times: Time) -> None:
    answers(net, "GET", page(rows("a"), "1"), page(rows("b")))
    found = transport(times).pages(BIDS)
    assert next(found) == rows("a")
    times.now += 601  # the last page is the end of it, however late
    assert list(found) == [rows("b")]


@pytest.mark.parametrize(("method", "kind"), [("GET", CloudError), ("POST", Ambiguous)])
def test_an_answer_of_very_many_values_is_not_read(
    net: responses.RequestsMock, times: Time, monkeypatch: pytest.MonkeyPatch, method: str, kind: type[CloudError]
) -> None:
    monkeypatch.setattr(replies, "VALUES_CAP", 1000)
    answers(net, method, {"body": "[" + "[]," * 1000 + "[]]", "status": 200})
    assert "it has more than 1,000 values" in str(failure(transport(times), method, kind=kind))
    assert len(net.calls) == 1


def test_a_refusal_of_endless_words_is_searched_at_its_beginning(net: responses.RequestsMock, times: Time) -> None:
    """Its patterns look ahead from each word: over all of it that would take the square of its length."""
    answers(net, "POST", {"json": {"detail": "price below minimum " + "name " * 2_000_000}, "status": 400})
    error = failure(transport(times), "POST", kind=Refused)
    assert "raise utility_threshold_price" in str(error.hint)
    assert len(str(error)) < 700


MARKED = (
    "#!/bin/bash\n"
    f"# flowplan:1 stack=S lineage=L address=bid.a generation=1 intent=I inputs={'0' * 64} ports=%s mounts=%s\n"
)


def test_a_marker_that_names_every_port_costs_nothing_until_its_ports_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[tuple[int, int]] = []

    def pair(external: int, internal: int) -> PortPair:
        made.append((external, internal))
        return PortPair(external, internal)

    monkeypatch.setattr(marker, "PortPair", pair)
    found = [marker.read(MARKED % (f"{first}-65535", "")) for first in range(1, 1001)]
    assert all(one is not None and len(one.ports) == 65_536 - first for first, one in enumerate(found, 1))
    assert not made
    last = marker.read(MARKED % ("80,7000-7002:8000-8002", ""))
    assert last is not None
    assert last.ports == tuple(PortPair(*one) for one in ((80, 80), (7000, 8000), (7001, 8001), (7002, 8002)))
    assert (last.ports[1], last.ports[2:], hash(last.ports)) == (
        PortPair(7000, 8000),
        (PortPair(7001, 8001), PortPair(7002, 8002)),
        hash(tuple(last.ports)),
    )
    assert last.ports != marker.read(MARKED % ("80,7000-7002:8000-8001,9", ""))
    assert len(made) > 4


@pytest.mark.parametrize(
    ("ports", "mounts"),
    [
        (",".join(map(str, range(2000, 3001))), ""),
        ("", ",".join(["v:/m"] * 1001)),
        ("1-65535,1", ""),
    ],
    ids=["ranges", "mounts", "ports"],
)
def test_a_marker_with_more_than_a_script_has_room_for_is_none(ports: str, mounts: str) -> None:
    assert marker.read(MARKED % (ports, mounts)) is None
    assert marker.read(MARKED % (ports.rpartition(",")[0], mounts.rpartition(",")[0])) is not None
