"""A stack whose state is at GitLab, from the command line."""

from __future__ import annotations

import uuid

import pytest

from tests.conftest import Place
from tests.contracts import state_servers
from tests.contracts.http_site import LOGIN
from tests.contracts.state_servers import PASSWORD

TASK = """name: train
project_name: my-foundry-project
resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
persistent_storage: {create: {volume_name: data, size: 10, mount_point: /mnt/data}}
"""


@pytest.fixture
def url(place: Place, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {**LOGIN, "FLOWPLAN_API_URL": "sim:"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(place.path.parent / f"{place.path.name}-home"))
    place.write(TASK)
    return state_servers.server().url("gitlab", uuid.uuid4().hex)


def test_plan_apply_look_and_destroy(place: Place, url: str) -> None:
    name = url.rpartition("/")[2]
    assert "2 to add" in place.ok("--state", url, "plan")
    applied = place.run("--state", url, "apply", "--auto-approve")
    assert applied.code == 0
    assert f"there was no state at {url}: a new one begins there" in " ".join(applied.err.split())
    assert place.ok("--state", url, "state", "list") == "bid.train\nvolume.data\n"
    assert "1  " in place.ok("--state", url, "state", "history")
    assert place.ok("--state", url, "lock", "show") == "Nobody holds the lock.\n"
    assert "No changes" in place.ok("--state", url, "plan")
    state = state_servers.server().state(name)
    assert state.lock is None
    assert PASSWORD.encode() not in b"".join(state.versions.values())
    place.ok("--state", url, "destroy", "--auto-approve", "--allow-volume-destroy", "data")
    assert place.ok("--state", url, "state", "list") == ""
    assert "is now version 1, with serial 3" in place.ok("--state", url, "state", "restore", "1")
    assert not list(place.path.glob("flowplan.*state*"))


def test_a_watch_begins_no_state(place: Place, url: str) -> None:
    """Its lock is that of a state beside this one. That a state begins would say that this one was lost."""
    place.ok("--state", url, "apply", "--auto-approve")
    looked = place.run("--state", url, "watch", "--once")
    assert (looked.code, looked.err) == (0, ""), looked
    assert state_servers.server().state(f"{url.rpartition('/')[2]}-flowplan-watch").versions


def test_doctor_says_that_it_has_not_tried_the_server(place: Place, url: str) -> None:
    """To try it takes the lock, and writes."""
    said = "whether that server keeps a second run out"
    assert said in " ".join(place.ok("--state", url, "doctor").split())
    assert not state_servers.server().state(url.rpartition("/")[2]).versions
    place.ok("--state", url, "apply", "--auto-approve")
    assert said not in " ".join(place.ok("--state", url, "doctor").split())


def test_a_state_that_is_gone_from_the_server_is_never_a_fresh_start(place: Place, url: str) -> None:
    place.ok("--state", url, "apply", "--auto-approve")
    state_servers.server().state(url.rpartition("/")[2]).versions.clear()
    gone = place.run("--state", url, "apply", "--auto-approve")
    assert gone.code == 5
    assert "this machine has seen serial 1 of it" in " ".join(gone.err.split())


def test_a_lock_that_somebody_has_is_exit_code_4_with_its_id(place: Place, url: str) -> None:
    place.ok("--state", url, "apply", "--auto-approve")
    state = state_servers.server().state(url.rpartition("/")[2])
    state.lock = {"ID": "3f0c9a52", "Who": "ann", "Created": "2026-01-02T03:04:05Z"}
    assert place.run("--state", url, "plan").code == 0  # a look needs no lock
    locked = place.run("--state", url, "destroy", "--auto-approve", "--allow-volume-destroy", "data")
    assert locked.code == 4
    assert f"flowplan force-unlock --state {url} 3f0c9a52" in " ".join(locked.err.split())
    place.ok("--state", url, "force-unlock", "3f0c9a52")
    place.ok("--state", url, "destroy", "--auto-approve", "--allow-volume-destroy", "data")


@pytest.mark.parametrize(("code", "change"), [(5, "wrong"), (5, ""), (64, "with\x7fcontrol")])
def test_credentials_that_do_not_do_say_what_to_set(
    place: Place, url: str, monkeypatch: pytest.MonkeyPatch, code: int, change: str
) -> None:
    monkeypatch.setenv("FLOWPLAN_HTTP_PASSWORD", change)
    refused = place.run("--state", url, "plan")
    assert refused.code == code
    assert "FLOWPLAN_HTTP_PASSWORD" in refused.err
    assert not change or change not in refused.err
