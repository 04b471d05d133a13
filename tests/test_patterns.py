"""A pattern is compiled when it is first used, and each that flowplan has can be."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flowplan
from flowplan import patterns
from tests.imports import Package


def test_it_is_compiled_when_it_is_first_used(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def noting(pattern: str, flags: int = 0) -> re.Pattern[str]:
        compiled.append((pattern, flags))
        return real(pattern, flags)

    real = re.compile
    monkeypatch.setattr(re, "compile", noting)
    word = patterns.regex("[a-z]+(x)", re.IGNORECASE)
    assert (word.pattern, compiled) == ("[a-z]+(x)", [])
    found = word.fullmatch("ABX")
    assert found is not None and found[1] == "X"
    assert (word.fullmatch("1"), word.sub("-", "abx."), word.groups) == (None, "-.", 1)
    word.fullmatch("again")
    assert compiled == [("[a-z]+(x)", re.IGNORECASE)] * 3  # once a method, of which re keeps the pattern
    assert copy.copy(word).pattern == word.pattern


def test_bytes_are_read_by_a_pattern_of_bytes() -> None:
    assert patterns.regex(rb"\d+").findall(b"1 and 22") == [b"1", b"22"]


def test_every_pattern_can_be_compiled() -> None:
    """Where it stands nothing would tell, until somebody writes what it is for."""
    modules = [name for name in Package.at(Path(flowplan.__file__).parent).modules if name not in ("", "__main__")]
    code = (
        "import gc, importlib, re\n"
        f"for name in {modules}: importlib.import_module('flowplan.' + name)\n"
        "from flowplan.patterns import regex\n"
        "found = [one for one in gc.get_objects() if type(one) is regex]\n"
        "for one in found: re.compile(one.pattern, one._flags)\n"
        "print(len(found))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 150


def test_a_module_compiles_nothing_at_its_top() -> None:
    """Of all that a command may need: what flowplan's modules compile while they are imported."""
    code = (
        "import re, sys, click, attrs, flowplan.cli\n"
        "real, seen = re.compile, []\n"
        "def noting(pattern, flags=0):\n"
        "    name = sys._getframe(1).f_globals['__name__']\n"
        "    seen.append(name) if name.startswith('flowplan') else None\n"
        "    return real(pattern, flags)\n"
        "re.compile = noting\n"
        "import flowplan.operations.apply, flowplan.operations.plan, flowplan.config.read, flowplan.cloud.fcp\n"
        "print(seen)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
