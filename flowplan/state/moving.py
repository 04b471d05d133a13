"""A state that has moved to another place, or that is still arriving there: what is at either must not be applied from.
Pure."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from flowplan.errors import NotInUse
from flowplan.patterns import regex
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.state.state import State

_AT_A_SERVER = regex(r"((?:s3|az)://\S+) at (https?://\S+)")  # as the places of objects call themselves


def hold_in_use(state: State, name: str) -> None:
    """Raise NotInUse where `state`, at the place `name`, is what is left of one that has moved, or the copy of one
    whose move has not finished."""
    if state.moved_to:
        place = state.moved_as or state.moved_to
        raise NotInUse(
            f"the state has moved from {shown(name)} to {shown(state.moved_to)}",
            hint=f"give --state {command_word(place)}, or write it into `state:` of the stack file; "
            f"{moving(place, name)} moves it back",
        )
    if state.moving_from:
        raise NotInUse(
            f"the move of the state from {shown(state.moving_from)} to {shown(name)} has not finished",
            hint=f"run {moving(state.moving_from, name)} again: it goes on from there. If the state is lost at "
            f"{shown(state.moving_from)}, --force goes on with what had arrived",
        )


def moving(source: str, target: str) -> str:
    """The command that moves a state, as a shell reads it."""
    return f"`flowplan state migrate {command_word(source)} {command_word(target)}`"


def command_word(place: str) -> str:
    """A place as a word of a command line; one at a server of somebody's own with the option that names that."""
    own = _AT_A_SERVER.fullmatch(place)
    words = [quote(place)] if own is None else [quote(own[1]), "--endpoint", quote(own[2])]
    return shown(" ".join(words), len(place) + 96)


def never_applied(name: str) -> str:
    """What to do where the state `name`, which is not there, is meant, as in a clean-up of what may never have been."""
    return f"if nothing was ever applied with {name}, give --state {command_word(name)}: this is a warning then"
