"""Imports go one way. Two tables are the law: the one here says which room may import which, layers.txt which file of a
room may import which."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import flowplan
from flowplan.cli import COMMANDS
from tests.imports import (
    Package,
    circles,
    explained_in_vain,
    imports_of,
    layers_of,
    misplaced,
    private_names,
    strangers,
    without_contract,
)
from tests.mutants import BY_ROOM, MISTAKES, room_of

ROOT = Path(flowplan.__file__).parent

# Room -> the rooms below it that it may import. A room is a folder of the package, or a module beside the folders; what
# belongs to the same room is free, as long as no circle comes of it.
GROUND = {"errors", "diagnostics", "printable", "names", "secret", "masking", "clock"}
NOUNS = GROUND | {"model"}
PURE_STAGES = NOUNS | {
    "config",
    "config.keys",
    "config.task",
    "config.stack",
    "config.foreign",
    "config.yaml",
    "state",
    "pricing",
    "planning",
    "cost",
    "cost.what_if",
}
ALLOWED: dict[str, set[str]] = {
    "printable": set(),
    "names": {"printable"},
    "masking": set(),
    "secret": set(),
    "clock": set(),
    "threads": set(),
    "diagnostics": {"masking", "printable"},
    "errors": {"diagnostics"},
    "files": {"errors"},
    "hooks": set(),
    "model": GROUND,
    "pricing": NOUNS,
    "state": NOUNS,
    "config.yaml": GROUND,
    "config.keys": NOUNS,
    "config.task": {"config.yaml", "config.keys", "config", *NOUNS},
    "config.stack": {"config.yaml", "config.keys", "config.task", "config", *NOUNS},
    "config.foreign": {"config.yaml", "config.keys", "config.task", "config", "pricing", *NOUNS},
    "config": {"config.yaml", "config.keys", "config.task", "config.stack", "config.foreign", *NOUNS},
    "startup": NOUNS,
    "planning": {"config", "state", "pricing", *NOUNS},
    "cost": {"planning", "state", "pricing", *NOUNS},
    "cost.what_if": {"cost", "planning", "pricing", *NOUNS},
    "apply": {"planning", "state", "threads", *NOUNS},
    "backends": {"backends.remote", "files", "state", "pricing", *NOUNS},
    "backends.remote": {"backends", "cloud.http", "files", "state", "threads", *NOUNS},
    "cloud.http": NOUNS,
    "cloud": {"cloud.http", "files", "startup", "pricing", "simulator", "threads", *NOUNS},
    "simulator": {"simulator.api", "simulator.auctions", "simulator.faults", "files", "errors"},
    "simulator.api": {"simulator", "simulator.auctions", "simulator.faults", "errors"},
    "simulator.auctions": {"simulator", "simulator.api", "pricing"},
    "simulator.faults": {"simulator", "simulator.api"},
    "documents.shapes": {"planning", "pricing", *NOUNS},
    "documents": {"documents.shapes", "cost", "cost.what_if", "planning", "pricing", "state", *NOUNS},
}
OPERATIONS = {f"operations.{part}" for part in ("opening", "looking", "checking", "proposing", "running", "watching")}
_FOR_OPERATIONS = {
    *("apply", "backends", "cloud", "documents", "documents.shapes", "files", "hooks", "simulator", "startup"),
    *PURE_STAGES - {"config.keys", "config.task"},
}
ALLOWED["operations.opening"] = _FOR_OPERATIONS
ALLOWED["operations.looking"] = {"operations.opening", *_FOR_OPERATIONS}
ALLOWED["operations.checking"] = {"operations.looking", *ALLOWED["operations.looking"]}
ALLOWED["operations.proposing"] = {"operations", "operations.checking", *ALLOWED["operations.checking"]}  # of files
ALLOWED["operations.running"] = {"operations.proposing", *ALLOWED["operations.proposing"]}
ALLOWED["operations"] = {"operations.running", *ALLOWED["operations.running"]}
ALLOWED["operations.watching"] = {"operations", *ALLOWED["operations"]}
ALLOWED["reports"] = {"reports.text", "documents", "documents.shapes", "apply", "planning", "state", *GROUND}
ALLOWED["reports.text"] = ALLOWED["reports.svg"] = {
    *("reports", "reports.text", "documents", "documents.shapes", "apply"),
    *("cost", "planning", "pricing", "state", *NOUNS),
}
ALLOWED["reports.github"] = {"reports", "reports.text", "documents", "documents.shapes", "printable"}
ALLOWED["reports.html"] = {"reports.svg", *ALLOWED["reports.svg"]}
ALLOWED["reports.markdown"] = {"reports", "reports.text", "documents.shapes", "names", "printable"}
ALLOWED["api"] = {
    *(
        "operations",
        "operations.opening",
        "operations.proposing",
        "operations.running",
        "operations.watching",
        "cloud.http",
        "reports.html",
        "reports.markdown",
        "reports.text",
        "documents",
        "documents.shapes",
        "apply",
    ),
    *("config", "cost", "planning", "state", "threads", *NOUNS),
}
ALLOWED["cli"] = {
    *(
        "operations",
        *OPERATIONS - {"operations.looking"},
        "reports",
        "reports.text",
        "reports.svg",
        "documents",
        "documents.shapes",
        "apply",
        "backends",
    ),
    *("reports.github", "cloud.http", "simulator", "files", "planning", "pricing", "state", *NOUNS),
}
ALLOWED["__main__"] = {"cli"}
for _below in ALLOWED.values():
    _below |= {"classes", "exact", "patterns"}  # how a class, a sum and a pattern are made: beneath everything
ALLOWED["classes"] = ALLOWED["exact"] = ALLOWED["patterns"] = set()

PURE = {*PURE_STAGES, "documents", "documents.shapes"} - {"clock"}
# What a pure module never touches: the network, files, the clock, the environment.
IMPURE = {"requests", "socket", "os", "time", "subprocess", "io", "sqlite3", "pathlib.Path"}


FLOWPLAN = Package.at(ROOT)
NAMES = FLOWPLAN.modules
LAYERS = Path(__file__).with_name("layers.txt")


def modules_in(rooms: set[str]) -> list[Path]:
    return [path for name, path in NAMES.items() if FLOWPLAN.room(name) in rooms]


def test_a_room_imports_only_those_below_it() -> None:
    assert strangers(FLOWPLAN, ALLOWED) == []


def test_a_file_imports_only_what_stands_lower_in_its_room() -> None:
    """Also across the folders of a room. A new file gets its place in layers.txt."""
    assert misplaced(FLOWPLAN, layers_of(LAYERS.read_text())) == []


def test_no_module_imports_itself_through_others() -> None:
    assert circles(FLOWPLAN.graph) == []


def wrong(paths: Iterable[Path], what: Callable[[Path], Collection[str]]) -> dict[str, Collection[str]]:
    """Of each of these files `what` is wrong with it, where anything is."""
    return {str(path.relative_to(ROOT)): found for path in paths if (found := what(path))}


def test_a_private_name_is_used_only_in_its_own_file() -> None:
    assert wrong(NAMES.values(), private_names) == {}


# Rooms whose public names say what they promise: the shape and unit of what they give, and what they raise.
WITH_CONTRACTS = PURE_STAGES | {
    *(
        "api",
        "apply",
        "backends",
        "backends.remote",
        "cli",
        "cloud",
        "cloud.http",
        "documents",
        "documents.shapes",
        "files",
        "hooks",
    ),
    *(
        "operations",
        *OPERATIONS,
        "reports",
        "reports.github",
        "reports.html",
        "reports.markdown",
        "reports.svg",
        "reports.text",
    ),
    *("simulator", "simulator.api", "simulator.auctions", "simulator.faults", "startup"),
}


def promising_nothing(path: Path) -> Collection[str]:
    name = ".".join(("flowplan", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    return without_contract(path, import_module(name))


def test_what_others_use_says_what_it_promises() -> None:
    assert wrong(modules_in(WITH_CONTRACTS), promising_nothing) == {}


def test_what_a_class_says_of_its_fields_is_of_fields_that_it_has() -> None:
    assert wrong(ROOT.rglob("*.py"), explained_in_vain) == {}


def test_no_command_imports_another() -> None:
    commands = {f"cli.{module}" for module, _, _ in COMMANDS.values()}
    for name in commands:
        assert not FLOWPLAN.graph[name] & (commands - {name}), name


def called_in(path: Path, *functions: str) -> set[str]:
    """Those of these functions that a file calls by their name."""
    text = path.read_text()
    if not any(f"{name}(" in text for name in functions):
        return set()
    calls = (node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return {call.id for call in calls if isinstance(call, ast.Name)} & {*functions}


def impure(path: Path) -> Collection[str]:
    names = imports_of(path)
    called = called_in(path, "open", "print", "input")
    return (names | {name.split(".")[0] for name in names}) & IMPURE | called


def test_the_core_does_no_io() -> None:
    assert wrong(modules_in(PURE), impure) == {}


def test_the_plan_of_the_house_names_what_is_there() -> None:
    text = (ROOT.parent / "ARCHITECTURE.md").read_text()
    names = {path.name for path in ROOT.rglob("*")} | {"bootstrap.sh.j2"}
    for found in re.findall(r"`([a-z_/]+(?:\.py|/))`", text):
        place = found.rstrip("/")
        assert place in names or (ROOT / place).exists() or (ROOT.parent / place).exists(), found


# What a terminal, a working directory and a process have: operations get it handed in.
OF_A_PROCESS = {"click", "signal", "flowplan.cli"}
ASKED_OF_A_PROCESS = re.compile(r"os\.environ|os\.getcwd|os\.chdir|Path\.cwd|sys\.(argv|std)|os\._exit")


def of_a_terminal(path: Path) -> Collection[str]:
    text, asked = path.read_text(), set()
    if ASKED_OF_A_PROCESS.search(text):  # in a comment, maybe
        used = {ast.unparse(node) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
        asked = {name for name in used if ASKED_OF_A_PROCESS.match(name)}
    imported = {name.split(".")[0] for name in imports_of(path)} & OF_A_PROCESS
    return imported | asked | called_in(path, "print", "input")


def test_the_library_knows_no_terminal() -> None:
    assert wrong(modules_in({"operations", *OPERATIONS, "apply", *PURE}), of_a_terminal) == {}


def decorators_of_attrs(path: Path) -> Collection[str]:
    return imports_of(path) & {"attrs.define", "attrs.frozen"}


def test_every_class_is_made_by_the_decorators_of_the_house() -> None:
    """Those of attrs compile at each start what classes.py has written once."""
    others = [path for path in ROOT.rglob("*.py") if path != ROOT / "classes.py"]
    assert wrong(others, decorators_of_attrs) == {}


def test_a_command_is_options_and_one_operation() -> None:
    assert wrong((ROOT / "cli").glob("*.py"), lambda path: path.read_text().splitlines()[150:]) == {}


TASK = """name: t
project_name: my-foundry-project
resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
"""


@cache  # several tests ask for those of the same command
def imported(*arguments: str) -> frozenset[str]:
    """The modules that a command imports, in a directory with a task."""
    code = (
        "import sys; sys.argv = ['flowplan', *sys.argv[1:]]\n"
        "from flowplan.__main__ import main\n"
        "code = main()\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "flowplan.yaml").write_text(TASK)
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return frozenset(done.stderr.splitlines())


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (("--version",), {"click", "attr", "ruamel", "requests"}),
        (("--help",), {"requests", "jinja2", "rich", "deepdiff", "ruamel", "cattrs", "werkzeug", "sqlite3"}),
        (("--help",), {"attr", "flowplan.diagnostics", "flowplan.clock"}),
        (("plan", "--help"), {"attr", "flowplan.diagnostics", "flowplan.clock"}),
        (("--help",), {"json", "hashlib", "shlex", "decimal", "flowplan.operations", "flowplan.model.budget"}),
        (("plan", "--help"), {"json", "hashlib", "shlex", "decimal", "flowplan.operations", "flowplan.model.budget"}),
        (("--api-url", "sim:", "plan"), {"concurrent.futures", "logging", "getpass", "difflib"}),
        (("--api-url", "sim:", "plan"), {"flowplan.documents.offers", "flowplan.reports.text.offers"}),
        (("validate",), {"requests", "jinja2", "rich", "deepdiff", "werkzeug", "sqlite3"}),
        (("validate",), {"flowplan.planning.actions", "flowplan.state.state", "flowplan.backends.local"}),
        (("validate",), {"flowplan.config.keys.stack", "flowplan.model.policy", "flowplan.model.budget"}),
        (("validate",), {"flowplan.config.stack.stack", "flowplan.config.stack.variables", "flowplan.config.policies"}),
        (("--api-url", "sim:", "plan"), {"flowplan.config.stack.stack", "flowplan.apply.outcome", "socket"}),
        (("--api-url", "sim:", "plan"), {"requests", "urllib3", "ssl", "http.client", "charset_normalizer"}),
        (("--api-url", "sim:", "plan"), {"jinja2", "rich", "deepdiff", "werkzeug", "flowplan.cost.what_if"}),
        (("--api-url", "sim:", "plan"), {"flowplan.backends.remote", "psycopg", "obstore", "boto3"}),
        (("--api-url", "sim:", "plan"), {"flowplan.planning.lifetimes", "flowplan.pricing.billing"}),
        (("--api-url", "sim:", "plan"), {"flowplan.state.history", "flowplan.backends.local_journal"}),
        (("--api-url", "sim:", "plan"), {"flowplan.state.outputs", "flowplan.planning.mass_change"}),
        (("--api-url", "sim:", "plan"), {"flowplan.pricing.sizes", "flowplan.operations.looking.importable"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_start_up_imports_nothing_it_does_not_need(arguments: tuple[str, ...], without: set[str]) -> None:
    assert not imported(*arguments) & without


@pytest.mark.parametrize(
    ("arguments", "most"),
    [(("--help",), 31), (("plan", "--help"), 41), (("validate",), 120), (("--api-url", "sim:", "plan"), 291)],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_start_up_imports_few_modules(arguments: tuple[str, ...], most: int) -> None:
    """Of the package. Who must raise a bound has made each start dearer: `make bench` says by how much."""
    own = [name for name in imported(*arguments) if name.partition(".")[0] == "flowplan"]
    assert len(own) <= most, sorted(own)


def test_a_seeded_mistake_has_its_place() -> None:
    """`make mutants` edits the package: what it replaces must stand there once, or the mistake is not made."""
    texts = {file: (ROOT / file).read_text() for file in {one.file for one in MISTAKES}}
    assert [one.name for one in MISTAKES if texts[one.file].count(one.old) != 1] == []
    for one in MISTAKES:
        if one.file.endswith(".py"):
            ast.parse(texts[one.file].replace(one.old, one.new), one.name)


def test_a_seeded_mistake_is_in_the_file_of_its_room() -> None:
    assert [one.name for room, those in BY_ROOM.items() for one in those if room_of(one.file) != room] == []


def test_the_tests_that_find_it_are_there() -> None:
    named = {word for one in MISTAKES for word in one.tests if word.endswith(".py")}
    assert [path for path in sorted(named) if not (ROOT.parent / path).is_file()] == []
