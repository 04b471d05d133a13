"""The simulator under test: in this process, and served on a loopback port. One suite runs against both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from flowplan.simulator import SIMULATOR_URL, Simulator
from flowplan.simulator.serve import Server
from tests.processes import LONGEST
from tests.simulator.adapter import SimulatorAdapter

DOCUMENT = json.loads((Path(__file__).parent / "fcp-api-v2.json").read_text())
H100, REGION = "it_5ECSoHQjLBzrp5YM", "us-central1-b"


class Api:
    """A client of the API that checks every answer against the API's document."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url = url
        self.session = session
        session.headers["Authorization"] = "Bearer fkey_test"

    def __call__(self, method: str, path: str, **given: Any) -> requests.Response:
        answer = self.session.request(method, self.url + path, timeout=LONGEST, **given)
        check_against_document(method, path, answer)
        return answer

    def get(self, path: str, **query: Any) -> Any:
        answer = self("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def project(self) -> str:
        return self.get("/v2/projects")[0]["fid"]

    def volume(self, name: str = "data", **changes: Any) -> requests.Response:
        body = {"name": name, "project": self.project, "disk_interface": "Block", "region": REGION, "size_gb": 10}
        return self("POST", "/v2/volumes", json=body | changes)

    def bid(
        self, name: str = "train", *, key: str | None = None, volumes: tuple[str, ...] = (), **changes: Any
    ) -> requests.Response:
        body = {
            "project": self.project,
            "region": REGION,
            "instance_type": H100,
            "limit_price": "$17.92",
            "instance_quantity": 1,
            "name": name,
            "launch_specification": {"volumes": list(volumes), "ssh_keys": []},
        }
        headers = {"Idempotency-Key": key} if key else {}
        return self("POST", "/v2/spot/bids", json=body | changes, headers=headers)

    def placed(self, name: str = "train", **given: Any) -> str:
        answer = self.bid(name, **given)
        assert answer.status_code == 201, answer.text
        return answer.json()["fid"]

    def change(self, bid: str, **changes: Any) -> requests.Response:
        return self("PATCH", f"/v2/spot/bids/{bid}", json=changes)

    def status(self, bid: str) -> str:
        return self.get(f"/v2/spot/bids/{bid}")["status"]

    def instances(self) -> list[dict[str, Any]]:
        return self.get("/v2/instances", project=self.project, sort_dir="asc")["data"]


def check_against_document(method: str, path: str, answer: requests.Response) -> None:
    """Every answer has the document's shape; every refusal but 422 is `{"detail": "..."}`."""
    if answer.status_code == 204:
        assert answer.content == b""
        return
    assert answer.headers["Content-Type"] == "application/json"
    for template, methods in DOCUMENT["paths"].items():
        pattern = re.sub(r"{[^}]+}", "[^/]+", template)
        if re.fullmatch(pattern, path.partition("?")[0]) and method.lower() in methods:
            content = methods[method.lower()]["responses"].get(str(answer.status_code), {}).get("content")
            if content:
                schema = content["application/json"]["schema"] | {"components": DOCUMENT["components"]}
                jsonschema.validate(answer.json(), schema)
                return
    if answer.status_code >= 400:
        assert set(answer.json()) == {"detail"}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator.open(":memory:") as made:
        yield made


@pytest.fixture(params=["process", "served"])
def api(request: pytest.FixtureRequest, simulator: Simulator) -> Iterator[Api]:
    with requests.Session() as session:
        if request.param == "process":
            session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
            yield Api(SIMULATOR_URL, session)
        else:
            with Server(simulator) as server:
                yield Api(server.url, session)


@pytest.fixture
def local(simulator: Simulator) -> Iterator[Api]:
    """In process only, for what does not depend on the transport."""
    with requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        yield Api(SIMULATOR_URL, session)


def pytest_configure(config: pytest.Config) -> None:
    """Whoever runs no test of this folder does without: to load it takes a second."""
    config.pluginmanager.import_plugin("schemathesis.pytest.plugin")
