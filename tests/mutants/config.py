"""Mistakes seeded in flowplan/config."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "the name of an anchor is where libyaml stops",
        "config/yaml/events.py",
        "    if written is None or written[1] == name:\n",
        "    if written is None or written[1].startswith(name):\n",
        ("tests/config/test_yaml.py", "-k", "misreads"),
    ),
)
