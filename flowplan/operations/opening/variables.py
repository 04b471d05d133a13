"""The values that the variables of a stack are given, read from where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flowplan.config.config import Source
from flowplan.errors import StalePlan, UsageProblem
from flowplan.files.regular import read_regular
from flowplan.operations.opening.settings import Settings, Streamed
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.config.stack.given import Given
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.model.given import GivenValue

LARGEST = 1_000_000  # bytes of a file of variables


def given(settings: Settings, saved: Mapping[str, str] | None = None, *, checked_alone: bool = False) -> Given:
    """What `settings` give, and a `saved` plan besides. `checked_alone`: nothing is made of the files. Raises
    UsageProblem for a file that cannot be read."""
    from flowplan.config.stack.given import Given

    files = tuple(_read(settings, name) for name in settings.variable_files)
    return Given(dict(settings.variables), files, settings.environ, saved or {}, checked_alone)


def _read(settings: Settings, file: str | Streamed) -> Source:
    found = Source(file.name, file.data) if isinstance(file, Streamed) else _of_disk(settings, file)
    if len(found.data) > LARGEST:  # its end is missing
        raise UsageProblem(f"--var-file {found.name} is larger than {LARGEST // 1_000_000} MB")
    return found


def _of_disk(settings: Settings, name: str) -> Source:
    try:
        return Source(name, read_regular(settings.directory / name, LARGEST))
    except OSError as error:
        raise UsageProblem(f"--var-file {name} cannot be read: {error.strerror}") from error


def of_plan(saved: SealedPlan) -> dict[str, str]:
    """The values that a saved plan was made with, as far as it has them: of sensitive variables it has none."""
    return {name: one["value"] for name, one in saved.get("variables", {}).items() if one["value"] is not None}


def hold_same(saved: SealedPlan, now: Mapping[str, GivenValue]) -> None:
    """Raise StalePlan where a value that is given `now` is another than the one that `saved` was made with. Those of
    sensitive variables are compared by `sensitive.hold_sensitive`."""
    kept = of_plan(saved)
    lines = []
    for name, one in now.items():
        before = kept.get(name, one.default)
        if one.text is not None and one.text != before:
            origin = f"the plan was made with {shown(before, 200)}" if before is not None else "the plan has none"
            lines.append(f"variable {name} is {shown(one.text, 200)} here, and {origin}")
    if lines:
        raise StalePlan(
            f"{lines[0]}; nothing was done",
            detail="\n".join(lines[1:]) or None,
            hint="give no values: the saved plan has them; or plan again with these",
        )
