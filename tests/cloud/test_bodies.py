"""Bodies that cannot be read, and lists that come in pages."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
import responses

from flowplan.cloud.http import response as replies
from flowplan.cloud.http.transport import Transport
from flowplan.errors import Ambiguous, CloudError
from tests.cloud.server import API, BIDS, CANARY, PAID, answers, failure, page, rows

# -- bodies that cannot be read --------------------------------------------------------------------------------------


UNREADABLE: list[dict[str, Any]] = [
    {"body": b'{"data": ['},
    {"body": b"<html>\x1b[31mLog in", "content_type": "text/html"},
    {"body": b""},
    {"body": b'{"n": NaN}'},
    {"body": b"\xff\xfe[\x00]\x00"},
    {"body": b"[" * 100_000},
    {"body": b'{"n": ' + b"9" * 5000 + b"}"},
    {"body": b"not gzip", "headers": {"Content-Encoding": "gzip"}},
    {"body": b"[]", "headers": {"Content-Encoding": "br"}},
]
UNASKED: list[dict[str, Any]] = [{"body": b"[]", "status": 206}, {"body": b"", "status": 304}]  # a part; no change


@pytest.mark.parametrize("answer", UNREADABLE + UNASKED)
def test_invalid_json_or_html_on_get_is_tried_three_times(
    net: responses.RequestsMock, api: Transport, answer: dict[str, Any]
) -> None:
    answers(net, "GET", answer)
    error = failure(api, "GET")
    assert len(net.calls) == 3
    assert "invalid response" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 500


def test_html_on_get_shows_its_beginning_and_suspects_a_proxy(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"body": f"<html>Sign in, {CANARY} " + "x" * 5000, "content_type": "text/html"})
    error = failure(api, "GET")
    assert "<html>Sign in, ******** xxx" in str(error)
    assert "proxy" in error.hint


@pytest.mark.parametrize("answer", UNREADABLE + UNASKED)
@pytest.mark.parametrize("method", PAID)
def test_2xx_with_unreadable_body_on_post_is_ambiguous(
    net: responses.RequestsMock, api: Transport, answer: dict[str, Any], method: str
) -> None:
    answers(net, method, {"status": 201, **answer})
    failure(api, method, kind=Ambiguous)
    assert len(net.calls) == 1


@pytest.mark.parametrize("answer", UNREADABLE)
def test_2xx_with_any_body_on_delete_is_success(
    net: responses.RequestsMock, api: Transport, answer: dict[str, Any]
) -> None:
    answers(net, "DELETE", answer)
    assert api.call("DELETE", BIDS).data is None


def test_so_is_a_part_of_an_answer_to_it_and_not_that_nothing_has_changed(
    net: responses.RequestsMock, api: Transport
) -> None:
    answers(net, "DELETE", UNASKED[0])
    assert api.call("DELETE", BIDS).status == 206
    net.reset()
    answers(net, "DELETE", UNASKED[1])
    assert "nothing has changed" in str(failure(api, "DELETE"))


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("packed", [False, True])
def test_response_over_the_cap(
    net: responses.RequestsMock, api: Transport, monkeypatch: pytest.MonkeyPatch, method: str, packed: bool
) -> None:
    monkeypatch.setattr(replies, "RESPONSE_CAP", 1 << 20)
    body = bomb(80 << 20) if packed else b" " * (2 << 20)
    assert not packed or len(body) < 1 << 20
    answers(net, method, {"body": body, "headers": {"Content-Encoding": "gzip"} if packed else {}})
    if method == "DELETE":
        assert api.call(method, BIDS).status == 200
        return
    error = failure(api, method, kind=Ambiguous if method == "POST" else CloudError)
    assert "larger than" in str(error)
    assert len(net.calls) == 1


def test_the_cap_is_64_mb() -> None:
    assert replies.RESPONSE_CAP == 64 * 1024 * 1024


def test_a_gzip_bomb_is_not_unpacked_beyond_the_cap(api: Transport) -> None:
    unpack = replies._unpacker("gzip")
    assert len(unpack(bomb(200 << 20))) == replies.RESPONSE_CAP + 1


# -- pages -----------------------------------------------------------------------------------------------------------


def test_pages_follow_the_cursor_and_drop_repeated_rows(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", page(rows("a", "b"), "c 1"), page(rows("b", "c"), 2), page([{"other": 1}, {"other": 1}], ""))
    found = list(api.pages(BIDS, {"project": "p"}))
    assert found == [rows("a", "b"), rows("c"), [{"other": 1}, {"other": 1}]]
    asked = [call.request.url.split("?")[1] for call in net.calls]
    assert asked == ["project=p", "project=p&next_cursor=c+1", "project=p&next_cursor=2"]


def test_a_bare_list_is_one_page(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"json": rows("a")})
    assert list(api.pages(BIDS)) == [rows("a")]


def test_rows_may_have_another_name(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", {"json": {"instances": rows("a"), "next_cursor": None}})
    assert list(api.pages(BIDS, rows="instances")) == [rows("a")]


@pytest.mark.parametrize("cursors", [["x", "x"], ["x", "y", "x"]])
def test_cursor_loop_fails(net: responses.RequestsMock, api: Transport, cursors: list[str]) -> None:
    answers(net, "GET", *[page(rows(str(n)), cursor) for n, cursor in enumerate(cursors)])
    with pytest.raises(CloudError, match="a page repeats"):
        list(api.pages(BIDS))
    assert len(net.calls) == len(cursors)


def test_a_cursor_is_never_followed_as_an_address(net: responses.RequestsMock, api: Transport) -> None:
    answers(net, "GET", page([], "https://evil.test/?x=1"), page([]))
    list(api.pages(BIDS))
    assert net.calls[1].request.url == f"{API}{BIDS}?next_cursor=https%3A%2F%2Fevil.test%2F%3Fx%3D1"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"data": {}}, "data is not a list"),
        ({}, "data is not a list"),
        ("text", "it is not a list"),
        ({"data": [{"fid": "a"}, 3]}, r"data\[1\] is not an object"),
        ({"data": [], "next_cursor": True}, "next_cursor"),
        ({"data": [], "next_cursor": {"a": 1}}, "next_cursor"),
    ],
)
def test_wrong_schema_of_a_page_names_field_and_path(
    net: responses.RequestsMock, api: Transport, body: object, says: str
) -> None:
    answers(net, "GET", {"json": body})
    with pytest.raises(CloudError, match=f"GET {BIDS}: invalid response: {says}"):
        list(api.pages(BIDS))
