"""What a stack is given from outside. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import frozen

if TYPE_CHECKING:
    from flowplan.config.config import Source


@frozen
class Given:
    """Values given from outside the stack. `options`: NAME -> text, of --var; `files`: --var-file, the last wins;
    `environ`: variables as in `os.environ`. `checked_alone`: nothing is made of what is read, so a sensitive variable
    that has no value is no problem: who only checks files may not have the secrets."""

    options: Mapping[str, str] = field(factory=dict, repr=False)
    files: tuple[Source, ...] = field(default=(), repr=False)
    environ: Mapping[str, str] = field(factory=dict, repr=False)
    saved: Mapping[str, str] = field(factory=dict, repr=False)  # of a saved plan, for those that none of these gives
    checked_alone: bool = False


NOTHING_GIVEN = Given()
