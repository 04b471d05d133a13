"""Seeded mistakes, in a file for the room of the package that they are made in (`room_of`): each is found by a test, or
the tests prove less than they seem to. `make mutants` runs them: __main__.py.
"""

from __future__ import annotations

from importlib import import_module

from tests.mutants.mistake import Mistake

__all__ = ["BY_ROOM", "MISTAKES", "Mistake", "room_of"]

ROOMS = [
    "api",
    "apply",
    "backends",
    "backends_remote",
    "cli",
    "cloud",
    "cloud_http",
    "config",
    "cost",
    "documents",
    "files",
    "hooks",
    "model",
    "operations",
    "operations_checking",
    "operations_looking",
    "operations_opening",
    "operations_running",
    "operations_watching",
    "planning",
    "pricing",
    "reports",
    "startup",
    "state",
    "top",
]
BY_ROOM: dict[str, tuple[Mistake, ...]] = {room: import_module(f"tests.mutants.{room}").MISTAKES for room in ROOMS}
MISTAKES: tuple[Mistake, ...] = sum(BY_ROOM.values(), ())


def room_of(file: str) -> str:
    """The room whose mistakes those in `file` of the package are: its folder, be it within another one, or "top"."""
    outer, *inner = file.split("/")[:-1] or ["top"]
    within = "_".join([outer, *inner[:1]])
    return within if within in ROOMS else outer if outer in ROOMS else "top"
