"""Objects of a real server, with faults where a test wants them, as `memory.Memory` has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import obstore

from flowplan.backends.remote.objects import Found
from flowplan.backends.remote.stored import StoredObjects
from flowplan.errors import StateError


class Watched(StoredObjects[Any]):
    """Comes before the class of the store among the bases of a class. `asked` is called before each call with its name
    and key, `answered` after it: what they raise is what the caller sees."""

    asked: Callable[[str, str], None] = staticmethod(lambda call, key: None)
    answered: Callable[[str, str], None] = staticmethod(lambda call, key: None)
    full = False

    def look(self, key: str) -> Found | None:
        """What is there, whatever the faults."""
        return super().get(key)

    def set(self, key: str, data: bytes) -> str:
        """Put it there, whatever the faults."""
        return obstore.put(self._store, key, data)["e_tag"] or ""

    def get(self, key: str) -> Found | None:
        self.asked("get", key)
        found = super().get(key)
        self.answered("get", key)
        return found

    def put(self, key: str, data: bytes, expected: str) -> str:
        self.asked("put", key)
        if self.full:
            raise StateError(f"{self.name} does not take it: No space left")
        version = super().put(key, data, expected)
        self.answered("put", key)
        return version

    def names(self, prefix: str) -> list[str]:
        self.asked("names", prefix)
        return super().names(prefix)

    def delete(self, key: str) -> None:
        self.asked("delete", key)
        super().delete(key)
