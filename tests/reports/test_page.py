"""The page of a plan: well-formed, complete in itself, nothing from outside is markup in it; what is alike is one."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from decimal import Decimal
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from flowplan.diagnostics import Position
from flowplan.documents.graph import Node, graph_of
from flowplan.documents.plan_graph import folded, graph_of_plan
from flowplan.documents.status import BidRow, Status
from flowplan.model.address import Address
from flowplan.model.lifecycle import After
from flowplan.reports.html.costs import bands_of
from flowplan.reports.html.filling import filled
from flowplan.reports.html.notices import notes_of
from flowplan.reports.html.page import page
from flowplan.reports.html.pictures import course_pictures
from flowplan.reports.html.status import page as status_page
from flowplan.reports.text.paint import Paint
from flowplan.state.state import State
from tests.builders import LINEAGE, Machine, bid
from tests.conftest import APPLY, Place
from tests.reports.pages import marked
from tests.texts import storage, task_text

PLANS = sorted((Path(__file__).parents[1] / "cases").glob("*/plan.json"))
VOID = {"meta", "input"}
HERE = Position("t.yaml", 1, 1)
HOSTILE = (
    "</script><script>alert(1)</script>",
    '" onload="alert(1)',
    "&lt;b&gt;&amp;&#x41;",
    "\u202egnp.exe\u2066",
    "<!--",
    "{{ 7 * 7 }}",
    "]]>\x1b[31m",
)


class Page(HTMLParser):
    """A page as a browser reads it: its elements with their attributes, its texts, and what does not fit."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.faults += [f"{tag} is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.text += data

    def ids(self) -> Counter[str]:
        return Counter(found for _, attributes in self.elements if (found := attributes.get("id")))

    def refers(self) -> set[str]:
        """The ids that others name."""
        names = {"for", "aria-labelledby", "aria-describedby"}
        found = {one for _, has in self.elements for name in names & {*has} for one in (has[name] or "").split()}
        return found | {(has["href"] or "#").removeprefix("#") for tag, has in self.elements if tag == "a"}


def made(body: Any) -> str:
    return page(body, Paint(on=False))


def plan_of(place: Place, *arguments: str) -> Any:
    return json.loads(place.ok("plan", "--format", "json", *arguments))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.parent.name)
def test_a_page_is_well_formed_and_fetches_nothing(path: Path) -> None:
    text = made(json.loads(path.read_text()))
    found = Page(text)
    assert found.faults == []
    assert [one for one, count in found.ids().items() if count > 1] == []
    assert found.refers() <= {*found.ids()}
    tags = {tag for tag, _ in found.elements}
    assert not tags & {"link", "img", "iframe", "object", "embed", "image", "use", "base"}
    names = {name for _, attributes in found.elements for name in attributes}
    assert not [name for name in names if name in ("src", "style") or name.startswith("on")]
    assert "url(" not in re.sub(r"url\(#drawing-head\)", "", text) and "@import" not in text


def test_only_its_own_script_and_style_may_run(place: Place) -> None:
    place.write(task_text("t", "17.92"))
    text = place.ok("plan", "--format", "html")
    (policy,) = (has["content"] or "" for tag, has in Page(text).elements if tag == "meta" and "http-equiv" in has)
    for tag in ("script", "style"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_a_name_is_it_is_text(hostile: str) -> None:
    """In every text of a plan, one by one: the page has the same elements, and shows what a terminal would show."""
    for path in (one for one in PLANS if one.parent.name in ("type-chosen-by-budget", "replace-on-port", "what-if")):
        body = json.loads(path.read_text())
        plain = marked(body, "plain")
        expected = [tag for tag, _ in Page(made(plain)).elements]
        found = Page(made(marked(body, hostile)))
        assert [tag for tag, _ in found.elements] == expected
        assert not [has for _, has in found.elements if "onload" in has]
        assert "\u202e" not in found.text and "\x1b" not in found.text and "49" not in _after(found.text, "7 * 7")


def _after(text: str, mark: str) -> str:
    return text.partition(mark)[0][-1:]


def test_a_template_escapes_and_lacks_nothing() -> None:
    with pytest.raises(Exception, match="undefined"):
        filled("failed.html.j2")
    found = filled("failed.html.j2", plan={"exit_code": "<b>", "flowplan_version": "\u202e", "timestamp": ""}, said=[])
    assert "&lt;b&gt;" in found and "\\u202e" in found


def test_a_plan_that_did_not_come_about_is_a_page(place: Place) -> None:
    place.write("nam: 1\n")
    result = place.run("plan", "--format", "html")
    assert result.code == 65 and "unknown key 'nam'" in result.err
    found = Page(result.out)
    assert found.faults == [] and "exit code 65" in found.text and "unknown key 'nam'" in found.text


def test_what_is_refused_says_so_first(place: Place) -> None:
    place.write(task_text("t", "17.92", more="guards: {max_hourly_cost: 1}\n"))
    result = place.run("plan", "--format", "html")
    assert result.code == 3
    text = Page(result.out).text
    assert text.index("A guard refuses this plan") < text.index("bid.t")
    assert "allows $1.00" in text


def test_past_prices_have_the_limits_of_the_bids(place: Place) -> None:
    place.write(task_text("a", "17.92") + task_text("b", "21.50"))
    place.ok("plan", "--format", "html", "--out", "p")
    saved = json.loads((place.path / "p").read_text())
    (past,) = saved["price_history"]
    assert past["timestamps"] and len(past["timestamps"]) == len(past["spot_prices"])
    (drawn,) = course_pictures(saved)
    assert drawn.svg.count('<line class="limit"') == 2 and "limit $17.92, limit $21.50" in drawn.words
    assert "limit $21.50" in place.ok("show", "p", "--format", "html")
    assert "price_history" not in plan_of(place)
    assert place.run("apply", "p", "--auto-approve").code == 0


def test_the_legend_of_the_costs_names_what_is_drawn(place: Place) -> None:
    """A limit far out is not drawn: it would press the bands flat."""
    for limit, drawn in (("12.00", True), ("170.00", False)):
        place.write(task_text("a", limit))
        page = place.ok("plan", "--format", "html")
        assert ('<line class="most"' in page, "the dashed line the most it can cost" in page) == (drawn, drawn)


def test_many_alike_are_one_card_and_each_is_found_in_it(place: Place) -> None:
    place.write("".join(task_text(f"task-{n:03}", "17.92", more="ports: [8080]\n") for n in range(120)))
    text = place.ok("plan", "--format", "html")
    found = Page(text)
    cards = [has for tag, has in found.elements if tag == "details" and "card" in (has.get("class") or "")]
    assert [one["data-count"] for one in cards] == ["120", "120"]
    assert "bid.task-007" in (cards[0]["data-words"] or "")
    assert "task-000 … 119 (120 alike)" in found.text
    assert [one.more for one in (bands_of(plan_of(place)["resource_changes"]) or pytest.fail()).bands] == [119]
    assert "120 × bid · create" in found.text and len(text) < 120_000


def test_what_is_said_of_many_is_said_once_and_each_can_be_read(place: Place) -> None:
    prices = [f"{12 + n / 10:.2f}" for n in range(40)]
    place.write("".join(task_text(f"t{n}", price, region="us-central1-a") for n, price in enumerate(prices)))
    found = notes_of(plan_of(place)["diagnostics"], plan_of(place)["resource_changes"])
    (warnings,) = (one for one in found if one.severity == "warning")
    assert len(warnings.notes) < 5 and warnings.count >= 40
    text = Page(place.ok("plan", "--format", "html")).text
    assert "more of this kind" in text and all(f"bid.t{n}: the limit" in text for n in range(40))


@pytest.mark.parametrize(
    ("hint", "parts"),
    [
        (None, []),
        ("undo it", ["undo it"]),
        (
            "give --allow-volume-destroy data; or `lifecycle: {a: b}` there",
            ["give ", "--allow-volume-destroy", " data; or ", "lifecycle: {a: b}", " there"],
        ),
        ("a--b, `x", ["a--b, `x"]),
        ("--keep-volumes", ["", "--keep-volumes", ""]),
    ],
)
def test_what_to_type_stands_out_in_a_hint(hint: str | None, parts: list[str]) -> None:
    """And an option is not broken between its dashes, where a line ends."""
    said: Any = {"severity": "note", "summary": "x", "detail": "d", "source": None, "hint": hint}
    [[note]] = [one.notes for one in notes_of([said], [])]
    assert note.hint == parts


def test_what_is_alike_in_a_graph_is_one_node() -> None:
    needs = {Address("bid", f"t{n}"): (Address("volume", "data"),) for n in range(5)} | {
        Address("volume", "data"): (),
        Address("ports", "t0"): (Address("bid", "t0"),),
    }
    found = folded(graph_of(needs), lambda node: "create")
    assert sorted(map(str, found.members)) == ["bid.t0", "bid.t1 … t4", "ports.t0", "volume.data"]
    assert found.graph.users[Node("volume.data")] == [Node("bid.t0"), Node("bid.t1 … t4")]
    assert len(folded(graph_of(needs), lambda node: node.address).members) == 7
    waiting = {Address("bid", f"t{n}"): [After(Address("bid", f"t{n - 1}"), "placed", HERE)] for n in range(1, 5)}
    chain = folded(graph_of(dict.fromkeys((Address("bid", f"t{n}") for n in range(5)), ()), waiting), lambda _: "")
    assert len(chain.members) == 5


def test_the_graph_of_a_plan_has_what_goes_and_what_is_attached() -> None:
    (path,) = (one for one in PLANS if one.parent.name == "volume-attached-instead")
    graph = graph_of_plan(json.loads(path.read_text())["resource_changes"])
    assert all(node.attached == (node.address.partition(".")[2].startswith("vol_")) for node in graph.users)
    assert any(users for users in graph.users.values())


def test_what_is_left_alone_is_listed_and_counted(place: Place) -> None:
    place.write(task_text("a"), "a.yaml")
    place.write(task_text("b", "18.50"), "b.yaml")
    place.ok("apply", "a.yaml", "b.yaml", "--auto-approve")
    found = Page(place.ok("plan", "a.yaml", "--format", "html"))
    assert found.faults == [] and "alone" in found.ids()
    assert (
        "bid.b: $8.00 an hour now" in found.text and "with what is left alone, you pay $16.00 an hour now" in found.text
    )


def test_the_status_is_a_page(place: Place) -> None:
    place.write(
        task_text("train", more=f"ports: [6006]\n{storage('data')}") + task_text("low", "12.00", region="us-central1-a")
    )
    nothing = Page(place.ok("status", "--format", "html"))
    assert nothing.faults == [] and "There is no state here, so flowplan did not look" in nothing.text
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "1h")
    found = Page(place.ok("status", "--format", "html"))
    assert found.faults == [] and found.refers() <= {*found.ids()}
    for said in ("In total $8.00 an hour now", "charged $8.00 an hour", "charged nothing: it waits", "ssh -p "):
        assert said in found.text
    assert "volume.data" in found.text and "6006" in found.text
    assert not {tag for tag, _ in found.elements} & {"script", "link", "img"}


def test_a_status_without_a_bid_has_what_was_paid_and_names_the_state_in_what_it_says_to_type(place: Place) -> None:
    place.write(task_text("train"))
    place.ok("--state", "other.json", *APPLY)
    place.ok("simulator", "advance", "2h")
    place.ok("--state", "other.json", "destroy", "--auto-approve")
    text = " ".join(place.ok("--state", "other.json", "status").split())
    found = Page(place.ok("--state", "other.json", "status", "--format", "html"))
    paid = text[text.index("Paid for instances over the life") :].replace("`", "")
    assert paid.endswith("flowplan cost --state other.json shows it by task.")
    assert found.faults == [] and paid in " ".join(found.text.split())


def test_in_a_status_whatever_a_name_is_it_is_text() -> None:
    instances = tuple(Machine(text, text, text) for text in HOSTILE)
    row = BidRow(Address("bid", HOSTILE[1]), HOSTILE[2], HOSTILE[3], True, bid(), None, instances, (), Decimal(1))
    found = Page(status_page(Status(State(LINEAGE, stack=HOSTILE[0]), [row], []), Paint()))
    assert found.faults == []
    assert not [has for _, has in found.elements if "onload" in has] and "\u202e" not in found.text
    assert not {tag for tag, _ in found.elements} & {"script", "link", "img"}


def test_of_many_limits_the_lowest_and_the_highest_are_drawn(place: Place) -> None:
    place.write("".join(task_text(f"t{n}", f"{12 + n}.00", region="us-central1-a") for n in range(5)))
    place.ok("plan", "--format", "html", "--out", "p")
    (drawn,) = course_pictures(json.loads((place.path / "p").read_text()))
    assert "limit from $12.00, limit to $16.00" in drawn.words
    assert drawn.svg.count('<line class="limit"') == 2
