"""A round of the watch, as what is interrupted: the next watcher, or a person's apply, goes on after it."""

from __future__ import annotations

from tests.faults.scenarios import APPLY, Command, Folder, Scenario

WATCH: Command = ("watch", "--once", "--parallelism", "1")
NEXT: tuple[Command, ...] = (WATCH, WATCH)  # the one acts, if that is left to it; the other finds what there is then
PERSON: tuple[Command, ...] = (APPLY, *NEXT)

LOW = """  low:
    resources_specification: {fcp_instance: a100.8x.SXM4.IB, cluster_id: us-central1-a}
    task_management: {utility_threshold_price: 5.00}
"""
JOB = """  job:
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 17.92}
    lifetime: {max_hours: 2}
"""
SERVICE = """  service:
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 17.92}
    ports: [8080]
    persistent_storage: {attach: {volume: v}}
"""


def stack(*tasks: str, watch: str = "on_preempted: rebid, raise_limit_up_to: 40, switch_region: true") -> str:
    """A stack file with these tasks, and a volume."""
    head = "version: 2\nname: s\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
    volume = "volumes: {v: {size: 1, region_id: us-central1-b}}\n"
    return f"{head}watch: {{{watch}}}\n{volume}tasks:\n{''.join(tasks)}"


def ended(folder: Folder, *names: str) -> None:
    """The cloud ends these bids."""
    ids = {what: id for id, what in folder.cloud().live.items()}
    with folder.simulator() as simulator:
        for name in names:
            simulator.faults.end(ids[f"bid {name}"])


def _ended(folder: Folder) -> None:
    folder.write(stack(SERVICE))
    folder.ok(APPLY)
    folder.ok(("simulator", "advance", "10m"))
    ended(folder, "service")


def _outbid(folder: Folder) -> None:
    folder.write(stack(LOW))
    folder.ok(APPLY)


def _past_its_lifetime(folder: Folder) -> None:
    folder.write(stack(JOB))
    folder.ok(APPLY)
    folder.ok(("simulator", "advance", "3h"))


def _all_at_once(folder: Folder) -> None:
    folder.write(stack(SERVICE, JOB, LOW))
    folder.ok(APPLY)
    folder.ok(("simulator", "advance", "3h"))
    ended(folder, "service")


def _in_doubt(folder: Folder) -> None:
    """A watch that placed a bid again was killed before it knew that."""
    _ended(folder)
    folder.kill(WATCH, "answer POST spot/bids")


def _not_placed(folder: Folder) -> None:
    _ended(folder)
    folder.kill(WATCH, "sent POST spot/bids")


SCENARIOS_OF_WATCH: dict[str, Scenario] = {
    "places a bid again": Scenario(_ended, WATCH, NEXT, idle=True),
    "places a bid again, then a person": Scenario(_ended, WATCH, PERSON),
    "raises a limit": Scenario(_outbid, WATCH, NEXT, idle=True),
    "raises a limit, then a person": Scenario(_outbid, WATCH, PERSON),
    "ends a lifetime": Scenario(_past_its_lifetime, WATCH, NEXT, idle=True, stops=True),
    "ends a lifetime, then a person": Scenario(_past_its_lifetime, WATCH, PERSON, stops=True),
    "all at once": Scenario(_all_at_once, WATCH, NEXT, idle=True, saves=2, stops=True),
    "all at once, then a person": Scenario(_all_at_once, WATCH, PERSON, saves=2, stops=True),
    "goes on after a kill": Scenario(_in_doubt, WATCH, NEXT, idle=True, saves=2),
    "goes on where nothing was placed": Scenario(_not_placed, WATCH, NEXT, idle=True, saves=2),
}
