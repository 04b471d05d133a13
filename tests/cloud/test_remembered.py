"""What an API was last seen to offer: kept small, read with care, and never in the way."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowplan.cloud.remembered import Offered, remember, remembered
from flowplan.model.catalogue import Auction, Catalogue, InstanceType
from tests.cloud.server import API, CANARY


def catalogue(*names: str, region: str = "mars-1") -> Catalogue:
    types = tuple(InstanceType(f"it_{number}", name, "H100", 8) for number, name in enumerate(names))
    auctions = tuple(Auction(f"a_{one.id}", one.id, region, 1, None) for one in types)
    return Catalogue((*types, InstanceType("it_x", "never-offered", "A100", 1)), auctions)


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "FLOWPLAN_API_KEY": CANARY}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "flowplan" / "offered.json"


def test_what_has_an_auction_is_known_again_of_this_api_alone(environ: Mapping[str, str], path: Path) -> None:
    remember(environ, API, catalogue("h100.8x", "b200.8x"))
    assert remembered(environ, API) == Offered(("b200.8x", "h100.8x"), ("mars-1",))
    assert remembered(environ, "https://other.example.test") is None
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "example" not in path.read_text() and CANARY not in path.read_text()


def test_what_stays_as_it_is_is_not_written_again(environ: Mapping[str, str], path: Path) -> None:
    remember(environ, API, catalogue("h100.8x"))
    first = path.stat().st_ino
    remember(environ, API, catalogue("h100.8x"))
    assert path.stat().st_ino == first
    remember(environ, API, catalogue("h200.8x"))
    assert remembered(environ, API) == Offered(("h200.8x",), ("mars-1",))


def test_nothing_listed_forgets_nothing(environ: Mapping[str, str]) -> None:
    remember(environ, API, catalogue("h100.8x"))
    remember(environ, API, Catalogue((), ()))
    assert remembered(environ, API) == Offered(("h100.8x",), ("mars-1",))


def test_the_file_stays_small(environ: Mapping[str, str], path: Path) -> None:
    for number in range(12):
        remember(environ, f"{API}/{number}", catalogue(*(f"{number}-{one:04}.{'x' * 70}" for one in range(1000))))
    assert len(json.loads(path.read_bytes())["apis"]) == 8
    found = remembered(environ, f"{API}/11")
    assert found is not None and len(found.types) == 400
    assert remembered(environ, f"{API}/3") is None


@pytest.mark.parametrize(
    "name", ["$(reboot)", "a b", "a\x1b[2J", "-rf", "x" * 81, "", "a'b", "a\n", "\N{CYRILLIC SMALL LETTER A}"]
)
def test_a_name_that_a_shell_could_obey_is_left_out(environ: Mapping[str, str], name: str) -> None:
    remember(environ, API, catalogue("h100.8x", name))
    assert remembered(environ, API) == Offered(("h100.8x",), ("mars-1",))
    remember(environ, API, catalogue(name, region=name))
    assert remembered(environ, API) == Offered(("h100.8x",), ("mars-1",))


ODD = [
    b"",
    b"{",
    b"[" * 100_000,
    b"\xff\xfe",
    b"null",
    b"[]",
    b'{"format_version": 2, "apis": {}}',
    b'{"format_version": 1, "apis": []}',
    b'{"format_version": 1, "apis": {}}' + b" " * 1_100_000,
]


@pytest.mark.parametrize("data", ODD, ids=lambda data: repr(data[:20]))
def test_a_strange_file_is_no_file_and_is_replaced(environ: Mapping[str, str], path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    assert remembered(environ, API) is None
    remember(environ, API, catalogue("h100.8x"))
    assert remembered(environ, API) == Offered(("h100.8x",), ("mars-1",))


@pytest.mark.parametrize(
    "kept", [None, 1, [], {"types": "abc", "regions": "abc"}, {"types": [1, None, {}, "$(x)"], "regions": ["r"]}]
)
def test_a_strange_entry_is_none(environ: Mapping[str, str], path: Path, kept: object) -> None:
    remember(environ, API, catalogue("h100.8x"))
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "apis": dict.fromkeys(found["apis"], kept)}))
    assert remembered(environ, API) is None


def test_a_fifo_holds_nobody_up(environ: Mapping[str, str], path: Path) -> None:
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert remembered(environ, API) is None
    remember(environ, API, catalogue("h100.8x"))


def test_where_nothing_can_be_kept_nothing_happens(environ: Mapping[str, str], path: Path) -> None:
    path.parent.parent.write_text("a file")
    remember(environ, API, catalogue("h100.8x"))
    assert remembered(environ, API) is None
    for elsewhere in ({}, {"HOME": "relative"}, {"XDG_CACHE_HOME": "relative"}):
        remember(elsewhere, API, catalogue("h100.8x"))
        assert remembered(elsewhere, API) is None


def test_another_file_that_a_link_leads_to_stays(environ: Mapping[str, str], path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    (tmp_path / "mine").write_text("mine")
    path.symlink_to(tmp_path / "mine")
    remember(environ, API, catalogue("h100.8x"))
    assert (tmp_path / "mine").read_text() == "mine"
