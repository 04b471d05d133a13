"""A configuration file and its canonical layout."""

from __future__ import annotations

from flowplan.classes import frozen


@frozen
class LaidOut:
    """A file as it is, and in the canonical layout."""

    name: str
    data: bytes
    text: str

    @property
    def changes(self) -> bool:
        """Whether the canonical layout differs from what the file holds, byte by byte."""
        return self.data != self.text.encode()
