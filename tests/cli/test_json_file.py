"""--json FILE: text for people on stdout, and in the same run the JSON in a file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from flowplan.backends.lock import Lock
from flowplan.backends.processes import this_process
from flowplan.cli.base import JSON_INTO
from flowplan.cli.forms import Form
from flowplan.cli.json_file import JsonFile
from flowplan.cli.terminal import Terminal
from flowplan.documents.schema import schema_of
from tests.cli.lines import commands, formats, ready
from tests.cli.running import into_broken_pipe, into_full_disk, read_until, start
from tests.conftest import APPLY, FLOWPLAN, Place, made_once, many
from tests.loaded import client
from tests.processes import LONGEST
from tests.texts import task_text

FILE = "found.json"
# Nothing is asked twice.
CHANGING = {"init", "state rm", "state mv", "state push", "state restore", "state rekey", "state migrate"}


def offering(name: str) -> list[str]:
    """The commands that have an option of this name to write into a file."""
    return [
        words
        for words, command in commands().items()
        if any(one.name == "json_file" and name in one.opts for one in command.params)
    ]


LINES = offering("--json")


def test_every_command_that_has_json_and_text_writes_it_beside_the_text() -> None:
    by_flag = {"apply", "destroy", "output", "watch"}  # of which --json is a flag
    assert set(LINES) == {words for words, command in commands().items() if "json" in formats(command)[1:]} - by_flag
    assert set(offering(JSON_INTO)) == by_flag


def subject(command: str) -> str:
    """What the JSON of a command is about: the name of its schema."""
    (found,) = (one.subject for one in commands()[command].params if isinstance(one, Form))
    return found


def kept(place: Place, name: str = FILE) -> str:
    return (place.path / name).read_text()


def timeless(text: str) -> str:
    """Without what is another one at each run, and without what is said of a run that takes long."""
    text = re.sub(r"^[^\n]*\.\.\.\n", "", text, flags=re.MULTILINE)
    text = re.sub(r'"(timestamp|as_of|now|expires_at|at)": "[^"]*"', r'"\1": ""', text)
    return re.sub(r'"(seconds|sha256|market_snapshot_id)": ("[^"]*"|[0-9.]+)', r'"\1": 0', text)


@pytest.fixture
@made_once
def applied_once(place: Place) -> Place:
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    return place


@pytest.mark.parametrize("command", LINES)
def test_the_text_stays_and_the_file_has_the_json(place: Place, command: str) -> None:
    words = ready(place, command)
    schema = Draft202012Validator(schema_of(subject(command)))
    if command in CHANGING:
        place.ok(*words, "--json", FILE)
        schema.validate(json.loads(kept(place)))
        return
    text = place.run(*words)
    both = place.run(*words, "--json", FILE)
    assert (both.code, timeless(both.out), timeless(both.err)) == (text.code, timeless(text.out), timeless(text.err))
    assert timeless(kept(place)) == timeless(place.run(*words, "--format", "json").out)
    schema.validate(json.loads(kept(place)))


def test_it_is_private_and_replaces_only_what_it_wrote(applied_once: Place) -> None:
    place = applied_once
    for _ in range(2):
        place.ok("status", "--json", FILE)
    assert (place.path / FILE).stat().st_mode & 0o777 == 0o600
    assert place.ok("validate", "--json", FILE).startswith("Valid: ")
    assert json.loads(kept(place))["valid"] is True
    place.write('{\n  "compilerOptions": {\n    "target": "x"', "tsconfig.json")
    (place.path / "folder").mkdir()
    (place.path / "some.lock").touch()
    held = ["flowplan.yaml", "flowplan.state.json", "tsconfig.json", "folder", "some.lock", "nowhere/f", "-"]
    place.write('{"type": "module"}\n', "package.json")
    held.insert(0, "package.json")
    before = {name: (place.path / name).read_bytes() for name in held[:4]}
    for name in held:
        done = place.run("status", "--json", name)
        assert (done.code, done.out, done.err.count("error:")) == (64, "", 1), name
    assert {name: (place.path / name).read_bytes() for name in before} == before


def test_a_state_that_it_wrote_is_not_replaced_either(applied_once: Place) -> None:
    """It may be the only copy by then."""
    applied_once.ok("show", "--json", FILE)
    assert applied_once.ok("state", "push", FILE)
    done = applied_once.run("show", "--json", FILE)
    assert (done.code, f"{FILE} holds a state" in done.err, "remove it first" in done.err) == (64, True, True)


@pytest.mark.parametrize("name", ["flowplan.state.json", "own.json", "flowplan.state.journal", "own.json.backup"])
def test_it_is_no_name_of_the_state_that_an_apply_is_to_make(place: Place, name: str) -> None:
    place.write(task_text("train"))
    done = place.run("apply", "--auto-approve", f"--json={name}", *(("--state", name) if name == "own.json" else ()))
    assert (done.code, "flowplan uses this name for the state" in " ".join(done.err.split())) == (64, True)
    assert [one.name for one in place.path.iterdir()] == ["flowplan.yaml"]


@pytest.mark.parametrize("name", ["flowplan.state.json", "own.json", "flowplan.state.journal", "own.json.backup"])
@pytest.mark.parametrize("command", [("plan", "--out"), ("market", "h100.8x.SXM5.IB", "--svg")], ids=" ".join)
def test_nor_is_that_one_of_a_saved_plan_or_a_picture(place: Place, command: tuple[str, ...], name: str) -> None:
    """The next run would take it for a state that is damaged, or for what is left of one."""
    place.write(task_text("train"))
    done = place.run(*command, name, *(("--state", name) if name == "own.json" else ()))
    assert (done.code, "flowplan uses this name for the state" in " ".join(done.err.split())) == (64, True)
    place.ok(*APPLY)


def test_a_link_to_the_state_is_one_of_its_names(place: Place) -> None:
    place.write(task_text("train"))
    (place.path / "link.json").symlink_to("own.json")
    for more in ((), ("--nonsense",)):
        assert place.run("apply", "--auto-approve", "--state", "own.json", "--json=link.json", *more).code == 64
        assert not (place.path / "own.json").exists()


def test_what_came_there_meanwhile_stays(place: Place) -> None:
    file, terminal = JsonFile.at(FILE), Terminal.of(sys.stdout, sys.stderr, {})
    file.text = "{}\n"
    place.write("name: a\n", FILE)
    assert file.write(terminal) == 64
    assert kept(place) == "name: a\n"


def test_a_run_that_is_killed_leaves_no_result_of_an_earlier_one(place: Place) -> None:
    """A later step of a pipeline would read it as that of the run that was killed."""
    place.write(many(40))
    place.ok("plan", "--json", FILE)
    (place.path / "link.json").symlink_to(FILE)
    process = start(place, "apply", "--auto-approve", "--parallelism", "1", "--json=link.json")
    read_until(process, lambda line: ": created" in line)
    process.kill()
    process.communicate(timeout=LONGEST)
    assert not (place.path / FILE).exists()
    place.ok("apply", "--auto-approve", "--settle-window", "0", "--json=link.json")
    assert (place.path / "link.json").is_symlink() and events(place, 0)


@pytest.mark.parametrize(
    "line",
    [
        "apply p.json --json=p.json",
        "apply p.json --json=./p.json --nonsense",
        "show p.json --json p.json",
        "plan --out p.json --json p.json",
        "plan --out p.json --json sub/../p.json --nonsense",
        "--chdir sub plan --out ../p.json --json ../p.json --nonsense",
        "plan --var-file p.json --json link.json",
        "plan --policy p.json --json p.json",
        "import --all --generate p.json --json p.json",
        "market --svg p.json --json p.json",
    ],
)
def test_it_is_no_file_that_the_command_reads_or_writes_besides(applied_once: Place, line: str) -> None:
    place = applied_once
    (place.path / "sub").mkdir()
    place.edit("17.92", "20.00")
    place.ok("plan", "--out", "p.json")
    (place.path / "link.json").symlink_to("p.json")
    before = kept(place, "p.json")
    done = place.run(*line.split())
    assert (done.code, done.out) == (64, "") and kept(place, "p.json") == before
    if "--nonsense" not in line and "import" not in line:
        assert "this command reads it, or writes something else there" in " ".join(done.err.split())


@pytest.mark.parametrize("command", ["apply", "destroy", "watch"])
def test_a_file_right_behind_the_flag_is_not_taken_for_a_plan_that_somebody_has_seen(
    place: Place, command: str
) -> None:
    """`plan --json p.json` writes there; a plan that is named is applied, and nobody is asked."""
    place.write(task_text("train"))
    place.ok("plan", "--json", "p.json")
    before = kept(place, "p.json")
    done = place.run(command, "--json", "p.json")
    said = " ".join(done.err.split())
    assert (done.code, "can be read in two ways; nothing was changed" in said) == (64, True), done
    assert f"--json=p.json writes the events there; `flowplan {command} p.json --json`" in said
    assert kept(place, "p.json") == before and not place.ok("state", "list")
    place.ok("apply", "p.json", "--json")


def test_a_link_into_a_directory_that_is_not_there_is_found_before_anything_is_done(place: Place) -> None:
    place.write(task_text("train"))
    (place.path / FILE).symlink_to("nowhere/found.json")
    done = place.run("apply", "--auto-approve", f"--json={FILE}")
    assert (done.code, "its directory does not exist" in " ".join(done.err.split())) == (64, True)
    assert place.ok("state", "list") == ""


@pytest.mark.parametrize("line", ["completion --json", "fmt -json=x"])
def test_a_command_without_json_names_no_option_that_it_lacks(place: Place, line: str) -> None:
    done = place.run(*line.split())
    assert (done.code, "--format" in done.err, "its exit code says how it ended" in " ".join(done.err.split())) == (
        64,
        False,
        True,
    )
    assert "--format json" in place.run("plan", "-json").err


@pytest.mark.parametrize("words", ["status --json", "plan --json --out p"])
def test_without_a_file_it_says_what_prints_json(place: Place, words: str) -> None:
    done = place.run(*words.split())
    assert (done.code, done.out) == (64, "")
    assert "--json needs the name of a file" in done.err and "--format json" in done.err
    assert not list(place.path.iterdir())


@pytest.mark.parametrize("command", LINES)
def test_wrong_usage_is_in_the_file(place: Place, command: str) -> None:
    done = place.run(*command.split(), "--json", FILE, "--nonsense")
    assert (done.code, done.out) == (64, "")
    body = json.loads(kept(place))
    assert (body["errored"], body["exit_code"], body["diagnostics"][0]["severity"]) == (True, 64, "error")
    assert "--nonsense" in body["diagnostics"][0]["summary"]


def test_what_else_fails_is_in_it_too(applied_once: Place) -> None:
    """Each in the document that `--format json` would have printed."""
    place = applied_once
    place.write("name: 1\n", "bad.yaml")
    place.write("name: a\ncommand: echo\n", "flow.yaml")
    lines = {
        "validate bad.yaml": ("validate", 65),
        "convert flow.yaml": ("convert", 65),
        "plan bad.yaml": ("plan", 65),
        "market nix": ("failure", 65),
        "state show bid.nix": ("failure", 1),
        "plan --out nowhere/p": ("plan", 64),
    }
    for line, (schema, code) in lines.items():
        done = place.run(*line.split(), "--json", FILE)
        body = json.loads(kept(place))
        Draft202012Validator(schema_of(schema)).validate(body)
        assert (done.code, body["errored"], body["exit_code"]) == (code, True, code), line
        (place.path / FILE).unlink()


def test_a_plan_that_a_guard_refuses_is_in_it_as_a_whole(applied_once: Place) -> None:
    applied_once.edit("17.92", "20.00")
    done = applied_once.run("plan", "--max-hourly-cost", "1", "--json", FILE)
    body = json.loads(kept(applied_once))
    assert (done.code, body["exit_code"], body["summary"]["update"]) == (3, 3, 1)
    assert "max_hourly_cost" in {one["detail"] for one in body["diagnostics"]}


def test_a_directory_to_work_in_holds_for_the_file_too(place: Place) -> None:
    (place.path / "sub").mkdir()
    place.write(task_text("train"), "sub/flowplan.yaml")
    for words, code in (("--chdir", "sub", "validate"), 0), (("validate", "--chdir", "sub", "--nonsense"), 64):
        assert place.run(*words, "--json", FILE).code == code
        assert json.loads(kept(place, f"sub/{FILE}"))["valid"] is (code == 0)
        (place.path / "sub" / FILE).unlink()
        os.chdir(place.path)


# -- a run


def events(place: Place, code: int) -> list[dict[str, object]]:
    found = [json.loads(line) for line in kept(place).splitlines()]
    for one in found:
        Draft202012Validator(schema_of("event")).validate(one)
    assert (found[-1]["type"], found[-1]["exit_code"]) == ("summary", code)
    assert [one["type"] for one in found].count("summary") == 1
    return found


def test_the_events_of_a_run_go_to_the_file(place: Place) -> None:
    place.write(task_text("train"))
    done = place.run("apply", "--auto-approve", f"--json={FILE}")
    assert done.code == 0 and "bid.train: created" in done.err and "Plan: 1 to add" in done.out
    kinds = [one["type"] for one in events(place, 0)]
    assert kinds[:2] == ["version", "planned_change"] and "apply_complete" in kinds
    assert place.run("destroy", "--auto-approve", f"--json={FILE}").code == 0
    assert events(place, 0)[-1]["destroyed"] == 1


def test_events_go_to_stdout_and_the_file(place: Place) -> None:
    place.write(task_text("train"))
    out = place.ok("apply", "--auto-approve", "--json", f"--json={FILE}", "flowplan.yaml")
    assert [json.loads(one)["type"] for one in out.splitlines()] == [one["type"] for one in events(place, 0)]


LOCKED = ("apply --auto-approve", "destroy --auto-approve")


@pytest.mark.parametrize("line", ["apply --timeout soon", "apply bad.yaml", "apply", *LOCKED, "output --raw"])
def test_a_run_that_does_not_begin_says_why_in_the_file(applied_once: Place, line: str) -> None:
    applied_once.write("name: 1\n", "bad.yaml")
    applied_once.edit("17.92", "20.00")
    lock = Lock(applied_once.path / "flowplan.lock")
    if line in LOCKED:
        lock.acquire(this_process("flowplan apply", {}, "2026-01-02T03:04:05Z"))
    done = applied_once.run(*line.split(), f"--json={FILE}")
    lock.release()
    assert done.code == {**dict.fromkeys(LOCKED, 4), "apply": 1, "apply bad.yaml": 65}.get(line, 64)
    if line.startswith("output"):
        assert json.loads(kept(applied_once))["exit_code"] == 64
    else:
        assert [one["type"] for one in events(applied_once, done.code)][-2:] == ["diagnostic", "summary"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_says_so_in_the_file(place: Place, number: int, code: int) -> None:
    """With all that was made by then."""
    place.write(many(40))
    process = start(place, "apply", "--auto-approve", "--parallelism", "1", f"--json={FILE}")
    read_until(process, lambda line: ": created" in line)
    process.send_signal(number)
    process.communicate(timeout=LONGEST)
    assert process.returncode == code
    found = events(place, code)
    made = [one["address"] for one in found if one["type"] == "apply_complete"]
    assert made and set(place.ok("state", "list").split()) >= set(map(str, made))


def test_a_path_behind_the_flag_stays_a_path(place: Place) -> None:
    place.write(task_text("train"), "a.yaml")
    assert '"apply_complete"' in place.ok("apply", "--auto-approve", "--json", "a.yaml")
    assert json.loads(place.ok("output", "--json")) == {}
    assert place.ok("output", f"--json={FILE}") == "There are no outputs.\n" and kept(place) == "{}\n"
    done = place.run("apply", "--json=")
    assert (done.code, "'--json': it is empty" in done.err) == (64, True)


def test_what_fails_once_the_document_is_made_is_in_the_file(
    applied_once: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that says nothing of it would be taken for one that is good."""
    monkeypatch.setenv("GITHUB_OUTPUT", "nowhere/outputs")
    done = applied_once.run("plan", "--format", "github", "--json", FILE)
    body = json.loads(kept(applied_once))
    assert (done.code, body["errored"], body["exit_code"]) == (1, True, 1)
    assert "GITHUB_OUTPUT" in body["diagnostics"][0]["summary"]
    applied_once.write("version: 2\nhooks: {planned: [sh, -c, 'kill -2 $PPID; sleep 600']}\ntasks: {}\n")
    command = [*client(), "plan", "--json", FILE]
    ended = subprocess.run(command, cwd=applied_once.path, capture_output=True, text=True, check=False)
    body = json.loads(kept(applied_once))
    assert (ended.returncode, body["errored"], body["exit_code"]) == (130, True, 130)


def test_a_run_whose_text_is_lost_says_so_in_the_file(place: Place) -> None:
    place.write(task_text("train"))
    assert into_full_disk(place, "apply", "--auto-approve", f"--json={FILE}")[0] == 1
    found = events(place, 1)
    assert "not all of the output could be written" in str(found[-2]["summary"]) and found[-1]["added"] == 1


def test_the_file_is_whole_whatever_becomes_of_stdout(applied_once: Place) -> None:
    code, _ = into_full_disk(applied_once, "plan", "--json", FILE)
    assert (code, json.loads(kept(applied_once))["complete"]) == (1, True)
    (applied_once.path / FILE).unlink()
    code, _ = into_broken_pipe(applied_once, "plan", "--json", FILE)
    assert (code, json.loads(kept(applied_once))["complete"]) == (0, True)


def test_a_file_that_cannot_be_written_fails_and_leaves_no_earlier_result(applied_once: Place) -> None:
    """The disk takes nothing more (a limit on the size of files); the text is all there."""
    applied_once.ok("validate", "--json", FILE)
    command = ["bash", "-c", 'ulimit -f 0; "$@"', "-", *FLOWPLAN, "validate", "--json", FILE]
    done = subprocess.run(command, cwd=applied_once.path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "Valid: 1 task, 0 volumes.\n")
    assert f"{FILE} could not be made durable: File too large" in " ".join(done.stderr.split())
    assert not list(Path(applied_once.path).glob(f"{FILE}*"))


def test_a_secret_of_the_environment_is_not_in_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_KEY", "fkey_verysecretvalue")
    place.write("name: fkey_verysecretvalue\nnix: 1\n")
    assert place.run("validate", "--json", FILE).code == 65
    assert "verysecret" not in kept(place) and json.loads(kept(place))["error_count"] > 0
