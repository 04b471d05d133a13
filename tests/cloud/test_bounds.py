"""What comes from outside is finite, not negative, and of our time: everything else is unknown, and told."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import responses

from flowplan.cloud.http import response as replies
from flowplan.errors import CloudError, UsageProblem
from flowplan.model import bounds
from flowplan.model.digest import digest
from flowplan.reports.text.status import ssh_command
from tests.cloud.server import API, OK, Server, Time, tls, transport
from tests.conftest import BID, Place

# ---- amounts, counts, moments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "dollars"),
    [
        ("$25.60", "25.60"), ("$1,234.50", "1234.50"), ("25.6", "25.6"), (".5", "0.5"), (" $3 ", "3"), (0, "0"),
        (7, "7"), (Decimal("0.125"), "0.125"), ("$1,000,000.00", "1000000.00"), (Decimal("1e-999999"), "0E-12"),
    ],
)  # fmt: skip
def test_an_amount_is_read(value: Any, dollars: str) -> None:
    assert str(bounds.amount(value)) == dollars


@pytest.mark.parametrize(
    "value",
    [
        "$1e999999", "1e5", "-$5.00", "-5", "$-5", -5, Decimal("-0.01"), "NaN", "Infinity", Decimal("NaN"),
        Decimal("Infinity"), Decimal("1e999999"), "$1,000,000.01", 10**30, 10**40, True, None, "", "$", [], {}, 1.5,
        "٣", "1_000", "9" * 5_000, "five", "0x10", "$5 an hour", "17,92", "$1,00", "0,500", "1,2345", "1234,567",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_none(value: Any) -> None:
    assert bounds.amount(value) is None


@pytest.mark.parametrize("value", [10**30, -1, True, "5", None, 1.0, Decimal(5), 100_000_001])
def test_what_is_no_number_of_cents_is_none(value: Any) -> None:
    assert bounds.cents(value) is None
    assert bounds.cents(1792) == Decimal("17.92")


@pytest.mark.parametrize(
    "value",
    [
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "1970-01-01T00:00:00Z",
        "soon",
        "",
        None,
        7,
        [],
        "2100-01-01",
    ],
)
def test_a_moment_that_is_not_of_our_time_is_none(value: Any) -> None:
    assert bounds.moment(value) is None


def test_a_moment_is_in_utc() -> None:
    assert bounds.moment("2026-11-28T05:00:00+02:00") == datetime(2026, 11, 28, 3, tzinfo=UTC)
    assert bounds.moment("2026-11-28T05:00:00") == datetime(2026, 11, 28, 5, tzinfo=UTC)


# ---- what commands make of them -----------------------------------------------------------------------------


def edit(place: Place, route: str, **put: Any) -> None:
    with place.simulator() as simulator:
        simulator.faults.add(f"GET {route}", "edited", put=put, times=None)


@pytest.mark.parametrize("price", [10**30, -500, "many", 1.5, True])
def test_a_price_that_cannot_be_is_unknown_and_told_once(applied: Place, price: Any) -> None:
    edit(applied, "/v2/pricing/current", spot_price_cents=price, minimum_price_cents=price)
    told = applied.run("status")
    assert told.code == 0, told
    assert "price unknown" in told.out and "a price is unknown" in told.out
    assert " ".join(told.err.split()).count("as spot_price_cents: that is impossible, so it counts as unknown") == 1


@pytest.mark.parametrize("price", ["$1e999999", "-$5.00", "$NaN", 10**30])
@pytest.mark.parametrize("command", [("plan",), ("market",), ("cost",)])
def test_a_price_in_the_catalogue_that_cannot_be_stops_nobody(
    applied: Place, price: Any, command: tuple[str, ...]
) -> None:
    edit(applied, "/v2/spot/availability", last_instance_price=price, lowest_allocated_price=price)
    told = applied.run(*command)
    assert told.code == 0, told
    assert "last_instance_price" in told.err


def test_negative_prices_save_nothing(example: Place) -> None:
    negative = {f"{name}_cents": -100_000 for name in ("spot_price", "minimum_price", "dynamic_win_price")}
    edit(example, "/v2/pricing/current", **negative)
    told = example.run("plan", "--format", "json")
    (bid,) = [one for one in json.loads(told.out)["resource_changes"] if one["type"] == "bid"]
    assert bid["cost"]["last_price"] is None
    assert "-1000" not in told.out


def test_past_prices_that_cannot_be_are_left_out_and_told(example: Place) -> None:
    edit(example, "/v2/pricing/history", spot_prices=["$1e999999"], timestamps=["2026-01-01T00:00:00Z"])
    told = example.run("plan")
    assert told.code == 0, told
    assert "unreadable past prices are left out" in told.err


def test_a_bill_that_cannot_be_is_unknown_and_its_place_is_said(applied: Place) -> None:
    applied.ok("simulator", "advance", "2h")
    edit(applied, "/v2/instances/pricing/history", events=[{"price_cents": -5, "start_time": "2026-01-01T00:00:00Z"}])
    told = applied.run("status")
    assert told.code == 0, told
    assert "what was paid is unknown" in " ".join(told.err.split())
    assert "price_cents" in told.err and "/v2/instances/pricing/history" in told.err


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "never"])
@pytest.mark.parametrize("command", [("plan",), ("plan", "--what-if", "2h"), ("market",), ("cost",), ("status",)])
def test_a_date_of_no_time_of_ours_is_no_clock(applied: Place, date: str, command: tuple[str, ...]) -> None:
    for route in ("/v2/pricing/current", "/v2/pricing/history", "/v2/spot/bids", "/v2/instance-types", "/v2/projects"):
        with applied.simulator() as simulator:
            simulator.faults.add(f"GET {route}", "edited", headers={"date": date}, times=None)
    told = applied.run(*command)
    assert told.code == 0, told


def test_a_date_header_is_kept_only_within_our_years(times: Time) -> None:
    with responses.RequestsMock() as net:
        for date in ("Sat, 28 Nov 2026 05:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"):
            net.add("GET", f"{API}/v2/x", json=[], headers={"Date": date})
        api = transport(times)
        for _ in range(2):
            api.call("GET", "/v2/x")
    assert api.server_time == datetime(2026, 11, 28, 5, tzinfo=UTC)


# ---- bodies in several gzip members -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("padding", [b"", b"\0" * 100], ids=["plain", "padded"])
def test_a_gzip_body_of_several_members_is_read_to_its_end(size: int, padding: bytes) -> None:
    body = gzip.compress(b"[1, ") + gzip.compress(b"") + gzip.compress(b"2]") + padding
    unpack = replies._unpacker("gzip")
    assert b"".join(unpack(body[at : at + size]) for at in range(0, len(body), size)) == b"[1, 2]"


def test_a_list_in_several_gzip_members_keeps_its_end(times: Time) -> None:
    body = gzip.compress(b'[{"fid": "a"}, ') + gzip.compress(b'{"fid": "b"}]')
    with responses.RequestsMock() as net:
        net.add("GET", f"{API}/v2/x", body=body, headers={"Content-Encoding": "gzip"})
        assert transport(times).call("GET", "/v2/x").data == [{"fid": "a"}, {"fid": "b"}]


def test_what_follows_a_gzip_member_must_be_one() -> None:
    unpack = replies._unpacker("gzip")
    with pytest.raises(replies.Unreadable, match="damaged"):
        unpack(gzip.compress(b"[1]") + b"not gzip")


def test_members_are_counted_and_their_sum_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(replies.Unreadable, match="1000 gzip members"):
        replies._unpacker("gzip")(gzip.compress(b"") * 2_000)
    monkeypatch.setattr(replies, "RESPONSE_CAP", 1_000)
    assert len(replies._unpacker("gzip")(gzip.compress(b" " * 900) * 5)) <= 1_001


# ---- where to reach an instance -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("destination", "command"),
    [
        ("203.0.113.7", "ssh ubuntu@203.0.113.7"),
        ("203.0.113.7:22", "ssh ubuntu@203.0.113.7"),
        ("host.example:22001", "ssh -p 22001 ubuntu@host.example"),
        ("[fe80::1]:22", "ssh ubuntu@fe80::1"),
        ("[2001:db8::1]:2222", "ssh -p 2222 ubuntu@2001:db8::1"),
        ("[2001:db8::1]", "ssh ubuntu@2001:db8::1"),
        ("2001:db8::1", "ssh ubuntu@2001:db8::1"),
        ("fe80::1%eth0", "ssh ubuntu@fe80::1%eth0"),
        ("::1", "ssh ubuntu@::1"),
        ("host; rm -rf ~", "ssh unknown: its address is 'host; rm -rf ~'"),
        ("$(id):22", "ssh unknown: its address is '$(id):22'"),
        ("host:abc", "ssh unknown: its address is 'host:abc'"),
        ("host:70000", "ssh unknown: its address is 'host:70000'"),
        ("host:" + "9" * 5_000, f"ssh unknown: its address is 'host:{'9' * 105}…{'9' * 109}'"),
        ("[::1", "ssh ubuntu@::1"),
        ("[]:22", "ssh unknown: its address is '[]:22'"),
        ("-oProxyCommand=x", "ssh unknown: its address is '-oProxyCommand=x'"),
    ],
)
def test_an_ssh_command_is_one_that_works(destination: str, command: str) -> None:
    assert ssh_command(destination) == f"  {command}"


@pytest.mark.parametrize("destination", ["[2001:db8::1]:2222", "2001:db8::1"])
def test_status_shows_an_ipv6_address(applied: Place, destination: str) -> None:
    applied.ok("simulator", "advance", "1h")
    edit(applied, "/v2/instances", ssh_destination=destination)
    assert "ubuntu@2001:db8::1\n" in applied.ok("status")


# ---- certificate authorities --------------------------------------------------------------------------------


def test_a_directory_of_authorities_is_trusted(
    certificates: Path,
    serve: Callable[..., Server],
    times: Time,
    tmp_path: Path,
) -> None:
    shutil.copy(certificates / "localhost.pem", tmp_path / "ca.pem")
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
    server = serve(OK, tls=tls(certificates, "localhost"))
    url = f"https://localhost:{server.port}"
    for environ in ({"REQUESTS_CA_BUNDLE": str(tmp_path)}, {"SSL_CERT_FILE": str(certificates / "localhost.pem")}):
        assert transport(times, url, environ=environ).call("GET", "/v2/x").data == []
    with pytest.raises(CloudError, match="cannot trust localhost"):
        transport(times, url, environ={"REQUESTS_CA_BUNDLE": "/etc/ssl/certs"}).call("GET", "/v2/x")


@pytest.mark.parametrize("content", [None, b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_what_holds_no_authorities_is_wrong_usage(times: Time, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path
    if content is not None:
        path = tmp_path / "bundle.pem"
        path.write_bytes(content)
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        with pytest.raises(UsageProblem, match=name):
            transport(times, environ={name: str(path)})


# ---- the state ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lineage", "../../x"),
        ("lineage", "\ud800"),
        ("lineage", ""),
        ("serial", -1),
        ("serial", 1e999),
        ("serial", True),
    ]
    + [(key, value) for key in ("stack", "project", "project_name", "api_url") for value in (7, None, [], "\ud800")]
    + [("outputs", value) for value in (7, None, [], "x")],
)
def test_a_state_with_a_value_that_flowplan_never_writes_is_refused(applied: Place, key: str, value: Any) -> None:
    for command in (("status",), ("show",), ("state", "pull"), ("orphans",)):
        rewrite(applied, lambda state: state.update({key: value}))
        told = applied.run(*command)
        assert told.code == 5, told


@pytest.mark.parametrize("price", ["1e999999", "-5.00", "NaN", "10000000000000.00", "$5"])
def test_a_state_with_a_limit_that_cannot_be_is_refused(applied: Place, price: str) -> None:
    def damage(state: dict[str, Any]) -> None:
        (bid,) = [one for one in state["resources"] if one["address"] == BID]
        bid["applied"]["limit_price"] = price

    rewrite(applied, damage)
    told = applied.run("plan")
    assert told.code == 5 and "is not an" in told.err, told


def rewrite(place: Place, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the state file, checksum and all, and leave no journal and no backup beside it."""
    path = place.path / "flowplan.state.json"
    state = json.loads(path.read_text())
    del state["sha256"]
    change(state)
    path.write_text(json.dumps({**state, "sha256": digest(state)}))
    for name in ("flowplan.state.journal", "flowplan.state.json.backup"):
        (place.path / name).unlink(missing_ok=True)


def test_a_plan_is_not_saved_over_what_cannot_be_read(example: Place) -> None:
    told = example.run("plan", "--out", "/proc/self/mem")
    assert told.code == 64 and "/proc/self/mem" in told.err, told
