"""flowplan test: cases beside a stack, each planned in a simulated cloud of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from flowplan.documents.schema import schema_of
from flowplan.operations.opening.interaction import Event
from tests.conftest import Place

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "tested"
STACK = (EXAMPLE / "flowplan.yaml").read_text()


def cases(place: Place, text: str, name: str = "stack.test.yaml") -> None:
    place.write(STACK)
    (place.path / name).parent.mkdir(exist_ok=True)
    place.write(text, name)


def failures(place: Place, expect: str, rest: str = "") -> list[str]:
    """What is not as expected in a case; "" where it passes."""
    cases(place, f"cases:\n  one:\n    expect: {expect}\n{rest}")
    result = place.run("test", "--format", "json")
    body = json.loads(result.out)
    jsonschema.validate(body, schema_of("test"))
    (case,) = body["cases"]
    assert result.code == (0 if case["passed"] else 1)
    return list(case["failures"])


def test_the_example_passes_and_is_the_one_of_the_docs(place: Place) -> None:
    out = place.ok("test", str(EXAMPLE))
    assert out.endswith("\n6 passed, 0 failed\n")
    shown = re.search(r"```yaml[^\n]*\n(.*?)```", (ROOT / "docs" / "testing.md").read_text(), re.DOTALL)
    assert shown is not None and shown[1] == (EXAMPLE / "tests" / "stack.yaml").read_text()


APPLIED = "    given: {applied: true}\n"
WRONG = {
    "{resource_changes: {bid.train: update}}": "bid.train: expected update, but it is create",
    "{resource_changes: {bid.other: create}}": "bid.other: expected create, but the plan does not have it",
    "{summary: {create: 4}}": "summary: expected 4 to create, but there are 3",
    "{cost: {max_hourly_cost: 17.91}}": "cost: expected at most $17.91 an hour (worst), but it is $17.97",
    "{cost: {min_hourly_cost: 18, budget_basis: p90}}": "cost: expected at least $18.00 an hour (p90), but it is $8.05",
    "{refused: [volume_data]}": "expected to be refused by volume_data, but it is refused by nothing",
    "{problems: [unknown-key]}": "expected problems unknown-key, but there are none",
}


@pytest.mark.parametrize("expect", WRONG)
def test_each_expectation_that_does_not_hold_is_said(place: Place, expect: str) -> None:
    assert failures(place, expect) == [WRONG[expect]]


def test_each_expectation_of_a_refusal_and_of_problems_is_held_both_ways(place: Place) -> None:
    (said,) = failures(place, "{summary: {delete: 3}}", f"{APPLIED}    mode: destroy\n")
    assert said.startswith("refused: [volume_data] deleting volume.checkpoints destroys the data")
    given = "    given: {variables: {checkpoint_gb: large}}\n"
    (said,) = failures(place, "{summary: {create: 3}}", given)
    assert said.startswith("--var checkpoint_gb:1:1: [variable-type] variable checkpoint_gb has the type int")
    assert failures(place, "{problems: [unknown-key]}", given)[0].startswith("expected the problem unknown-key")


def test_prices_and_volumes_that_are_given_are_there(place: Place) -> None:
    price = "prices: [{instance_type: h100-80gb.sxm.8x, region: us-central1-b, price: 16.00}]"
    assert failures(place, "{cost: {min_hourly_cost: 16, budget_basis: p50}}", f"    given: {{{price}}}\n") == []
    (said,) = failures(place, "{summary: {create: 3}}", f"    given: {{{price.replace('16.00', '1.00')}}}\n")
    assert said == "the given state could not be set up: h100-80gb.sxm.8x costs $8.00 at least in us-central1-b"
    (said,) = failures(place, "{summary: {create: 3}}", f"    given: {{{price.replace('h100-80', 'h200-80')}}}\n")
    assert said == "the given state could not be set up: h200-80gb.sxm.8x is not sold in us-central1-b"
    volume = "volumes: [{name: theirs, size_gb: 1, interface: File, region: us-central1-b}]"
    cases(place, f"cases: {{one: {{given: {{{volume}}}, expect: {{resource_changes: {{bid.train: create}}}}}}}}\n")
    place.edit("attach: {volume: checkpoints,", "attach: {volume_name: theirs,")
    assert place.ok("test").endswith("1 passed, 0 failed\n")
    place.write("cases: {one: {expect: {problems: [unknown-volume]}}}\n", "stack.test.yaml")
    assert "theirs" in place.run("test").out


LIMITED = """\
version: 2
tasks:
  train:
    resources_specification: {fcp_instance: 8xh100, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 17.92}
    lifetime: {max_hours: 2}
"""


@pytest.mark.parametrize(
    ("given", "expect"),
    [
        ("hours: 1.5", "{resource_changes: {bid.train: no-op}, cost: {min_hourly_cost: 8, budget_basis: p50}}"),
        ("hours: '2.5'", "{resource_changes: {bid.train: delete}}"),
        ("hours: 1, prices: [PRICE]", "{resource_changes: {bid.train: no-op}, cost: {max_hourly_cost: 0.01}}"),
    ],
)
def test_time_may_have_passed_since_it_was_applied(place: Place, given: str, expect: str) -> None:
    price = "{instance_type: h100-80gb.sxm.8x, region: us-central1-b, price: 20}"
    expect = expect.replace("cost: 0.01", "cost: 0.01, budget_basis: p50")
    cases(place, f"cases: {{one: {{given: {{applied: true, {given}}}, expect: {expect}}}}}\n".replace("PRICE", price))
    place.write(LIMITED)
    assert place.ok("test").endswith("1 passed, 0 failed\n")


NIGHTLY = """\
version: 2
tasks:
  prepare:
    for_each: [x, y]
    resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: LIMIT}
    lifetime: {max_hours: HOURS, when_done: cancel}
  watch:
    depends_on: [{task: prepare, until: running}]
    resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 9}
  train:
    depends_on: [{task: prepare, until: terminated}, {task: watch, until: running}]
    resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 9}
"""
_PRICES = "prices: [{instance_type: a100-80gb.sxm.1x, region: us-central1-b, price: 2}]"


def nightly(place: Place, given: str, expect: str, *, limit: str = "9", hours: str = "2") -> str:
    """What `flowplan test` says of a stack whose tasks wait for each other, in one line."""
    cases(place, f"cases: {{one: {{given: {{applied: true, {given}}}, expect: {expect}}}}}\n")
    place.write(NIGHTLY.replace("LIMIT", limit).replace("HOURS", hours))
    return " ".join(place.run("test").out.split())


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for real fails."""

    def pause(event: Event, seconds: float) -> None:
        raise AssertionError(f"waits {seconds} s")

    monkeypatch.setattr(Event, "pause", pause)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("given", ["", "hours: 3", _PRICES])
def test_the_set_up_waits_for_nobody_and_jobs_end(place: Place, given: str) -> None:
    assert nightly(place, given, "{summary: {no-op: 4, create: 0}}") == "pass one 1 passed, 0 failed"


@pytest.mark.usefixtures("no_waiting")
def test_prices_that_are_given_hold_while_the_set_up_waits(place: Place) -> None:
    expect = "{cost: {min_hourly_cost: 16, max_hourly_cost: 16, budget_basis: p50}}"
    cases(place, f"cases: {{one: {{given: {{applied: true, {_PRICES}}}, expect: {expect}}}}}\n")
    tasks = [
        f"  t{n}:\n    depends_on: [{{task: t{n - 1}, until: running}}]\n"
        "    resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}\n"
        "    task_management: {utility_threshold_price: 9}\n"
        for n in range(8)
    ]
    place.write("version: 2\ntasks:\n" + "".join(tasks).replace("depends_on: [{task: t-1, until: running}]", ""))
    assert place.ok("test") == "pass  one\n\n1 passed, 0 failed\n"  # an hour later each still costs 2


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("how", "says"),
    [
        (
            {"limit": "0.5"},
            "the given state could not be set up: bid.watch: waited 30m for bid.prepare[x], which is open, to be"
            " running; bid.prepare[y], which is open, to be running, in the simulated market of the case; raise the"
            " limit, give prices without hours, or say applied: FILE, an earlier text",
        ),
        (
            {"hours": "0.01"},
            "bid.watch: waits until bid.prepare[x] is running, but its lifetime is over: it has run 0.0 hours, of"
            " max_hours 0.01",
        ),
    ],
)
def test_a_wait_in_vain_says_what_for_and_what_to_write(place: Place, how: dict[str, str], says: str) -> None:
    said = nightly(place, _PRICES, "{summary: {no-op: 4}}", **how)
    assert said.startswith("FAIL one (stack.test.yaml:1:9) ") and says in said.replace('"', "")


@pytest.mark.parametrize(
    "option",
    ["--var=a=b", "--var-file=v", "--state=s", "--api-url=sim:", "--project=p", "--ssh-key=k", "--no-lock"],
)
@pytest.mark.parametrize("before", [True, False])
def test_what_would_change_nothing_is_refused(place: Place, option: str, before: bool) -> None:
    cases(place, "cases: {one: {expect: {summary: {create: 3}}}}\n")
    refused = place.run(*((option, "test") if before else ("test", option)))
    assert (refused.code, refused.out) == (64, "")
    assert f"flowplan test takes no {option.split('=')[0]}\n  hint: " in refused.err


def test_nothing_of_yours_is_looked_at_or_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("FLOWPLAN_VAR_checkpoint_gb", "not a number")
    monkeypatch.setenv("FOUNDRY_SSH_KEY_NAME", "nobody")
    monkeypatch.setenv("TMPDIR", str(place.path / "tmp"))
    (place.path / "tmp").mkdir()
    place.write("not a state", "flowplan.state.json")
    assert failures(place, "{summary: {no-op: 3}}", APPLIED) == []
    assert (place.path / "flowplan.state.json").read_text() == "not a state"
    assert {path.name for path in place.path.rglob("*")} == {
        "flowplan.yaml",
        "stack.test.yaml",
        "flowplan.state.json",
        "tmp",
    }


def test_a_project_and_keys_count_as_found(place: Place) -> None:
    cases(place, "cases: {one: {expect: {summary: {create: 3}}}}\n")
    place.edit("name: tested\n", "name: tested\nproject_name: ml-research\nssh_key_name: [laptop, desk]\n")
    assert place.ok("test") == "pass  one\n\n1 passed, 0 failed\n"


def test_what_was_applied_before_is_an_earlier_text_of_the_stack(place: Place) -> None:
    cases(place, "cases: {one: {given: {applied: old/a.yaml}, expect: {resource_changes: {bid.train: replace}}}}\n")
    (place.path / "old").mkdir()
    place.write(STACK.replace("[6006]", "[6007]"), "old/a.yaml")
    assert place.ok("test").endswith("1 passed, 0 failed\n")
    (place.path / "old" / "a.yaml").unlink()
    said = " ".join(place.run("test").out.split())
    assert "the given state could not be set up: old/a.yaml cannot be read: No such file" in said
    place.write(STACK.replace("[6006]", "6007"), "old/a.yaml")
    assert "the given state could not be set up: [type] ports must be a list" in place.run("test").out


def test_cases_are_no_part_of_the_stack_and_one_file_may_be_named(place: Place) -> None:
    cases(place, "cases: {one: {expect: {summary: {create: 3}}}}\n")
    cases(place, "cases: {two: {expect: {summary: {create: 4}}}}\n", "tests/b.yaml")
    assert place.ok("validate", ".").startswith("Valid: 1 task,")
    result = place.run("test", ".")
    assert (result.code, result.out) == (
        1,
        "pass  one\nFAIL  two  (tests/b.yaml:1:9)\n      summary: expected 4 to create, but there are 3\n\n"
        "1 passed, 1 failed\n",
    )
    assert place.ok("test", "stack.test.yaml") == "pass  one\n\n1 passed, 0 failed\n"
    assert place.run("test", "tests/b.yaml").code == 1


def test_junit_has_each_case_and_each_failure(place: Place) -> None:
    cases(place, "cases: {'a <b>': {expect: {summary: {create: 3}}}, two: {expect: {summary: {create: 4}}}}\n")
    result = place.run("test", "--format", "junit")
    suite = ElementTree.fromstring(result.out.partition("\n")[2])
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["a <b>", "two"]
    assert suite[1][0].get("message") == "summary: expected 4 to create, but there are 3"
    assert (suite[1].get("file"), suite[1].get("line"), result.code) == ("stack.test.yaml", "1", 1)


BAD = {
    "": "there is no task in this file",
    "case: {}\n": "unknown key 'case'",
    "cases: []\n": "cases must be a mapping, not a list",
    "cases: {one: {}}\n": "this case expects nothing",
    "cases: {one: {expect: {changes: {}}}}\n": "unknown key 'changes' in cases.one.expect",
    "cases: {one: {expect: {resource_changes: {train: create}}}}\n": "'train' is not an address",
    "cases: {one: {expect: {resource_changes: {bid.train: make}}}}\n": "'make' is not an action",
    "cases: {one: {expect: {summary: {create: '3'}}}}\n": "summary.create must be a whole number",
    "cases: {one: {expect: {summary: {create: 1}}, mode: plan}}\n": "cases.one.mode cannot be 'plan'",
    "cases: {one: {expect: {summary: {create: 1}}, given: {prices: [{region: a}]}}}\n": "has no instance_type",
    "cases: {one: {expect: {summary: {create: 1}}, given: {variables: {a: [b]}}}}\n": "must be text, not a list",
    "cases: {one: {expect: {summary: {create: 1}}, given: {applied: true, hours: -1}}}\n": "must be above zero, not -1",
    "cases: {one: {expect: {summary: {create: 1}}, given: {hours: 3}}}\n": "hours is the time since",
    "cases: {one: {expect: {cost: {max_hourly_cost: many}}}}\n": "'many' is not a number of dollars",
}


@pytest.mark.parametrize("text", BAD)
def test_a_file_of_cases_that_cannot_be_read_runs_nothing(place: Place, text: str) -> None:
    cases(place, text)
    result = place.run("test")
    assert (result.code, result.out) == (65, "")
    assert BAD[text] in result.err
    assert "stack.test.yaml:" in result.err


def test_no_cases_and_no_stack_are_wrong_usage(place: Place) -> None:
    assert place.run("test").code == 64
    place.write(STACK)
    result = place.run("test")
    assert (result.code, result.out) == (64, "")
    assert "there are no cases beside ." in result.err
    assert place.run("test", "nowhere.yaml").code == 64
