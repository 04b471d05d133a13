"""A mistake made on purpose."""

from __future__ import annotations

from attrs import frozen


@frozen
class Mistake:
    """In `file` of the package, `old` (found exactly once) becomes `new`; one of `tests` fails then."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
