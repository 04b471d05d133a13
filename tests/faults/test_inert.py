"""What is printed is inert: a hostile text in every place that others can write reaches no terminal and no CI runner.

Each test puts it into one string after another (state, lock, plan file, answers of the API, task files, file names,
arguments) and runs the commands that read it, as text and as JSON.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import flowplan
from flowplan.cli.harmless import harmless
from flowplan.documents.plan import sealed as plan_sealed
from flowplan.model.digest import digest
from flowplan.printable import inert, shown, visible
from flowplan.reports.text.paint import OWN, Paint
from flowplan.simulator import Request, Response, Simulator
from tests.conftest import BID, VOLUME, Place, Result, left_in_doubt

# A colour (one that flowplan uses itself), a title, a carriage return, commands for GitHub and Azure, a tab, C1, line
# and paragraph separators, direction overrides, zero-width characters, a letter that turns the line round, a pile.
EVIL = (
    "\x1b[31mEVIL\x1b]0;title\x07\r\n::error::a\t\x7f\x85\x9b2J\u2028\u2029\u202e\u2066\u200b\xad\ufeff\u05d0##[group]b"
    "##vso[task.setvariable]c" + "e\u0300\u0301\u0302\u0303" + " ::warning::d" * 30
)


@pytest.fixture(autouse=True)
def colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """With colours, since what looks like one of ours would come through then."""
    monkeypatch.setenv("FORCE_COLOR", "1")


def hold_inert(result: Result, where: object, *, fit: bool = True) -> None:
    """`fit`: that such a value is refused in words is this test's business, too."""
    for stream in (result.out, result.err):
        assert "\x1b[31mEVIL" not in stream, (where, stream)
        plain = OWN.sub("", stream)
        left = {char for char in plain if char != "\n" and not visible(char)}
        assert not left, (where, left, stream)
        for line in plain.splitlines():
            assert not line.strip().startswith(("::", "##[")), (where, line)
            assert "##[" not in line, (where, line)
            assert "##vso[" not in line, (where, line)
            assert not line.strip().startswith("\\u003a:error"), (where, "a line break came through", stream)
    assert not fit or "bug in flowplan" not in result.err, (where, result.err)


# -- the writer ------------------------------------------------------------------------------------------------------


def test_the_writer_leaves_nothing_that_acts_but_our_colours() -> None:
    painted = Paint(on=True)("ours", "red", "bold")
    assert harmless(painted, painted=True) == painted
    assert harmless(painted) == "\\u001b[31;1mours\\u001b[0m"
    hold_inert(Result(0, harmless(EVIL.replace("\n", "").replace("\x1b[31m", "\x1b[8m"), painted=True), ""), "writer")
    assert harmless("a\n  ::set-env name=x::y\n" + Paint(on=True)("::z", "dim"), painted=True) == (
        "a\n  \\u003a:set-env name=x::y\n\x1b[2m\\u003a:z\x1b[0m"
    )
    assert harmless("std::vector, a ::b, C# #1 ## x, ##[g] ###[h]") == (
        "std::vector, a ::b, C# #1 ## x, \\u0023#[g] #\\u0023#[h]"
    )


@pytest.mark.parametrize(
    "line",
    [
        "::set-output name=x::y",
        "::stop-commands::z",
        "::add-mask::z",
        "::error",
        "::error file=a:b::x",
        "::error file=a,b::x",
        "::errors::x",
        "  ::error::x",
        "\x1b[2m::error::x",
    ],
)
def test_of_commands_only_whole_annotations_pass(line: str) -> None:
    ours = "::warning file=a b%3A.yaml,line=1,endLine=2::100%25%0A::set-env::x"
    found = harmless(f"{ours}\n{line}\n{ours} ##[x]\n", painted=True, commands=True).splitlines()
    assert found[0] == ours and found[2].startswith(ours) and "##[" not in found[2]
    assert "\\u003a:" in found[1] and not OWN.sub("", found[1]).lstrip().startswith("::")
    assert "\\u003a:" in harmless(ours)


def test_what_the_writer_escapes_in_json_is_the_same_json() -> None:
    value = {"a": "##[group]\x7f\u2028\u202e\U000e0100 ::x", "::b": [1]}
    text = json.dumps(value, ensure_ascii=False, indent=1)
    assert json.loads(harmless(text)) == value
    assert harmless(text) != text


def test_what_is_plain_stays_as_it_is() -> None:
    for text in ("", "a\n\n  b", "Größe: 5 €, 日本 é … ▁▂█ ⠁ →", "cafe\u0301"):
        assert harmless(text) == inert(text) == text
    assert shown("abcdefgh", 5) == "ab…gh"
    assert shown("a" * 130 + '["' + "b" * 63 + '1"]') != shown("a" * 130 + '["' + "b" * 63 + '2"]')
    assert shown("word " * 200, 400) == ("word " * 80)[:399] + "…"
    assert shown("type `flowplan plan`, or `flowplan apply --var=" + "a" * 400, 300) == "type `flowplan plan`, or …"
    assert shown("שלום 12") == "\\u05e9\\u05dc\\u05d5\\u05dd 12"
    assert shown("e" + "\u0301" * 4) == "e\u0301\u0301\\u0301\\u0301"


def test_only_the_terminal_writes_to_the_streams() -> None:
    """`__main__` answers --version, and mends streams that are closed; the command line hands the two over."""
    root = Path(flowplan.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        text = path.read_text()
        if not re.search("print|echo|stdout|stderr", text):
            continue
        for node in ast.walk(ast.parse(text)):
            named = isinstance(node, ast.Name) and node.id in ("print", "echo", "secho")
            streams = isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr", "echo", "secho")
            if named or streams:
                found.add(str(path.relative_to(root)))
    assert found == {"__main__.py", "cli/__init__.py"}


# -- the state, the lock, a saved plan -------------------------------------------------------------------------------

Put = Callable[[str], None]


def strings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every string in a JSON value, keys left out, each with its path."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        if isinstance(one, str):
            yield (*path, key), one
        else:
            yield from strings(one, (*path, key))


def with_text(value: Any, path: tuple[Any, ...], text: str) -> Any:
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = text
    return copy


def sealed(body: dict[str, Any]) -> bytes:
    """With the digest that belongs to it."""
    bare = {key: value for key, value in body.items() if key != "sha256"}
    return (json.dumps({**bare, "sha256": digest(bare)}) + "\n").encode()


# Of the two ways to spoil a text `make test` takes one in turn: EVIL alone, and EVIL after the text; `make soak` both.
each = pytest.mark.parametrize("each", [1, pytest.param(2, marks=pytest.mark.slow)])


def evils(text: str, number: int, each: int) -> Iterator[str]:
    yield from (EVIL, text + EVIL, EVIL)[number % 2 :][:each]


@each
def test_the_state(applied: Place, each: int) -> None:
    path = applied.path / "flowplan.state.json"
    (applied.path / "flowplan.state.journal").unlink()
    body = json.loads(path.read_text())
    read = 0
    for number, (place, text) in enumerate(strings(body)):
        if place == ("sha256",):
            continue
        for evil in evils(text, number, each):
            path.write_bytes(sealed(with_text(body, place, evil)))
            for command in (("state", "list"), ("show",), ("show", "--format", "json"), ("state", "pull")):
                result = applied.run(*command)
                hold_inert(result, place)
                read += result.code == 0
            for address in (BID, VOLUME):
                hold_inert(applied.run("state", "show", address), place)
    assert read > 50 * each


@pytest.mark.parametrize("commands", [("plan", "status"), ("orphans", "destroy"), ("cost", "apply")])
def test_the_state_beside_the_cloud(applied: Place, commands: tuple[str, ...]) -> None:
    path = applied.path / "flowplan.state.json"
    (applied.path / "flowplan.state.journal").unlink()
    body = json.loads(path.read_text())
    for place, text in strings(body):
        if place[-1] not in ("sha256", "flowplan_version"):
            path.write_bytes(sealed(with_text(body, place, text + EVIL)))
            for command in commands:
                hold_inert(applied.run(command), place)


def test_the_lock(place: Place) -> None:
    owner = {
        **dict.fromkeys(("id", "who", "boot", "started", "command", "since", "ci"), "x"),
        "host": "elsewhere",
        "pid": 1,
    }
    place.write((Path(__file__).parents[2] / "examples" / "task" / "flowplan.yaml").read_text())
    for name in owner:
        for evil in (EVIL, [EVIL], {EVIL: EVIL}):
            (place.path / "flowplan.lock").write_text(json.dumps({**owner, name: evil}))
            hold_inert(place.run("lock", "show"), name)
            hold_inert(place.run("apply", "--auto-approve"), name)
            hold_inert(place.run("force-unlock", "another"), name)
            hold_inert(place.run("force-unlock", evil if name == "id" and isinstance(evil, str) else "i"), name)


@each
def test_a_plan_file(example: Place, each: int) -> None:
    example.ok("plan", "--out", "p.json", "--what-if", "24h")
    body = json.loads((example.path / "p.json").read_text())
    read = 0
    for number, (place, text) in enumerate(strings(body)):
        if place == ("sha256",):
            continue
        for evil in evils(text, number, each):
            (example.path / "evil.json").write_text(json.dumps(plan_sealed(with_text(body, place, evil))))
            result = example.run("show", "evil.json")
            read += result.code == 0
            hold_inert(result, place, fit=False)
        hold_inert(example.run("show", "evil.json", "--format", "json"), place, fit=False)
    assert read > 50 * each


def test_an_operation_in_doubt(place: Place) -> None:
    left_in_doubt(place)
    hold_inert(place.run("show"), "in doubt")
    hold_inert(place.run("recover", "--cancel", EVIL), "recover")
    hold_inert(place.run("recover", "--from-live", "--lineage", EVIL), "recover")


# -- the cloud -------------------------------------------------------------------------------------------------------


def spoiled(value: Any, key: str, evil: Callable[[str], str]) -> Any:
    """`value` with every string under `key` spoiled."""
    if isinstance(value, dict):
        return {
            name: evil(one) if name == key and isinstance(one, str) else spoiled(one, key, evil)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [evil(one) if key == "[]" and isinstance(one, str) else spoiled(one, key, evil) for one in value]
    return value


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Callable[[str], str]], None]]:
    """Spoils every string under a key in what the API answers."""
    real = Simulator.handle
    now: list[tuple[str, Callable[[str], str]]] = [("", str)]

    def handle(self: Simulator, request: Request) -> Response:
        answer = real(self, request)
        if answer.status >= 300 or not now[0][0] or not answer.body:
            return answer
        return attrs.evolve(answer, body=json.dumps(spoiled(json.loads(answer.body), *now[0])).encode())

    monkeypatch.setattr(Simulator, "handle", handle)

    def spoil(key: str, evil: Callable[[str], str]) -> None:
        now[0] = (key, evil)

    yield spoil


KEYS = (
    *("fid", "name", "status", "region", "instance_type", "created_at", "deleted_at", "interface", "project", "[]"),
    *("startup_script", "limit_price", "ssh_destination", "bid", "bid_fid", "instance_fid", "start_time", "end_time"),
    *("gpu_type", "socket", "last_price", "lowest_allocated_price", "timestamp", "next_cursor", "email", "price"),
)
LOOKING = (("plan",), ("status",), ("cost",), ("market", "h100"), ("destroy",))


@pytest.mark.parametrize("key", KEYS)
def test_the_answers_of_the_api(applied: Place, key: str, answers: Callable[..., None]) -> None:
    # With one's own stack the bid is known; without its state the same bid is an orphan of another stack.
    answers(key, (lambda _: EVIL) if key in ("status", "startup_script") else lambda text: text + EVIL)
    for command in LOOKING:
        hold_inert(applied.run(*command), (key, command))
    hold_inert(applied.run("orphans", "--format", "json"), (key, "json"))
    for name in ("flowplan.state.json", "flowplan.state.journal", "flowplan.state.json.backup"):
        (applied.path / name).unlink()
    for command in (("orphans",), ("recover", "--from-live"), ("plan",)):
        hold_inert(applied.run(*command), (key, command))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 500, 503])
def test_what_the_api_says_of_a_refusal(applied: Place, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = (
        {"detail": EVIL},
        {"detail": [{"loc": ["body", EVIL], "msg": EVIL}, EVIL]},
        {EVIL: EVIL},
        EVIL,
    )
    real, now = Simulator.handle, [""]

    def handle(self: Simulator, request: Request) -> Response:
        if "/v2/spot/bids" not in request.path:
            return real(self, request)
        headers = {"X-Request-Id": EVIL, "Retry-After": "1", "Content-Type": EVIL}
        return Response(status, headers, now[0].encode())

    monkeypatch.setattr(Simulator, "handle", handle)
    monkeypatch.setattr("flowplan.cli.stop.Stop.pause", lambda *_: None)
    for body in (*map(json.dumps, bodies), EVIL, "<html>" + EVIL):
        now[0] = body
        for command in ("plan", "destroy"):
            hold_inert(applied.run("-v", command), (status, body, command))


# -- files and arguments ---------------------------------------------------------------------------------------------

TASK = """name: t
version: 1.2
project_name: my-foundry-project
ssh_key_name: my-ssh-key
task_management: {priority: high, utility_threshold_price: 17.92}
resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b, advanced: {optimize: budget}}
ports: ["8441:8001", {external: 9000, internal: 9001, protocol: tcp}]
persistent_storage: {create: {volume_name: data, size: 1, storage_type: block, mount_point: /mnt/d}}
ephemeral_storage_config: {mounts: {/dev/x: /mnt/x}}
container_image: {image_name: i, build_context: ., run_options: o}
startup_script: |
  echo
"""
VALUES = (
    *("name: t", "1.2", "my-foundry-project", "my-ssh-key", "high", "17.92", "h100.8x.SXM5.IB", "us-central1-b"),
    *("budget", "8441:8001", "9001", "tcp", "data", "block", "/mnt/d", "/dev/x", "/mnt/x", "_name: i", "run_options"),
)


@pytest.mark.parametrize("value", VALUES)
def test_a_task_file(place: Place, value: str) -> None:
    quoted = json.dumps(EVIL)
    head, _, _name = value.rpartition(": ")
    for text in (
        TASK.replace(value, f"{head}: {quoted}" if head else quoted.strip('"') if ":" in value else quoted, 1),
        TASK.replace(value, (f"{head}: " if head else "") + EVIL.replace("\r\n", ""), 1),
    ):
        place.write(text)
        for command in (("validate",), ("plan",), ("validate", "--format", "json"), ("graph",), ("destroy",)):
            hold_inert(place.run(*command), (value, command))


# No `/`, and short enough for a name.
EVIL_NAME = "\x1b[31mEVIL\r\n::error::a\t\x7f\x9b2J\u2028\u202e\u200b\u05d0##[group]b ::warning::d"


def test_names_of_files(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (EVIL_NAME, os.fsdecode(b"\xff\x9b" + EVIL_NAME.encode())):
        yaml, missing = f"{name}.yaml", f"{name}.none"
        place.write(TASK.replace("priority: high", "priority: hih"), yaml)
        for command in (
            *(("validate", yaml), ("plan", yaml), ("plan", missing), ("apply", missing), ("destroy", yaml)),
            *(("show", missing), ("show", yaml), ("state", "push", missing), ("state", "push", yaml), ("graph", yaml)),
            *(("--chdir", missing, "plan"), ("--state", f"{name}/s.json", "plan"), ("state", "show", f"bid.{name}")),
            *(("market", "--svg", f"{missing}/x", name), ("import", f"bid.{name}", name), ("force-unlock", name)),
            *(("recover", "--cancel", name), ("--project", name, "plan"), ("--api-url", name, "plan"), (name,)),
            *(
                ("plan", f"--{name}"),
                ("plan", "--format", name),
                ("plan", "--horizon", name),
                ("state", "mv", name, name),
            ),
            *(("plan", "--out", f"{missing}/p"), ("plan", "--replace", name), ("plan", "--max-hourly-cost", name)),
            *(("simulator", "advance", name), ("--lock-timeout", name, "apply"), ("apply", "--wait", name)),
            *(("--api-url", f"sim:{missing}/x", "plan"), ("--ssh-key", name, "plan", yaml), ("state", "rm", name)),
        ):
            hold_inert(place.run(*command), command)
        place.write(TASK, yaml)
        hold_inert(place.run("apply", "--auto-approve", yaml), "apply")
        hold_inert(place.run("plan", "--out", f"{name}.json", yaml), "--out")
        hold_inert(place.run("state", "show", "bid.t"), "state show")
        hold_inert(place.run("show"), "show")
        inner = place.path / name
        inner.mkdir()
        monkeypatch.chdir(inner)
        for command in (("plan",), ("show",), ("lock", "show"), ("state", "restore"), ("apply", "--init")):
            hold_inert(place.run(*command), command)
        (inner / "flowplan.yaml").write_text(TASK)
        (inner / "flowplan.state.json").write_text("nothing")
        for command in (("plan",), ("apply", "--auto-approve"), ("state", "restore")):
            hold_inert(place.run(*command), command)
        monkeypatch.chdir(place.path)
        place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")


@pytest.mark.parametrize(
    "variable", ["FOUNDRY_PROJECT_NAME", "FOUNDRY_SSH_KEY_NAME", "FLOWPLAN_API_URL", "HTTPS_PROXY", "FLOWPLAN_API_KEY"]
)
def test_the_environment(place: Place, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write("name: t\nresources_specification: {fcp_instance: h100.8x.SXM5.IB}\n")
    if variable.startswith("H") or variable.endswith("KEY"):
        monkeypatch.setenv("FLOWPLAN_API_URL", "https://localhost:1")
        monkeypatch.setenv("FLOWPLAN_API_KEY", "fkey_x")
    monkeypatch.setenv(variable, EVIL)
    hold_inert(place.run("plan"), variable)


def test_the_events_of_an_apply(example: Place) -> None:
    result = example.run("apply", "--auto-approve", "--json")
    hold_inert(result, "events")
    assert all(json.loads(line)["type"] for line in result.out.splitlines())
