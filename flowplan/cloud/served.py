"""Whose data a `flowplan simulator serve` on this machine offers."""

from __future__ import annotations

import json
from contextlib import suppress

from flowplan.cloud.http.endpoint import checked_url
from flowplan.cloud.http.request import outgoing
from flowplan.cloud.http.wire import Patience
from flowplan.errors import UsageProblem

_PATIENCE = Patience(connect=2, read=2, deadline=3)


def file_served(url: str) -> str | None:
    """The file of the data that the simulator at `url` serves, by its absolute path. None: it is not known; nobody
    answers, say, or something else does. No credential is sent."""
    from flowplan.cloud.http.network import Network

    try:
        url = checked_url(url, in_process=False)
    except UsageProblem:
        return None
    network = Network(verify=True, proxies={}, pool=1)
    try:
        reply = network.send(outgoing("GET", f"{url}/_simulator/data", {}, None, None), "", _PATIENCE)
    finally:
        network.close()
    if reply.status == 200 and reply.fault is None:
        with suppress(ValueError, RecursionError):
            body = json.loads(reply.body)
            if isinstance(body, dict) and isinstance(body.get("file"), str):
                return body["file"] or None
    return None
