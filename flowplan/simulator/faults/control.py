"""The control path of a served simulator, for tests in other processes: `/_simulator/...` on the loopback address.

    POST   /_simulator/faults       {"on": "POST /v2/spot/bids", "does": "timeout", "after_commit": true}
    GET    /_simulator/faults       what was added, how often it was seen and met; and the conditions
    DELETE /_simulator/faults       no more faults, conditions as at first
    PATCH  /_simulator/faults       {"list_lag": 5, "duplicate_names": true, "idempotency": false}
    POST   /_simulator/third-party  {"method": "DELETE", "path": "/v2/volumes/vol_x", "body": null, "lag": 0}
    POST   /_simulator/preempt      {"bid": "bid_x", "seconds": 600}
    POST   /_simulator/end          {"bid": "bid_x"}
    POST   /_simulator/advance      {"seconds": 3600}
    GET    /_simulator/ledger       the mutating requests received
    GET    /_simulator/data         {"file": "/home/me/.flowplan/simulator.db"}; "": there is none

It needs no key, so it must not be reachable from a web page: the Host has to be the loopback address (a name that a
stranger's DNS points here will not do), a page's Origin is refused, and a body has to be called JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import asdict

from flowplan.simulator.api.messages import Refusal, Request, Response, no_content, reply

if TYPE_CHECKING:
    from flowplan.simulator.simulator import Simulator

PREFIX = "/_simulator/"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def answer(simulator: Simulator, request: Request) -> Response:
    """Answer a request to a path that begins with PREFIX. Never raises for what is in the request."""
    try:
        _require_local(request)
        act = _ACTS.get((request.method, request.path.removeprefix(PREFIX)))
        if act is None:
            raise Refusal(404, "Not Found")
        return act(simulator, _body(request))
    except Refusal as refusal:
        return refusal.response
    except (KeyError, TypeError, ValueError) as error:
        return reply(400, {"detail": f"{type(error).__name__}: {error}"})


def _require_local(request: Request) -> None:
    if _host(request.headers.get("host", "")) not in _LOOPBACK or "origin" in request.headers:
        raise Refusal(403, "The control path is for programs on this machine")
    if request.body and request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise Refusal(415, "The body must be application/json")


def _host(header: str) -> str | None:
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except RecursionError:
        raise ValueError("the body is too deep") from None
    if not isinstance(body, dict):
        raise ValueError("the body must be an object")
    return body


def _add(simulator: Simulator, body: Mapping[str, Any]) -> Response:
    return reply(201, asdict(simulator.faults.add_described(body)))


def _show(simulator: Simulator, body: Mapping[str, Any]) -> Response:
    seen = [{"fault": asdict(one.fault), "seen": one.seen, "met": one.met} for one in simulator.faults.seen()]
    return reply(200, {"faults": seen, "conditions": simulator.faults.conditions()})


def _clear(simulator: Simulator, body: Mapping[str, Any]) -> Response:
    simulator.faults.clear()
    return no_content()


def _set(simulator: Simulator, body: Mapping[str, Any]) -> Response:
    simulator.faults.set(**body)
    return reply(200, simulator.faults.conditions())


def _third_party(simulator: Simulator, body: Mapping[str, Any]) -> Response:
    return simulator.faults.third_party(body["method"], body["path"], body.get("body"), lag=body.get("lag", 0))


def _preempt(simulator: Simulator, body: Mapping[str, Any]) -> Response:
    simulator.faults.preempt(body["bid"], seconds=body.get("seconds", 600))
    return no_content()


def _end(simulator: Simulator, body: Mapping[str, Any]) -> Response:
    simulator.faults.end(body["bid"])
    return no_content()


def _advance(simulator: Simulator, body: Mapping[str, Any]) -> Response:
    simulator.advance(body["seconds"])
    return reply(200, {"now": simulator.now().isoformat()})


def _ledger(simulator: Simulator, body: Mapping[str, Any]) -> Response:
    entries = simulator.ledger(everything=True)
    return reply(200, [entry._asdict() | {"at": entry.at.isoformat()} for entry in entries])


def _data(simulator: Simulator, body: Mapping[str, Any]) -> Response:
    return reply(200, {"file": simulator.file})


_ACTS: dict[tuple[str, str], Callable[[Simulator, Mapping[str, Any]], Response]] = {
    ("POST", "faults"): _add,
    ("GET", "faults"): _show,
    ("DELETE", "faults"): _clear,
    ("PATCH", "faults"): _set,
    ("POST", "third-party"): _third_party,
    ("POST", "preempt"): _preempt,
    ("POST", "end"): _end,
    ("POST", "advance"): _advance,
    ("GET", "ledger"): _ledger,
    ("GET", "data"): _data,
}
