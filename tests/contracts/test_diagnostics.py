"""The table of codes: each has a sentence, each is said somewhere, and nothing is said that is not in it."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import flowplan
from flowplan.cli import main
from flowplan.cli.answer import Answer
from flowplan.cli.asked import Asked
from flowplan.cli.terminal import Terminal
from flowplan.config.yaml.text import SIZE_LIMIT
from flowplan.cost.costs import Costs
from flowplan.cost.notes import notes
from flowplan.diagnostics import CODE_OF, CODES, Diagnostic
from flowplan.errors import ConfigError, GuardRefused
from flowplan.model.address import Address
from flowplan.model.catalogue import Auction, Catalogue, InstanceType, Named, SshKey
from flowplan.model.live import LiveVolume
from flowplan.operations.opening.project import choose_project
from flowplan.operations.opening.settings import Settings
from flowplan.operations.running.as_saved import hold_same_cloud
from flowplan.operations.running.saved_plan import hold_checked, hold_expected, hold_signed
from flowplan.planning.actions import NoOp
from flowplan.planning.desired import look_up
from flowplan.secret import Secret
from flowplan.state.known import Existing
from flowplan.state.state import State
from tests.builders import bid, live, live_volume, plan_to
from tests.builders import volume as volume_of
from tests.config.task_texts import TYPE, read_texts
from tests.conftest import Place
from tests.texts import storage, task_text

PACKAGE = Path(flowplan.__file__).parent
TESTS = Path(__file__).parents[1]

# code -> a task file that has it
_STACK = "version: 2\nvolumes: {a: {size: 1}}\n"
IN_A_FILE: dict[str, str | bytes] = {
    "depends-on": f"{_STACK}tasks: {{a: {{resources_specification: {{fcp_instance: 8xh100}}, depends_on: [b]}}}}\n",
    "for-each": f"{_STACK}tasks: {{a: {{for_each: [x, x]}}}}\n",
    "reference": f"{_STACK}name: '${{var.nobody}}'\n",
    "sensitive": f"{_STACK}variables: {{a: {{default: geheim, sensitive: true}}}}\nname: '${{var.a}}'\n",
    "variable-missing": f"{_STACK}variables: {{a: {{}}}}\n",
    "variable-type": f"{_STACK}variables: {{a: {{type: int, default: x}}}}\n",
    "alias": f"name: *x\n{TYPE}",
    "character": f"name: a\x07b\n{TYPE}",
    "duplicate-key": f"name: a\nname: b\n{TYPE}",
    "encoding": b"name: \xff\n",
    "expansion": "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    + "".join(f"{x}: &{x} [{', '.join(['*' + y] * 10)}]\n" for y, x in zip("abcdef", "bcdefg", strict=True)),
    "key": f"? [a]\n: b\n{TYPE}",
    "nesting": "a: " + "[" * 200 + "]" * 200 + "\n",
    "syntax": "name: [\n",
    "tab": f"name:\ta\n{TYPE}",
    "tag": f"name: !!str a\n{TYPE}",
    "too-large": b"# " + b"x" * SIZE_LIMIT,
    "too-many": "".join(f"a{n}: 1\n" for n in range(12_000)),
    "yaml-version": f"%YAML 1.1\n---\nname: a\n{TYPE}",
    "carriage-return": f'name: a\n{TYPE}startup_script: "echo\\rthere\\necho"\n',
    "cloud-init": f"name: a\n{TYPE}startup_script: |\n  #cloud-config\n  a: b\n",
    "comment": f"name: a\n{TYPE}startup_script: #!/bin/bash\n  echo\n",
    "not-replaced": f"name: a\n{TYPE}startup_script: |\n  echo ${{each.key}}\n",
    "conflict": f"name: a\n{TYPE}startup_script: echo\nstartup_script_file: x.sh\n",
    "credential": f"name: a\napi_key: x\n{TYPE}",
    "crlf": f'name: a\n{TYPE}startup_script: "echo\\r\\necho\\r\\n"\n',
    "duplicate": "name: a\nresources_specification: {fcp_instance: [h100.8x.SXM5.IB, h100.8x.SXM5.IB]}\n",
    "duplicate-address": f"name: a\n{TYPE}---\nname: a\n{TYPE}",
    "empty": f"name:\n{TYPE}",
    "file": f"name: a\n{TYPE}startup_script_file: none.sh\n",
    "folded": f"name: a\n{TYPE}startup_script: >\n  echo\n  echo\n",
    "lifetime-prevented": f"name: a\n{TYPE}lifetime: {{max_hours: 1}}\nlifecycle: {{prevent_destroy: true}}\n",
    "ignored": f"name: a\n{TYPE}ephemeral_storage_config: {{type: copy, mounts: {{/dev/vdb: /data}}}}\n",
    "missing": "name: a\n",
    "mount-point": f"name: a\n{TYPE}ephemeral_storage_config: {{mounts: {{/dev/vdb: /etc}}}}\n",
    "port": f"name: a\n{TYPE}ports: [0]\n",
    "port-conflict": f"name: a\n{TYPE}ports: ['8080:9000', '9000:8080']\n",
    "port-overlap": f"name: a\n{TYPE}ports: [8000, 8000]\n",
    "shebang": f'name: a\n{TYPE}startup_script: " #!/bin/sh"\n',
    "token": f"name: a\n{TYPE}startup_script: echo ghp_" + "a1B2" * 9 + "\n",
    "type": f"name: [a]\n{TYPE}",
    "unknown-key": f"name: a\nnmae: b\n{TYPE}",
    "value": f"name: a\n{TYPE}task_management: {{priority: urgent}}\n",
    "version": f"version: 9\nname: a\n{TYPE}",
}


def codes_of(text: str | bytes) -> set[str]:
    """Of the problems of a file, or of its warnings."""
    try:
        found = read_texts(text).warnings
    except ConfigError as error:
        found = tuple(error.problems)
    return {one.code for one in found}


@pytest.mark.parametrize("code", IN_A_FILE)
def test_a_file_has_it(code: str) -> None:
    assert code in codes_of(IN_A_FILE[code])


# ---- what only the cloud knows ----------------------------------------------------------------------------


def task(more: str = "", name: str = "a", limit: str | None = None, **how: Any) -> str:
    return task_text(name, limit, more=more, **how)


def attached(volume: str) -> str:
    return f"persistent_storage: {{attach: {{volume_name: {volume}, mount_point: /mnt/a}}}}\n"


def created(name: str = "v") -> str:
    return storage(name, disk_interface="Block")


def volume(place: Place, region: str) -> None:
    body = {"name": "shared", "size_gb": 1, "region": region, "disk_interface": "Block", "project": project(place)}
    assert place.call("POST", "/v2/volumes", json.dumps(body).encode()).status < 300


def project(place: Place) -> str:
    return str(json.loads(place.call("GET", "/v2/projects").body)[0]["fid"])


def another_key(place: Place, *, required: bool = False) -> None:
    body = {"project": project(place), "name": "audit", "public_key": "ssh-ed25519 AAAA audit", "required": required}
    assert place.call("POST", "/v2/ssh-keys", json.dumps(body).encode()).status < 300


Prepare = Callable[[Place], object]


def nothing(_: Place) -> None: ...


# code -> what is done to the cloud before, and the task file that has it
IN_THE_CLOUD: dict[str, tuple[Prepare, str]] = {
    "key-missing": (another_key, task(key=None)),
    "key-unknown": (nothing, task(key="nobody")),
    "key-required": (lambda place: another_key(place, required=True), task()),
    "limit-too-low": (nothing, task(limit="0.01")),
    "too-many-instances": (nothing, task(num_instances=250)),
    "name-taken": (lambda place: volume(place, "us-central1-b"), task(created("shared"))),
    "no-auction": (nothing, task(kind="h200.8x.SXM5.IB")),
    "project-unknown": (nothing, task().replace("my-foundry", "nobodys")),
    "region-conflict": (lambda place: volume(place, "us-central5-a"), task(attached("shared"))),
    "region-unknown": (nothing, task(region="nowhere")),
    "type-unknown": (nothing, task(kind="h900.8x")),
    "volume-shared": (nothing, task(created()) + task(attached("v"), "b")),
    "volume-unknown": (nothing, task(attached("nothing"))),
    "script-too-long": (nothing, task("startup_script: |\n  # " + "".join(map(chr, range(0x4E00, 0x9F00))) + "\n")),
}


@pytest.mark.parametrize("code", IN_THE_CLOUD)
def test_a_plan_has_it(code: str, place: Place) -> None:
    prepare, text = IN_THE_CLOUD[code]
    place.write(task())
    place.ok("plan")  # the simulator is there
    prepare(place)
    place.write(text)
    with pytest.raises(ConfigError) as raised:
        terminal = Terminal.of(sys.stdout, sys.stderr, os.environ)
        given = {"terminal": terminal, "answer": Answer(terminal, Asked)}
        main.main(["plan"], prog_name="flowplan", standalone_mode=False, obj=given)
    assert code in {one.code for one in raised.value.problems}


# ---- what takes more to say -------------------------------------------------------------------------------

TWO = (Named("p1", "one"), Named("p2", "two"))
SAME = tuple(InstanceType(id, "h100.8x.SXM5.IB", "H100", 8) for id in ("it_1", "it_2"))
OFFERED = tuple(Auction(f"a_{kind.id}", kind.id, "us-central1-b", 8, None) for kind in SAME)


def project_of(*names: str) -> object:
    config = read_texts(*(f"name: {x}\nproject_name: {name}\n{TYPE}" for x, name in zip("ab", names, strict=False)))
    return choose_project(TWO, None, config if names else None, {}, State("lineage"))


def looked_up(volumes: tuple[LiveVolume, ...] = (), types: int = 1, more: str = "") -> object:
    config = read_texts(task(more))
    catalogue = Catalogue(SAME[:types], OFFERED[:types], ssh_keys=(SshKey("k", "my-ssh-key"),))
    return look_up(config, catalogue, live(*volumes), Existing()).faultless()


def held(id: str, **how: str) -> LiveVolume:
    return live_volume(volume_of("shared", 1, region="us-central1-b"), id, **how)


IN_A_CALL: dict[str, Callable[[], object]] = {
    "project-conflict": lambda: project_of("one", "two"),
    "project-missing": lambda: project_of(),
    "type-ambiguous": lambda: looked_up(types=2),
    "volume-ambiguous": lambda: looked_up((held("v1"), held("v2")), more=attached("shared")),
    "volume-unusable": lambda: looked_up((held("v1", unfit="its size is not a number"),), more=attached("shared")),
}


@pytest.mark.parametrize("code", IN_A_CALL)
def test_a_call_has_it(code: str) -> None:
    with pytest.raises(ConfigError) as raised:
        IN_A_CALL[code]()
    assert code in {one.code for one in raised.value.problems}


SAVED: Any = {
    "sha256": "a" * 64,
    "errored": True,
    "diagnostics": [],
    "api_url": "https://a",
    "project": {"id": "1", "name": "p"},
}
ANOTHER: Any = {**SAVED, "api_url": "https://b", "hmac_sha256": "f" * 64}
REFUSED: dict[str, Callable[[], object]] = {
    "errored": lambda: hold_expected(SAVED, None),
    "unexpected-plan": lambda: hold_expected(SAVED, "b" * 64),
    "unchecked-plan": lambda: hold_checked(ANOTHER, Settings()),
    "unsigned-plan": lambda: hold_signed(SAVED, Secret("key")),
    "tampered-plan": lambda: hold_signed(ANOTHER, Secret("key")),
    "other-plan": lambda: hold_same_cloud(SAVED, ANOTHER),
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_saved_plan_is_refused_with_it(code: str) -> None:
    with pytest.raises(GuardRefused) as raised:
        REFUSED[code]()
    assert (raised.value.code, raised.value.reason) == (code, code.replace("-", "_"))


# code -> what a test of its own says of it
IN_A_TEST: dict[str, str] = {
    "dependents": '"partial", "dependents", "dependents"',
    "import-refused": "there is no bid with the id bid_nosuch",
    "import-replaces": "would be replaced by the plan that imports it",
    "policy-unused": "the policy limits the price of h1000",
    "policy": "the policy allows at most $2.00",
    "mass-change": "guards.max_changes allows 30%",
    "moved-taken": "cannot become",
    "moved-unknown": "which is not configured here",
    "partial": "this plan is partial (--target)",
    "trigger": "replace_triggered_by: there is no bid.pro",
    "all-or-nothing-too-large": 'said(plan, "all_or_nothing_too_large") == [',
    "below-reserve": 'warnings("7") == ["below_reserve"]',
    "cannot-win-now": 'one["detail"] == "cannot_win_now"',
    "done": "bid.preprocess is done and will not be placed again",
    "lifetime-over": "bid.train would end at once",
    "lifetime-unknown": "flowplan cannot check its max_hours now",
    "lifetime-short": "before its 5 hours of work are done",
    "lifetime-again": "starts its max_hours again",
    "no-lifetime": "bid.other runs until cancelled",
    "other-lifetime": "were started with another lifetime",
    "interrupts": 'said(plan(running, *EVERY), "interrupts")',
    "ports-dropped": 'said(found, "ports_dropped")',
    "file-gone": "was made from old.yaml, which is gone",
    "file-unreadable": "there is no file nowhere.yaml",
    "layout": "this file cannot be laid out without changing what it means",
    "left-alone": "left alone",
    "invalid-plan": "p is not a valid plan",
    "minimum-unknown": "minimum that FCP accepts is unknown now",
    "moved": "moved from old.yaml to new name.yaml",
    "renamed": 'said(place, "renamed")',
    "named-beside": 'said(place, "named_beside")',
    "uncompared": '["uncompared"]',
    "script-dropped": '["script_dropped"]',
    "namesake": "has the name of bid.task-000",
    "not-fetched": "past prices in us-central5-a, us-east1-a could not be fetched",
    "not-ours": "belongs to stack work",
    "other-endpoint": "this state belongs to sim:",
    "foreign-file": '== ("foreign-file", f"{what}, not a task file of flowplan")',
    "not-carried-over": '"retries is not carried over" in found.err',
    "other-environment": "which is staging- here: another environment?",
    "other-stack": "name nothing of what it has: another stack's state?",
    "other-state": "what runs would be placed a second time",
    "without-prefix": "if that is this one from before it had the prefix",
    "other-recipients": '["other_recipients"]',
    "other-marker": "carries the marker of stack work, from which it was imported",
    "other-project": "this state belongs to project other",
    "preempting": '"Preempting" in told.said',
    "price-ambiguous": '"price_ambiguous" in found[0].warnings',
    "raised-limit": 'codes == ["raised_limit"]',
    "quota": "the quota Spot h100-80gb.sxm.8x allows 3 instances",
    "stale-plan": "the configuration has changed",
    "stale-market": 'said(plan, "stale_market") == [',
    "thin-history": '"thin_history" in body',
    "tie": '"tie") == [',
    "twins": "flowplan recover --cancel {id}",
    "unchecked": "flowplan could not check the quotas",
    "unnamed": "is in the state, but no known file names it",
    "unsafe-value": '== "unsafe-value"',
    "would-forget": "flowplan would forget it, and it would still cost money",
    "volatile": 'said(plan, "volatile")',
    "volume-in-use": "volume_in_use: ",
}


@functools.cache
def _tests_but_this() -> str:
    return "\n".join(path.read_text() for path in TESTS.rglob("*.py") if path != Path(__file__))


@pytest.mark.parametrize("code", IN_A_TEST)
def test_a_test_has_it(code: str) -> None:
    assert IN_A_TEST[code] in _tests_but_this()


@pytest.mark.parametrize(("status", "code"), [("Preempting", "preempting"), ("Dreaming", "unknown-status")])
def test_a_status_is_told(status: str, code: str) -> None:
    change = NoOp(Address("bid", "a"), before=bid(), after=bid(), id="bid_1", status=status)
    assert [one.code for one in notes(plan_to(change), Costs(), (), ())] == [code]


def golden() -> set[str]:
    """The words that golden cases and transcripts have."""
    texts = "".join(path.read_text() for name in ("cases", "transcripts") for path in (TESTS / name).rglob("*.*"))
    return {code for word, code in CODE_OF.items() if f'"detail": "{word}"' in texts}


SAID_BY_AN_APPLY = {"in-doubt", "progress", "step-failed"}  # tests/reports/test_events.py
ENDS_A_COMMAND = {  # tests/cli/test_failures.py
    *("failed", "internal", "interrupted", "locked", "not-approved", "outcome-unknown", "state", "usage"),
}


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_a_sentence_and_is_said(code: str) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
    assert re.fullmatch(r"[A-Z].*[.]", CODES[code].sentence)
    examples = {
        *IN_A_FILE,
        *IN_THE_CLOUD,
        *IN_A_CALL,
        *REFUSED,
        *IN_A_TEST,
        *golden(),
        "unknown-status",
        "variable-unknown",  # tests/config/test_stack.py
        "not-refreshed",  # tests/operations/test_refresh_only.py
        *SAID_BY_AN_APPLY,
        *ENDS_A_COMMAND,
    }
    assert code in examples


CODED = ("errors.py", "outcome.py")  # files of classes with a `code` of their own


def used() -> Iterator[tuple[str, str]]:
    """(file, code) wherever the package names one: as `code=`, or first in a Diagnostic."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                named = [word.value for word in node.keywords if word.arg == "code"]
                if isinstance(node.func, ast.Name) and node.func.id in ("Diagnostic", "refusal", "_note", "_warning"):
                    named += node.args[:1]
                for value in named:
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield path.name, value.value
            if isinstance(node, ast.Assign | ast.AnnAssign) and path.name in ("errors.py", "outcome.py"):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if ast.unparse(target) == "code" and node.value is not None:
                    yield path.name, ast.literal_eval(node.value)


def test_every_code_that_is_named_is_in_the_table_and_every_one_of_the_table_is_named() -> None:
    named = {code for _, code in used()}
    assert named <= {*CODES}
    assert {*CODES} - named == set(CODE_OF.values()) - named  # those of prices are named by their words
    with pytest.raises(ValueError, match="must be in"):
        Diagnostic("nonsense", "what nobody knows")
