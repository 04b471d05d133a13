"""A FIFO in the place of a file holds nobody up: whatever is read is a regular file, or is refused in words.

Nobody ever writes into these FIFOs: a test that hangs has found a reader that waits.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import flowplan
from flowplan.backends import state_files
from flowplan.backends.local import LocalStore
from flowplan.backends.overflow import overflow_directory
from flowplan.errors import StateError
from flowplan.files.regular import read_regular
from flowplan.state.records import Done
from tests.conftest import Place, left_in_doubt

STATE, JOURNAL, BACKUP = "flowplan.state.json", "flowplan.state.journal", "flowplan.state.json.backup"
LOOKING = (
    *(("state", "list"), ("show",), ("plan",), ("status",), ("apply", "--auto-approve"), ("state", "restore")),
    *(("recover",), ("destroy", "--auto-approve"), ("orphans",), ("cost",), ("state", "pull")),
)


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [fifo, device])
@pytest.mark.parametrize("name", [STATE, JOURNAL])
def test_as_state_and_journal_it_is_refused(applied: Place, name: str, make: Callable[[Path], None]) -> None:
    for command in LOOKING:
        make(applied.path / name)
        result = applied.run(*command)
        restores = make is fifo and command == ("state", "restore")
        assert result.code == (0 if restores else 5), (command, result)
        assert result.code == 0 or "not a regular file" in result.err or "does not trust" in result.err, (
            command,
            result,
        )


def test_as_backup_it_is_replaced(applied: Place) -> None:
    fifo(applied.path / BACKUP)
    applied.edit("utility_threshold_price: 17.92", "utility_threshold_price: 18.92")
    applied.ok("apply", "--auto-approve")
    assert (applied.path / BACKUP).is_file()
    (applied.path / STATE).write_text("")
    fifo(applied.path / BACKUP)
    for command in LOOKING:
        if command != ("state", "restore"):
            assert applied.run(*command).code == 5, command
    applied.ok("state", "restore")  # from the versions


def test_as_lock_it_is_refused(applied: Place) -> None:
    fifo(applied.path / "flowplan.lock")
    assert "not a regular file" in applied.run("apply", "--auto-approve").err
    for command in (("lock", "show"), ("force-unlock", "x"), ("plan",)):
        applied.run(*command)


def test_as_overflow_it_is_refused(applied: Place) -> None:
    store = LocalStore(applied.path / STATE, overflow_directory(os.environ))
    state = store.read().state
    (binding, *_) = state.bindings.values()
    kept = store.prepare(state).overflow([Done("", binding.address, binding)])
    assert kept is not None
    fifo(Path(kept))
    assert "not a regular file" in applied.run("plan").err


@pytest.mark.parametrize(
    "command",
    [
        ("show", "pipe"),
        ("state", "push", "pipe"),
        ("apply", "pipe", "--auto-approve"),
        ("plan", "pipe"),
        ("validate", "pipe"),
        ("plan", "--out", "pipe"),
        ("destroy", "pipe"),
        ("market", "h200.8x", "--svg", "pipe"),
        ("--api-url", "sim:pipe", "plan"),
    ],
    ids=" ".join,
)
def test_as_an_argument_it_is_refused(example: Place, command: tuple[str, ...]) -> None:
    for make in (fifo, device):
        make(example.path / "pipe")
        result = example.run(*command)
        assert result.code in (1, 64, 65), result
        assert "not a " in result.err, result


def test_as_a_script_or_a_directory_s_task_it_is_refused(example: Place) -> None:
    example.write(
        "name: t\nresources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}\n"
        "startup_script_file: pipe.sh\n"
    )
    fifo(example.path / "pipe.sh")
    assert "not a regular file" in example.run("validate").err
    fifo(example.path / "pipe.yaml")
    assert "not a regular file" in example.run("validate", ".").err


@pytest.mark.parametrize("variable", ["FLOWPLAN_API_KEY_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_as_key_or_authorities_it_is_refused(example: Place, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_URL", "https://localhost:1")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    if variable != "FLOWPLAN_API_KEY_FILE":
        monkeypatch.setenv("FLOWPLAN_API_KEY", "fkey_x")
    monkeypatch.setenv(variable, str(example.path / "pipe"))
    fifo(example.path / "pipe")
    (example.path / "pipe").chmod(0o600)
    result = example.run("plan")
    assert result.code in (1, 64), result
    assert variable in result.err, result


def test_as_kept_forecasts_it_is_told(applied: Place) -> None:
    fifo(applied.path / ".flowplan" / "forecasts.db")
    applied.ok("cost")


def test_a_state_or_journal_larger_than_any_is_not_read(applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_files, "SIZE_LIMIT", 1 << 20)
    for name in (STATE, JOURNAL):
        before = (applied.path / name).read_bytes()
        with (applied.path / name).open("ab") as file:
            file.truncate(1 << 40)  # a hole: no disk has that much
        with pytest.raises(StateError, match="larger than 1 MB"):
            LocalStore(applied.path / STATE).read()
        (applied.path / name).write_bytes(before)


def test_no_more_is_read_than_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 100)
    assert read_regular(tmp_path / "large", 10) == b"x" * 11
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path, 10)


def test_an_interrupted_run_is_settled_beside_a_fifo(place: Place) -> None:
    left_in_doubt(place)
    fifo(place.path / BACKUP)
    place.ok("recover")


ALLOWED = {
    "files/regular.py": "opened",
    "files/atomic.py": "what was just written there, by its own name",
    "backends/processes.py": "the system's own files, which have an end",
    "hooks/descendants.py": "the system's own files, too",
    "startup/script.py": "templates of the package",
    "reports/html/filling.py": "templates of the package",
    "cli/stop.py": "a pipe of its own",
}


def test_files_are_opened_for_reading_in_one_place() -> None:
    found = set()
    root = Path(flowplan.__file__).parent
    for path in root.rglob("*.py"):
        text = path.read_text()
        if not re.search(r"open\(|read_(bytes|text)\(|File\(", text):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            of_files = isinstance(node.func, ast.Name) or (name == "open" and ast.unparse(node.func) == "io.open")
            reads = name in ("read_bytes", "read_text") and isinstance(node.func, ast.Attribute)
            if reads or (name == "open" and of_files) or name == "File" or name == "fdopen":
                found.add(str(path.relative_to(root)))
    assert found - {"__main__.py"} == set(ALLOWED), "read through flowplan.files.regular, which does not wait"
