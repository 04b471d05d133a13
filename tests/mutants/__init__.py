"""Seeded mistakes, by the room of the package that they are made in: each is found by a test, or the tests prove less
than they seem to. `make mutants` runs them: __main__.py.
"""

from __future__ import annotations

from importlib import import_module

from tests.mutants.mistake import Mistake

__all__ = ["MISTAKES", "Mistake"]

ROOMS = [
    "apply",
    "backends",
    "cli",
    "cloud",
    "config",
    "cost",
    "documents",
    "files",
    "http_states",
    "model",
    "operations",
    "planning",
    "pricing",
    "reports",
    "startup",
    "state",
    "top",
]
MISTAKES: tuple[Mistake, ...] = sum((import_module(f"tests.mutants.{room}").MISTAKES for room in ROOMS), ())
