"""examples/notebook/quickstart.ipynb, run cell by cell in a kernel, in an empty directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXAMPLES

NOTEBOOK = EXAMPLES / "notebook" / "quickstart.ipynb"


def results(notebook: Any) -> list[str]:
    """What each cell gave in the end, as text."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output["output_type"] == "execute_result", output
            found.append(output["data"]["text/plain"])
    return found


@pytest.mark.filterwarnings("ignore")  # of the kernel's libraries
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    directory = tmp_path / "work"
    directory.mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(directory)}}).execute()
    plan, cost, applied, empty, status, _, destroyed = results(notebook)
    assert "Proposal" in plan
    assert "hourly_now" in cost or "now" in cost
    assert applied == "['bid.quickstart']"
    assert empty == "True"
    assert "'Allocated'" in status
    assert destroyed == "['bid.quickstart']"
    shown = next(cell["outputs"][0]["data"] for cell in notebook.cells[3:] if cell.get("outputs"))
    assert "<td>bid.quickstart</td>" in shown["text/html"]


def test_it_is_committed_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
