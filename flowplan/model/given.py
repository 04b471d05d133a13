"""Values that variables of a stack are given from outside. Pure data."""

from __future__ import annotations

from attrs import field

from flowplan.classes import frozen


@frozen
class GivenValue:
    """The value of a variable that was given from outside, as --var takes it; None: it is sensitive. `default`: the one
    that it stands in for, None: there is none."""

    text: str | None = field(repr=False)
    default: str | None = field(default=None, repr=False)
