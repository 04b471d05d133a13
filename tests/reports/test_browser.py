"""The page of a plan in headless Chromium: no error, no request, nothing for axe to find; what can be clicked and typed
works, and without JavaScript the rest is there. Where there is no Chromium, or nothing to drive it, this is skipped."""

from __future__ import annotations

import importlib.resources
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flowplan.reports.formats import report_of
from flowplan.reports.text.paint import Paint
from tests import loaded
from tests.conftest import START
from tests.processes import LONGEST
from tests.reports.pages import marked
from tests.texts import storage, task_text

sync_api = pytest.importorskip("playwright.sync_api", reason="there is no playwright: pip install 'flowplan[test]'")
pytest.importorskip("axe_core_python", reason="there is no axe-core: pip install 'flowplan[test]'")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")

WIDTHS = (400, 1000, 1600)
LONG = "finetune-with-a-name-that-holds-the-whole-experiment-2026-11-02"
HOSTILE = "</script><img src=x onerror=window.hit=1>\u202e&lt;\"' onclick=window.hit=1 {{7*7}}"
A100 = "a100.1x.SXM4.IB"
TRAIN = f"ports: [6006]\n{storage('data', 100)}"
BEFORE = (
    task_text("train", more=TRAIN)
    + task_text("old", "12.00", region="us-central1-a")
    + task_text("prepare", "2.50", kind=A100)
)
AFTER = (
    task_text("train", more=TRAIN.replace("6006", "6007") + "guards: {max_hourly_cost: 1}\n")
    + task_text(LONG, "20.00", region="us-central1-a")
    + task_text("prepare", "3.00", kind=A100, more="networking: {}\n")
)
# name -> the task file of its plan
PLANS = {
    "refused": AFTER,
    "many": "".join(task_text(f"task-{n:03}", more="ports: [8080]\n") for n in range(120)),
    "failed": "nam: 1\n",
}
NAMES = (*PLANS, "hostile", "status")
EVERYTHING_OPEN = "for (const one of document.querySelectorAll('details')) one.open = true"
Open = Tab = Callable[..., Any]


def flowplan(directory: Path, *arguments: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWPLAN_", "MITHRIL_"))}
    environ |= {**START, "FLOWPLAN_API_URL": "sim:"}
    command = [*loaded.client(), *arguments]
    done = subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, timeout=LONGEST)
    return done.stdout


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of pages: of a plan that is refused, with every kind of change; of 120 tasks that are alike; of one
    that failed; of one whose texts attack; and of a status."""
    path = tmp_path_factory.mktemp("pages")
    task = path / "flowplan.yaml"
    task.write_text(BEFORE)
    flowplan(path, "apply", "--auto-approve")
    (path / "status.html").write_text(flowplan(path, "status", "--format", "html"))
    for name, text in PLANS.items():
        task.write_text(text)
        page = flowplan(path, "plan", "--format", "html", "--what-if", "2h", "--out", f"{name}.json")
        (path / f"{name}.html").write_text(page)
    body = marked(json.loads((path / "refused.json").read_text()), HOSTILE)
    (path / "hostile.html").write_text(report_of("plan", "html")(body, Paint(on=False)))
    return path


@pytest.fixture(scope="module")
def tabs() -> Iterator[Tab]:
    """Gives the tab of these options: one for all tests, as a new one takes longer than most of them."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield cache(lambda **options: browser.new_context(**options).new_page())
        browser.close()


@pytest.fixture
def opened(tabs: Tab, pages: Path) -> Iterator[Open]:
    """Opens a page by its name. At the end: it had no error and asked for nothing."""
    faults: list[str] = []
    heard: list[tuple[Any, str, Callable[[Any], None]]] = []

    def open_page(name: str, color_scheme: str = "light", **options: bool) -> Any:
        page = tabs(**options)
        page.goto("about:blank")
        page.set_viewport_size({"width": 1000, "height": 900})
        page.emulate_media(media="screen", color_scheme=color_scheme)
        url = (pages / f"{name}.html").as_uri()
        for event, fault in (
            ("console", lambda message: f"console: {message.text}"),
            ("pageerror", lambda error: f"error: {error}"),
            ("dialog", lambda _: "a dialog"),
            ("request", lambda request: request.url if request.url.split("#")[0] != url else ""),
        ):
            heard.append((page, event, lambda said, fault=fault: faults.append(fault(said))))
            page.on(*heard[-1][1:])
        page.goto(url)
        return page

    yield open_page
    for page, event, hear in heard:
        page.remove_listener(event, hear)
    assert [fault for fault in faults if fault] == []


AXE = importlib.resources.files("axe_core_python").joinpath("axe.min.js")


def wrong(page: Any, only: str = "") -> list[tuple[str, list[str]]]:
    """What axe finds on the page, or what its rule `only` does: the rule, and where."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": [only]} if only else {})
    found = page.evaluate(f"axe.run({json.dumps(options)})")["violations"]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]


def pictured(page: Any, name: str) -> None:
    """FLOWPLAN_SCREENSHOTS=DIR keeps a picture of each page in DIR, to be looked at."""
    if kept := os.environ.get("FLOWPLAN_SCREENSHOTS"):
        page.screenshot(path=Path(kept) / f"{name}.png", full_page=True)


# `make test` lets axe read each page at one width, the next page at the next; `make soak` each at all.
WIDTHS_OF = [pytest.param(name, WIDTHS[n % len(WIDTHS) :][:1], id=name) for n, name in enumerate(NAMES)] + [
    pytest.param(name, WIDTHS, id=f"{name}, all", marks=pytest.mark.slow) for name in NAMES
]


@pytest.mark.parametrize(("name", "read"), WIDTHS_OF)
def test_nothing_is_wrong_with_a_page_at_any_width(name: str, read: tuple[int, ...], opened: Open) -> None:
    page = opened(name, color_scheme="light", bypass_csp=True)  # so that axe may run in it
    page.evaluate(AXE.read_text())
    page.evaluate(EVERYTHING_OPEN)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        pictured(page, f"{name}-{width}-light")
        beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(beyond) == 0, width
        assert width not in read or wrong(page) == [], width


@pytest.mark.parametrize("name", NAMES)
def test_every_colour_of_the_dark_can_be_read(name: str, opened: Open) -> None:
    """In the dark the colours are others, and nothing else."""
    page = opened(name, color_scheme="dark", bypass_csp=True)
    page.evaluate(AXE.read_text())
    page.evaluate(EVERYTHING_OPEN)
    pictured(page, f"{name}-dark")
    assert wrong(page, only="color-contrast") == []


def test_a_change_is_found_by_typing_and_by_kind(opened: Open) -> None:
    page = opened("many")
    found = page.locator("#found")
    assert found.inner_text() == "245 of 245 shown"
    page.get_by_role("searchbox").fill("task-007 BID")
    assert found.inner_text() == "120 of 245 shown"
    assert page.locator(".card:visible").count() == 1
    page.get_by_role("searchbox").fill("no such thing")
    assert found.inner_text() == "0 of 245 shown" and page.locator(".card:visible, .group:visible").count() == 0
    page.get_by_role("searchbox").fill("")
    page.get_by_label("Create").uncheck()
    assert found.inner_text() == "5 of 245 shown"
    assert page.locator(".card.create:visible").count() == 0


def test_everything_opens_and_closes(opened: Open) -> None:
    page = opened("refused")
    page.get_by_role("button", name="Close all").click()
    assert page.locator(".card[open], .group[open]").count() == 0
    page.get_by_role("button", name="Open all").click()
    assert page.locator(".card:not([open]), .group:not([open])").count() == 0


def test_a_keyboard_is_enough(opened: Open) -> None:
    page = opened("refused")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the changes"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "find"
    first = page.locator(".card").first
    first.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert not first.evaluate("one => one.open")
    page.keyboard.press("Space")
    assert first.evaluate("one => one.open")


def test_a_node_of_the_graph_leads_to_its_change(opened: Open) -> None:
    page = opened("refused")
    page.get_by_role("button", name="Close all").click()
    page.get_by_role("searchbox").fill("prepare")
    page.locator("#graph a", has_text="train").first.click()
    card = page.locator(".card", has_text="bid.train").first
    assert card.evaluate("one => one.open") and card.is_visible()
    assert page.evaluate("document.activeElement.closest('.card').id") == card.get_attribute("id")


def test_a_node_that_stands_for_many_leads_to_the_first_of_them(opened: Open) -> None:
    page = opened("many")
    page.locator("#graph a", has_text="task-000 … task-119").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".members li:focus").inner_text().startswith("bid.task-000")


def test_without_javascript_all_of_it_can_be_read(opened: Open) -> None:
    page = opened("many", java_script_enabled=False)
    assert not page.locator("#tools").is_visible()
    card = page.locator(".card", has_text="bid.task-000 … 119").first
    members = card.locator(".members")
    members.locator("summary").click()
    assert members.get_by_text("bid.task-007", exact=True).is_visible()
    card.locator("summary").first.click()
    assert not members.is_visible()


@pytest.mark.parametrize("java_script", [True, False])
def test_what_is_printed_is_all_of_it_in_the_colours_of_paper(java_script: bool, opened: Open) -> None:
    page = opened("refused", color_scheme="dark", java_script_enabled=java_script)
    note = page.locator(".said.note li").first
    assert not note.is_visible()
    page.emulate_media(media="print", color_scheme="dark")
    assert note.bounding_box()["height"] > 0
    assert not page.locator("#tools").is_visible()
    if java_script:
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator(".said.note[open]").count() == 0


def test_a_text_that_attacks_is_shown_as_it_is(opened: Open) -> None:
    page = opened("hostile")
    assert page.evaluate("window.hit") is None
    assert page.locator("img").count() == 0
    title = page.locator("h1").inner_text()
    assert "</script><img src=x onerror=window.hit=1>\\u202e&lt;" in title and "{{7*7}}" in title
