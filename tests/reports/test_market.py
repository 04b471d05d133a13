"""`flowplan market`: what somebody sees who asks what instances cost and which limit keeps them running."""

from __future__ import annotations

import itertools
import json
import re
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from flowplan.cli import context
from flowplan.cloud.fcp import Fcp
from tests.conftest import Place

H200 = "h200.8x"
WIDE = 80


def told(text: str) -> str:
    return " ".join(text.split())


def document(place: Place, *arguments: str) -> dict[str, object]:
    body: dict[str, object] = json.loads(place.ok("market", *arguments, "--format", "json"))
    return body


def auctions(place: Place, *arguments: str) -> list[dict[str, object]]:
    found = document(place, *arguments)["auctions"]
    assert isinstance(found, list)
    return found


def offered(place: Place) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(place.call("GET", "/v2/spot/availability").body)
    return rows


# ---- the table ----------------------------------------------------------------------------------------------


def test_every_auction_has_a_line_within_80_columns(place: Place) -> None:
    out = place.ok("market")
    regions = re.findall(r"(?m)^  (\S+-[a-z])  ", out)
    assert len(regions) == len(offered(place))
    assert all(len(line) <= WIDE for line in out.splitlines())
    assert not (place.path / "flowplan.state.json").exists()
    assert not (place.path / "flowplan.lock").exists()


def test_what_is_rough_says_why(place: Place) -> None:
    """So long a forecast is rough, however many prices are known."""
    assert place.ok("market", "--horizon", "30d").endswith("\n~ rough: no more than 14 days of past prices are known\n")


def test_sizes_of_a_gpu_stand_together_and_the_cheapest_region_first(place: Place) -> None:
    rows = auctions(place, "--region", "us-central1-a")
    kinds = [(str(row["gpu_type"]), row["gpus_per_instance"]) for row in rows]
    assert kinds == sorted(kinds, key=lambda kind: (kind[0], kind[1] or 0))
    prices = [Decimal(str(row["last_price"])) for row in auctions(place, "a100-80gb.sxm.8x")]
    assert prices == sorted(prices)
    assert len(prices) > 1


def test_a_limit_says_who_would_win_now_and_how_much_of_the_time_it_would_run(place: Place) -> None:
    asked = ("--region", "us-central1-a", "--limit", "11")
    out = place.ok("market", *asked)
    assert "At a limit of $11.00" in told(out)
    rows = auctions(place, *asked)
    outlooks = set()
    for row in rows:
        bid = row["at_limit"]
        assert isinstance(bid, dict)
        outlooks.add(bid["outlook"])
        below = Decimal(str(row["reserve"])) > 11
        assert (bid["outlook"] == "cannot_win") == below
        if below:
            assert bid["cost"]["hour"]["now"] == "0.00"
    assert outlooks == {"runs", "waits", "cannot_win"}
    assert all(len(line) <= WIDE for line in out.splitlines())


def test_a_limit_between_the_price_and_what_wins_runs_at_most_as_the_price_would_have_it(place: Place) -> None:
    """A forecast goes by the price: it counts hours in which a bid with this limit waits."""
    asked = ("a100-80gb.sxm.1x", "--region", "us-central1-a", "--limit")
    counted = "the forecast counts each hour in which the price is within the limit, this one too"
    [row] = auctions(place, *asked, "1")
    win = Decimal(str(row["win_price"]))
    below = win - Decimal("0.01")
    assert Decimal(str(row["last_price"])) <= below
    between = told(place.ok("market", *asked, str(below)))
    assert "would wait now" in between and "runs at most " in between and counted in between
    for limit in (Decimal(str(row["last_price"])) - Decimal("0.01"), win):
        said = told(place.ok("market", *asked, str(limit)))
        assert " runs " in said and "runs at most" not in said and counted not in said
    listed = told(place.ok("market", "--region", "us-central1-a", "--limit", str(below)))
    assert " loses <=" in listed and " wins <=" not in listed and " never <=" not in listed


def test_the_same_is_asked_twice_with_the_same_answer(place: Place) -> None:
    one, other = (document(place, "--region", "us-central1-a", "--limit", "9.50") for _ in range(2))
    assert one | {"timestamp": ""} == other | {"timestamp": ""}


def test_prices_are_those_of_the_api(place: Place) -> None:
    for row in auctions(place, "--region", "us-central5-a"):
        query = f"instance_type={row['instance_type']}&region={row['region']}&instance_quantity=1"
        now = json.loads(place.call("GET", f"/v2/pricing/current?{query}").body)
        assert Decimal(str(row["last_price"])) * 100 == now["spot_price_cents"]
        assert Decimal(str(row["reserve"])) * 100 == now["minimum_price_cents"]
        assert row["available_instances"] == now["available_capacity"]


# ---- a card -------------------------------------------------------------------------------------------------


def test_a_type_is_shown_with_its_past_and_with_advice(place: Place) -> None:
    out = place.ok("market", H200, "--region", "us-central5-a", "--limit", "22")
    said = told(out)
    assert "h200.8x in us-central5-a (8 x H200 141 GB SXM5)" in said
    assert "the market is full; a new bid pays the highest limit among the bids it pushes out" in said
    assert re.search(r"a limit of \$[0-9.]+ keeps it running 95% of a day in 90% of cases", said)
    assert re.search(r"over a day, \$[0-9.]+ (more|less) than at \$22.00", said)
    assert "reserve" in said.partition("┤")[2]  # the line in the picture
    assert all(len(line) <= WIDE for line in out.splitlines())


def test_advice_costs_what_it_says(place: Place) -> None:
    """What is asked at the limit that was advised costs no more than with it."""
    [row] = auctions(place, H200, "--region", "us-central5-a", "--limit", "22")
    advice = row["advice"]
    assert isinstance(advice, dict)
    [again] = auctions(place, H200, "--region", "us-central5-a", "--limit", str(advice["limit_for_95"]))
    bid, then = again["at_limit"], again["advice"]
    assert isinstance(bid, dict) and isinstance(then, dict)
    assert bid["cost"]["horizon"]["expected"] == advice["cost_at_that_limit"]
    assert then["expected_more"] == "0.00"
    assert Decimal(bid["availability"]["mean"]) >= Decimal("0.9")


def test_a_gpu_is_all_its_sizes(place: Place) -> None:
    sizes = {row["gpus_per_instance"] for row in auctions(place, "A100")}
    assert sizes == {1, 2, 4, 8}


@pytest.mark.parametrize("spelling", ["h100-80gb.sxm.8x", "h100.8x.SXM5.IB", "it_5ECSoHQjLBzrp5YM"])
def test_a_type_is_spelt_as_in_a_task_file(place: Place, spelling: str) -> None:
    assert "it_5ECSoHQjLBzrp5YM" in {row["instance_type"] for row in auctions(place, spelling)}


def test_history_is_as_long_as_asked(place: Place) -> None:
    [short] = auctions(place, H200, "--region", "us-central5-a", "--history", "24h")
    [long] = auctions(place, H200, "--region", "us-central5-a", "--history", "14d")
    [none] = auctions(place, H200, "--region", "us-central5-a")
    assert none["history"] is None
    assert isinstance(short["history"], dict) and isinstance(long["history"], dict)
    assert 0 < len(short["history"]["timestamps"]) < len(long["history"]["timestamps"])
    assert short["advice"] == long["advice"]  # what is shown is not what is known
    assert short["history"]["timestamps"][0] == "2026-11-01T09:00:00Z"


def test_a_terminal_that_knows_ascii_only(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert place.ok("market", H200).isascii()


# ---- the picture --------------------------------------------------------------------------------------------


def test_the_picture_is_one_file_that_anybody_can_read(place: Place) -> None:
    result = place.run("market", H200, "--limit", "22", "--svg", "prices.svg")
    assert result.code == 0
    assert "drawn into prices.svg" in result.err
    text = (place.path / "prices.svg").read_text()
    root = ElementTree.fromstring(text)
    name = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert "2 auctions" in (root.findtext(f"{name}title") or "")
    assert "h200.8x in us-east1-a" in (root.findtext(f"{name}desc") or "")
    assert len(root.findall(f".//{name}path[@class='price']")) == 2
    assert "limit $22.00" in text
    assert "<script" not in text and "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    again = place.run("market", H200, "--svg", "prices.svg")  # a picture may be drawn again
    assert again.code == 0


@pytest.mark.parametrize("mine", ["mine", '<svg xmlns="http://www.w3.org/2000/svg"/>'])
def test_the_picture_replaces_nothing_else(place: Place, mine: str) -> None:
    place.write(mine, "prices.svg")
    result = place.run("market", H200, "--svg", "prices.svg")
    assert result.code == 64
    assert (place.path / "prices.svg").read_text() == mine


def texts(place: Place, *arguments: str) -> dict[str, float]:
    """What is written in a picture of one auction, each with where it is from the top."""
    place.ok("market", *arguments, "--svg", "prices.svg")
    root = ElementTree.fromstring((place.path / "prices.svg").read_text())
    found = root.findall(".//{http://www.w3.org/2000/svg}text")
    return {one.text or "": float(one.get("y") or 0) for one in found}


def test_the_axes_say_what_they_are(place: Place) -> None:
    there = texts(place, H200, "--region", "us-central5-a", "--history", "2d")
    assert {"dollars per instance-hour", "time, UTC", "01 Nov", "18:00", "$0", "$40"} <= set(there)


def test_names_of_lines_do_not_lie_on_each_other(place: Place) -> None:
    there = texts(place, H200, "--region", "us-central5-a", "--limit", "8.01")
    heights = sorted(there[name] for name in ("now $16.33", "reserve $8.00", "limit $8.01"))
    assert min(b - a for a, b in itertools.pairwise(heights)) >= 13.9


def test_a_limit_beyond_the_picture_is_named_and_not_drawn(place: Place) -> None:
    assert "limit $30.00 ↑" in texts(place, "8xh100", "--region", "us-central1-b", "--limit", "30")
    assert '<line class="limit"' not in (place.path / "prices.svg").read_text()
    assert "limit $9.00" in texts(place, "8xh100", "--region", "us-central1-b", "--limit", "9")
    assert '<line class="limit"' in (place.path / "prices.svg").read_text()


def test_names_from_the_cloud_are_text_in_the_picture(place: Place) -> None:
    name = "<b>h&\u202eh</b>"
    row = {"fid": "it_7RHoQUztab9lU9Ne", "name": name, "gpu_type": "X", "num_gpus": 8, "gpu_memory_gb": 1}
    with place.simulator() as simulator:
        types = json.dumps([{**row, "gpu_socket": "&"}])
        simulator.faults.add("GET /v2/instance-types", "status", status=200, body=types)
    assert "<b>h&\\u202eh</b> in us-east1-a" in texts(place, "it_7RHoQUztab9lU9Ne", "--region", "us-east1-a")


def test_a_picture_that_cannot_be_written_is_an_error(place: Place) -> None:
    result = place.run("market", H200, "--svg", "no/such/place.svg")
    assert (result.code, result.out) == (64, "")
    assert "no/such/place.svg cannot be written: its directory does not exist" in result.err


# ---- what is wrong, and what is not known -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("h300.8x",), 65, "there is no instance type h300.8x"),
        ((H200, "--region", "us-central5"), 65, "there is no region us-central5"),
        ((H200, "--region", "us-central1-b"), 65, "it is offered in us-central5-a, us-east1-a"),
        (("--limit", "cheap"), 64, "--limit: 'cheap' is not an amount"),
        (("--limit", "0"), 64, "--limit must be more than 0"),
        (("--limit", "-3"), 64, "is not an amount"),
        (("--horizon", "soon"), 64, "--horizon: 'soon' is not a duration"),
        (("--history", "5s"), 64, "--history must be at least 1m"),
    ],
)
def test_bad_questions(place: Place, arguments: tuple[str, ...], code: int, says: str) -> None:
    result = place.run("market", *arguments)
    assert result.code == code, result
    assert says in told(result.err)
    assert result.out == ""


def test_prices_that_could_not_be_had_are_unknown_and_told(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/pricing/current", "status", status=403)  # 404: the auction is no more
    result = place.run("market", H200)
    assert result.code == 0
    assert "could not be fetched" in told(result.err)
    assert re.search(r"reserve +unknown\n +free +unknown", result.out)
    assert "$0.00" not in result.out


def test_without_any_past_nothing_is_said_of_what_is_ahead(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fcp, "pasts", lambda *_: {})
    [row] = auctions(place, H200, "--region", "us-central5-a", "--limit", "22")
    bid, advice = row["at_limit"], row["advice"]
    assert isinstance(bid, dict)
    assert bid["basis"] == "point-only"
    assert isinstance(advice, dict) and advice["limit_for_95"] is None
    out = place.ok("market", H200)
    assert "No past price is known" in out


def test_pasts_that_could_not_be_had_are_told(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/pricing/history", "status", status=200, body='{"series": 3}', times=None)
    result = place.run("market", H200)
    assert result.code == 0
    assert "past prices in us-central5-a, us-east1-a could not be fetched" in told(result.err)


def test_a_region_whose_past_could_not_be_had_hides_no_other(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/pricing/history", "status", status=200, body='{"series": 3}', times=1)
    first, second = auctions(place, H200)
    assert {first["confidence"], second["confidence"]} == {"point-only", "high"}


def test_who_waits_long_is_told_for_what(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_NOTABLE", 0.05)
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/pricing/history", "slow", seconds=0.3)
    assert place.run("market", H200).err == "asking for the prices of 2 auctions...\n"


def test_a_limit_that_is_too_low_or_far_too_high_is_warned_of(place: Place) -> None:
    def warnings(limit: str) -> object:
        [row] = auctions(place, "h100-80gb.sxm.8x", "--region", "us-central1-b", "--limit", limit)
        assert isinstance(row["at_limit"], dict)
        return row["at_limit"]["warnings"]

    assert warnings("7") == ["below_reserve"]
    assert warnings("30") == ["limit_far_above_need"]
    said = " ".join(place.ok("market", "8xh100", "--region", "us-central1-b", "--limit", "30").split())
    assert "far above what it needs" in said and "you are charged the price" in said and "down for up to 5%" in said
    priority = "33.92"  # FCP's standard priority: $4.24 per GPU-hour
    assert warnings(priority) == []


def test_no_auction_at_all_is_no_error(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/availability", "status", status=200, body="[]", times=None)
    assert place.ok("market") == "No auction is held now.\n"
    assert auctions(place) == []
    result = place.run("market", H200)
    assert result.code == 65
    assert "h200.8x has no auction now" in result.err


def test_wrong_credentials_are_an_error_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/pricing/current", "status", status=401, times=None)
    assert place.run("market", H200).code == 1


def test_the_number_of_calls_is_two_lists_one_an_auction_and_one_a_region(place: Place) -> None:
    result = place.run("market", "-v")
    calls = re.findall(r"(GET /\S+) ->", result.err)
    rows = offered(place)
    assert calls.count("GET /v2/pricing/current") == len(rows)
    assert calls.count("GET /v2/pricing/history") == len({row["region"] for row in rows})
    assert len(calls) == len(rows) + len({row["region"] for row in rows}) + 2
