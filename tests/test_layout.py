"""Imports go one way. The table is the documentation: what each module may import of flowplan."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import flowplan
from tests.mutants import MISTAKES, Mistake

ROOT = Path(flowplan.__file__).parent
BELOW_CONFIG = {"errors", "bounds", "resources", "catalogue"}
PURE = {
    "errors",
    "masking",
    "bounds",
    "resources",
    "catalogue",
    "live",
    "graph",
    "state",
    "journal",
    "pricing",
    "document",
    "config",
    "desired",
    "ownership",
    "plan",
    "answered",
    "forecasts",
    "prices",
    "budget",
    "guards",
    "placing",
    "untold",
    "whatif",
    "offers",
}

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "bounds": set(),
    "regular": set(),
    "masking": set(),
    "private": set(),
    "resources": {"masking"},
    "document": {"errors", "masking"},
    "catalogue": {"errors"},
    "live": {"errors", "resources"},
    "graph": {"resources"},
    "state": {"errors", "bounds", "resources"},
    "journal": {"state", "errors", "bounds", "resources"},
    "pricing": set(),
    "budget": {"errors"},
    "config": {"document", "budget", "masking", *BELOW_CONFIG},
    "desired": {"config", "live", *BELOW_CONFIG},
    "ownership": {"desired", "live", "journal", "state", "resources"},
    "plan": {"ownership", "desired", "live", "graph", "journal", "state", "pricing", "budget", "errors", "resources"},
    "recover": {"ownership", "live", "journal", "state", "errors", "resources"},
    "answered": {"plan", "ownership", "live", "journal", "resources"},
    "calls": {"answered", "journal", "plan", "live", "state", "errors", "resources", "recover"},
    "apply": {"calls", "ownership", "recover", "plan", "live", "graph", "journal", "state", "errors", "resources"},
    "startup": {"live", "errors", "resources"},
    "lock": {"regular", "errors", "masking"},
    "backends": {"private", "regular", "pricing", "journal", "state", "resources", "errors"},
    "cloud": {"private", "regular", "startup", "live", "pricing", *BELOW_CONFIG},
    "forecasts": {"plan", "pricing", "resources"},
    "prices": {"plan", "ownership", "desired", "live", "state", "pricing", "resources"},
    "offers": {"catalogue", "desired", "pricing", "errors"},
    "placing": {"plan", "catalogue", "pricing", "errors", "resources"},
    "untold": {"plan", "live", "state", *BELOW_CONFIG},
    "guards": {"plan", "pricing", "budget", "graph", "live", "resources"},
    "whatif": {"forecasts", "plan", "pricing", "catalogue", "resources"},
    "reports": {
        "whatif",
        "offers",
        "forecasts",
        "guards",
        "budget",
        "apply",
        "config",
        "plan",
        "ownership",
        "live",
        "graph",
        "journal",
        "state",
        "pricing",
        "errors",
        "resources",
    },
}
ALLOWED["cli"] = set(ALLOWED) | {"cli"}
ALLOWED["__main__"] = {"cli"}

# What a pure module never touches: the network, files, the clock, the environment.
IMPURE = {"requests", "socket", "os", "time", "subprocess", "io", "sqlite3", "pathlib.Path"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    """The row of the table that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return
    own = {name.split(".")[1] for name in imports_of(path) if name.startswith("flowplan.")}
    assert own - {part, "__version__"} <= ALLOWED[part], f"{part} may not import these"


@pytest.mark.parametrize(
    "path", [path for path in modules() if part_of(path) in PURE], ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_core_does_no_io(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = imports_of(path)
    assert not (names | {name.split(".")[0] for name in names}) & IMPURE
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not called & {"open", "print", "input"}


def imported(*arguments: str, cwd: Path) -> set[str]:
    """The modules that a command imports."""
    code = (
        "import sys; sys.argv = ['flowplan', *sys.argv[1:]]\n"
        "from flowplan.__main__ import main\n"
        "code = main()\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done
    return set(done.stderr.splitlines())


TASK = """name: t
project_name: my-foundry-project
resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
"""


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (("--version",), {"click", "attr", "ruamel", "requests"}),
        (("--help",), {"requests", "jinja2", "rich", "deepdiff", "ruamel", "cattrs", "flask", "sqlite3"}),
        (("validate",), {"requests", "jinja2", "rich", "deepdiff", "flask", "sqlite3"}),
        (("--api-url", "sim:", "plan"), {"jinja2", "rich", "deepdiff", "flask", "flowplan.whatif"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_start_up_imports_nothing_it_does_not_need(
    arguments: tuple[str, ...], without: set[str], tmp_path: Path
) -> None:
    (tmp_path / "flowplan.yaml").write_text(TASK)
    assert not imported(*arguments, cwd=tmp_path) & without


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_seeded_mistake_has_its_place(mistake: Mistake) -> None:
    """`make mutants` edits the package: what it replaces must stand there once, or the mistake is not made."""
    text = (ROOT / mistake.file).read_text()
    assert text.count(mistake.old) == 1
    if mistake.file.endswith(".py"):
        ast.parse(text.replace(mistake.old, mistake.new))
