"""`make bench`: CPU seconds of flowplan and, where it is installed, of Terraform on the same graph, in one run.

The graph: N tasks of a volume, a bid and a port mapping; for Terraform as many `terraform_data`, each bid
needing its volume, each port mapping its bid. Ratios are what counts: shared machines are noisy, so each
figure is the least of several runs.
"""

from __future__ import annotations

import compileall
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

import flowplan as flowplan_package
from tests import latency

RUNS = 3
FLOWPLAN = (sys.executable, "-m", "flowplan")
GOALS = {"validate": 0.30, "plan": 0.15, "nothing to change": 0.10, "apply": 0.04, "destroy": 0.03}


@frozen
class Cost:
    """Of one command: CPU seconds, user and system; peak memory in MB."""

    seconds: float
    megabytes: float


def cost_of(command: Sequence[str], directory: Path, environ: dict[str, str]) -> Cost:
    """Run a command that must succeed, and measure it alone (in a child of a child, whose children are none)."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        with (directory / "bench.log").open("wb") as log:
            done = subprocess.run(command, cwd=directory, env=environ, stdout=log, stderr=log, check=False)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.write(write, f"{done.returncode} {used.ru_utime + used.ru_stime} {used.ru_maxrss / 1024}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as result:
        code, seconds, megabytes = result.read().split()
    os.waitpid(pid, 0)
    if code != "0":
        sys.exit(f"{' '.join(command)} failed:\n{(directory / 'bench.log').read_text()[-2000:]}")
    return Cost(float(seconds), float(megabytes))


def least(measure: Callable[[], Cost], runs: int = RUNS) -> Cost:
    return min((measure() for _ in range(runs)), key=lambda cost: cost.seconds)


def tasks(count: int) -> str:
    return "".join(
        f"""---
name: task-{n:05}
project_name: my-foundry-project
ssh_key_name: my-ssh-key
task_management: {{priority: low, utility_threshold_price: 17.92}}
resources_specification: {{fcp_instance: h100.8x.SXM5.IB, num_instances: 1, cluster_id: us-central1-b}}
ports: ["8080", "8441:8001"]
persistent_storage: {{create: {{volume_name: vol-{n:05}, size: 1, mount_point: /mnt/data, disk_interface: Block}}}}
startup_script: |
  #!/bin/bash
  echo task {n}
version: 1.2
"""
        for n in range(count)
    )


_CHAIN = (
    "{{project_name: my-foundry-project, ssh_key_name: my-ssh-key, ports: [8080, '8441:8001'], "
    "task_management: {{utility_threshold_price: 17.92}}, "
    "resources_specification: {{fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}, "
    "persistent_storage: {{create: {{volume_name: 'vol-{key}', size: 1, mount_point: /mnt/data}}}}{more}}}"
)


def stack(count: int, *, each: bool) -> str:
    """As many chains in a stack file: by one for_each, or written out."""
    keys = [f"{n:05}" for n in range(count)]
    if each:
        return f"version: 2\ntasks:\n  task: {_CHAIN.format(key='${each.key}', more=f', for_each: {keys}')}\n"
    return "version: 2\ntasks:\n" + "".join(f"  task-{key}: {_CHAIN.format(key=key, more='')}\n" for key in keys)


def multiplied(count: int) -> None:
    """A for_each beside the same written out."""
    environ = {**os.environ, "FLOWPLAN_API_URL": "sim:"}
    costs = []
    with tempfile.TemporaryDirectory() as name:
        for each in (True, False):
            (Path(name) / "flowplan.yaml").write_text(stack(count, each=each))
            cost_of([*FLOWPLAN, "plan"], Path(name), environ)
            costs.append(least(lambda: cost_of([*FLOWPLAN, "plan"], Path(name), environ)))
    one, other = (cost.seconds for cost in costs)
    print(
        f"plan of {count} chains by for_each: {one:.2f} s CPU, written out: {other:.2f} s   (goal: no more than that)"
    )


def terraform_data(count: int) -> str:
    return "".join(
        f"""resource "terraform_data" "volume_{n}" {{
  input = {{ name = "vol-{n:05}", size_gb = 1, interface = "Block", region = "us-central1-b" }}
}}
resource "terraform_data" "bid_{n}" {{
  input = {{
    name = "task-{n:05}", instance_type = "h100-80gb.sxm.8x", region = "us-central1-b", limit_price = "17.92",
    volumes = [terraform_data.volume_{n}.id], startup_script = "#!/bin/bash\\necho task {n}\\n"
  }}
}}
resource "terraform_data" "ports_{n}" {{
  input = {{ bid = terraform_data.bid_{n}.id, pairs = ["8080:8080", "8441:8001"] }}
}}
"""
        for n in range(count)
    )


def flowplan(count: int, directory: Path) -> dict[str, Cost]:
    """validate, plan, apply, plan with nothing to change, destroy."""
    environ = {**os.environ, "FLOWPLAN_API_URL": "sim:"}
    (directory / "flowplan.yaml").write_text(tasks(count))
    cost_of([*FLOWPLAN, "plan"], directory, environ)  # warm: the simulator's data, compiled modules
    validate = least(lambda: cost_of([*FLOWPLAN, "validate"], directory, environ))
    plan = least(lambda: cost_of([*FLOWPLAN, "plan"], directory, environ))
    apply = cost_of([*FLOWPLAN, "apply", "--auto-approve"], directory, environ)
    nothing = least(lambda: cost_of([*FLOWPLAN, "plan"], directory, environ))
    destroy = cost_of([*FLOWPLAN, "destroy", "--auto-approve", "--allow-volume-destroy", "*"], directory, environ)
    return {"validate": validate, "plan": plan, "nothing to change": nothing, "apply": apply, "destroy": destroy}


def terraform(count: int, directory: Path) -> dict[str, Cost]:
    environ = {**os.environ, "CHECKPOINT_DISABLE": "1"}
    (directory / "main.tf").write_text(terraform_data(count))
    cost_of(["terraform", "init", "-input=false"], directory, environ)
    validate = least(lambda: cost_of(["terraform", "validate"], directory, environ))
    plan = least(lambda: cost_of(["terraform", "plan", "-input=false"], directory, environ))
    apply = cost_of(["terraform", "apply", "-auto-approve", "-input=false"], directory, environ)
    nothing = least(lambda: cost_of(["terraform", "plan", "-input=false"], directory, environ))
    destroy = cost_of(["terraform", "destroy", "-auto-approve", "-input=false"], directory, environ)
    return {"validate": validate, "plan": plan, "nothing to change": nothing, "apply": apply, "destroy": destroy}


def start_up(directory: Path) -> None:
    """What the shortest commands cost above a bare interpreter."""
    environ = dict(os.environ)
    bare = least(lambda: cost_of([sys.executable, "-c", "pass"], directory, environ), 10).seconds
    for option, goal in (("--version", 15), ("--help", 60)):
        mine = least(lambda option=option: cost_of([*FLOWPLAN, option], directory, environ), 10).seconds
        print(f"{option:<20} {1000 * (mine - bare):6.0f} ms CPU above a bare interpreter   (goal {goal})")


# Of a command and its start, in millions: what callgrind counts, which noise does not touch.
INSTRUCTIONS = {"--help": 180, "plan --help": 260, "plan": 800}


def instructions(directory: Path) -> None:
    """What the shortest commands execute, with one task at `sim:`; beside it a bare interpreter and click."""
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: instructions are not counted")
        return
    environ = {**os.environ, "FLOWPLAN_API_URL": "sim:", "PYTHONHASHSEED": "0"}
    (directory / "flowplan.yaml").write_text(tasks(1))
    cases: dict[str, tuple[Sequence[str], int | None]] = {
        "python -c pass": ((sys.executable, "-c", "pass"), None),
        "import click": ((sys.executable, "-c", "import click"), None),
        **{name: ((*FLOWPLAN, *name.split()), goal) for name, goal in INSTRUCTIONS.items()},
    }
    for name, (command, goal) in cases.items():
        cost_of(command, directory, environ)  # warm: compiled modules, the simulator's data
        counted = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
        done = subprocess.run(counted, cwd=directory, env=environ, capture_output=True, text=True, check=True)
        found = re.search(r"Collected : ([0-9]+)", done.stderr)
        assert found is not None, done.stderr
        print(f"{name:<20} {int(found[1]) / 1e6:6.0f} M instructions{f'   (goal {goal})' if goal else ''}")


AHEAD = """
import math, random, time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from flowplan.pricing.advice import advise_of
from flowplan.pricing.forecasting import forecast_of
from flowplan.pricing.history import Stream
from flowplan.pricing.sums import stack_totals
now, draw = datetime(2026, 11, 2, tzinfo=UTC), random.Random(1)
began = time.process_time()
streams = []
for _ in range(5):
    level, past = 0.0, []
    for n in range(2000):
        level = 0.97 * level + draw.gauss(0, 0.15)
        past.append((now - timedelta(days=14) * (1 - n / 2000), Decimal(round(800 * math.exp(level))) / 100))
    streams.append(Stream.of(past, now, reserve=Decimal(1)))
limits = [Decimal(9) + n for n in range(10)]
found = [forecast_of(stream, limit, 1 + n % 3, 24.0, None) for stream in streams for n, limit in enumerate(limits)]
advice = [advise_of(stream, 0.95, 0.9, 24.0, None) for stream in streams]
stack_totals([], found, storage_now=Decimal(0), storage_planned=Decimal(0))
print(time.process_time() - began, len(found))
"""


def forecasts() -> None:
    """50 bids at 50 limits in 5 auctions of 2,000 price changes each: streams, forecasts, advice, the stack."""
    done = [subprocess.run([sys.executable, "-c", AHEAD], capture_output=True, text=True, check=True) for _ in range(3)]
    seconds = min(float(one.stdout.split()[0]) for one in done)
    print(f"50 forecasts in 5 auctions of 2,000 prices, with advice: {seconds:.2f} s CPU   (goal 2)")


def row(case: str, mine: Cost, theirs: Cost | None, goal: float | None) -> None:
    ratio = f"{mine.seconds / theirs.seconds:6.3f}" if theirs else "     -"
    other = f"{theirs.seconds:8.2f} s {theirs.megabytes:6.0f} MB" if theirs else f"{'-':>19}"
    wanted = f"  (goal {goal:.2f})" if goal and theirs else ""
    print(f"{case:<28} {mine.seconds:8.2f} s {mine.megabytes:6.0f} MB {other} {ratio}{wanted}")


def compare(count: int, *, with_terraform: bool) -> None:
    with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as others:
        mine = flowplan(count, Path(ours))
        theirs = terraform(count, Path(others)) if with_terraform else {}
    for case, cost in mine.items():
        row(f"{case}, {count} tasks", cost, theirs.get(case), GOALS[case])


def main() -> None:
    """Print the table. Compiles the package first, as an installer does: without bytecode imports cost double."""
    compileall.compile_dir(Path(flowplan_package.__file__).parent, quiet=2)
    installed = shutil.which("terraform") is not None
    with tempfile.TemporaryDirectory() as name:
        start_up(Path(name))
        instructions(Path(name))
    forecasts()
    print(f"\n{'CPU, peak memory':<28} {'flowplan':>20} {'terraform':>19}  ratio")
    compare(333, with_terraform=installed)
    compare(3334, with_terraform=False)  # its apply grows with the square: minutes
    multiplied(3334)
    latency.waits(tasks)
    latency.compare(tasks)
    if not installed:
        print("terraform is not installed: its column is empty")


if __name__ == "__main__":
    main()
