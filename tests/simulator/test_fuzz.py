"""The API against its own document: whatever is sent, the answer is one that the document has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from flowplan.cloud.simulator import SIMULATOR_URL, Simulator

from .conftest import DOCUMENT, H100, REGION, Api

CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
BOUNDED = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


@pytest.fixture(scope="module")
def filled() -> Iterator[Api]:
    """A simulator with a bid, instances, a volume and scripts, so that there is something to answer with."""
    with Simulator.open(":memory:") as simulator, requests.Session() as session:
        session.mount(SIMULATOR_URL, simulator.adapter())
        api = Api(SIMULATOR_URL, session)
        volume = api.volume().json()["fid"]
        bid = api.placed(launch_specification={"volumes": [volume], "ssh_keys": []})
        api.status(bid)
        simulator.advance(900)
        api("POST", "/v2/lifecycle-scripts", json={"project": api.project, "name": "n", "content": "c"})
        yield api


def check(api: Api, case: schemathesis.Case) -> None:
    response = case.call(base_url=api.url, session=api.session, timeout=5)
    checks = [one for one in CHECKS if response.status_code != 501 or one is not not_a_server_error]
    case.validate_response(response, checks=checks)


@SCHEMA.parametrize()
@BOUNDED
def test_random_requests(case: schemathesis.Case, filled: Api) -> None:
    check(filled, case)


@SCHEMA.parametrize()
@BOUNDED
def test_random_requests_about_what_is_there(case: schemathesis.Case, filled: Api) -> None:
    """The same with the ids of things that exist, which no generator finds."""
    bid = filled.get("/v2/spot/bids")["data"][0]["fid"]
    there = {
        "project": filled.project,
        "bid_fid": bid,
        "volume_fid": filled.get("/v2/volumes", project=filled.project, include_deleted=True)[0]["fid"],
        "instance_fid": filled.instances()[0]["fid"],
        "ssh_key_fid": filled.get("/v2/ssh-keys", project=filled.project)[0]["fid"],
        "ls_fid": filled.get("/v2/lifecycle-scripts", project=filled.project)["data"][0]["fid"],
        "instance_type": H100,
        "region": REGION,
    }
    for part in (case.path_parameters, case.query, case.body):
        if isinstance(part, dict):
            part.update({name: there[name] for name in part if name in there})
    if case.method == "DELETE" and ("ssh-keys" in case.path or "lifecycle" in case.path):
        return  # the only one stays
    check(filled, case)


@pytest.mark.slow
@SCHEMA.parametrize()
@settings(BOUNDED, max_examples=300, derandomize=False)
def test_many_random_requests(case: schemathesis.Case, filled: Api) -> None:
    check(filled, case)
