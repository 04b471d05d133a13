"""What the log and errors show of a call: never a credential."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import traceback

import pytest
import requests
import responses

from flowplan.cloud.http.redaction import without
from flowplan.cloud.http.request import outgoing
from flowplan.cloud.http.response import Reply
from flowplan.cloud.http.transport import Transport
from flowplan.errors import CloudError, Refused
from flowplan.masking import forms_of
from flowplan.secret import Secret
from tests.cloud.server import BIDS, CANARY, Time, answers, failure, transport


def test_the_log_has_one_line_an_attempt_and_no_query_values(
    net: responses.RequestsMock, api: Transport, log: list[str]
) -> None:
    path = f"{BIDS}/bid_abc123"
    answers(net, "GET", {"status": 503}, {"json": [1], "headers": {"X-Request-Id": "r\x1b1"}}, path=path)
    api.call("GET", path, query={"name": "secret-name"})
    assert len(log) == 2
    assert log[0].startswith("GET /v2/spot/bids/{fid} -> 503 request_id=")
    assert re.fullmatch(
        r"GET /v2/spot/bids/\{fid\} -> 200 request_id=r\S+1 sent=0 B received=3 B elapsed=0.000 s", log[1]
    )
    assert "\x1b" not in log[1]
    assert "secret-name" not in "".join(log)


def test_the_text_of_a_request_and_of_a_reply_shows_no_credential() -> None:
    """It stands in a traceback with the values of variables, whoever prints one."""
    asked = outgoing("POST", f"https://api.example.test{BIDS}", {}, {"startup_script": CANARY}, "key")
    asked.headers["Authorization"] = f"Bearer {CANARY}"
    assert CANARY not in repr(asked)
    assert CANARY not in repr(Reply(200, {"set-cookie": CANARY}, json.dumps({"token": CANARY}).encode(), "req_1"))


def test_the_canary_appears_nowhere(net: responses.RequestsMock, api: Transport, log: list[str]) -> None:
    plain = CANARY
    encoded = requests.utils.quote(CANARY, safe="")
    basic = base64.b64encode(f"user:{CANARY}".encode()).decode()
    echo = f"{plain} {encoded} {basic} {json.dumps(CANARY)}"
    for status in (200, 202, 302, 400, 401, 403, 404, 409, 422, 429, 500):
        for body in (echo, json.dumps({"detail": echo}), json.dumps({"held": {"proposal_id": echo}})):
            for method in ("GET", "POST"):
                net.reset()
                headers = {"X-Request-Id": plain, "Location": f"https://{plain}/", "Retry-After": plain}
                answers(net, method, {"status": status, "body": body, "headers": headers})
                with contextlib.suppress(CloudError):
                    try:
                        answer = api.call(method, BIDS)
                        assert_clean(repr(answer).replace(answer.request_id, ""))
                    except CloudError as error:
                        assert_clean(*shown_of(error))
                        raise
    for raised in (requests.exceptions.ConnectionError(echo), requests.exceptions.SSLError(echo)):
        net.reset()
        answers(net, "POST", {"body": raised})
        with pytest.raises(CloudError) as caught:
            api.call("POST", BIDS)
        assert_clean(*shown_of(caught.value))
    assert_clean(*log, repr(api), str(api))


def shown_of(error: CloudError) -> list[str]:
    chain: list[str] = []
    inner: BaseException | None = error
    while inner is not None:
        chain += [str(inner), repr(inner)]
        inner = inner.__cause__ or inner.__context__
    return [*chain, str(error.hint), str(error.detail), *traceback.format_exception(error)]


def assert_clean(*texts: str) -> None:
    basic = base64.b64encode(f"user:{CANARY}".encode()).decode()
    for text in texts:
        assert CANARY not in text
        assert requests.utils.quote(CANARY, safe="") not in text
        assert basic[8:-6] not in text


def test_further_secrets_are_hidden_too(net: responses.RequestsMock, times: Time) -> None:
    answers(net, "POST", {"status": 422, "json": {"detail": [{"loc": ["body", "password"], "msg": "is hunter2!"}]}})
    error = failure(transport(times, token=None, secrets=[Secret("hunter2")]), "POST", kind=Refused)
    assert error.detail == "password: is ********!"
    assert "Authorization" not in net.calls[0].request.headers


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_redaction_knows_base64_at_any_offset(before: str) -> None:
    text = base64.b64encode(f"{before}{CANARY}:after".encode()).decode()
    assert "********" in without(text, forms_of(CANARY))


def test_redaction_leaves_short_values_alone() -> None:
    assert forms_of("abc") == forms_of("") == []
