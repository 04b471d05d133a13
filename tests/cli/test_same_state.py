"""What a failure says to type works on the state that the command was given."""

from __future__ import annotations

import html
import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowplan.cli.everywhere import which_files, which_state
from flowplan.patterns import regex
from flowplan.reports.text.same_state import from_same_files, on_same_state
from tests.cli.lines import UNENDING, commands, formats, ready
from tests.conftest import Place, many
from tests.texts import task_text

# What looks at no state: other files, the market, or a state of its own.
ELSEWHERE = {"init", "fmt", "convert", "market", "test", "schema", "completion", "explain", "state migrate"}
DATA = {"schema", "completion"}  # they print what other programs read
NAMED = regex(rf"flowplan (?:{'|'.join(sorted(commands(), key=len, reverse=True))})\b")


@pytest.mark.parametrize("command", [one for one in commands() if not one.startswith("simulator")])
def test_each_command_that_works_with_a_state_is_named_with_it(command: str) -> None:
    said = f"type `flowplan {command}`, or flowplan {command} NAME"
    stays = command in ELSEWHERE
    assert on_same_state(said, "--chdir d") == (
        said if stays else said.replace(f"n {command}", f"n {command} --chdir d")
    )


@pytest.mark.parametrize("command", sorted(set(commands()) - UNENDING - DATA))
def test_whatever_a_command_says_to_type_is_for_the_state_that_it_was_given(place: Place, command: str) -> None:
    """Also where it does well: what is left, what comes next, and what a plan warns of."""
    words = ready(place, command)
    result = place.run("--chdir", ".", *words)
    said = " ".join(f"{result.out} {result.err}".split())
    for one in {found[0] for found in NAMED.finditer(said)}:
        assert on_same_state(f"`{one}`", "--chdir .") in (f"`{one}`", f"`{one} --chdir .`")
        if on_same_state(one, "--chdir .") != one:
            assert one not in said.replace(f"{one} --chdir .", ""), said


HINTS = ("hint", "remedy", "command", "ended_by")


def hints_in(body: object) -> Iterator[str]:
    """Whatever in a document is said to be typed."""
    if isinstance(body, list):
        for one in body:
            yield from hints_in(one)
    elif isinstance(body, dict):
        yield from (str(body[key]) for key in HINTS if body.get(key) and "pid" not in body)  # of a lock: what runs
        for one in body.values():
            yield from hints_in(one)


IN_JSON = [one for one, made in commands().items() if "json" in formats(made)]


@pytest.mark.parametrize("command", sorted(set(IN_JSON) - UNENDING - DATA - {"explain", "state history"}))
def test_what_a_document_says_to_type_is_for_that_state_too(place: Place, command: str) -> None:
    words = ready(place, command)
    lines = place.run("--chdir", ".", *words, "--format", "json").out.splitlines(keepends=True)
    try:
        bodies = [json.loads("".join(lines))]
    except ValueError:  # the events of a run
        bodies = [json.loads(line) for line in lines]
    for said in hints_in(bodies):
        for one in {found[0] for found in NAMED.finditer(said)}:
            if on_same_state(one, "--chdir .") != one:
                assert one not in said.replace(f"{one} --chdir .", ""), said


@pytest.mark.parametrize("form", ["json", "html", "markdown", "github"])
def test_a_plan_that_nobody_reads_as_text_names_the_state_too(place: Place, form: str) -> None:
    """Its digest holds what it says to type; and what is typed decides nothing of what a saved plan does."""
    words = ("--state", "x.json")
    place.write(task_text("train"), "a.yaml")
    place.ok("apply", "--auto-approve", "a.yaml", *words)
    place.write(task_text("renamed"), "a.yaml")
    said = place.ok("plan", "a.yaml", "--out", "p", "--format", form, *words)
    assert "flowplan state mv --state x.json" in html.unescape(" ".join(said.split())), said
    saved = json.loads((place.path / "p").read_text())
    assert "flowplan state mv --state x.json" in json.dumps(saved["diagnostics"])
    if form == "json":
        assert json.loads(said) == saved
    place.ok("apply", "p", "--state", "./x.json")


def test_what_a_status_says_to_type_is_for_that_state(place: Place) -> None:
    words = ("--state", "x.json")
    place.write(many(1) + "lifetime: {max_hours: 1}\n", "a.yaml")
    place.ok("apply", "--auto-approve", "a.yaml", *words)
    place.ok("simulator", "advance", "3h")
    typed = "flowplan apply --state x.json a.yaml --target bid.task-000"
    assert f"this cancels it: {typed}" in " ".join(place.ok("status", *words).split())
    (bid,) = json.loads(place.ok("status", "--format", "json", *words))["bids"]
    assert bid["lifetime"]["ended_by"] == typed
    page = regex(r"<[^>]*>").sub("", place.ok("status", "--format", "html", *words))
    assert f"this cancels it: {typed}" in " ".join(html.unescape(page).split())
    place.ok(*shlex.split(typed)[1:], "--auto-approve")


def test_what_a_run_says_to_a_program_names_the_state(place: Place) -> None:
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    result = place.run("apply", "--auto-approve", "--state", "x.json", "--json")
    assert result.code == 6
    hints = list(hints_in([json.loads(one) for one in result.out.splitlines()]))
    assert any("flowplan recover --state x.json" in one for one in hints), hints


def test_what_a_plan_says_to_type_ends_what_this_state_has(place: Place) -> None:
    one = many(1)
    place.write(one)
    place.write(one.replace("-000", "-001"), "old.yaml")
    place.ok("apply", "--auto-approve", "--state", "x.json", "flowplan.yaml", "old.yaml")
    (place.path / "old.yaml").unlink()
    said = " ".join(place.ok("plan", "--state", "x.json").split())
    end = said.partition("flowplan destroy ")[2].partition(" ends it")[0]
    assert end == "--state x.json old.yaml", said
    place.ok("destroy", *shlex.split(end), "--auto-approve", "--allow-volume-destroy", "*")
    assert "bid.task-001" not in place.ok("state", "list", "--state", "x.json")


def test_a_note_names_the_state_too(place: Place) -> None:
    place.write(many(1))
    result = place.run("plan", "--out", "p", "--state", "x.json")
    assert "flowplan apply --state x.json p" in " ".join(result.err.split()), result
    place.ok("apply", "--state", "x.json", "p")
    assert not (place.path / "flowplan.state.json").exists()


def test_a_command_for_another_state_stays() -> None:
    said = "type `flowplan state rm bid.a` there, or `flowplan state rm bid.b` here"
    assert on_same_state(said, "--state x") == said.replace("rm bid.b", "rm --state x bid.b")
    assert on_same_state("make sure that `flowplan state rm` was run there", "--state x").endswith("rm` was run there")


@pytest.mark.parametrize("damage", ["missing", "damaged", "damaged with its backup"])
def test_the_hint_of_a_lost_state_names_it(place: Place, damage: str) -> None:
    """Without --state, it would make a second state of the same bids."""
    place.write(many(1))
    place.ok("apply", "--auto-approve", "--state", "team a.json")
    state, backup = place.path / "team a.json", place.path / "team a.json.backup"
    if damage == "missing":
        backup.write_bytes(state.read_bytes())
        state.unlink()
    else:
        state.write_text("{")
        backup.write_text("{")
    if "backup" in damage:
        shutil.rmtree(place.path / ".flowplan" / "versions")
    result = place.run("plan", "--state", "team a.json")
    assert result.code == 5, result
    said = " ".join(result.err.split())
    typed = [words for words in said.split("`")[1::2] if words.startswith("flowplan ")]
    assert typed, said
    for words in typed:
        assert "--state 'team a.json'" in words
    assert place.run(*shlex.split(typed[0])[1:]).code == 0
    assert "bid.task-000" in place.ok("state", "list", "--state", "team a.json")
    assert not (place.path / "flowplan.state.json").exists()


STACK = "version: 2\nname: team\nvolumes: {ckpt: {size: 100, disk_interface: File, region_id: us-central1-b}}\n"
USER = """version: 2
tasks:
  train:
    resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}
    persistent_storage: {attach: {volume: ckpt, mount_point: /mnt/ckpt}}
"""


@pytest.mark.parametrize("command", [("plan",), ("apply", "--auto-approve"), ("destroy", "--auto-approve")])
def test_the_hint_of_a_lost_state_names_the_files_that_it_is_rebuilt_from(
    place: Place, command: tuple[str, ...]
) -> None:
    """Without them it would not know the stack, whose name they have, nor take back a volume, which carries no mark."""
    (place.path / "a dir").mkdir()
    place.write(STACK, "stack.yaml")
    place.write(USER, "a dir/train.yaml")
    files = ("stack.yaml", "a dir")
    place.ok("apply", "--auto-approve", *files)
    shutil.rmtree(place.path / ".flowplan" / "versions")
    shutil.rmtree(place.path / ".flowplan" / "used", ignore_errors=True)
    for one in place.path.glob("flowplan.*"):
        one.unlink()
    said = " ".join(place.run(*command, *files).err.split())
    typed = said[said.index("flowplan recover") :].partition("`")[0].partition(" error: ")[0]
    place.ok(*shlex.split(typed)[1:])
    assert "volume.ckpt" in place.ok("state", "list")
    assert json.loads(place.ok("plan", *files, "--format", "json"))["summary"]["no-op"] == 2


def test_what_a_watch_leaves_to_a_person_is_shown_of_the_files_that_it_watches(place: Place) -> None:
    place.write(many(1), "tasks.yaml")
    place.ok("apply", "--auto-approve", "tasks.yaml")
    place.write(many(2), "tasks.yaml")
    said = " ".join(place.run("watch", "--once", "tasks.yaml").out.split())
    typed = said[said.index("run `") + 5 :].partition("`")[0]
    assert typed == "flowplan plan tasks.yaml", said
    assert "Plan: 3 to add" in place.ok(*shlex.split(typed)[1:])


def test_a_command_that_names_its_files_stays() -> None:
    said = "`flowplan plan a.yaml b.yaml`, `flowplan plan --out FILE`, `flowplan recover --cancel bid_1`, flowplan plan"
    assert from_same_files(said, "c.yaml") == said
    assert from_same_files("`flowplan validate` says", "a.yaml 'a b'") == "`flowplan validate a.yaml 'a b'` says"


def test_what_is_no_file_of_a_configuration_rebuilds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "down" / "tasks").mkdir(parents=True)
    (tmp_path / "tonight").write_text("{}")
    assert which_files({"paths": ("tonight",)}) == ""
    assert which_files({"paths": ("a.yaml", "tonight")}) == ""
    assert which_files({"paths": ("tasks", "my file.yml"), "chdir": "down"}) == "tasks 'my file.yml'"
    assert which_files({"paths": ("a\x1b[2J.yaml",)}) == which_files({"paths": ("a\0",)}) == ""
    assert which_files({"paths": ("x" * 300,)}) == "x" * 300  # nobody knows
    assert which_files({"paths": ()}) == which_files({}) == ""


def test_so_does_one_that_is_told_to_a_program(place: Place) -> None:
    place.write(many(1))
    (place.path / "x.json").write_text("{")
    result = place.run("plan", "--state", "x.json", "--json", "found.json")
    assert result.code == 5
    assert "--state x.json" in (place.path / "found.json").read_text()


def test_one_that_speaks_of_another_state_stays() -> None:
    options = which_state({"state": "a b", "chdir": "d", "endpoint": None, "var": ("x",)})
    assert options == "--chdir d --state 'a b'"
    said = "name the state with --state; if it is lost, `flowplan recover --from-live` rebuilds it"
    assert on_same_state(said, options) == said
    assert on_same_state("`flowplan recover`, then `flowplan state migrate A B`", "") == (
        "`flowplan recover`, then `flowplan state migrate A B`"
    )
    assert on_same_state("`flowplan recover`, then `flowplan state migrate A B`", options) == (
        f"`flowplan recover {options}`, then `flowplan state migrate A B`"
    )


def test_a_watch_that_is_to_be_started_again_watches_that_state(place: Place) -> None:
    assert on_same_state("start `flowplan watch` again", "--state x.json") == (
        "start `flowplan watch --state x.json` again"
    )
    refused = place.run("output", "--raw", "--state", "x.json")
    assert "hint: flowplan output --state x.json --raw NAME" in refused.err


@pytest.mark.parametrize(
    "url",
    [
        "postgres://team:CANARY@db/states",
        "postgres://team@db/states/x?password=CANARY",
        "postgres://team@db/states/x?sslmode=require&sslpassword=CANARY",
        "postgres://team@db/states/x?scram_client_key=CANARY",
        "https://gitlab.example.com/state/x?private_token=CANARY",
        "https://gitlab.example.com/state/x#CANARY",
        "az://account/states/x?sv=2021&sig=CANARY",
        "gs://states/x?access_token=CANARY",
    ],
)
def test_a_password_is_not_repeated(place: Place, url: str) -> None:
    assert which_state({"state": url}) == ""
    for words in (("apply", "p.plan"), ("show", "p.plan"), ("state", "list")):
        refused = place.run("--state", url, *words)
        assert refused.code in (5, 64, 65) and "CANARY" not in refused.out + refused.err, refused


def test_the_url_of_a_database_is_repeated_with_all_that_is_no_secret() -> None:
    """A command without it would be for another state."""
    pq = pytest.importorskip("psycopg").pq
    from flowplan.backends.remote.postgres_url import _SECRET

    names = {one.keyword.decode() for one in pq.Conninfo.get_defaults()} | {"schema", "state"}
    assert len(names) > 20
    for name in names - {*_SECRET}:
        url = f"postgres://team@db:5432/a/x?{name}=b"
        assert which_state({"state": url}) == f"--state '{url}'"
    for name in _SECRET:
        assert which_state({"state": f"postgresql://team@db/a/x?{name}=b"}) == ""
