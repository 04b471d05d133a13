"""A stack whose state is in a bucket, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest

from flowplan.backends.remote.s3_address import ENDPOINT, S3Address
from tests.conftest import Place
from tests.contracts.s3_site import KEYS, WatchedS3, endpoint, environ, make_bucket
from tests.processes import LONGEST, Process

TASK = """name: train
project_name: my-foundry-project
resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
persistent_storage: {create: {volume_name: data, size: 10, mount_point: /mnt/data}}
"""
SECRET = KEYS["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture
def url(place: Place, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {**environ(), "FLOWPLAN_API_URL": "sim:"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(place.path.parent / f"{place.path.name}-home"))
    place.write(TASK)
    bucket = f"cli-{uuid.uuid4().hex[:20]}"
    make_bucket(bucket)
    return f"s3://{bucket}/team/train"


def objects(url: str) -> WatchedS3:
    return WatchedS3(S3Address.of(url, environ()))


def test_plan_apply_look_and_destroy(place: Place, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "2 to add" in place.ok("--state", url, "plan")
    place.ok("--state", url, "apply", "--auto-approve")
    assert place.ok("--state", url, "state", "list") == "bid.train\nvolume.data\n"
    assert "1  " in place.ok("--state", url, "state", "history")
    assert place.ok("--state", url, "lock", "show") == "Nobody holds the lock.\n"
    monkeypatch.delenv(ENDPOINT)
    assert "No changes" in place.ok("plan", "--endpoint", endpoint(), "--state", url)
    monkeypatch.setenv(ENDPOINT, endpoint())
    bucket = objects(url)
    kept = [bucket.look(key) for key in bucket.names("team/train.d/")]
    assert all(one is not None and SECRET.encode() not in one.data for one in kept)
    place.ok("--state", url, "destroy", "--auto-approve", "--allow-volume-destroy", "data")
    assert place.ok("--state", url, "state", "list") == ""
    assert "is now version 1, with serial 3" in place.ok("--state", url, "state", "restore", "1")
    assert not list(place.path.glob("flowplan.*state*"))


def test_a_state_that_is_gone_from_the_bucket_is_never_a_fresh_start(place: Place, url: str) -> None:
    place.ok("--state", url, "apply", "--auto-approve")
    bucket = objects(url)
    for key in [*bucket.names("team/"), "team/train"]:
        bucket.delete(key)
    gone = place.run("--state", url, "apply", "--auto-approve")
    assert gone.code == 5
    said = " ".join(gone.err.split())
    assert "this machine has seen serial 1 of it" in said
    assert "with the same --state, `flowplan state history` lists the versions that are left" in said


def test_an_apply_that_is_killed_leaves_a_lock_that_is_free_and_an_intent(place: Place, url: str) -> None:
    """It is killed as it says that it creates: the next run finds out what came of it."""
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/volumes", "slow", seconds=LONGEST)
    command = [sys.executable, "-m", "flowplan", "--state", url, "apply", "--auto-approve"]
    with Process(command, cwd=place.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        assert any("creating..." in line for line in run.stdout)
        run.kill()
    with place.simulator() as simulator:
        simulator.faults.clear()
    record = objects(url).look("team/train.lock")
    assert record is not None
    assert json.loads(record.data)["holder"]["pid"] == run.pid
    again = place.run("--state", url, "apply", "--auto-approve")
    assert again.code == 0
    assert "died; taking over its lock" in " ".join(again.err.split())
    assert place.ok("--state", url, "state", "list") == "bid.train\nvolume.data\n"
    assert "No changes" in place.ok("--state", url, "plan")
    bids = [one for one in place.ledger() if one.executed and (one.method, one.path) == ("POST", "/v2/spot/bids")]
    assert len(bids) == 1
