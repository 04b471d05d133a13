"""What a startup script does: ports."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from flowplan.model.resources import PortPair
from tests.startup.node import EXAMPLE, EXAMPLE_PORTS, Node, inputs, without, write_stub


def test_a_port_is_published_by_a_unit_which_is_written_once(node: Node):
    node.boot(inputs("exit 0", [PortPair(8080, 8080), PortPair(6006, 6006)]))
    assert node.calls() == [
        "systemctl cat foundrypf@.service",
        "systemctl daemon-reload",
        "systemctl enable --now foundrypf@8080.service",
        "systemctl cat foundrypf@.service",
        "systemctl enable --now foundrypf@6006.service",
    ]
    assert node.units == ["foundrypf@.service"]
    unit = (node.root / "etc/systemd/system/foundrypf@.service").read_text().splitlines()
    assert f"ExecStart={node.stubs}/foundrypf %i" in unit
    assert {"Restart=always", "WantedBy=multi-user.target"} <= set(unit)
    assert node.status == ["port.8080=ok", "port.6006=ok", "script=running", "script=exit 0"]


def test_the_unit_of_the_image_is_used_where_there_is_one(node: Node):
    node.answer("systemctl", "exit 0")
    node.boot(inputs("exit 0", [PortPair(8080, 8080)]))
    assert node.units == []
    assert node.calls()[-1] == "systemctl enable --now foundrypf@8080.service"


def test_a_pair_gets_a_forwarder_and_is_published_under_its_external_port(node: Node):
    node.boot(inputs("exit 0", [PortPair(8441, 8001)]))
    assert node.units == ["flowplan-forward-8441.service", "flowplan-forward-8441.socket", "foundrypf@.service"]
    assert node.text("etc/systemd/system/flowplan-forward-8441.socket") == (
        "[Socket]\nListenStream=8441\n[Install]\nWantedBy=sockets.target\n"
    )
    assert node.text("etc/systemd/system/flowplan-forward-8441.service") == (
        "[Unit]\nRequires=flowplan-forward-8441.socket\nAfter=flowplan-forward-8441.socket\n"
        "[Service]\nExecStart=/usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:8001\n"
    )
    enabled = [call for call in node.calls("systemctl") if "enable" in call]
    assert enabled == [
        "systemctl enable --now flowplan-forward-8441.socket",
        "systemctl enable --now foundrypf@8441.service",
    ]


def test_the_example_publishes_its_eleven_ports(node: Node):
    node.disk()
    node.boot(EXAMPLE)
    opened = [call.removeprefix("systemctl enable --now ") for call in node.calls("systemctl") if "enable" in call]
    assert [unit for unit in opened if unit.startswith("foundrypf")] == [
        f"foundrypf@{pair.external}.service" for pair in EXAMPLE_PORTS
    ]
    assert [unit for unit in opened if "forward" in unit] == [
        f"flowplan-forward-{8440 + n}.socket" for n in range(1, 6)
    ]
    for n in range(1, 6):
        assert f"127.0.0.1:{8000 + n}\n" in node.text(f"etc/systemd/system/flowplan-forward-{8440 + n}.service")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_units(node: Node):
    node.boot(inputs("exit 0", [PortPair(8441, 8001)]))
    (node.root / "usr/lib/systemd/systemd-socket-proxyd").write_text("#!/bin/sh\n")
    units = [node.root / "etc/systemd/system" / name for name in node.units if "@" not in name]
    result = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "flowplan-forward" not in result.stderr


def test_without_systemd_it_is_kept_running_in_the_background(node: Node):
    (node.root / "run/systemd/system").rmdir()
    write_stub(node.path / "socat", "")
    node.environ |= {"PATH": f"{node.stubs}:{node.path}", "keeps": "3"}
    node.boot(inputs("exit 5", [PortPair(8080, 8080), PortPair(8441, 8001)]))
    assert node.code == 5
    assert sorted(node.calls()) == [
        "foundrypf 8080",
        "foundrypf 8441",
        "socat TCP-LISTEN:8441,fork,reuseaddr TCP:127.0.0.1:8001",
    ]
    assert node.status[:2] == ["port.8080=ok", "port.8441=ok"]


def test_what_is_kept_running_is_started_again_when_it_fails(node: Node):
    (node.root / "run/systemd/system").rmdir()
    node.environ |= {"PATH": str(without(node, "sleep")), "keeps": "5"}
    write_stub(node.path / "fewer/sleep", f"exec {shutil.which('sleep')} 0.01")
    node.answer("foundrypf", "exit 1")
    node.boot(inputs("exit 5", [PortPair(8080, 8080)]))
    assert node.calls()[:4] == ["foundrypf 8080", "sleep 5"] * 2


def test_without_any_forwarder_the_pair_fails_and_the_rest_goes_on(node: Node):
    (node.root / "usr/lib/systemd/systemd-socket-proxyd").unlink()
    node.boot(inputs("exit 6", [PortPair(8441, 8001), PortPair(8080, 8080)]))
    assert node.code == 6
    assert node.status == ["port.8441=failed", "port.8080=ok", "script=running", "script=exit 6"]
    assert "flowplan: neither systemd-socket-proxyd nor socat: not forwarded" in node.output
    assert node.units == ["foundrypf@.service"]


def test_without_foundrypf_ports_fail_and_the_script_runs(node: Node):
    node.environ["PATH"] = str(without(node, "foundrypf"))
    node.boot(inputs("exit 6", [PortPair(8080, 8080)]))
    assert node.code == 6
    assert node.status == ["port.8080=failed", "script=running", "script=exit 6"]
    assert node.output.splitlines()[:2] == ["flowplan: foundrypf: not found", "flowplan: port.8080: failed (1)"]


def test_foundrypf_is_also_looked_for_where_the_path_does_not_lead(node: Node):
    node.environ["PATH"] = str(without(node, "foundrypf"))
    (node.root / "usr/local/bin").mkdir(parents=True)
    (node.root / "usr/local/bin/foundrypf").touch(0o755)
    node.boot(inputs("exit 0", [PortPair(8080, 8080)]))
    assert "ExecStart=/usr/local/bin/foundrypf %i\n" in node.text("etc/systemd/system/foundrypf@.service")


@pytest.mark.parametrize("verb", ["cat", "daemon-reload", "enable"])
def test_a_failing_systemctl_keeps_nothing_from_running(node: Node, verb: str):
    node.answer("systemctl", f'[ "$1" != {verb} ] || exit 9')
    node.boot(inputs("exit 3", [PortPair(8080, 8080), PortPair(8441, 8001)]))
    assert node.code == 3
    assert node.status[-1] == "script=exit 3"
    assert all(line.endswith("failed") for line in node.status[:2]) is (verb != "cat")
