"""What the tests share: a working directory with flowplan in it, on the embedded simulator.

The simulator is the only fake. `pytest --accept` rewrites the expected files of the golden cases for review.
"""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import frozen
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from flowplan.backends.local import LocalStore
from flowplan.cli.stop import SIGNALS
from flowplan.cloud.inside import Inside
from flowplan.simulator import SIMULATOR_KEY, LedgerEntry, Request, Response, Simulator
from flowplan.state.state import consistent
from tests import filled, hurried, known, processes
from tests.texts import storage, task_text

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
TASK = (EXAMPLES / "task" / "flowplan.yaml").read_text()
BID, PORTS, VOLUME = "bid.flow-sdk-batch-task-example", "ports.flow-sdk-batch-task-example", "volume.my-new-volume"
# Today's market is in no test: also not in one that starts a process of its own.
START = {"FLOWPLAN_SIMULATOR_START": "2026-11-02T09:00:00Z"}
os.environ |= START
APPLY = ("apply", "--auto-approve")
DESTROY = ("destroy", "--auto-approve", "--allow-volume-destroy", "*")

filled.install()
hurried.install()
known.install()

# Modules beside the test files whose assertions say what they compared, too.
pytest.register_assert_rewrite(
    *(
        f"tests.{room}"
        for room in (
            "api",
            "backends",
            "cli",
            "cloud",
            "config",
            "cost",
            "faults",
            "operations",
            "simulator",
            "startup",
            "state",
        )
    )
)

# What Hypothesis draws: `make test` 100 examples of a property, the same at each run, so that only a change of the code
# can fail it; `make soak` 1,000, others at each run.
# How long it takes to draw them is the machine's business.
_ALWAYS = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("test", _ALWAYS, derandomize=True, max_examples=100)
settings.register_profile("soak", _ALWAYS, derandomize=False, max_examples=1_000)
settings.load_profile("test")  # --hypothesis-profile=soak loads the other

# Hypothesis also draws constants that it finds in the package's modules: in those that are loaded, which depends on
# what a worker has run before, and so on how fast the machine is. `make test` does without, `make soak` has them.
# There is no public way to switch that off. `DRAWS`: why this Hypothesis draws them in any case; None: it does not.
DRAWS: str | None = None
try:
    from hypothesis.internal.conjecture import providers
    from hypothesis.internal.constants_ast import Constants

    _constants, _none = providers._get_local_constants, Constants()
    providers._get_local_constants = lambda: _none if settings().derandomize else _constants()
except (ImportError, AttributeError, TypeError) as error:
    DRAWS = f"this Hypothesis cannot be kept from drawing constants of modules: {error}"


def examples(number: int) -> settings:
    """A property that takes long, or little time: so many examples in `make test`, ten times as many in `make soak`."""
    return settings(max_examples=number * settings().max_examples // 100)


# Eleven thousand tests are in memory while each runs: to look through them for what is garbage was a fourteenth of the
# time. So they are set apart once they are collected, and the rest is looked through less often.
gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node() -> None:
    """Before a worker of xdist starts. What Hypothesis finds out about all characters takes two seconds, and is kept
    beside the tests: where it is not there yet, each worker would."""
    st.text().validate()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


# A command waits for the disk at each sync, and thousands are run: the directories of tests are in memory where the
# system has room there. Whoever wants them elsewhere says --basetemp, or sets the variable.
IN_MEMORY = Path("/dev/shm")
if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


# Who starts the tests may have set signals aside (nohup does, and a shell for what runs in the background), and the
# processes that the tests start would inherit that. A handler is not inherited.
for number in (*SIGNALS, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else lambda *_: None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    processes.end_all()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the expected files of the golden cases")


LEFT_OUT = pytest.StashKey[dict[str, int]]()
ELSEWHERE = {"slow": "make soak", "clients": "make soak", "timed": "make bench"}  # marker -> what runs it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.get_closest_marker(name) for name in ELSEWHERE):
            item.add_marker(pytest.mark.timeout(0))  # as long as it takes


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Counted by marker, and shown at the end: nobody should take a part for the whole."""
    if items:
        left_out = items[0].config.stash.setdefault(LEFT_OUT, {})
        for item in items:
            for name in ELSEWHERE:
                if item.get_closest_marker(name):
                    left_out[name] = left_out.get(name, 0) + 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left out"] = session.config.stash.get(LEFT_OUT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of xdist has ended. All collect the same tests."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", {})


def thinned(one_in: int, combinations: Iterable[tuple[str, ...]]) -> list[Any]:
    """Parameters for every combination. One of `one_in` is run by `make test`, the others are slow.

    Where `combinations` are a product, and `one_in` divides the length of no axis, every pair of an axis and a value
    comes up.
    """
    return [
        pytest.param(*one, id="-".join(one), marks=[pytest.mark.slow] if number % one_in else [])
        for number, one in enumerate(combinations)
    ]


@frozen
class Result:
    """What a command left: exit code and both streams."""

    code: int
    out: str
    err: str


class Place:
    """A working directory and the commands run in it, in this process."""

    def __init__(self, path: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capture = capture

    def run(self, *arguments: str) -> Result:
        """`flowplan ARGUMENTS`, here."""
        from flowplan.cli import run

        self._capture.readouterr()
        code = run(arguments)
        out, err = self._capture.readouterr()
        return Result(code, out, err)

    def ok(self, *arguments: str) -> str:
        """The output of a command that must succeed."""
        result = self.run(*arguments)
        assert result.code == 0, result
        return result.out

    def write(self, text: str, name: str = "flowplan.yaml") -> None:
        (self.path / name).write_text(text)

    def edit(self, old: str, new: str, name: str = "flowplan.yaml") -> None:
        text = (self.path / name).read_text()
        assert old in text
        self.write(text.replace(old, new), name)

    def simulator(self) -> Simulator:
        """The data behind `sim:` here, as another client sees it."""
        return Simulator.open(self.path / ".flowplan" / "simulator.db")

    def wire(self) -> Inside:
        """To that data, for a client that a test makes itself; open until the test is over."""
        simulator = self.simulator()
        processes.at_the_end(simulator.close)
        return Inside(simulator)

    def call(self, method: str, target: str, body: bytes = b"") -> Response:
        """Somebody else's call to the same cloud."""
        with self.simulator() as simulator:
            return simulator.handle(Request.to(method, target, {"Authorization": f"Bearer {SIMULATOR_KEY}"}, body))

    def ledger(self) -> list[LedgerEntry]:
        """Every change that was executed."""
        with self.simulator() as simulator:
            return simulator.ledger()


def lose_addresses(place: Place, *addresses: str) -> None:
    """The state does not know these any more, as if it were an older copy."""
    store = LocalStore(place.path / "flowplan.state.json")
    state = store.read().state
    kept = {address: binding for address, binding in state.bindings.items() if str(address) not in addresses}
    store.save(attrs.evolve(state, bindings=consistent(kept)))


def left_in_doubt(place: Place) -> None:
    """One task of `many`, whose bid was placed, the answer lost, and nothing could be looked up: exit 6."""
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert place.run("apply", "--auto-approve").code == 6
    with place.simulator() as simulator:
        simulator.faults.clear()


def many(count: int, price: str = "17.92", first: int = 0) -> str:
    """`count` tasks with a volume and a port each."""
    return "".join(
        task_text(f"task-{n:03}", price, more=f"{storage(f'vol-{n:03}')}ports: [8080]\n")
        for n in range(first, first + count)
    )


def live_ids(place: Place) -> list[str]:
    """Of the bids that cost money, as the API lists them."""
    rows = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    return [row["fid"] for row in rows if row["status"] != "Terminated"]


def bid_id(place: Place, address: str = BID) -> str:
    return place.ok("state", "show", address).split("(")[1].split(")")[0]


def settle_in(path: Path, patch: pytest.MonkeyPatch) -> None:
    """`path` becomes the working directory, `sim:` the API, and nothing else is set."""
    path.mkdir()
    patch.chdir(path)
    for name in list(os.environ):
        if name.startswith(("FLOWPLAN_", "FOUNDRY_", "MITHRIL_")) or name in ("NO_COLOR", "FORCE_COLOR", "CI"):
            patch.delenv(name)
    patch.setenv("FLOWPLAN_API_URL", "sim:")
    patch.setenv("FLOWPLAN_AGE_KEY", "")  # where a test gives one, it is gone with the test
    patch.setenv("FLOWPLAN_SETTLE_WINDOW", "0.2")
    patch.setenv("FLOWPLAN_SIMULATOR_START", START["FLOWPLAN_SIMULATOR_START"])
    patch.setenv("XDG_STATE_HOME", str(path.parent / "state-home"))
    patch.setenv("XDG_CACHE_HOME", str(path.parent / "cache-home"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    """An empty directory called `work`, with `sim:` as the API and nobody at the terminal."""
    path = tmp_path / "work"
    settle_in(path, monkeypatch)
    return Place(path, capsys)


@pytest.fixture
def example(place: Place) -> Place:
    """Foundry's example, not applied yet."""
    place.write(TASK)
    return place


@pytest.fixture(scope="session")
def example_applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Foundry's example, applied once; `work` and `state-home` in it are copied by every test that begins there."""
    from flowplan.cli import run

    path = tmp_path_factory.mktemp("example")
    with pytest.MonkeyPatch.context() as patch:
        settle_in(path / "work", patch)
        (path / "work" / "flowplan.yaml").write_text(TASK)
        assert run(("apply", "--auto-approve")) == 0
    return path


@pytest.fixture
def applied(place: Place, example_applied: Path) -> Place:
    """Foundry's example, applied."""
    shutil.copytree(example_applied, place.path.parent, dirs_exist_ok=True)
    return place


def made_once(make: Callable[[Place], Place]) -> Callable[[Place], Place]:
    """For a fixture that needs a `place` and nothing else: `make` is run once in this process, and what it leaves there
    is copied for every further test. The copy is beside the directories of tests: pytest removes it with them."""
    kept: dict[int, Path] = {}  # process -> the directories

    def made(place: Place) -> Place:
        home = place.path.parent
        if os.getpid() in kept:
            shutil.copytree(kept[os.getpid()], home, symlinks=True, dirs_exist_ok=True)
            return place
        make(place)
        directory = Path(tempfile.mkdtemp(prefix="made-", dir=home.parent))
        kept[os.getpid()] = shutil.copytree(home, directory, symlinks=True, dirs_exist_ok=True)
        return place

    made.__doc__ = make.__doc__
    return made


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A directory whose syncs cost nothing, for tests that sync thousands of times."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def accepts(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compare a text with an expected file, or, with --accept, rewrite it."""

    def check(expected: Path, actual: str) -> None:
        if request.config.getoption("--accept"):
            expected.write_text(actual)
        assert expected.exists(), f"{expected} is missing: pytest --accept writes it"
        assert actual == expected.read_text(), f"{expected} differs: if that is meant, pytest --accept"

    return check


FLOWPLAN = (sys.executable, "-m", "flowplan")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures that proofs print, which capturing would swallow: the last line of each test that prints one."""
    reports = terminalreporter.getreports("passed")
    lines = [(report.nodeid, report.capstdout.strip().splitlines()) for report in reports if report.when == "call"]
    figures = [(name, told[-1]) for name, told in lines if told and _FIGURE.match(told[-1])]
    if figures:
        terminalreporter.section("figures")
        for name, figure in sorted(figures):
            terminalreporter.write_line(f"{name.removeprefix('tests/')}: {figure}")
    drawn = "the same" if settings().derandomize else "others"
    terminalreporter.write_line(f"properties: {settings().max_examples:,} examples each, {drawn} at each run")
    left_out = terminalreporter.config.stash.get(LEFT_OUT, {})
    if left_out:
        told = ", ".join(f"{count} {name} ({ELSEWHERE[name]})" for name, count in sorted(left_out.items()))
        terminalreporter.write_line(f"left out: {told}")


_FIGURE = re.compile(r"(?!\w+ complete:)(?=.*\d)(?!.*(?:error|note|warning):).{3,200}$")
