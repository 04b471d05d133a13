"""A repository that pipelines check out: files on main, the state on a branch of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from attrs import frozen

WHO = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")


@frozen
class Origin:
    """`origin.git` in a directory, and the work of its authors beside it."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> Origin:
        made = cls(path)
        made.git(path, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
        made.git(path, "clone", "--quiet", "origin.git", "work")
        for branch in ("flowplan-state", "main"):
            made.git(path / "work", "switch", "--quiet", "--orphan", branch)
            made.git(path / "work", "commit", "--quiet", "--allow-empty", "--message", branch)
            made.git(path / "work", "push", "--quiet", "origin", branch)
        return made

    def git(self, where: Path, *words: str) -> str:
        done = subprocess.run(["git", *WHO, *words], cwd=where, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, text: str) -> str:
        """A commit on main that has this stack file; its SHA."""
        work = self.path / "work"
        (work / "flowplan.yaml").write_text(text)
        self.git(work, "add", "flowplan.yaml")
        self.git(work, "commit", "--quiet", "--allow-empty", "--message", "a change")
        self.git(work, "push", "--quiet", "origin", "main")
        return self.git(work, "rev-parse", "HEAD")

    def clone(self, runner: str) -> Path:
        """A checkout on a runner of its own."""
        checkout = self.path / runner / "a-repo"
        self.git(self.path, "clone", "--quiet", "origin.git", str(checkout))
        return checkout

    def state(self) -> dict[str, Any]:
        """The state on its branch."""
        found: dict[str, Any] = json.loads(self.git(self.path / "origin.git", "show", "flowplan-state:flowplan.json"))
        return found

    def refuse_pushes(self) -> None:
        hook = self.path / "origin.git" / "hooks" / "pre-receive"
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
