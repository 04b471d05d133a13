"""flowplan init, as somebody types it who has nothing yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from flowplan.documents.init import Choice, Known, text
from flowplan.documents.schema import schema_of
from flowplan.errors import FlowplanError
from flowplan.reports.text.paint import WIDTH
from tests.conftest import Place

SHAPE = Draft202012Validator(schema_of("init"))
FILES = (".gitignore", "flowplan.schema.json", "flowplan.yaml")


def test_what_it_writes_can_be_planned_at_once(place: Place) -> None:
    said = place.ok("init")
    assert sorted(path.name for path in place.path.iterdir()) == sorted([*FILES, ".flowplan"])
    written = (place.path / "flowplan.yaml").read_text()
    assert written.startswith("# yaml-language-server: $schema=flowplan.schema.json\n")
    made = YAML(typ="safe").load(written)
    assert (made["project_name"], made["ssh_key_name"]) == ("my-foundry-project", "my-ssh-key")
    assert made["tasks"]["train"]["resources_specification"] == {
        "fcp_instance": "a5000-24gb.pcie.1x",  # the cheapest of the simulated market
        "cluster_id": "us-central1-b",
        "num_instances": 1,
    }
    assert json.loads((place.path / "flowplan.schema.json").read_text())["$schema"].endswith("draft-07/schema#")
    assert "flowplan plan " in said
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in place.ok("plan")
    assert place.ok("fmt", "--check") == ""


@pytest.mark.parametrize("form", [[], ["--task"]], ids=["stack", "task"])
def test_without_credentials_what_it_cannot_know_is_a_comment(
    place: Place, form: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLOWPLAN_API_URL")
    said = place.ok("init", *form)
    written = (place.path / "flowplan.yaml").read_text()
    assert "\n# project_name: my-project" in written
    assert "# cluster_id: us-central1-b" in written
    assert "Project, SSH key and region are left open: no credentials for the API" in said
    assert "flowplan plan --api-url sim:" in said
    assert place.ok("validate") == "Valid: 1 task, 0 volumes.\n"
    assert "Plan: 1 to add" in place.ok("plan", "--api-url", "sim:")


def test_nothing_is_overwritten(place: Place) -> None:
    place.write("mine: 1\n")
    assert place.run("init").code == 64
    assert [path.name for path in place.path.iterdir()] == ["flowplan.yaml"]
    assert (place.path / "flowplan.yaml").read_text() == "mine: 1\n"
    (place.path / "flowplan.yaml").unlink()
    place.write("node_modules\n.flowplan\n", ".gitignore")
    place.write("{}", "flowplan.schema.json")
    said = place.ok("init")
    assert (place.path / ".gitignore").read_text() == "node_modules\n.flowplan\n"
    assert (place.path / "flowplan.schema.json").read_text() == "{}"
    assert "left .gitignore as it is" in said
    assert "add to .gitignore: flowplan.state.*  flowplan.lock\n" in said


def test_a_link_that_leads_to_nothing_is_left_too(place: Place) -> None:
    (place.path / "flowplan.yaml").symlink_to("elsewhere.yaml")
    assert place.run("init").code == 64
    assert not (place.path / "elsewhere.yaml").exists()


def test_a_directory_is_made_and_has_everything(place: Place) -> None:
    said = place.ok("init", "a/b", "--api-url", "sim:")
    assert "  cd a/b\n" in said
    assert "flowplan plan --api-url sim:  " in said
    assert sorted(path.name for path in (place.path / "a/b").iterdir()) == sorted([*FILES, ".flowplan"])
    assert sorted(path.name for path in place.path.iterdir()) == ["a"]


def test_a_file_for_a_directory_and_an_unknown_project_are_refused(place: Place) -> None:
    place.write("x", "file")
    assert place.run("init", "file/below").code == 64
    found = place.run("init", "--project", "nobody")
    assert (found.code, (place.path / "flowplan.yaml").exists()) == (65, False)
    assert "there is no project nobody" in found.err
    found = place.run("init", "--ssh-key", "nokey")
    assert (found.code, (place.path / "flowplan.yaml").exists()) == (65, False)
    assert "there are: my-ssh-key" in found.err


def test_a_run_that_was_cut_off_is_repeated(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration comes last: before it is there, nothing hinders a second run."""
    from flowplan.operations import init

    written: list[str] = []
    inner = init.write_new

    def fails(path: Path, content: str) -> bool:
        if path.name == "flowplan.yaml":
            raise FlowplanError(f"{path} could not be written: No space left on device")
        written.append(path.name)
        return inner(path, content)

    monkeypatch.setattr(init, "write_new", fails)
    assert place.run("init").code == 1
    assert sorted(written) == sorted(FILES[:2])
    monkeypatch.undo()
    monkeypatch.chdir(place.path)
    assert "left flowplan.schema.json as it is" in place.ok("init", "--api-url", "sim:")


def test_of_several_one_is_to_be_chosen() -> None:
    known = Known(Choice(names=("alpha", 'be"ta\n')), Choice("yes: 'key'"), "h100-80gb.sxm.8x", 8, "eu-central1-a")
    made = text("stack", known, "train")
    assert '#   alpha\n#   be"ta\\n\n# project_name: alpha\n' in made
    read = YAML(typ="safe").load(made)
    assert read["ssh_key_name"] == "yes: 'key'"
    assert read["tasks"]["train"]["task_management"] == {"utility_threshold_price": 33.92}
    assert read["guards"] == {"max_hourly_cost": 34}


@pytest.mark.parametrize("known", [Known(), Known(Choice("p"), Choice("k"), "h100-80gb.sxm.8x", 8, "eu-central1-a")])
def test_every_line_fits(known: Known) -> None:
    for form in ("stack", "task"):
        assert [line for line in text(form, known, "train").splitlines() if len(line) > WIDTH] == []


def test_where_there_is_nothing_yet_init_is_named(place: Place) -> None:
    assert "`flowplan init` writes one" in place.run("plan").err


def test_a_long_url_does_not_make_long_lines(place: Place) -> None:
    said = place.ok("init", "--api-url", "sim:a-directory-of-mine/another-one.db")
    assert [line for line in said.splitlines() if len(line) > WIDTH] == []
    assert "  flowplan plan --api-url sim:a-directory-of-mine/another-one.db\n      what it would make" in said


def test_a_program_reads_what_was_found_out_written_and_is_to_be_typed(place: Place) -> None:
    (place.path / "my dir").mkdir()
    place.write("mine\n", "my dir/.gitignore")
    body = json.loads(place.ok("init", "my dir", "--format", "json", "--api-url", "sim:"))
    SHAPE.validate(body)
    assert body["found"]["project"] == {"value": "my-foundry-project", "choices": []}
    offer = {"instance_type": "a5000-24gb.pcie.1x", "region": "us-central1-b", "gpus": 1, "limit_price": "4.24"}
    assert (body["asked"], body["found"]["offer"], body["diagnostics"]) == (True, offer, [])
    assert "utility_threshold_price: 4.24\n" in (place.path / "my dir/flowplan.yaml").read_text()
    files = [(one["path"], one["status"]) for one in body["files"]]
    written = ("my dir/flowplan.yaml", "written"), ("my dir/flowplan.schema.json", "written")
    assert files == [*written, ("my dir/.gitignore", "left")]
    assert body["to_ignore"] == [".flowplan/", "flowplan.state.*", "flowplan.lock"]
    typed = ["flowplan plan --api-url sim:", "flowplan apply --api-url sim:", "flowplan destroy --api-url sim:"]
    assert [one["command"] for one in body["next"]] == ["cd 'my dir'", *typed]


def test_a_program_reads_that_nobody_could_be_asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWPLAN_API_URL")
    said = place.ok("init", "--json", "made.json")
    body = json.loads((place.path / "made.json").read_text())
    SHAPE.validate(body)
    assert body["found"] == {
        "project": {"value": None, "choices": []},
        "ssh_key": {"value": None, "choices": []},
        "offer": None,
    }
    assert (body["asked"], [one["code"] for one in body["diagnostics"]]) == (False, ["not-fetched"])
    assert [one["command"] for one in body["next"]] == ["flowplan plan --api-url sim:", "flowplan doctor"]
    assert all(one["command"] in said for one in body["next"])


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [(("--project", "nobody"), 65, "project-unknown"), (("--ssh-key", "nokey"), 65, "key-unknown"), ((), 64, "usage")],
)
def test_a_program_reads_why_nothing_was_written(place: Place, words: tuple[str, ...], code: int, found: str) -> None:
    if not words:
        place.write("mine: 1\n")
    done = place.run("init", "--format", "json", *words)
    body = json.loads(done.out)
    assert (done.code, body["exit_code"], [one["code"] for one in body["diagnostics"]]) == (code, code, [found])


@pytest.mark.parametrize("name", FILES)
def test_its_own_files_are_not_for_the_json(place: Place, name: str) -> None:
    done = place.run("init", "new", "--json", f"new/{name}")
    assert (done.code, list(place.path.iterdir())) == (64, [])
    assert "would be overwritten by --json" in " ".join(done.err.split())
