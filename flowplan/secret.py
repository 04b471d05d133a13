"""A value that is never shown."""

from __future__ import annotations

from attrs import field

from flowplan.classes import frozen


@frozen
class Secret:
    """A value that is never shown: str, repr and format give asterisks. `reveal()` is the only way out."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """The value itself: for a request or a digest, never for a text."""
        return self._value

    def __str__(self) -> str:
        return "********"

    def __repr__(self) -> str:
        return "Secret(********)"

    def __format__(self, spec: str) -> str:
        return format("********", spec)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return (Secret, ("********",))
