"""Changes that are alike are shown once, and nothing is lost by that: what is unfolded is what --verbose shows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.names import Said, ranges, together
from flowplan.printable import natural
from flowplan.reports.text.actions import ordered
from flowplan.reports.text.destroys import destroys
from flowplan.reports.text.folding import folded, in_common
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.plan import block_of, changes
from tests.reports.folded import ENTRIES, create, named

PAINT = Paint()
_HEAD = re.compile(r" +(\S+) (.*?) \((\d+) alike\) (will be created)(.*)", re.DOTALL)
_NAME = st.from_regex(r"(sweep|a|lr-1)-?[0-9]{1,3}|[a-c](\[\"[a-z]?[0-9]{1,2}\"\])", fullmatch=True)


def unfolded(blocks: list[str]) -> list[str]:
    """Every block by itself, in one line."""
    found = []
    for text in blocks:
        head = _HEAD.fullmatch(" ".join(text.split()).join(("  ", "")))
        if head is None:
            found.append(" ".join(text.split()))
            continue
        symbol, names, count, says, rest = head.groups()
        assert len(named(names)) == int(count)
        for address in named(names):
            own = re.search(r'\["(.*)"\]', address)
            body = rest.replace(" of each:", ":")
            body = body.replace('"*"', f'"{own[1]}"') if own else body.replace(".*", "." + address.partition(".")[2])
            found.append(f"{symbol} {address} {says}{body}")
    return found


def own_volume(name: str) -> str:
    return f'volume.data["{name.partition(chr(34))[2][:-2]}"]' if "[" in name else f"volume.{name}-data"


SHAPES: tuple[Any, ...] = (
    lambda name: {"volumes": [], "mounts": []},
    lambda name: {"volumes": [], "mounts": [], "limit_price": "17.93"},
    lambda name: {"volumes": [], "mounts": [], "region": "us-central1-a"},
    lambda name: {"volumes": [], "mounts": [], "instance_quantity": 2},
    lambda name: {"volumes": [], "mounts": [], "startup_script": None},
    lambda name: {"volumes": [own_volume(name)], "mounts": []},
    lambda name: {"volumes": ["volume.shared"], "mounts": []},
)


@given(st.dictionaries(_NAME, st.integers(0, len(SHAPES) - 1), min_size=1, max_size=40), st.booleans())
def test_unfolded_it_is_what_verbose_shows(tasks: dict[str, int], with_ports: bool) -> None:
    entries = [create("bid", name, **SHAPES[shape](name)) for name, shape in tasks.items()]
    entries += [create("ports", name) for name in tasks if with_ports]
    short = [part for part in changes(ordered(entries), PAINT)[2:] if part]
    each = [part for part in changes(ordered(entries), Paint(verbose=True))[2:] if part]
    assert len(each) == len(entries)
    assert sorted(unfolded(short)) == sorted(" ".join(part.split()) for part in each)


@given(st.dictionaries(_NAME, st.integers(0, len(SHAPES) - 1), min_size=4, max_size=40))
def test_what_differs_is_not_alike(tasks: dict[str, int]) -> None:
    entries = [create("bid", name, **SHAPES[shape](name)) for name, shape in tasks.items()]
    for fold in folded(entries):
        assert len({tasks[address.removeprefix("bid.")] for address in fold.addresses}) == 1
        assert len(fold.entries) == 1 or len(fold.entries) > 3


def sweep(scripts: list[str]) -> list[Any]:
    """A bid for each, which are new; the scripts by their digests."""
    of = [{"sha256": script * 64, "size": 7} for script in scripts]
    return [create("bid", f"sweep-{n}", volumes=[], startup_script=one) for n, one in enumerate(of)]


def test_the_tasks_of_a_sweep_may_have_a_script_each_and_it_is_said() -> None:
    (fold,) = folded(sweep(["0", "1", "2", "3"]))
    assert "startup_script    = another one each (--verbose shows them)" in block_of(fold, PAINT)
    (same,) = folded(sweep(["7"] * 4))
    assert "startup_script    = 7 bytes, sha256 777777777777" in block_of(same, PAINT)


def test_of_what_is_there_another_script_is_a_difference() -> None:
    entries = sweep(["0", "1", "2", "3"])
    for entry in entries:
        entry["change"]["actions"] = ["delete", "create"]
    assert len(folded(entries)) == 4


def test_a_script_that_an_update_leaves_as_it_is_is_no_difference() -> None:
    entries = sweep(["0", "1", "2", "3"])
    for entry in entries:
        change = entry["change"]
        change |= {"actions": ["update"], "before": {**change["after"], "limit_price": "9.00"}}
    (fold,) = folded(entries)
    assert "limit_price = $9.00 -> " in block_of(fold, PAINT) and "script" not in block_of(fold, PAINT)
    entries[3]["change"]["before"]["startup_script"] = {"sha256": "4" * 64, "size": 7}
    assert len(folded(entries)) == 4


def test_of_what_is_gone_the_id_in_the_reason_is_no_difference() -> None:
    entries = []
    for name in ("0", "1", "2", "3"):
        entry = create("bid", f'sweep["{name}"]')
        entry["change"] |= {"actions": ["forget"], "before": entry["change"]["after"], "after": None}
        entry |= {"id": f"bid_{name}", "action_reason": "gone_outside", "note": f"bid_{name} has ended", "cost": None}
        entries.append(entry)
    (fold,) = folded(entries)
    said = " ".join(block_of(fold, PAINT).split())
    assert '(4 alike) will be forgotten: it is gone # * has ended . id = "*"' in said
    entries[3]["note"] = "bid_3 was cancelled"
    assert len(folded(entries)) == 4


def test_a_region_named_like_its_task_is_a_difference() -> None:
    regions = ["us-central1-a", "us-central1-b", "us-east1-a", "eu-central1-a"]
    assert len(folded(create("bid", name, region=name) for name in regions)) == 4
    keyed = [create("bid", f'train["{name}"]', region=name) for name in regions]
    assert len(folded(keyed)) == 4


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cost", "last_price"), "8.01"),
        (("cost", "outlook"), "waits"),
        (("change", "after", "ssh_keys"), ["another"]),
        (("change", "after", "instance_type"), "it_another"),
        (("change", "after", "memory_gb"), 64),
        (("note",), "chosen for its price"),
        (("lifetime",), None),
        (("action_reason",), "create_because_gone"),
        (("status",), "Open"),
    ],
)
def test_whatever_else_differs_is_a_difference(path: tuple[str, ...], value: Any) -> None:
    one, other = create("bid", "a-1"), create("bid", "a-2")
    assert in_common(one) == in_common(other)
    part = other
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    assert in_common(one) != in_common(other)


def forecast(name: str, expected: str | None, worst: str = "4.98", **other: Any) -> Any:
    """A bid whose limit changes, with what it is expected to cost."""
    entry = create("bid", name, volumes=[], mounts=[], **other)
    entry["change"] |= {"actions": ["update"], "before": {**entry["change"]["after"], "limit_price": "9.00"}}
    low, high = ("2.09", "3.85") if expected else (None, None)
    ahead = entry["cost"]["cost"]["horizon"] | {"p10": low, "p90": high, "expected": expected, "worst": worst}
    entry["cost"]["cost"] |= {"horizon": ahead, "month": {**ahead, "worst": "7.00"}, "day": ahead}
    entry["cost"] |= {"monthlyCost": expected, "savings_vs_limit": f"0.{worst[-2:]}"}
    return entry


def test_bids_whose_forecasts_differ_by_cents_are_one_block_that_says_from_what_to_what() -> None:
    entries = [forecast(f"t-{n:02}", f"3.{10 + n % 3}", f"4.{97 + n % 2}") for n in range(40)]
    entries[7]["cost"]["cost"]["horizon"] |= {"p10": "2.07", "p90": "3.86"}
    (fold,) = folded(entries)
    assert fold.addresses == [f"bid.t-{n:02}" for n in range(40)]
    said = " ".join(" ".join(changes(entries, PAINT)).split())
    assert "bid.t-00 … 39 (40 alike) will be updated in place" in said
    assert "about $3.10 to $3.12 ($2.07 to $3.86 in 8 of 10 cases)" in said
    assert "Their forecasts may differ a little: a block shows the least and the most." in said
    same = " ".join(changes([forecast(f"t-{n}", "3.10") for n in range(40)], PAINT))
    assert "(40 alike)" in same
    assert "forecasts" not in same


def test_bids_that_cost_the_same_in_nearly_all_cases_are_one_block_on_whichever_side_of_that_their_average_is() -> None:
    """No band is shown of them, which a rounded average could lie beside."""
    entries = [forecast(f"t-{n}", f"3.1{n}") for n in range(6)]
    for n, one in enumerate(entries):
        one["cost"]["cost"]["horizon"] |= dict.fromkeys(("p10", "p90"), f"3.1{n - n % 2}")
    (fold,) = folded(entries)
    assert block_of(fold, PAINT).rstrip().endswith("over a day $3.10 to $3.15")


@pytest.mark.parametrize(
    "other",
    [
        {"limit_price": "17.93"},
        {"instance_quantity": 2},
        {"region": "us-central1-a"},
    ],
)
def test_bids_that_differ_in_what_is_approved_are_not_one_however_near_their_forecasts_are(other: Any) -> None:
    entries = [forecast(f"t-{n}", f"3.1{n}", **(other if n % 2 else {})) for n in range(8)]
    assert [len(one.entries) for one in folded(entries)] == [4, 4]
    replaced = [forecast(f"t-{n}", f"3.1{n}") for n in range(8)]
    for one in replaced[::2]:
        one["change"] |= {"actions": ["delete", "create"]}
    assert [len(one.entries) for one in folded(replaced)] == [4, 4]


def test_bids_whose_forecasts_are_far_apart_or_unknown_are_not_one_with_the_others() -> None:
    entries = [forecast(f"t-{n}", f"3.1{n % 2}") for n in range(4)]
    dear = [forecast(f"u-{n}", f"3.7{n % 2}") for n in range(4)]
    unknown = [forecast(f"v-{n}", None, f"4.9{n}") for n in range(4)]
    folds = folded([*entries, *dear, *unknown])
    assert [len(one.entries) for one in folds] == [4, 4, 4]
    texts = [" ".join(block_of(one, PAINT).split()) for one in folds]
    assert "about $3.10 to $3.11 (" in texts[0]
    assert "about $3.70 to $3.71 (" in texts[1]
    assert "unknown, at most $4.90 to $4.93" in texts[2]


def test_no_two_forecasts_of_a_block_are_further_apart_than_any_two_may_be() -> None:
    """Whichever of them comes first."""
    entries = [forecast(f"t-{n}", ("3.10", "3.22", "2.98")[n % 3]) for n in range(12)]
    assert [[one["cost"]["cost"]["horizon"]["expected"] for one in fold.entries] for fold in folded(entries)] == [
        ["3.10", "3.22"] * 4,
        ["2.98"] * 4,
    ]


def test_bids_that_are_cancelled_are_one_whatever_was_forecast_of_them() -> None:
    entries = [forecast(f"t-{n}", f"{n + 1}.00") for n in range(8)]
    for one in entries:
        one["change"] |= {"actions": ["delete"], "after": None}
    (fold,) = folded(entries)
    assert "each saves: $" in block_of(fold, PAINT)


def test_the_data_of_volumes_goes_one_by_one() -> None:
    entries = [create("volume", f"data-{n}") for n in range(5)]
    assert len(folded(entries)) == 1
    for one in entries:
        one["change"] = {**one["change"], "actions": ["delete"], "before": one["change"]["after"], "after": None}
    assert len(folded(entries)) == 5


def test_the_list_of_what_is_destroyed_fits_a_few_lines_and_counts_the_rest() -> None:
    bids = [create("bid", f"a-{n}") for n in range(0, 240, 2)]
    volumes = [create("volume", f"data-{n:03}") for n in range(120)]
    for one in [*bids, *volumes]:
        one["change"] = {**one["change"], "actions": ["delete"]}
    head, data, *others = destroys([*bids, *volumes], PAINT).splitlines()
    assert (head, data) == ("Destroys:", "  - 120 volumes and their data: volume.data-000 … 119")
    assert len(others) == 2
    names, _, rest = " ".join(" ".join(others).split()).removeprefix("- 120 bids: ").partition(" and ")
    assert names.startswith("bid.a-0, bid.a-2, bid.a-4, ")
    assert rest == f"{120 - len(names.split(', '))} more, each shown above"


@given(st.lists(_NAME, unique=True))
def test_ranges_name_each_once(names: list[str]) -> None:
    assert named(", ".join(ranges(names))) == sorted(names, key=natural) or not names


def test_ranges_are_of_three_or_more() -> None:
    assert ranges(["a-9", "a-10", "a-11"]) == ["a-9 … 11"]
    assert ranges(["a-1", "a-2"]) == ["a-1", "a-2"]
    assert ranges(["a-08", "a-09", "a-10", "a-1"]) == ["a-1", "a-08 … 10"]
    assert ranges(['a["1"]', 'a["2"]', 'a["3"]']) == ['a["1"] … ["3"]']
    assert ranges(["node-1-x", "node-2-x", "node-3-x"], "...") == ["node-1-x ... 3-x"]


_NAMED = st.from_regex(r"[ab](-a|\.a)?(\[\"[ab]\"\])?", fullmatch=True)
_SAYING = st.lists(
    st.sampled_from(["bid.", "volume.", "ports.", "a", "b", "-", ".", "_", '"', '["', '"]', " ", "@g1", ":"])
)


@given(_NAMED, _SAYING.map("".join))
def test_a_name_is_left_out_of_a_text_where_a_pattern_made_of_it_finds_it(name: str, note: str) -> None:
    base, bracket, key = name.partition("[")
    kind = r"(?<![\w.@-])(?P<kind>(?:bid|volume|ports)\.)"
    expected = (
        note.replace(key[:-1], '"*"')
        if bracket
        else re.sub(rf"{kind}{re.escape(base)}(?![A-Za-z0-9_])", r"\g<kind>*", note)
    )
    assert in_common({**create("bid", name), "note": note})["note"] == expected


def test_no_pattern_is_compiled_for_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(*names: str) -> list[Any]:
        return [create(kind, f"{name}-{n}") for kind in ENTRIES for name in names for n in range(5)]

    folded(of("a"))
    compiled: list[str] = []
    real = re._compiler.compile  # type: ignore[attr-defined]
    monkeypatch.setattr(re._compiler, "compile", lambda *of: compiled.append(of[0]) or real(*of))  # type: ignore[attr-defined]
    folded(of("unlike", "others"))
    assert compiled == []


def test_sentences_that_say_the_same_are_one_where_they_are_more_than_a_few() -> None:
    few = [Said(f"a-{n}", f"a-{n} waits", "it waits") for n in range(3)]
    others = [Said(f"b-{n}", f"b-{n} runs", "it runs") for n in (7, 8, 10, 9)]
    mixed = [few[0], *others, *few[1:]]
    assert list(together(mixed, "...")) == ["a-0 waits", "a-1 waits", "a-2 waits", "b-7 ... 10 (4 alike): it runs"]
    assert sorted(together(mixed, each=True)) == sorted(one.alone for one in mixed)
