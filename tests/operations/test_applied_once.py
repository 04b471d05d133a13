"""A saved plan is carried out once: what it would do a second time is bought a second time."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable

import pytest

from flowplan.backends.local import LocalStore
from flowplan.cloud.fcp import Fcp
from flowplan.errors import CloudError
from flowplan.state.codec import dump, load
from flowplan.state.journal import fold
from flowplan.state.state import PLANS_KEPT, AppliedPlan, State
from tests.conftest import Place, bid_id, live_ids, many
from tests.loaded import client
from tests.texts import task_text

DATA = ("--allow-volume-destroy", "*")


BEGUN, APPLIED = "this plan was begun already", "this plan was applied already"
ONCE = "a saved plan is begun only once: `flowplan plan --out FILE` makes a new one, of what is left to do"


def refused(place: Place, why: str) -> str:
    before = place.ledger()
    result = place.run("apply", "p")
    said = " ".join(result.err.split())
    assert result.code == 3, result
    assert why in said
    assert place.ledger() == before
    return said


def refused_as_applied(place: Place) -> None:
    said = refused(place, f"{APPLIED}, at 20")
    assert "nothing of it is left to do" in said


def refused_as_begun(place: Place) -> None:
    said = refused(place, f"{BEGUN}, at 20")
    assert "may not be complete" in said
    assert f"hint: {ONCE}" in said


def test_not_again_after_what_it_made_was_destroyed(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.ok("apply", "p")
    refused_as_applied(example)
    example.ok("destroy", "--auto-approve", *DATA)
    refused_as_applied(example)
    assert live_ids(example) == []


def test_a_plan_made_again_is_another(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.ok("apply", "p")
    example.ok("destroy", "--auto-approve", *DATA)
    example.ok("plan", "--out", "p")
    example.ok("apply", "p")


def test_not_again_after_a_part_of_it_failed(place: Place) -> None:
    place.write(many(2))
    place.ok("plan", "--out", "p")
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", status=400, body='{"detail": "no"}')
    failed = place.run("apply", "p")
    said = " ".join(failed.err.split())
    assert failed.code == 1
    assert f"plan again and apply the new plan: it continues from here; {ONCE}" in said
    assert "the same command again" not in said
    refused_as_begun(place)
    place.ok("plan", "--out", "p")
    place.ok("apply", "p")
    assert len(live_ids(place)) == 2


def test_not_again_after_it_was_killed_before_anything_was_made(place: Place) -> None:
    """Nothing but the journal knows of it."""
    place.write(many(1))
    place.ok("plan", "--out", "p")
    with place.simulator() as simulator:
        simulator.faults.add("POST *", "kill")
    killed = subprocess.run([*client(), "apply", "p"], cwd=place.path, capture_output=True, check=False)
    assert killed.returncode == -9
    assert not (place.path / "flowplan.state.json").exists()
    refused_as_begun(place)
    place.ok("apply", "--auto-approve")
    refused_as_begun(place)
    assert len(live_ids(place)) == 1


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        (("--destroy",), "--destroy --out FILE"),
        (("--destroy", "--keep-volumes"), "--destroy --keep-volumes --out FILE"),
        (("--destroy", "--target", "bid.task-000"), "--destroy --target=bid.task-000 --out FILE"),
        (("--destroy", "flowplan.yaml"), "--destroy --out FILE flowplan.yaml"),
    ],
)
def test_what_is_left_of_a_destroy_is_not_placed_anew(place: Place, asked: tuple[str, ...], made: str) -> None:
    """The plan that the hint has somebody make ends what is left; a plan without its options would place it again."""
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    allowed = () if "--keep-volumes" in asked else DATA
    place.ok("plan", *asked, *allowed, "--out", "p")
    with place.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "status", status=400, body='{"detail": "no"}')
    said = " ".join(place.run("apply", "p", *allowed).err.split())
    assert f"`flowplan plan {made}` makes a new one" in said
    words = shlex.split(said.partition("begun only once: `flowplan ")[2].partition("`")[0])
    place.ok(*["p" if word == "FILE" else word for word in words], *allowed)
    place.ok("apply", "p", *allowed)
    assert live_ids(place) == []


SWEEP = """version: 2
project_name: my-foundry-project
variables: {points: {type: map}, gb: {type: int}}
volumes: {s: {for_each: "${var.points}", size: "${var.gb}", region_id: us-central1-b}}
"""


MANY_GIVEN = "volumes: {s: {size: 1, region_id: us-central1-b}}\n"


@pytest.mark.parametrize("many", [1, 60])
def test_the_new_plan_takes_what_the_old_one_did_and_a_long_value_is_named(place: Place, many: int) -> None:
    """The map of a sweep would be cut off in the hint, and with it the end of the command."""
    place.write(SWEEP)
    place.write(f"points: {{{', '.join(f'p{n:02}: {{rate: 0.1}}' for n in range(many))}}}\n", "points.yaml")
    given = ("--var-file", "points.yaml")
    place.ok("plan", *given, "--var", "gb=1", "--max-hourly-cost", "5", "--out", "p")
    place.ok("apply", "p")
    said = " ".join(place.run("apply", "p").err.split()).partition("for what has changed since: ")[2]
    command, _, rest = said.removeprefix("`flowplan ").partition("`")
    assert ("--var=points=" in command, rest) == (
        (True, "") if many == 1 else (False, " with the same --var-file or --var for points")
    ), said
    words = ["q" if word == "FILE" else word for word in shlex.split(command)]
    assert {"--var=gb=1", "--max-hourly-cost=5.00"} <= set(words), words
    assert "No changes" in place.ok(*words, *(given if rest else ()))


def test_no_command_that_is_cut_is_given_to_be_typed(place: Place) -> None:
    """Each of its values is short, and all of them together are more than a hint can say."""
    names = [f"v{number:02}" for number in range(60)]
    declared = ", ".join(f"{name}: {{type: string}}" for name in names)
    place.write(f"version: 2\nproject_name: my-foundry-project\nvariables: {{{declared}}}\n{MANY_GIVEN}")
    given = [word for name in names for word in ("--var", f"{name}={'x' * 20}")]
    place.ok("plan", *given, "--out", "p")
    place.ok("apply", "p")
    said = " ".join(place.run("apply", "p").err.split()).partition("for what has changed since: ")[2]
    assert said.startswith("`flowplan plan --out FILE` with the same files and options") and "…" not in said


@pytest.mark.parametrize("command", [("state", "mv", "volume.vol-000", "volume.other"), ("recover",)], ids=" ".join)
def test_commands_that_write_the_state_keep_it(place: Place, command: tuple[str, ...]) -> None:
    place.write(many(1))
    place.ok("plan", "--out", "p")
    place.ok("apply", "p")
    place.run(*command)
    place.ok("destroy", "--auto-approve", *DATA)
    refused_as_applied(place)


def put_back_version(place: Place) -> None:
    """The state was restored from damage, and then to a version from before that."""
    path = place.path / "flowplan.state.json"
    path.write_bytes(b"")
    place.ok("state", "restore")
    place.ok("state", "restore", "1", "--force")


def lost(place: Place) -> None:
    for path in place.path.glob("flowplan.state.*"):
        path.unlink()


def put_back_lost(place: Place) -> None:
    lost(place)
    shutil.rmtree(place.path / ".flowplan/versions")
    shutil.copytree(place.path / "versions", place.path / ".flowplan/versions")
    place.ok("state", "restore", "1")


def push_lost(place: Place) -> None:
    lost(place)
    shutil.rmtree(place.path / ".flowplan/versions")
    place.ok("state", "push", "pulled.json")


def rebuild(place: Place) -> None:
    lost(place)
    shutil.rmtree(place.path / ".flowplan/versions")
    place.ok("recover", "--from-live")
    for _ in range(3):
        place.ok("state", "mv", "bid.task-000", "bid.other")
        place.ok("state", "mv", "bid.other", "bid.task-000")


RESTORED = "the state was restored since this plan was saved"


@pytest.mark.parametrize(
    ("mend", "why"),
    [(put_back_version, APPLIED), (put_back_lost, RESTORED), (push_lost, RESTORED), (rebuild, RESTORED)],
)
def test_nor_where_a_state_was_put_back(place: Place, mend: Callable[[Place], None], why: str) -> None:
    """Of a job that is done, nothing that is live tells that it was placed."""
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    place.write(place.ok("state", "pull"), "pulled.json")
    shutil.copytree(place.path / ".flowplan/versions", place.path / "versions")
    place.write(task_text("job"), "job.yaml")
    place.ok("plan", "--out", "p", ".")
    place.ok("apply", "p")
    place.call("DELETE", f"/v2/spot/bids/{bid_id(place, 'bid.job')}")
    mend(place)
    refused(place, why)


def test_what_never_began_may_be_tried_again(example: Place) -> None:
    example.ok("plan", "--out", "p")
    assert example.run("apply", "p", "--max-hourly-cost", "1").code == 3
    assert example.run("apply", "p", "--expect", "0" * 64).code == 3
    with example.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "status", status=403)
    assert example.run("apply", "p").code == 1
    example.ok("apply", "p")


def test_a_plan_that_does_nothing_may_be_applied_twice(applied: Place) -> None:
    applied.ok("plan", "--out", "p")
    applied.ok("apply", "p")
    applied.ok("apply", "p")


def test_the_state_keeps_the_newest() -> None:
    state = State("l", serial=1)
    plans = [AppliedPlan(f"{n:064x}", "2026-01-01T00:00:00Z", n) for n in range(PLANS_KEPT + 5)]
    folded, pending = fold(state, plans)
    assert (folded.plans, pending) == (tuple(plans[5:]), {})
    assert load(dump(folded), "state").plans == folded.plans


def test_the_digest_and_the_serial_are_in_the_state(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.ok("apply", "p")
    (plan,) = LocalStore(example.path / "flowplan.state.json").read().state.plans
    assert (plan.sha256, plan.serial) == (json.loads((example.path / "p").read_text())["sha256"], 0)


# ---- the same plan, another state: only what is live can tell


def refused_by_what_is_live(place: Place, *arguments: str) -> None:
    before = place.ledger()
    result = place.run("apply", "p", *arguments)
    assert result.code == 3, result
    said = " ".join(result.err.split())
    assert BEGUN in said
    assert bid_id(place, "bid.train") in said
    assert place.ledger() == before


def test_nor_with_a_state_of_its_own(place: Place) -> None:
    """Made before the first apply, it fits every new state of that name, in a copy of the directory too."""
    place.write(task_text())
    place.ok("plan", "--out", "p")
    place.ok("apply", "p")
    before, made = place.ledger(), bid_id(place, "bid.train")
    assert "this plan is for the state flowplan.state.json" in place.run("apply", "p", "--state", "other.json").err
    lost(place)
    assert "a bid named train already exists" in place.run("apply", "p", "--init").err
    assert place.ledger() == before
    place.call("DELETE", f"/v2/spot/bids/{made}")
    refused = place.run("apply", "p", "--init")
    assert (refused.code, f"with another state: it made {made}" in " ".join(refused.err.split())) == (3, True), refused


def test_nor_by_a_new_state_in_the_place_of_a_lost_one(place: Place) -> None:
    place.write(task_text())
    place.ok("plan", "--out", "p")
    place.ok("apply", "p")
    made = bid_id(place, "bid.train")
    place.call("DELETE", f"/v2/spot/bids/{made}")
    lost(place)
    before = place.ledger()
    refused = place.run("apply", "p", "--init")
    assert (refused.code, made in refused.err) == (3, True), refused
    assert place.ledger() == before


def test_nor_by_a_copy_of_the_state_once_what_it_made_has_ended(place: Place) -> None:
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    place.write(task_text(), "job.yaml")
    place.ok("plan", "--out", "p", ".")
    shutil.copy(place.path / "flowplan.state.json", place.path / "copy.json")
    place.ok("apply", "p")
    place.call("DELETE", f"/v2/spot/bids/{bid_id(place, 'bid.train')}")
    refused_by_what_is_live(place, "--state", "copy.json")


def test_nor_while_the_list_lags(place: Place) -> None:
    """Its creates have the same keys wherever it is applied."""
    place.write(task_text())
    place.ok("plan", "--out", "p")
    with place.simulator() as simulator:
        simulator.faults.set(list_lag=3600, duplicate_names=True)
    place.ok("apply", "p")
    lost(place)
    again = place.run("apply", "p", "--init", "--settle-window", "0.1")
    assert (again.code, "was placed with another state" in " ".join(again.err.split())) == (6, True), again
    with place.simulator() as simulator:
        simulator.faults.set(list_lag=0)
    assert len(live_ids(place)) == 1
    assert place.run("recover").code == 0
    assert place.ok("state", "list").strip() == ""


def test_a_plan_that_was_made_again_for_a_new_state_is_another(place: Place) -> None:
    place.write(task_text())
    place.ok("plan", "--out", "p")
    place.ok("apply", "p")
    place.call("DELETE", f"/v2/spot/bids/{bid_id(place, 'bid.train')}")
    place.write(json.dumps({**json.loads((place.path / "p").read_text()), "timestamp": "2030-01-01T00:00:00Z"}), "p")
    lost(place)
    place.ok("apply", "p", "--init")


# ---- the same, of volumes alone: they carry no mark


DISK = (
    "version: 2\nname: demo\nproject_name: my-foundry-project\nvolumes: {data: {size: 10, region_id: us-central1-b}}\n"
)


def volumes(place: Place) -> list[str]:
    project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    return [row["fid"] for row in json.loads(place.call("GET", f"/v2/volumes?project={project}").body)]


def test_one_look_tells_for_all_whether_the_answer_is_an_old_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look for each would grow with the square of what is made."""
    place.write(
        DISK.replace(
            "{data: ", "{one: {size: 1, region_id: us-central1-b}, two: {size: 1, region_id: us-central1-b}, data: "
        )
    )
    place.ok("plan", "--out", "p")
    looks, real = list[str](), Fcp._all_volumes
    monkeypatch.setattr(Fcp, "_all_volumes", lambda cloud: (looks.append("looked"), real(cloud))[1])
    place.ok("apply", "p", "--parallelism", "1")
    assert (len(volumes(place)), looks) == (3, ["looked"])


def test_the_answer_is_looked_at_where_that_look_fails(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Fcp) -> frozenset[str]:
        raise CloudError("no list")

    monkeypatch.setattr(Fcp, "listed_volumes", fails)
    test_nor_to_make_a_volume_again_that_was_destroyed(place)


def test_nor_to_make_a_volume_again_that_was_destroyed(place: Place) -> None:
    """The API gives the answer of then to a create with the same key: nothing is made, and nothing called created."""
    place.write(DISK)
    place.ok("plan", "--out", "p")
    place.ok("apply", "p")
    made = bid_id(place, "volume.data")
    place.ok("destroy", "--auto-approve", *DATA)
    lost(place)
    again = place.run("apply", "p", "--init")
    said = " ".join(again.err.split())
    assert again.code == 1, again
    assert f"was begun already, with another state: it made {made}, which has been deleted since" in said
    assert (volumes(place), place.ok("state", "list").strip()) == ([], "")
    place.ok("plan", "--out", "p")
    place.ok("apply", "p")
    assert volumes(place) == [bid_id(place, "volume.data")]


def test_nor_to_take_a_volume_that_another_state_has(place: Place) -> None:
    """No list shows it yet, and its key is that of the first create: two states would destroy one volume."""
    place.write(DISK)
    place.ok("plan", "--out", "p")
    with place.simulator() as simulator:
        simulator.faults.set(list_lag=10 * 3600, duplicate_names=True)
    place.ok("apply", "p")
    place.ok("simulator", "advance", "1h")
    lost(place)
    again = place.run("apply", "p", "--init", "--settle-window", "0.1")
    assert again.code == 6, again
    assert "before it was asked for here" in " ".join(again.err.split())
    assert "volume.data" not in place.run("state", "list").out
