"""One stack file, a state for each environment: nothing that one does touches the other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

import flowplan
from flowplan.backends.open import open_store
from flowplan.backends.processes import this_process
from tests.cli.terminals import at_terminal
from tests.conftest import APPLY, Place, made_once
from tests.loaded import client
from tests.processes import LONGEST, Process

STACK = """
version: 2
name: serving
name_prefix: "${var.env}-"
project_name: my-foundry-project
variables:
  env: {type: string}
  price: {type: number, default: 17.92}
volumes:
  weights: {size: 1, region_id: us-central1-b}
tasks:
  api:
    ssh_key_name: my-ssh-key
    task_management: {utility_threshold_price: "${var.price}"}
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    ports: [8080]
"""
ENVIRONMENTS = {"staging": "env: staging\n", "production": "env: production\nprice: 21.5\n"}
ADDRESSES = "bid.api\nports.api\nvolume.weights\n"


@pytest.fixture
def stack(place: Place) -> Place:
    place.write(STACK)
    for name, variables in ENVIRONMENTS.items():
        (place.path / "env").mkdir(exist_ok=True)
        place.write(variables, f"env/{name}.yaml")
    return place


def of(environment: str, *command: str) -> tuple[str, ...]:
    """`command` for an environment: its state and its variables."""
    return ("--state", f"{environment}.json", *command, "--var-file", f"env/{environment}.yaml")


def applied(stack: Place) -> None:
    for environment in ENVIRONMENTS:
        stack.ok(*of(environment, "apply", "--auto-approve"))


def live(place: Place) -> dict[str, str]:
    """Name -> limit of each bid that is not over."""
    rows = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    return {row["name"]: row["limit_price"] for row in rows if row["status"] != "Terminated"}


def test_the_same_file_is_applied_for_both_without_a_clash(stack: Place) -> None:
    applied(stack)
    assert live(stack) == {"staging-api": "$17.92", "production-api": "$21.50"}
    for environment in ENVIRONMENTS:
        assert stack.ok("--state", f"{environment}.json", "state", "list") == ADDRESSES
        assert stack.run(*of(environment, "plan", "--detailed-exitcode")).code == 0


def test_each_state_has_its_own_lineage_journal_backup_versions_and_lock(stack: Place) -> None:
    applied(stack)
    states = [json.loads((stack.path / f"{environment}.json").read_text()) for environment in ENVIRONMENTS]
    assert len({state["lineage"] for state in states}) == 2
    for environment in ENVIRONMENTS:
        for name in ("journal", "json.backup", "lock"):
            assert (stack.path / f"{environment}.{name}").is_file()
        found = json.loads(stack.ok("--state", f"{environment}.json", "state", "history", "--format", "json"))
        assert [one["serial"] for one in found["versions"]] == [1]


def test_a_change_of_one_leaves_the_other(stack: Place) -> None:
    applied(stack)
    stack.write("env: staging\nprice: 19.5\n", "env/staging.yaml")
    stack.ok(*of("staging", "apply", "--auto-approve"))
    assert live(stack) == {"staging-api": "$19.50", "production-api": "$21.50"}
    assert stack.run(*of("production", "plan", "--detailed-exitcode")).code == 0


def test_a_plan_says_of_which_environment_it_is(stack: Place) -> None:
    """Name, project and API are the same in both: who reviews the one must not take it for the other."""

    def heads(environment: str) -> tuple[str, str, str]:
        text, markdown, page = (
            stack.ok(*of(environment, "plan", "--format", form)) for form in ("text", "markdown", "html")
        )
        state = page.partition("<dt>State</dt><dd>")[2].partition("</dd>")[0]
        return " ".join(text.partition("\n\n")[0].split()), markdown.splitlines()[1], state

    where = 'Stack "serving": project my-foundry-project, API sim:, '
    title = "### flowplan: `serving` in `my-foundry-project`, API `sim:`, state "
    for one in ENVIRONMENTS:
        assert heads(one) == (f"{where}no state at {one}.json yet", f"{title}`{one}.json`", f"{one}.json: none yet")
    applied(stack)
    for one in ENVIRONMENTS:
        assert heads(one) == (f"{where}state {one}.json, serial 1", f"{title}`{one}.json`", f"{one}.json: serial 1")


def mixed(stack: Place, *command: str) -> tuple[str, ...]:
    """`command` for the state of production with the variables of staging."""
    return ("--state", "production.json", *command, "--var-file", "env/staging.yaml")


def test_the_variables_of_another_environment_are_refused(stack: Place) -> None:
    """A limit that is lowered by mistake costs the instances."""
    applied(stack)
    before = live(stack)
    refused = stack.run(*mixed(stack, "apply", "--auto-approve"))
    said = " ".join(refused.err.split())
    assert (refused.code, live(stack)) == (3, before)
    assert (
        "the state was applied with the name_prefix production-, which is staging- here: another environment?" in said
    )
    assert "another environment?" in stack.ok(*mixed(stack, "plan"))
    assert stack.run(*of("production", "plan", "--detailed-exitcode")).code == 0


def test_a_refusal_says_that_something_was_taken_into_the_state_before(stack: Place) -> None:
    """A bid that is live and not in the state is, before it is known whose variables these are."""
    applied(stack)
    kept = {path: path.read_bytes() for path in stack.path.glob("production.*")}
    (stack.path / "flowplan.yaml").write_text(STACK + STACK.partition("tasks:\n")[2].replace("  api:", "  two:"))
    stack.ok(*of("production", "apply", "--auto-approve"))
    for path, data in kept.items():
        path.write_bytes(data)
    refused = [stack.run(*mixed(stack, "apply", "--auto-approve")) for _ in range(2)]
    first, again = (" ".join(one.err.split()) for one in refused)
    assert [one.code for one in refused] == [3, 3]
    assert "with our marker; it is kept" in first and "another environment? nothing else was changed" in first
    assert "another environment? nothing was changed" in again


DESTROY = ("destroy", "--auto-approve", "--allow-volume-destroy", "*")


def test_a_destroy_with_the_variables_of_another_environment_is_refused(stack: Place) -> None:
    """Else the loop that mixes them up ends production, and says that it is done."""
    applied(stack)
    before = live(stack)
    refused = stack.run(*mixed(stack, *DESTROY))
    said = " ".join(refused.err.split())
    assert (refused.code, live(stack)) == (3, before)
    assert "name_prefix production-, which is staging- here: another environment? nothing was changed" in said
    assert "`flowplan plan --destroy --out FILE` with the same --state and variables, look at it" in said


def test_a_program_that_mixes_them_up_destroys_what_it_has_looked_at_alone(stack: Place) -> None:
    applied(stack)
    before = live(stack)
    mixed_up = flowplan.load(
        directory=stack.path,
        state="production.json",
        variables={"env": "staging"},
        api_url=os.environ["FLOWPLAN_API_URL"],
    )
    with pytest.raises(flowplan.GuardRefused, match="another environment"):
        mixed_up.destroy(allow_volume_destroy="*")
    assert live(stack) == before
    mixed_up.apply(mixed_up.plan(destroy=True, allow_volume_destroy="*"))
    assert live(stack) == {"staging-api": "$17.92"}


def test_a_destroy_that_is_meant_goes_on_as_the_hint_says(stack: Place) -> None:
    applied(stack)
    stack.ok(*mixed(stack, "plan", "--destroy", "--allow-volume-destroy", "*", "--out", "p"))
    stack.ok("--state", "production.json", "apply", "p", "--allow-volume-destroy", "*")
    assert live(stack) == {"staging-api": "$17.92"}


def test_a_destroy_that_somebody_looks_at_goes_on(stack: Place) -> None:
    applied(stack)
    command = [one for one in DESTROY if one != "--auto-approve"]
    code, shown = at_terminal(stack, "yes\n", *mixed(stack, *command))
    assert (code, "another environment?" in shown, live(stack)) == (0, True, {"staging-api": "$17.92"}), shown


def test_a_destroy_that_is_given_no_variables_goes_by_the_state(stack: Place) -> None:
    """The files say no prefix then that could be another one."""
    applied(stack)
    stack.ok("--state", "production.json", *DESTROY)
    assert live(stack) == {"staging-api": "$17.92"}


@pytest.mark.parametrize("left", [None, "", "version: 2\ntasks: [", STACK.replace("env: {type: string}", "env: {}")])
def test_nothing_that_does_not_say_a_prefix_holds_up_a_destroy(stack: Place, left: str | None) -> None:
    """Files that are gone, empty or broken: who wants to stop paying can."""
    applied(stack)
    (stack.path / "flowplan.yaml").unlink()
    if left is not None:
        stack.write(left)
    stack.ok("--state", "production.json", *DESTROY)
    assert live(stack) == {"staging-api": "$17.92"}


def test_a_prefix_changes_by_a_plan_that_somebody_has_looked_at(stack: Place) -> None:
    applied(stack)
    stack.ok(*mixed(stack, "plan", "--out", "p"))
    stack.ok("--state", "production.json", "apply", "p")
    assert live(stack)["production-api"] == "$17.92"  # what is there keeps its name
    stack.ok(*mixed(stack, "apply", "--auto-approve", "--var", "price=19"))


ALIKE = STACK.replace('"${var.price}"', "9").replace("  price: {type: number, default: 17.92}\n", "")
SAVES = "No changes to what is live. An apply saves the name_prefix."


@pytest.fixture
@made_once
def alike(place: Place) -> Place:
    """Applied for `env=pr`: for `env=st` nothing else differs, for what exists keeps its name."""
    place.write(ALIKE)
    place.ok(*APPLY, "--var", "env=pr")
    return place


@pytest.mark.parametrize("output", [False, True])
def test_the_variables_of_another_environment_are_refused_for_a_prefix_alone(alike: Place, output: bool) -> None:
    """Else the job that mixes them up is green. So it is for outputs alone, which it would save."""
    if output:
        alike.edit("tasks:\n", "outputs: {env: '${var.env}'}\ntasks:\n")
        alike.ok(*APPLY, "--var", "env=pr")
    before = alike.ok("state", "pull")
    planned = alike.run("plan", "--detailed-exitcode", "--var", "env=st")
    assert (planned.code, "another environment?" in planned.out) == (2, True)
    assert planned.out.endswith(f"{SAVES[:-1]} and the outputs.\n" if output else f"{SAVES}\n")
    refused = alike.run(*APPLY, "--var", "env=st")
    assert refused.code == 3, refused
    assert "prefix pr-, which is st- here: another environment? nothing was changed" in " ".join(refused.err.split())
    assert alike.ok("state", "pull") == before
    assert alike.run("plan", "--detailed-exitcode", "--var", "env=pr").code == 0


def test_a_prefix_alone_changes_by_a_plan_that_somebody_has_looked_at(alike: Place) -> None:
    body = json.loads(alike.ok("plan", "--var", "env=st", "--out", "p.json", "--format", "json"))
    assert body["applyable"] and [one["detail"] for one in body["diagnostics"]] == ["other_environment"]
    alike.ok("apply", "p.json")
    assert json.loads(alike.ok("state", "pull"))["name_prefix"] == "st-"
    assert list(live(alike)) == ["pr-api"]
    alike.ok(*APPLY, "--var", "env=st")


@pytest.mark.parametrize(("answer", "prefix"), [("yes", "st-"), ("no", "pr-")])
def test_a_prefix_alone_is_asked_about(alike: Place, answer: str, prefix: str) -> None:
    code, shown = at_terminal(alike, f"{answer}\n", "apply", "--var", "env=st")
    assert (code, SAVES in shown) == (0 if answer == "yes" else 1, True), shown
    assert json.loads(alike.ok("state", "pull"))["name_prefix"] == prefix


def test_a_prefix_is_recorded_once_something_is_done(alike: Place) -> None:
    """Else the right variables would be warned about, and the wrong ones would not."""
    alike.edit("utility_threshold_price: 9", "utility_threshold_price: 10")
    alike.ok("plan", "--var", "env=st", "--out", "p.json")
    with alike.simulator() as simulator:
        simulator.faults.add("PATCH *", "status", status=403)
    assert alike.run("apply", "p.json").code == 1
    assert json.loads(alike.ok("state", "pull"))["name_prefix"] == "pr-"


def test_a_state_of_before_takes_the_prefix_in_with_the_next_apply(stack: Place) -> None:
    stack.write(STACK.replace("name_prefix", "x-name_prefix"))
    stack.ok(*of("production", "apply", "--auto-approve"))
    stack.write(STACK)
    stack.ok(*of("production", "apply", "--auto-approve"))
    assert stack.run(*mixed(stack, "apply", "--auto-approve")).code == 3


def test_other_variables_that_would_replace_most_are_refused_by_the_guard_on_changes(place: Place) -> None:
    """Where no prefix tells the environments apart."""
    plain = STACK.replace('name_prefix: "${var.env}-"', "guards: {max_changes: 30%}")
    place.write(
        plain.replace("    ports: [8080]\n", "    num_instances: ${var.count}\n").replace(
            "env: {", "count: {type: int}\n  env: {"
        )
    )
    place.ok("apply", "--auto-approve", "--var", "count=1", "--var", "env=production")
    before = live(place)
    refused = place.run(
        "apply", "--auto-approve", "--var", "count=2", "--var", "env=staging", "--allow-volume-destroy", "*"
    )
    assert (refused.code, "max_changes" in refused.out + refused.err, live(place)) == (3, True, before)


def test_destroying_one_leaves_the_other(stack: Place) -> None:
    applied(stack)
    destroyed = stack.run(*of("staging", "destroy", "--auto-approve", "--allow-volume-destroy", "*"))
    assert (destroyed.code, "warning" in destroyed.err) == (0, False)
    assert live(stack) == {"production-api": "$21.50"}
    assert stack.ok("--state", "staging.json", "state", "list") == ""
    assert stack.run(*of("production", "plan", "--detailed-exitcode")).code == 0


def test_without_a_prefix_the_clash_is_reported_with_the_remedy(stack: Place) -> None:
    stack.edit('name_prefix: "${var.env}-"\n', "")
    stack.ok(*of("staging", "apply", "--auto-approve"))
    calls = len(stack.ledger())
    clash = stack.run(*of("production", "apply", "--auto-approve"))
    said = " ".join(clash.err.split())
    assert (clash.code, len(stack.ledger())) == (65, calls), clash
    for kind in ("bid", "volume"):
        assert f"a {kind} named" in said
    assert said.count('name_prefix: "${var.env}-" gives each environment its own names') == 2


def test_while_one_state_is_locked_the_other_is_applied(stack: Place) -> None:
    staging = open_store("staging.json", stack.path, {}).lock
    staging.acquire(this_process("flowplan apply elsewhere", {}, "2026-11-02T09:00:00Z"))
    try:
        locked = stack.run(*of("staging", "apply", "--auto-approve"))
        assert (locked.code, "staging.lock is held by" in " ".join(locked.err.split())) == (4, True), locked
        stack.ok(*of("production", "apply", "--auto-approve"))
        staging.verify()
    finally:
        staging.release()
    assert set(live(stack)) == {"production-api"}


def test_two_applies_at_once_both_get_to_their_end(stack: Place) -> None:
    environ = {**os.environ, "FLOWPLAN_API_URL": "sim:"}
    stack.ok(*of("staging", "plan"))  # the simulator's data are there
    runs = [
        Process(
            [*client(), *of(environment, "apply", "--auto-approve")],
            cwd=stack.path,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for environment in ENVIRONMENTS
    ]
    ended = [(*run.communicate(timeout=LONGEST), run.returncode) for run in runs]
    assert [code for _, _, code in ended] == [0, 0], ended
    assert live(stack) == {"staging-api": "$17.92", "production-api": "$21.50"}


def _production_alone(stack: Place) -> None:
    """Production is live, and no state of this directory has it; staging is over, and its state is gone."""
    stack.ok(*of("production", "apply", "--auto-approve"))
    for path in stack.path.glob("production.*"):
        path.unlink()
    for name in ("used", "versions"):
        shutil.rmtree(stack.path / ".flowplan" / name)


@pytest.mark.parametrize("given", [("--var-file", "env/staging.yaml"), ()], ids=["its variables", "no variables"])
def test_a_state_that_is_lost_is_not_rebuilt_of_what_another_environment_runs(
    stack: Place, given: tuple[str, ...]
) -> None:
    """They have one name and the same addresses. The next apply would replace what production runs, or destroy it."""
    _production_alone(stack)
    refused = stack.run("--state", "staging.json", "recover", "--from-live", *given)
    said = " ".join(refused.err.split())
    assert (refused.code, "stack serving: production-api" in said, "--lineage" in said) == (64, True, True), said
    assert ("with the name_prefix staging-" in said) is bool(given)
    assert not (stack.path / "staging.json").exists()
    lineage = said.partition("--lineage ")[2].partition(" ")[0]
    chosen = stack.run("--state", "staging.json", "recover", "--from-live", "--lineage", lineage, *given)
    assert (chosen.code, "(name_prefix staging-): another environment?" in " ".join(chosen.err.split())) == (
        0,
        bool(given),
    )


def test_it_is_not_where_that_runs_what_these_files_do_not_have(stack: Place) -> None:
    """Its prefix tells then, and not the name of a task."""
    _production_alone(stack)
    stack.edit("  api:", "  other:")
    refused = stack.run("--state", "staging.json", "recover", "--from-live", "--var-file", "env/staging.yaml")
    assert (refused.code, "stack serving: production-api" in " ".join(refused.err.split())) == (64, True), refused


def test_a_state_that_is_rebuilt_has_the_prefix_of_its_environment(stack: Place) -> None:
    _production_alone(stack)
    stack.ok(*of("production", "recover", "--from-live"))
    assert json.loads((stack.path / "production.json").read_text())["name_prefix"] == "production-"
    refused = stack.run(*mixed(stack, "destroy", "--auto-approve"))
    assert (refused.code, live(stack)) == (3, {"production-api": "$21.50"}), refused


def test_what_runs_with_a_prefix_is_not_taken_for_a_stack_without_one(stack: Place) -> None:
    _production_alone(stack)
    stack.edit('name_prefix: "${var.env}-"\n', "")
    refused = stack.run("--state", "staging.json", "recover", "--from-live", "--var", "env=x")
    assert (refused.code, "stack serving: production-api" in " ".join(refused.err.split())) == (64, True), refused


def test_what_runs_without_a_prefix_is_not_taken_for_a_stack_with_one(stack: Place) -> None:
    stack.edit('name_prefix: "${var.env}-"\n', "")
    _production_alone(stack)
    stack.write(STACK)
    refused = stack.run(*of("staging", "recover", "--from-live"))
    assert (refused.code, "stack serving: api" in " ".join(refused.err.split())) == (64, True), refused


@pytest.mark.parametrize("what", ["a later generation", "a task more"])
def test_what_runs_with_a_prefix_is_not_taken_for_a_stack_without_one_whatever_it_is_called(
    stack: Place, what: str
) -> None:
    """A generation is in the name of its bid (production-api-g2), or it runs a task that these files do not have."""
    if what == "a task more":
        stack.write(STACK + STACK.partition("tasks:\n")[2].replace("  api:", "  more:"))
    else:
        stack.edit("    ports: [8080]\n", "    lifecycle: {create_before_destroy: true}\n")
    stack.ok(*of("production", "apply", "--auto-approve"))
    if what == "a later generation":
        stack.ok(*of("production", "apply", "--auto-approve", "--replace", "bid.api"))
        assert set(live(stack)) == {"production-api-g2"}
    _production_alone(stack)
    stack.write(STACK.replace('name_prefix: "${var.env}-"\n', ""))
    refused = stack.run("--state", "staging.json", "recover", "--from-live", "--var", "env=x")
    assert refused.code == 64, refused
    assert not (stack.path / "staging.json").exists()
    lineage = " ".join(refused.err.split()).partition("--lineage ")[2].partition(" ")[0]
    if what == "a later generation":  # all of it is called otherwise
        chosen = stack.run("--state", "staging.json", "recover", "--from-live", "--lineage", lineage, "--var", "env=x")
        assert "(without a name_prefix): another environment?" in " ".join(chosen.err.split()), chosen


def test_what_runs_with_a_longer_prefix_is_not_taken_for_a_stack_with_the_shorter_one(stack: Place) -> None:
    """What staging-eu runs begins with staging-, too."""
    stack.write("env: staging-eu\n", "env/production.yaml")
    _production_alone(stack)
    refused = stack.run("--state", "staging.json", "recover", "--from-live", "--var-file", "env/staging.yaml")
    said = " ".join(refused.err.split())
    assert (refused.code, "stack serving: staging-eu-api" in said) == (64, True), said
    lineage = said.partition("--lineage ")[2].partition(" ")[0]
    chosen = stack.run(*of("staging", "recover", "--from-live", "--lineage", lineage))
    assert (chosen.code, "(name_prefix staging-): another environment?" in " ".join(chosen.err.split())) == (0, True)
    assert "name_prefix" not in json.loads((stack.path / "staging.json").read_text())


def test_a_destroy_of_a_stack_without_prefix_speaks_of_no_other_environment(stack: Place) -> None:
    """Else its user is told to take in what production runs."""
    stack.ok(*of("production", "apply", "--auto-approve"))
    stack.edit('name_prefix: "${var.env}-"\n', "")
    files = (stack.path / "flowplan.yaml").read_text()
    stack.edit("  api:", "  web:")
    stack.ok(*of("staging", "apply", "--auto-approve"))
    stack.write(files)
    done = stack.run(*of("staging", "destroy", "--auto-approve", "--allow-volume-destroy", "*"))
    assert (done.code, "warning" in done.err, set(live(stack))) == (0, False, {"production-api"}), done
