"""What every command prints fits the columns that it is shown in, 60 to 200, also where names are as long as they may
be, regions are strange and amounts have eight digits; and no amount loses a digit or its unit in a narrow place."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from flowplan.cli import main
from flowplan.reports.text.paint import columns
from flowplan.simulator.auctions import catalogue
from flowplan.simulator.furnish import set_price
from tests.cli.lines import paths
from tests.conftest import APPLY, Place, settle_in

REGION = "northamerica-northeast12-montreal-b"
LONG = "training-of-the-large-language-model-for-protein-folding-"  # a number makes it as long as a name may be
KEY = LONG.replace("-", "_")
STACK = f"""\
version: 2
name: {LONG}000001
project_name: my-foundry-project
ssh_key_name: my-ssh-key
defaults: {{resources_specification: {{cluster_id: {REGION}}}}}
variables: {{{KEY}_1: {{default: a}}}}
volumes:
  {LONG}000001: {{size: 8, size_unit: tb, disk_interface: File}}
tasks:
  {LONG}000001:
    task_management: {{utility_threshold_price: 999999.99}}
    resources_specification: {{fcp_instance: h100.8x.SXM5.IB, num_instances: 20}}
    persistent_storage: {{attach: {{volume: {LONG}000001, mount_point: /mnt/{LONG}}}}}
    ports: [8080, "9000-9002:19000-19002", 10001, 10003, 10005, 10007, 10009, 10011, 10013]
    lifetime: {{max_hours: 1000, max_cost: 1000000}}
    startup_script: "true"
  {LONG}000002:
    task_management: {{utility_threshold_price: 999999.98}}
    resources_specification: {{fcp_instance: h100.8x.SXM5.IB, num_instances: 20}}
  {LONG}000010:
    task_management: {{utility_threshold_price: 8}}
    resources_specification: {{fcp_instance: a100.8x.SXM4.IB}}
  short:
    task_management: {{utility_threshold_price: 20}}
    resources_specification: {{fcp_instance: a40.8x.PCIe, cluster_id: us-central1-a}}
outputs:
  {KEY}_1: "${{task.{LONG}000001.name}} and ${{task.{LONG}000002.name}}"
"""
CHOOSES = f"""\
name: {LONG}000100
project_name: my-foundry-project
task_management: {{utility_threshold_price: 999999.99}}
resources_specification: {{fcp_instance: h100.8x.SXM5.IB, num_instances: 20}}
"""
WRONG = f"""\
name: {LONG}000001
resources_specification: {{fcp_instance: h100.8x.SXM5.IBB, cluster_id: {REGION}a, instances: 3}}
"""
BID, VOLUME = f"bid.{LONG}000001", f"volume.{LONG}000001"
# A command -> what is typed behind it, once for each way to print something else.
TYPED: dict[str, tuple[str, ...]] = {
    "": ("",),
    "init": ("new", "other --api-url sim:"),
    "doctor": ("", "--api-url http://127.0.0.1:9"),
    "convert": ("sky.yaml --out converted.yaml",),
    "completion": (),  # a program for a shell
    "explain": ("", "auction-may-wait", "3", "budget"),
    "simulator": ("",),
    "simulator market": ("", "h100.8x.SXM5.IB"),
    "simulator advance": ("1h",),
    "simulator reset": ("--seed 7",),
    "simulator serve": (),  # runs until it is stopped
    "validate": ("", "wrong.yaml"),
    "fmt": ("--check",),
    "test": ("cases",),
    "schema": (),  # JSON
    "graph": (),  # programs draw from it
    "plan": (
        "",
        "chooses.yaml",
        "--destroy --keep-volumes",
        "--what-if 24h chooses.yaml",
        "--max-hourly-cost 5",
        "wrong.yaml",
    ),
    "apply": ("--auto-approve flowplan.yaml chooses.yaml", "--auto-approve --max-hourly-cost 5 chooses.yaml"),
    "destroy": ("--auto-approve", "--auto-approve --keep-volumes"),
    "import": (f"{VOLUME}2 vol_nothing",),
    "watch": ("--once", "--once wrong.yaml"),
    "status": ("",),
    "cost": ("", "--horizon 30d"),
    "market": ("", "h100", f"h100 --region {REGION} --limit 999999.99", "--limit 20", "--for chooses.yaml"),
    "output": ("",),
    "show": ("", "saved.plan"),
    "recover": ("",),
    "orphans": ("",),
    "state": ("",),
    "state history": ("",),
    "state list": ("",),
    "state migrate": ("flowplan.state.json moved.json",),
    "state mv": (f"{BID} bid.{LONG}000003",),
    "state pull": (),  # JSON
    "state push": ("saved.plan",),
    "state rekey": ("",),
    "state restore": ("", "1"),
    "state rm": (BID, f"bid.{LONG}000009"),
    "state show": (BID, VOLUME, f"ports.{LONG}000001"),
    "lock": ("",),
    "lock show": ("",),
    "force-unlock": ("3f0c9a52-6a3e-4d61-9d0b-5f6f2c1d8e77",),
}
SKYPILOT = """\
name: train
resources: {accelerators: "H100:8", infra: kubernetes, image_id: "docker:nvcr.io/nvidia/pytorch:24.01-py3"}
num_nodes: 2
file_mounts: {/data: "s3://bucket/with/a/long/path/to/the/data/of/the/training/run"}
run: python train.py
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stack with long names in a strange region, whose price has six digits, applied an hour ago."""
    from flowplan.cli import run

    path = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        settle_in(path / "work", patch)
        moved = [one._replace(region=REGION) if one.region == "us-central1-b" else one for one in catalogue.POOLS]
        patch.setattr(catalogue, "POOLS", tuple(moved))
        patch.setattr(catalogue, "REGIONS", (*catalogue.REGIONS, REGION))
        place = Place(path / "work", None)  # type: ignore[arg-type]
        place.write(STACK)
        assert run(("market",)) == 0
        with place.simulator() as simulator:
            set_price(simulator, "it_5ECSoHQjLBzrp5YM", REGION, Decimal("654321.09"))
        assert run(APPLY) == 0
        assert run(("simulator", "advance", "1h")) == 0
        for name, text in {"chooses.yaml": CHOOSES, "wrong.yaml": WRONG, "sky.yaml": SKYPILOT}.items():
            place.write(text, name)
        assert run(("plan", "--destroy", "--keep-volumes", "--out", "saved.plan")) == 0
        yield path


@pytest.fixture
def there(hostile: Path, place: Place) -> Place:
    """A copy of it."""
    shutil.copytree(hostile, place.path.parent, dirs_exist_ok=True)
    return place


def test_every_command_is_walked() -> None:
    leaves = {" ".join(path) for path in paths(main)}
    assert leaves == set(TYPED)


# A name, an id or a command that is wider than the line it stands in alone: it is there to be copied.
ALONE = re.compile(r"\s*(?:[-+~.#/<]+ )?\S+(?: =)?|\s*flowplan (?:import|destroy) .+")


def too_wide(text: str, width: int) -> list[str]:
    """The lines that are wider, but for those that hold nothing but a long name."""
    return [line for line in text.splitlines() if columns(line) > width and not ALONE.fullmatch(line)]


def fits(place: Place, typed: str, width: int) -> None:
    """Type it, and hold what is printed to `width`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        done = place.run(*shlex.split(typed))
    assert done.code in (0, 1, 3, 5, 64, 65), done
    assert too_wide(done.out + done.err, width) == []


EACH = [(command, typed) for command, ways in TYPED.items() for typed in ways]


@pytest.mark.parametrize(("command", "typed"), EACH)
def test_it_fits_the_narrowest(command: str, typed: str, there: Place) -> None:
    fits(there, f"{command} {typed}", 60)


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize(("command", "typed"), EACH)
def test_it_fits(command: str, typed: str, width: int, there: Place) -> None:
    fits(there, f"{command} {typed}", width)


@pytest.mark.parametrize("command", TYPED)
def test_help_fits_the_narrowest(command: str, place: Place) -> None:
    fits(place, f"{command} --help", 60)


AMOUNT = re.compile(r"[-+~]?\$[\d,.]*\d|[\d,.]+ (?:GB|h|instances?)\b")


@pytest.mark.parametrize(
    "typed", ["cost", "status", "market --limit 20", "market --for chooses.yaml", "show saved.plan"]
)
def test_no_amount_is_lost_in_a_narrow_place(typed: str, there: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    there.ok(*shlex.split(typed))  # cost says of the first look that there was none before
    found = {}
    for width in (60, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        found[width] = sorted(AMOUNT.findall(" ".join(there.ok(*shlex.split(typed)).split())))
    assert found[60] == found[200]
    assert len(found[60]) > 10
