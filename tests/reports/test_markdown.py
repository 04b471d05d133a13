"""The plan as a comment on a pull request: what comes first, what is cut, and that nothing from outside is markup."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st

from flowplan.model.address import Address
from flowplan.planning.actions import Change
from flowplan.reports.formats import report_of
from flowplan.reports.markdown.escaping import code, code_in_tag, fenced, message, prose
from flowplan.reports.text.paint import Paint
from tests.builders import bid, change, volume
from tests.conftest import APPLY, Place, examples
from tests.documents.made import ABOUT, priced_plan, saved
from tests.texts import task_text

PAINT = Paint(on=False)
OURS = {"h3", "h4", "p", "strong", "em", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"}
OURS |= {"ul", "li", "br", "blockquote", "details", "summary", "span"}


class Page(HTMLParser):
    """What a site makes of Markdown: its tags, and its texts, those in code apart."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.open: list[str] = []
        self.text, self.code = "", ""
        self.feed(github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.text += "\0"  # here one text ends, for a site that looks for names and links
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += "\0"

    def handle_data(self, data: str) -> None:
        if "code" in self.open:
            self.code += data
        else:
            self.text += data


def comment(body: Any, *max_bytes: int) -> str:
    return report_of("plan", "markdown", *max_bytes)(body, PAINT)


def document(*changes: Change) -> dict[str, Any]:
    from flowplan.documents.plan import document as made
    from flowplan.documents.plan import sealed

    return dict(sealed(made(priced_plan(*changes), ABOUT)))


# ---- what it says ------------------------------------------------------------------------------------------


def test_a_reviewer_reads_the_verdict_first_then_the_cost_then_what_is_destroyed(place: Place) -> None:
    place.write(task_text("old", "20") + task_text("kept", "20"))
    place.ok(*APPLY)
    place.write(task_text("kept", "30") + task_text("new", "20"))
    text = place.ok("plan", "--format", "markdown")
    parts = [
        "<!-- flowplan stack=work project=proj_",
        "### flowplan: `work` in `my-foundry-project`, API `sim:`",
        "**Plan: 1 to add, 1 to change, 1 to destroy.**",
        "| an hour now, at the second price | $16.00 | $16.00 | **$0.00** |",
        "> [!WARNING]\n> **This destroys 1 resource**\n> `bid.old`",
        "#### Destroy (1)",
        "<details><summary><code>bid.old</code> will be destroyed: saves $8.00 an hour now</summary>",
        "\n- limit_price       = $20.00\n",
        "#### Change (1)",
        "\n! limit_price = $20.00 -> $30.00\n",
        "#### Create (1)",
        "\n+ limit_price       = $20.00\n",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    assert Page(text).tags["details"] == 3


def test_what_a_saved_plan_shows_is_what_the_plan_showed_and_its_header_has_the_digest(place: Place) -> None:
    place.write(task_text("a", "20"))
    shown = place.run("plan", "--out", "p", "--format", "markdown")
    assert place.ok("show", "p", "--format", "markdown") == shown.out
    (digest,) = re.findall(r"\A<!-- flowplan stack=\S+ project=\S+ plan=([0-9a-f]{64}) -->\n", shown.out)
    assert digest in shown.err.replace("\n", "")
    assert place.run("apply", "p", "--expect", digest[::-1]).code == 3
    place.ok("apply", "p", "--expect", digest)
    assert "**No changes. What is live matches the configuration.**" in place.ok("plan", "--format", "markdown")


def test_a_refused_plan_says_so_and_why(place: Place) -> None:
    place.write(task_text("a", "20"))
    result = place.run("plan", "--format", "markdown", "--max-hourly-cost", "1")
    assert result.code == 3
    assert "destroy.** This plan is refused, and cannot be applied.\n" in result.out
    assert "> [!CAUTION]\n> **Refused**\n>\n> - the stack would cost at most $20.00 an hour" in result.out


def test_a_plan_that_fails_is_a_comment_too(place: Place) -> None:
    place.write(task_text("a", "twenty"))
    result = place.run("plan", "--format", "markdown")
    assert result.code == 65
    assert result.out.startswith("<!-- flowplan failed -->\n### flowplan: no plan\n\n**Failed, with 1 problem.**")
    assert "(`flowplan.yaml:" in result.out


def test_a_failure_keeps_to_its_size_too(place: Place) -> None:
    place.write("---\n".join(task_text(f"a{n}", "twenty") for n in range(99)))
    result = place.run("plan", "--format", "markdown", "--max-bytes", "4000")
    assert (result.code, len(result.out.encode()) <= 4_000) == (65, True)
    assert "**Failed, with 99 problems.**" in result.out and "_Cut at 4,000 bytes. Left out: " in result.out
    assert len(place.run("plan", "--format", "markdown").out) > 9_000


def test_what_is_left_alone_is_listed_and_counted(place: Place) -> None:
    place.write(task_text("a", "20"), "a.yaml")
    place.write(task_text("b", "30"), "b.yaml")
    place.ok(*APPLY, "a.yaml", "b.yaml")
    text = place.ok("plan", "a.yaml", "--format", "markdown")
    assert "with what is left alone, you pay $" in text
    assert "<details><summary>Left alone, and paid for (1)</summary>\n\n```text\nLeft alone by this plan" in text
    assert "bid.b: " in text and "#### Notes" not in text


def test_what_is_never_cut_takes_no_size(place: Place) -> None:
    place.write(task_text("a", "20"))
    for arguments in (("plan",), ("plan", "--format", "json"), ("show",)):
        result = place.run(*arguments, "--max-bytes", "5000")
        assert (result.code, "is never cut" in result.err) == (64, True)
    assert place.run("plan", "--format", "markdown", "--max-bytes", "3999").code == 64


def test_every_action_of_a_plan_has_its_list() -> None:
    text = comment(saved())
    heads = ["Destroy (1)", "Replace (1)", "Change (1)", "Forget (1)", "Create (3)"]
    assert re.findall(r"^#### (?!Notes|Warnings)(.*)$", text, re.MULTILINE) == heads
    page = Page(text)
    assert set(page.tags) <= OURS
    assert page.open == []


# ---- what is cut -------------------------------------------------------------------------------------------


def many(count: int) -> dict[str, Any]:
    gone = [
        change("delete", volume(f"v{n}"), None, Address("volume", f"v{n}"), id=f"vol_{n}") for n in range(count // 10)
    ]
    come = [change("create", None, bid(f"b{n}", f"{20 + n}"), Address("bid", f"b{n}")) for n in range(count)]
    return document(*gone, *come)


@pytest.mark.parametrize(("limit", "count"), [(4_000, 100), (4_444, 90), (9_999, 100), (60_000, 400)])
def test_a_comment_keeps_to_its_size_and_counts_what_it_leaves_out(limit: int, count: int) -> None:
    body = many(count)
    text = comment(body, limit)
    assert limit * 0.8 < len(text.encode()) <= limit
    page = Page(text)
    assert page.open == []
    assert f"**Plan: {count} to add, 0 to change, {count // 10} to destroy.**" in text
    assert f"This destroys {count // 10} resources, and the data on {count // 10} volumes" in text
    (left,) = re.findall(rf"^_Cut at {limit:,} bytes\. Left out: .*the diffs of (\d+) resources", text, re.MULTILINE)
    assert int(left) == count + count // 10 - page.tags["details"]
    assert f"#### Destroy ({count // 10})" in text and f"#### Create ({count})" in text


def test_what_is_destroyed_is_shown_before_what_is_created() -> None:
    text = comment(many(100), 12_000)
    assert text.count("will be destroyed: saves") == 10
    assert "- `bid.b0` will be created\n" not in text  # it has room for its diff
    assert "- `bid.b99` will be created\n" in text


def test_what_is_alike_is_one_entry_that_counts_as_all() -> None:
    come = [change("create", None, bid(f"b{n}"), Address("bid", f"b{n}")) for n in range(120)]
    text = comment(document(*come))
    assert "#### Create (120)" in text
    assert (
        "<summary><code>bid.b0 … 119</code> (120 alike) will be created: price unknown: nobody can tell who wins"
        in text
    )
    assert Page(text).tags["details"] == 1
    assert len(text) < 3_000


def test_what_is_said_of_several_alike_is_said_once() -> None:
    body = document(*(change("create", None, bid(f"b{n}"), Address("bid", f"b{n}")) for n in range(120)))
    said = {"severity": "warning", "detail": "x", "hint": None}
    place = {"file": "flowplan.yaml", "column": 2}
    body["diagnostics"] = [
        {**said, "summary": f"bid.b{n} would wait", "source": {**place, "line": n + 1}} for n in range(120)
    ]
    text = comment(body)
    assert (
        "#### Warnings (120)\n\n- bid.b0 … 119 (120 bids) would wait (`flowplan.yaml:1:2 and 119 more places`)\n"
        in text
    )


def test_what_fits_is_not_cut() -> None:
    body = saved()
    whole = comment(body)
    assert "_Cut at" not in whole
    assert comment(body, len(whole.encode())) == whole
    assert "_Cut at" in comment(body, len(whole.encode()) - 1)


# ---- what comes from outside -------------------------------------------------------------------------------

MARKS = (
    "</details> <b> <!-- --> @user #1 ``` `` ` | ](http://a.b) [a](b) ![ ** _ ~~ \\ &lt; https://a.b www.a.b & </code>"
)
MORE = "a@b.c $x$ ::error:: - 1. > # === </summary> é x GH-1 <a :tada: \u202e \ud800 \x1b[1m"
NASTY = st.lists(st.sampled_from([*f"{MARKS} {MORE}".split(), "\n", "\r", " "]), min_size=1, max_size=12).map("".join)
LINKING = re.compile(r"@\w|#\d|www\.|://|\$[^\d\0]", re.IGNORECASE)


def harmless(markdown: str) -> Page:
    page = Page(markdown)
    assert set(page.tags) <= OURS, page.tags
    assert page.open == []
    assert not LINKING.search(page.text), page.text
    return page


def test_the_longest_names_leave_room_for_the_verdict() -> None:
    body = many(100)
    name = "\N{ROCKET}@" * 1_000
    body["stack"] |= {"name": name, "api_url": name, "project": {"id": name, "name": name}}
    for entry in body["resource_changes"]:
        entry["address"] = f"{entry['type']}.{name}"
    text = comment(body, 4_000)
    assert len(text.encode()) <= 4_000
    assert "**Plan: 100 to add" in text and "an hour at most, every limit paid" in text


@given(NASTY)
def test_a_text_is_shown_as_it_is_and_opens_nothing(text: str) -> None:
    from flowplan.printable import shown

    def plain(found: str) -> str:
        return " ".join(re.sub("[\0\u200b]", "", found).split())

    page = harmless(f"ours: {prose(text)} end\n")
    assert plain(page.text) == plain(f"ours: {shown(text, 400)} end")
    assert page.tags == Counter(p=1, span=page.tags["span"])
    page = harmless(f"ours: {message(text)} end\n")
    assert set(page.tags) <= {"p", "span", "code"}
    page = harmless(f"- {code(text)} end\n")
    assert (plain(page.text), plain(page.code)) == ("end", plain(shown(text, 400)))
    page = harmless(f"<details><summary>{code_in_tag(text)}</summary>\n\n{fenced(shown(text), 'diff')}\n\n</details>\n")
    assert page.tags == Counter(details=1, summary=1, code=2, pre=1)


def test_what_a_message_says_you_type_is_code() -> None:
    assert message("set `a_b: 1`, or `x`") == "set `a_b: 1`, or `x`"
    assert message("one ` alone, _x_") == "one &#96; alone, &#95;x&#95;"


def test_a_url_can_be_copied_as_it_is() -> None:
    said = "GET https://api.x.ai/v2/bids?a=_b_: refused (see s3://b/k.json), * sim:, not"
    told = "GET `https://api.x.ai/v2/bids?a=_b_`: refused (see `s3://b/k.json`), &#42; `sim:`, not"
    assert message(said) == told
    assert message("one ` at http://127.0.0.1:1.") == "one &#96; at `http://127.0.0.1:1`."


@examples(40)
@given(NASTY, NASTY, NASTY)
def test_no_name_of_a_plan_breaks_its_comment(name: str, note: str, value: str) -> None:
    body = saved()
    for entry in body["resource_changes"]:
        entry["note"], entry["address"] = note, f"{entry['type']}.{name}"
        if entry["type"] == "bid" and entry["change"]["after"]:
            entry["change"]["after"]["region"] = value
    body["stack"]["name"], body["stack"]["project"] = name, {"id": value, "name": note}
    said = {"summary": note, "detail": None, "hint": value, "source": {"file": name, "line": 1, "column": 2}}
    body["diagnostics"] = [{**said, "severity": word} for word in ("error", "warning", "note")]
    text = comment(body)
    page = harmless(text)
    assert page.tags["details"] == sum(one["change"]["actions"] != ["no-op"] for one in body["resource_changes"]) + 1
    assert re.match(r"<!-- flowplan stack=[^\s>]* project=[^\s>]* plan=[0-9a-f]{64} -->\n### ", text)
    assert len(comment(body, 4_000).encode()) <= 4_000
