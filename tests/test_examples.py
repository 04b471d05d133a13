"""What the examples tell you to type works when it is typed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from flowplan.cli.watch import watch
from tests.blocks import environment
from tests.conftest import EXAMPLES, Place


def bash(script: str, directory: Path) -> str:
    """The output of a script, in which `flowplan` is this one, in a new simulator. It must succeed."""
    environ = environment(directory)
    done = subprocess.run(
        ["bash", "-euc", script], cwd=directory, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_prints_lines_that_can_be_pasted(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "pasted").mkdir()
    shown = bash(f"bash {EXAMPLES}/demo.sh", tmp_path / "run")
    lines = re.findall(r"^\$ (.*)$", shown, re.MULTILINE)
    assert len(lines) == 12
    again = bash("\n".join(lines), tmp_path / "pasted")
    kept = re.sub(r"^(\$ .*|# .*|)\n", "", shown, flags=re.MULTILINE)
    named = re.compile(r"^Stack [^:]*:", re.MULTILINE)  # after the directory
    assert named.sub("Stack:", re.sub(r"\n\n+", "\n", again).strip("\n")) == named.sub("Stack:", kept.strip("\n"))


def test_the_commands_beside_the_task_that_attaches(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLES / "attach", place.path, dirs_exist_ok=True)
    refused = place.run("plan")
    assert (refused.code, "there is no volume datasets" in refused.err) == (65, True)
    shutil.rmtree(place.path / ".flowplan")
    text = (place.path / "README.md").read_text()
    assert "2 added" in bash("\n".join(re.findall(r"^    (.*)$", text, re.MULTILINE)), place.path)
    assert place.run("plan", "--detailed-exitcode").code == 0
    place.ok("destroy", "--auto-approve")
    assert b'"datasets"' in place.call("GET", "/v2/volumes?project=" + project(place)).body


def project(place: Place) -> str:
    found = re.search(rb'"fid": ?"(\w+)"', place.call("GET", "/v2/projects").body)
    assert found is not None
    return found[1].decode()


# ---- the watch as a service ---------------------------------------------------------------------------------


def typed(name: str) -> list[list[str]]:
    """What a unit or the CronJob runs, without the program."""
    text = (EXAMPLES / "watch" / name).read_text()
    if name.endswith(".yaml"):
        pod = yaml.safe_load(text)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        return [one["args"] for one in pod["containers"]]
    return [line.split()[1:] for line in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)]


@pytest.mark.parametrize("name", ["flowplan-watch.service", "flowplan-once.service", "cronjob.yaml"])
def test_what_watches_as_a_service_types_a_command_that_there_is(name: str) -> None:
    lines = typed(name)
    assert lines
    for words in lines:
        assert words[0] == "watch"
        watch.make_context("watch", words[1:], resilient_parsing=False).close()


def test_the_cronjob_runs_one_at_a_time_and_has_its_secrets_from_a_secret() -> None:
    job = yaml.safe_load((EXAMPLES / "watch" / "cronjob.yaml").read_text())
    container = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert (job["kind"], job["spec"]["concurrencyPolicy"]) == ("CronJob", "Forbid")
    assert container["envFrom"] == [{"secretRef": {"name": "flowplan"}}] and "env" not in container
    assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not here")
    names = ("flowplan-watch.service", "flowplan-once.service", "flowplan-once.timer")
    for name in names:
        text = (EXAMPLES / "watch" / name).read_text()
        (tmp_path / name).write_text(
            text.replace("/usr/local/bin/flowplan", "/bin/true").replace("User=flowplan\n", "")
        )
    done = subprocess.run(
        [program, "verify", *(str(tmp_path / name) for name in names)], capture_output=True, text=True, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if "flowplan-" in line]
    assert said == []


def test_the_stack_that_is_watched_stays_as_it_is_written(place: Place) -> None:
    shutil.copy(EXAMPLES / "watch" / "flowplan.yaml", place.path)
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "10m")
    assert place.ok("watch", "--once") == "1 run.\n"
