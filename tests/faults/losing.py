"""A state that is lost."""

from __future__ import annotations

import shutil

from tests.conftest import Place


def lose(place: Place) -> None:
    """The state is gone, and all that could stand in for it."""
    shutil.rmtree(place.path / ".flowplan" / "versions", ignore_errors=True)
    for name in ("flowplan.state.json", "flowplan.state.journal", "flowplan.state.json.backup"):
        (place.path / name).unlink(missing_ok=True)


def changes(place: Place) -> int:
    return place.run("plan", "--detailed-exitcode").code


def created(place: Place) -> int:
    return len([one for one in place.ledger() if one.method == "POST"])
