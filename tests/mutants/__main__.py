"""Seeded mistakes: each is edited into a copy of the package, and some test must fail there. `make mutants`.

    python -m tests.mutants [WORD...]     all of them, or those whose names contain a WORD; AT_ONCE=1: one at a time

Prints a table and ends with 1 when a mistake survives. Before that, the same tests must pass on an unchanged copy.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants import MISTAKES, Mistake

ROOT = Path(__file__).parents[2]
AT_ONCE = int(os.environ.get("AT_ONCE", "2"))
LONGEST = 200  # seconds for the tests of one mistake


def main(words: list[str]) -> int:
    chosen = [one for one in MISTAKES if not words or any(word in one.name for word in words)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sound = list(pool.map(_sound, dict.fromkeys(one.tests for one in chosen)))
        if not all(sound):
            return 1
        killers = list(pool.map(_tried, chosen))
    survivors = [one.name for one, killer in zip(chosen, killers, strict=True) if killer is None]
    print(f"{len(chosen)} mistakes, {len(chosen) - len(survivors)} found by a test, {len(survivors)} survived")
    return 1 if survivors else 0


def _sound(tests: tuple[str, ...]) -> bool:
    """Whether the tests pass without a mistake: else they prove nothing."""
    with tempfile.TemporaryDirectory() as directory:
        done = _run(_copy(Path(directory)), tests)
    if done.returncode != 0:
        print(f"not sound: pytest {' '.join(tests)}\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def _tried(mistake: Mistake) -> str | None:
    """The test that failed; None when none did."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        copy = _copy(Path(directory))
        _edit(copy / "flowplan" / mistake.file, mistake)
        done = _run(copy, mistake.tests)
    killer = _killer(done)
    print(f"{mistake.name:<62} | {killer or 'SURVIVED':<90} | {time.monotonic() - began:5.1f} s", flush=True)
    return killer


def _copy(directory: Path) -> Path:
    """The package, its tests and what they read."""
    copy = directory / "flowplan"
    copy.mkdir()
    for name in ("flowplan", "tests", "examples", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.cfg", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def _edit(path: Path, mistake: Mistake) -> None:
    text = path.read_text()
    count = text.count(mistake.old)
    if count != 1:
        raise SystemExit(f"{mistake.name}: the text to replace stands {count} times in {mistake.file}, not once")
    path.write_text(text.replace(mistake.old, mistake.new))


def _run(copy: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    if "-m" not in tests:
        command += ["-m", "not slow and not timed"]
    try:
        return subprocess.run(
            command, cwd=copy, env=environ, capture_output=True, text=True, check=False, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", "")


def _killer(done: subprocess.CompletedProcess[str]) -> str | None:
    """The name of the test that failed. Raises SystemExit for a run that came to no verdict."""
    if done.returncode == 0:
        return None
    if done.returncode == 124:
        return f"(no end within {LONGEST} s)"
    found = re.search(r"^FAILED \S+?/(test_\w+\.py::\S+)", done.stdout, re.MULTILINE)
    if done.returncode != 1 or found is None:
        raise SystemExit(f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return found[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
