"""Regular expressions that are compiled when they are first used.

`re.compile` costs as much as importing a small module, and flowplan has a pattern for everything that may be written:
a command meets few of them. A pattern at the top of a module is made by `regex`; all else of `re` is used as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

__all__ = ["regex"]

if TYPE_CHECKING:
    from re import compile as regex
else:

    class regex:
        """What `re.compile` returns: the first look at a method compiles, and keeps the method beside."""

        def __init__(self, pattern: str | bytes, flags: int = 0) -> None:
            self.pattern = pattern
            self._flags = flags

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):  # copy and pickle ask for methods of their own
                raise AttributeError(name)
            made = getattr(re.compile(self.pattern, self._flags), name)
            setattr(self, name, made)
            return made
