"""A check of the configuration -> annotations of a GitHub runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.documents.validate import Checked, in_repository
from flowplan.reports.github.commands import annotated, command

if TYPE_CHECKING:
    from flowplan.reports.text.paint import Paint

_REST = "`flowplan validate` lists all"


def lines(found: Checked, _: Paint) -> str:
    """One for each problem; where there is none, that the files are valid."""
    if found.problems:
        return annotated(in_repository(found), _REST)
    count = f"{found.tasks} task{'' if found.tasks == 1 else 's'}"
    return command("notice", f"Valid: {count}, {found.volumes} volume{'' if found.volumes == 1 else 's'}.")
