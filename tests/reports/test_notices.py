"""What is said of several resources in the same words is said once, and every address is in it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flowplan.reports.text.notices import notices
from flowplan.reports.text.paint import Paint
from tests.reports.folded import create, named

VERBOSE = Paint(verbose=True)
_TEXTS = ("the limit $8.00 does not win now", "the limit $9.00 does not win now", "its price varies a lot")


def said(summary: str, severity: str = "warning", detail: str | None = "tie", **other: Any) -> Any:
    place = {"file": "a.yaml", "line": 3, "column": 1}
    return {"severity": severity, "summary": summary, "detail": detail, "source": place, "hint": None, **other}


def bids(count: int, **other: Any) -> list[Any]:
    return [create("bid", f"a-{n}", **other) for n in range(count)]


def test_the_same_words_of_one_auction_are_said_once_with_a_count() -> None:
    entries = [said(f"{one['address']}: it is too low", hint="raise it") for one in bids(120)]
    told = ["warning: bid.a-0 … 119 (120 bids): it is too low", "  at a.yaml:3:1", "  hint: raise it"]
    assert notices(entries, bids(120), Paint()).splitlines() == told
    apart = [{**one, "source": {**one["source"], "line": n + 3}} for n, one in enumerate(entries)]
    told[1] = "  at a.yaml:3:1 and 119 more places"
    assert notices(apart, bids(120), Paint()).splitlines() == told
    assert notices(entries, bids(120), VERBOSE).count("warning: ") == 120


def test_auctions_severities_and_hints_stand_apart() -> None:
    changes = [*bids(2), create("bid", "b-0", region="us-central1-a")]
    entries = [said(f"{one['address']}: it is too low") for one in changes]
    assert notices(entries, changes, Paint()).count("warning: ") == 2
    entries = [said("bid.a-0: low"), said("bid.a-1: low", "note"), said("bid.a-2: low", hint="raise it")]
    text = notices(entries, bids(3), Paint())
    assert [line.partition(" ")[0] for line in text.splitlines() if ": bid." in line] == [
        "warning:",
        "warning:",
        "note:",
    ]


def test_of_many_that_differ_the_first_is_shown_and_the_rest_counted() -> None:
    entries = [said(f"bid.a-{n}: the limit ${n}.00 does not win") for n in range(40)]
    assert notices(entries, bids(40), Paint()).splitlines() == [
        "warning: bid.a-0: the limit $0.00 does not win",
        "  at a.yaml:3:1",
        "  and 39 more of this kind in h100-80gb.sxm.8x in us-central1-b: bid.a-1 … 39;",
        "    --verbose shows each",
    ]


def test_what_is_done_to_many_is_said_of_the_first_and_the_rest_is_counted() -> None:
    """The address of what is deleted or replaced stands behind the verb."""
    entries = [
        said(f'{verb} volume.s["{n}"] destroys the data on volume s-{n}', "error", "volume_data")
        for n in range(40)
        for verb in ("deleting", "replacing")
    ]
    assert notices(entries, (), Paint()).splitlines() == [
        line
        for verb in ("deleting", "replacing")
        for line in (
            f'error: {verb} volume.s["0"] destroys the data on volume s-0',
            "  at a.yaml:3:1",
            '  and 39 more of this kind: volume.s["1"] … ["39"]; --verbose shows each',
        )
    ]
    alike = [said(f'replacing bid.a["{n}"] starts its max_hours again') for n in range(40)]
    text = " ".join(notices(alike, (), Paint()).split())
    assert text.startswith('warning: replacing bid.a["0"] … ["39"] (40 bids): each starts its max_hours again at ')


def test_each_rule_of_a_policy_that_refuses_is_shown_with_its_figures() -> None:
    """Of all that rules refuse, one rule is no more of the kind of another."""
    entries = [
        said(f"bid.a-{n}: {what} {n}", "error", "policy", source={"file": "policy.yaml", "line": line, "column": 1})
        for n in range(40)
        for line, what in enumerate(("its price is", "its region is", "its name is"), 1)
    ]
    text = notices(entries, bids(40), Paint())
    for line, what in enumerate(("price", "region", "name"), 1):
        assert f"error: bid.a-0: its {what} is 0\n  at policy.yaml:{line}:1\n  and 39 more of this kind" in text


def test_what_has_no_word_or_no_address_is_said_as_it_is() -> None:
    entries = [said("your own bids compete"), said("your own bids compete"), *(said("bid.a: x", detail=None),) * 2]
    assert notices(entries, bids(1), Paint()).count("warning: ") == 4


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(_TEXTS), st.sampled_from(["tie", "volatile"]))))
def test_every_address_is_named_as_often_as_something_is_said_of_it(found: list[tuple[int, str, str]]) -> None:
    entries = [said(f"bid.a-{n}: {text}", detail=detail) for n, text, detail in dict.fromkeys(found)]
    shown = Counter[str]()
    for line in " ".join(notices(entries, bids(31), Paint()).split()).split("warning: ")[1:]:
        head, _, rest = line.partition(": ")
        shown.update(named(head.partition(" (")[0]))
        more = rest.partition("us-central1-b: ")[2].partition("; --verbose")[0]
        shown.update(named(more) if more else [])
    assert shown == Counter(one["summary"].partition(":")[0] for one in entries)


def test_a_plan_that_is_refused_ends_with_that() -> None:
    body = json.loads((Path(__file__).parent.parent / "cases" / "budget-refused" / "plan.json").read_text())
    text = notices([said("x", "error"), said("y", "note"), said("z")], body["resource_changes"], Paint())
    assert [line for line in text.splitlines() if line[0] != " "] == ["warning: z", "note: y", "error: x"]


def test_the_verb_of_one_is_said_of_each() -> None:
    """It was written of one: "is used by", "ends after". What is said of the past, or may be, fits several."""
    for rest, said_of_both in (
        (" is used by z, which stays", ": each is used by z, which stays"),
        (" ends by its end_at", ": each ends by its end_at"),
        (" would wait", " would wait"),
        (": low", ": low"),
    ):
        entries = [said(f"volume.{name}{rest}", detail="volume_in_use") for name in "vw"]
        assert notices(entries, [], Paint()).splitlines()[0] == f"warning: volume.v, volume.w (2 volumes){said_of_both}"
