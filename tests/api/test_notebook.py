"""examples/notebook/quickstart.ipynb, run cell by cell in a kernel, in an empty directory; and what cells show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import flowplan
from tests.api.stacks import TASK, stack_in
from tests.conftest import EXAMPLES, Place

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


def test_what_a_call_returns_is_a_line_at_a_glance(place: Place) -> None:
    """The last line of a cell, or a line of a log: the auctions were 280,000 characters."""
    stack = stack_in(place.path, *({**TASK, "name": f"sweep-{n}"} for n in range(6)))
    proposal = stack.plan()
    outcome = stack.apply(proposal)
    looked = (stack.status(), stack.state(), stack.offers(), stack.market("h100"))
    shown = [repr(one) for one in (proposal, outcome, *looked)]
    assert shown[:2] == ["<Proposal: 6 create>", "<Outcome: 6 done>"]
    sweep = "bid.sweep-0, bid.sweep-1, bid.sweep-2, bid.sweep-3, bid.sweep-4 and 1 more"
    assert shown[2] == f"<Status: {sweep}; $48.00 an hour now, $0.00 paid>"
    assert shown[3] == f"<State: serial 1, {sweep}>"
    assert shown[4].startswith("<Offers: bid.sweep-0 on h100-80gb.sxm.8x in us-central1-b, ")
    assert shown[5].startswith("<Auctions: h100-80gb.sxm.8x in us-central1-b $8.00, ")
    assert all(len(one) < 400 for one in shown)
    with place.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "status", status=403, times=None)
    with pytest.raises(flowplan.ApplyFailed) as caught:
        stack.destroy(target=["bid.sweep-0"])
    assert repr(caught.value.outcome) == "<Outcome: 1 failed>"
