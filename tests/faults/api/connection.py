"""No connection."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowplan.backends.local import LocalStore
from flowplan.simulator import Simulator
from flowplan.simulator.serve import Server as Served
from tests.cloud.server import Server, says, tls
from tests.conftest import many
from tests.faults.api.rows import cell
from tests.faults.world import POST_BID, STATE, World


@cell("unreachable", "plan", "apply", "destroy", variants={"refused": "refused"})
def where_nobody_listens_it_fails_and_touches_nothing(world: World, command: str, _: str) -> None:
    world.served("fkey_CANARY_unreachable")
    world.place.write(many(2))
    assert world.do("apply").code == 0
    world.stop_serving()
    before = world.state_files()
    world.place.write(many(2, price="21.50"))
    told = world.do(command)
    assert told.code == 1, told
    assert "cannot reach 127.0.0.1" in told.said
    assert "VPN" in told.said and "HTTPS_PROXY" in told.said
    assert told.seconds < 30
    assert world.state_files() == before
    world.mend.append(lambda: served_again(world))


def served_again(world: World) -> None:
    """The same port answers again: the state belongs to its URL."""
    port = int(os.environ["FLOWPLAN_API_URL"].rpartition(":")[2])
    simulator = Simulator.open(world.data, api_key=os.environ["FLOWPLAN_API_KEY"])
    world.servers.append((Served(simulator, port).__enter__(), simulator))


@cell("unreachable", "plan", "apply", "destroy", variants={"dns": "api.flowplan.test"})
def a_host_that_no_name_server_knows(world: World, command: str, host: str) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    world.fresh()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", unknown)
        patch.setenv("FLOWPLAN_API_URL", f"https://{host}")
        patch.setenv("FLOWPLAN_API_KEY", "fkey_CANARY_dns")
        told = world.do(command)
    world.secrets.append("fkey_CANARY_dns")
    assert told.code == 1, told
    assert f"cannot reach {host}" in told.said
    assert told.seconds < 30
    assert not world.state_files()


@cell("unreachable", "apply", variants={"mid-apply": POST_BID})
def refused_in_the_middle_what_is_done_is_saved(world: World, command: str, route: str) -> None:
    world.begin(command)
    world.fault(route, "refused", times=None)
    told = world.do(command)
    assert told.code == 1, told  # nothing was sent, so nothing is unknown
    assert "Apply incomplete: 2 added" in told.out
    assert world.run("state", "list").out.split() == ["volume.vol-000", "volume.vol-001"]
    assert not LocalStore(world.path / STATE).read().pending


@cell("unreachable", "destroy", variants={"mid-destroy": "DELETE /v2/volumes/*"})
def refused_in_the_middle_of_a_destroy(world: World, command: str, route: str) -> None:
    world.applied()
    world.fault(route, "refused", times=None)
    told = world.do(command)
    assert told.code == 1, told
    assert world.run("state", "list").out.split() == ["volume.vol-000", "volume.vol-001"]


@pytest.fixture
def untrusted(certificates: Path, serve: Callable[..., Server]) -> Callable[[str], Server]:
    """A TLS server whose certificate is self-signed, or for another host."""
    return lambda name: serve(says("200 OK\r\nContent-Length: 2", b"[]"), tls=tls(certificates, name))


@cell("tls-error", "plan", "apply", "destroy", variants={"self-signed": "localhost", "wrong-host": "wrong"})
def who_cannot_prove_to_be_the_api_gets_nothing(world: World, command: str, name: str) -> None:
    world.fresh()
    folder = world.request.getfixturevalue("certificates")
    server: Server = world.request.getfixturevalue("untrusted")(name)
    world.secrets.append("fkey_CANARY_tls")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOWPLAN_API_URL", f"https://localhost:{server.port}")
        patch.setenv("FLOWPLAN_API_KEY", "fkey_CANARY_tls")
        if name == "wrong":
            patch.setenv("SSL_CERT_FILE", str(folder / "wrong.pem"))
        told = world.do(command)
    assert told.code == 1, told
    assert "cannot trust localhost" in told.said
    assert "insecure" not in told.said
    assert server.connections == len(told.sent) == len({one.path for one in told.sent})  # no list a second time
    assert not server.requests  # the credential least of all
    assert not world.state_files()
