"""Steps of a composite action, run one after the other as GitHub's runner does it: with its expressions, its files, its
conditions. What a recipe says is run, not a copy of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyrage
from attrs import define, field, frozen
from ruamel.yaml import YAML

from tests.conftest import ROOT
from tests.loaded import flowplan
from tests.processes import LONGEST, Process
from tests.reports.github_files import parsed

RECIPES = ROOT / "examples" / "ci"
# In the environment of each job: the state is encrypted, and so are saved plans.
ENCRYPTED = {"FLOWPLAN_AGE_KEY": str(pyrage.x25519.Identity.generate())}


def yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text())


@frozen
class Ended:
    """A job that has ended. `steps`: the names of those that ran; `log`: in one line, as flowplan wraps its own."""

    code: int
    steps: tuple[str, ...]
    outputs: dict[str, str]
    log: str
    summary: str


@define
class Action:
    """A run of the action in a directory that is a checkout. `temp`: the runner's, a new one for each job.
    `left_out`: steps. `cancelled_at`: what the log says when the job is cancelled: the runner sends SIGINT to the one
    process that it has started for the step."""

    inputs: Mapping[str, str]
    checkout: Path
    temp: Path
    environ: Mapping[str, str]
    left_out: tuple[str, ...]
    cancelled_at: str = ""
    _outputs: dict[str, dict[str, str]] = field(factory=dict, init=False)

    def __call__(self) -> Ended:
        whole = yaml(RECIPES / "github" / "action" / "action.yml")
        given = {name: str(one.get("default", "")) for name, one in whole["inputs"].items()} | dict(self.inputs)
        self.temp.mkdir(parents=True)
        code, ran, log = 0, [], ""
        for step in whole["runs"]["steps"]:
            if step["name"] in self.left_out or not self._runs(step.get("if", "true"), given, failed=code != 0):
                continue
            done = self._run(step, given)
            ran.append(step["name"])
            log, code = log + done.stdout, code or done.returncode
        outputs = {name: self._filled(one["value"], given) for name, one in whole["outputs"].items()}
        summary = self.temp / "summary"
        return Ended(code, tuple(ran), outputs, " ".join(log.split()), summary.read_text() if summary.exists() else "")

    def _run(self, step: Mapping[str, Any], given: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        assert step["shell"] == "bash"
        output = self.temp / f"output-{len(list(self.temp.iterdir()))}"
        output.touch()
        own = {name: self._filled(str(value), given) for name, value in step.get("env", {}).items()}
        environ = {
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_ACTION_PATH": str(RECIPES / "github" / "action"),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
            "CI": "true",
        }
        with Process(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.checkout / self._filled(step.get("working-directory", "."), given),
            env={**self.environ, **environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            said = self._cancel(process) if self.cancelled_at else ""
            said += process.communicate(timeout=LONGEST)[0]
        if "id" in step:
            self._outputs[step["id"]] = outputs_of(output.read_text())
        return subprocess.CompletedProcess(step["run"], process.returncode, said)

    def _cancel(self, process: Process) -> str:
        """Cancel the job if this step says what it is cancelled at. Returns what it had said by then."""
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if self.cancelled_at in line:
                process.send_signal(signal.SIGINT)
                break
        return said

    def _filled(self, text: str, given: Mapping[str, str]) -> str:
        """A text with its `${{ }}`."""
        return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: self._value(found[1], given), text)

    def _value(self, name: str, given: Mapping[str, str]) -> str:
        room, _, rest = name.partition(".")
        if room == "inputs":
            return given[rest]
        if room == "steps":
            step, _, output = rest.partition(".outputs.")
            return self._outputs.get(step, {}).get(output, "")
        assert name == "github.token", name
        return "token"

    def _runs(self, condition: str, given: Mapping[str, str], *, failed: bool) -> bool:
        words = re.sub(r"(inputs|steps)\.[\w.-]+", lambda found: repr(self._value(found[0], given)), condition)
        python = words.replace("&&", "and").replace("||", "or").replace("always()", "True").replace("true", "True")
        return ("always()" in condition or not failed) and bool(eval(python, {"__builtins__": {}}))


def outputs_of(text: str) -> dict[str, str]:
    """What a step wrote to $GITHUB_OUTPUT, in both forms."""
    plain = dict(re.findall(r"^([A-Za-z_]+)=(.*)$", text, re.MULTILINE))
    return {**parsed(re.sub(r"^[A-Za-z_]+=.*\n", "", text, flags=re.MULTILINE)), **plain}


def programs(directory: Path) -> str:
    """A PATH with flowplan and the `gh` that stands for GitHub's."""
    directory.mkdir()
    gh = f'exec "{sys.executable}" {Path(__file__).with_name("gh.py")} "$@"'
    for name, line in (("flowplan", flowplan()), ("gh", gh)):
        (directory / name).write_text(f"#!/bin/sh\n{line}\n")
        (directory / name).chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"
