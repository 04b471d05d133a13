"""flowplan fmt: files are written in the canonical layout, or nothing is."""

from __future__ import annotations

import io
import stat
import sys

import pytest

from flowplan.documents.fmt import LaidOut
from flowplan.operations.fmt import write
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from tests.conftest import Place

UNEVEN = "# a task\nname:   train\nresources_specification:\n    fcp_instance: 8xh100 # fast\nports:\n- 8080\n\n"
EVEN = "# a task\nname: train\nresources_specification:\n  fcp_instance: 8xh100 # fast\nports:\n  - 8080\n"


def test_it_writes_what_changes_names_it_and_keeps_its_permissions(place: Place) -> None:
    place.write(UNEVEN)
    (place.path / "flowplan.yaml").chmod(0o640)
    assert place.ok("fmt") == "flowplan.yaml\n"
    assert (place.path / "flowplan.yaml").read_text() == EVEN
    assert stat.S_IMODE((place.path / "flowplan.yaml").stat().st_mode) == 0o640
    assert place.ok("fmt") == ""
    assert [path.name for path in place.path.iterdir()] == ["flowplan.yaml"]


def test_without_flowplan_yaml_it_is_the_directory(place: Place) -> None:
    place.write(UNEVEN, "b.yaml")
    place.write(EVEN, "a.yml")
    assert place.ok("fmt") == "b.yaml\n"


def test_check_writes_nothing_and_fails_with_the_names(place: Place) -> None:
    place.write(UNEVEN)
    result = place.run("fmt", "--check")
    assert (result.code, result.out) == (1, "flowplan.yaml\n")
    assert (place.path / "flowplan.yaml").read_text() == UNEVEN
    place.write(EVEN)
    assert place.ok("fmt", "--check") == ""


def test_diff_shows_what_would_change_without_what_looks_like_a_credential(place: Place) -> None:
    place.write(UNEVEN + "startup_script: |\n    export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEF12\n")
    out = place.ok("fmt", "--diff")
    assert out.startswith(
        "--- flowplan.yaml\n+++ flowplan.yaml\n@@ -1,9 +1,9 @@\n # a task\n-name:   train\n+name: train\n"
    )
    assert "hf_abc" not in out
    assert "export HF_TOKEN=" in out
    assert (place.path / "flowplan.yaml").read_text().startswith(UNEVEN)
    place.write(EVEN.replace("\n", "\r\n"))
    assert place.run("fmt", "--diff", "--check").out == "flowplan.yaml: line ends or the end of the file\n"


def test_one_file_that_is_no_yaml_and_none_is_written(place: Place) -> None:
    place.write(UNEVEN, "a.yaml")
    place.write("a: [\n", "b.yaml")
    result = place.run("fmt", ".")
    assert (result.code, result.out) == (65, "")
    assert "b.yaml:" in result.err
    assert (place.path / "a.yaml").read_text() == UNEVEN


def test_a_file_that_somebody_changed_meanwhile_is_left(place: Place) -> None:
    place.write("name: other\n")
    place.write(UNEVEN, "b.yaml")
    files = [LaidOut(name, UNEVEN.encode(), EVEN) for name in ("flowplan.yaml", "gone.yaml", "b.yaml")]
    written, failed = write(Session(Settings(place.path)), files)
    assert [file.name for file in written] == ["b.yaml"]
    assert list(map(str, failed)) == [
        "flowplan.yaml has changed since it was read",
        "gone.yaml cannot be read again: No such file or directory",
    ]
    assert (place.path / "flowplan.yaml").read_text() == "name: other\n"


def test_one_file_that_cannot_be_written_holds_up_no_other(place: Place) -> None:
    for name in "abc":
        place.write(UNEVEN, f"{name}.yaml")
    (place.path / "b.yaml").chmod(0o444)
    result = place.run("fmt", ".")
    assert (result.code, result.out) == (1, "a.yaml\nc.yaml\n")
    assert (
        result.err
        == "error: 1 of 3 files could not be written\n  b.yaml is read-only\n  hint: make it writable: chmod u+w\n"
    )
    assert [(place.path / f"{name}.yaml").read_text() for name in "abc"] == [EVEN, UNEVEN, EVEN]
    again = place.run("fmt", ".")
    assert (again.code, again.out, again.err.startswith("error: b.yaml is read-only\n")) == (1, "", True)
    (place.path / "b.yaml").chmod(0o644)
    assert place.ok("fmt", ".") == "b.yaml\n"


def stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_a_dash_reads_stdin_and_prints_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, UNEVEN)
    assert place.ok("fmt", "-") == EVEN
    stdin(monkeypatch, UNEVEN)
    result = place.run("fmt", "--check", "-")
    assert (result.code, result.out) == (1, "<stdin>\n")
    stdin(monkeypatch, "a: [\n")
    result = place.run("fmt", "-")
    assert (result.code, result.out) == (65, "")
    assert place.run("fmt", "-", "a.yaml").code == 64


def test_what_may_not_be_shown_is_not_printed_as_something_else(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, EVEN + "startup_script: |\n  echo '##[error]x'\n")
    result = place.run("fmt", "-")
    assert (result.code, result.out) == (1, "")
    assert "name the file instead of `-`" in result.err


@pytest.mark.parametrize("option", ["-write=false", "--write=false", "-list", "--list=false", "-recursive"])
def test_an_option_of_terraform_is_answered_and_nothing_is_written(place: Place, option: str) -> None:
    place.write(UNEVEN, "a.yaml")
    result = place.run("fmt", option, "a.yaml")
    assert (result.code, "hint: " in result.err, "--help lists" in result.err) == (64, True, False)
    assert (place.path / "a.yaml").read_text() == UNEVEN


@pytest.mark.parametrize(
    ("file", "is_one"), [("p.json", "a saved plan"), ("flowplan.state.json", "a state"), ("sealed.json", "a state")]
)
def test_what_flowplan_keeps_is_laid_out_by_nobody(place: Place, file: str, is_one: str) -> None:
    """It was written again, without the lock, and with what a run had saved meanwhile gone."""
    place.write(EVEN.replace("8xh100", "h100.8x.SXM5.IB"))
    place.ok("plan", "--out", "p.json")
    place.ok("apply", "--auto-approve")
    place.write(
        '{"format_version": 3, "flowplan_version": "1", "lineage": "a", "serial": 1,  "sealed": "x"}', "sealed.json"
    )
    before = (place.path / file).read_bytes()
    for words in (("fmt",), ("validate",), ("plan",), ("apply",), ("graph",), ("watch", "--once"), ("convert",)):
        if (words, is_one) == (("apply",), "a saved plan"):
            continue
        refused = place.run(*words, file)
        assert refused.code == 65, (words, refused)
        assert refused.err.startswith(f"error: {file} is {is_one}, not a file that says what you want\n"), refused
        assert refused.err.count("error") == 1 + ("1 error\n" in refused.err), refused
        assert (place.path / file).read_bytes() == before
