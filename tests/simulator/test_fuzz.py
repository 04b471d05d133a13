"""The API against its own document: whatever is sent, the answer is one that the document has."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from flowplan.simulator import SIMULATOR_URL, Simulator
from tests.processes import LONGEST
from tests.simulator.adapter import SimulatorAdapter

from .conftest import DOCUMENT, H100, REGION, Api

CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
FITTING = schemathesis.openapi.from_dict(DOCUMENT)  # the same, of which requests that fit the document are drawn
FITTING.config.generation.update(modes=[schemathesis.GenerationMode.POSITIVE])
# Which bounds and lists of the document are to be covered is worked out while tests are collected, by each worker, and
# takes longer than it does to ask: `make soak` covers them.
for one in (SCHEMA, FITTING):
    one.config.phases.coverage.enabled = not settings().derandomize
BOUNDED = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
# Calls of reserved instances, of which there are none: these are never answered with success.
UNSOLD = {("POST", "/v2/instances/{instance_fid}/restart"), ("POST", "/v2/instances/{instance_fid}/refresh-boot-disk")}


@pytest.fixture(scope="module")
def filled() -> Iterator[Api]:
    """A simulator with a bid, instances, a volume and scripts, so that there is something to answer with."""
    with Simulator.open(":memory:") as simulator, requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        api = Api(SIMULATOR_URL, session)
        volume = api.volume().json()["fid"]
        api.placed(launch_specification={"volumes": [volume], "ssh_keys": []})
        simulator.advance(900)
        api("POST", "/v2/lifecycle-scripts", json={"project": api.project, "name": "n", "content": "c"})
        yield api


def check(api: Api, case: schemathesis.Case) -> int:
    response = case.call(base_url=api.url, session=api.session, timeout=LONGEST)
    checks = [one for one in CHECKS if response.status_code != 501 or one is not not_a_server_error]
    case.validate_response(response, checks=checks)
    return response.status_code


@SCHEMA.parametrize()
@BOUNDED
def test_random_requests(case: schemathesis.Case, filled: Api) -> None:
    check(filled, case)


# --- requests that can succeed ---------------------------------------------------------------------------------

NAMES = (f"n{number}" for number in itertools.count())


def fresh_volume(api: Api) -> str:
    return str(api.volume(next(NAMES), size_gb=1).json()["fid"])


def fresh_key(api: Api) -> str:
    body = {"project": api.project, "name": "k", "public_key": "ssh-x A"}
    return str(api("POST", "/v2/ssh-keys", json=body).json()["fid"])


def fresh_script(api: Api) -> str:
    body = {"project": api.project, "name": "n", "content": "c"}
    return str(api("POST", "/v2/lifecycle-scripts", json=body).json()["fid"])


def an_instance(api: Api) -> str:
    return str(api.instances()[0]["fid"])


# parameter of a path -> what makes or finds an object for it
OBJECTS: dict[str, Callable[[Api], str]] = {
    "bid_fid": lambda api: api.placed(next(NAMES)),
    "volume_fid": fresh_volume,
    "ssh_key_fid": fresh_key,
    "ls_fid": fresh_script,
    "instance_fid": an_instance,
}
# Members of bodies of which random ones are almost always refused. Names of volumes and bids must be new.
GOOD: dict[str, Callable[[Api], Any]] = {
    "project": lambda api: api.project,
    "region": lambda api: REGION,
    "instance_type": lambda api: H100,
    "limit_price": lambda api: "$17.92",
    "instance_quantity": lambda api: 1,
    "size_gb": lambda api: 1,
    "name": lambda api: next(NAMES),
    "volumes": lambda api: [],
    "ssh_keys": lambda api: [],
    "instances": lambda api: [],
    "kubernetes_cluster": lambda api: None,
    "image_version": lambda api: None,
    "memory_gb": lambda api: None,
    "required": lambda api: False,  # a key that is would be needed in every bid
}


def make_good(api: Api, body: dict[str, Any]) -> None:
    """Put good values for what would be refused; leave what is free as it was drawn."""
    for name, value in body.items():
        if isinstance(value, dict):
            make_good(api, value)
        elif name in GOOD and value is not None:
            body[name] = GOOD[name](api)


@pytest.fixture
def statuses() -> Iterator[list[int]]:
    """What the requests of one operation were answered with: among it there must be a success."""
    seen: list[int] = []
    yield seen
    assert any(status < 300 for status in seen), seen


@FITTING.exclude(path=[path for _, path in UNSOLD]).parametrize()
@settings(BOUNDED, max_examples=12)
def test_random_requests_that_can_succeed(case: schemathesis.Case, filled: Api, statuses: list[int]) -> None:
    """Required are good values of what must be known, with everything else as it was drawn."""
    for name in case.path_parameters:
        case.path_parameters[name] = OBJECTS[name](filled)
    if isinstance(case.body, dict):
        make_good(filled, case.body)
        if case.path == "/v2/ssh-keys" and not case.body.get("public_key"):
            case.body["public_key"] = "ssh-x A"  # making a pair takes a second
    case.query.pop("next_cursor", None)
    for name in ("project", "region", "instance_type"):
        if name in case.query:
            case.query[name] = GOOD[name](filled)
    statuses.append(check(filled, case))
    if case.method == "POST" and case.path == "/v2/spot/bids" and statuses[-1] == 201:  # or the quota is soon used up
        bid = filled.get("/v2/spot/bids", limit=1)["data"][0]["fid"]
        assert filled("DELETE", f"/v2/spot/bids/{bid}").status_code == 204


@pytest.mark.slow
@SCHEMA.parametrize()
@settings(BOUNDED, max_examples=300, derandomize=False)
def test_many_random_requests(case: schemathesis.Case, filled: Api) -> None:
    check(filled, case)
