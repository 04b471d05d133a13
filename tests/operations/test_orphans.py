"""`orphans`: what is live with flowplan's marker, and in no state."""

from __future__ import annotations

import json
import re
import shlex

from tests.conftest import BID, PORTS, VOLUME, Place, bid_id, live_ids, lose_addresses
from tests.faults.losing import lose


def test_orphans_of_nothing(applied: Place) -> None:
    assert applied.ok("orphans") == "Nothing is orphaned.\n"


def test_what_was_forgotten_is_an_orphan(applied: Place) -> None:
    id = bid_id(applied, BID)
    lose_addresses(applied, BID)  # its ports, which bear its id, do not make it known
    out = applied.ok("orphans")
    assert f"flowplan recover --cancel {id}" in out
    assert "at most $17.92 an hour" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    body = json.loads(applied.ok("orphans", "--format", "json"))
    assert [one["id"] for one in body["bids"]] == [id]
    applied.ok("state", "rm", VOLUME)
    assert "A volume carries no marker" in applied.ok("orphans")


def test_orphans_say_how_to_end_what_each_costs(applied: Place) -> None:
    """Also a volume, whose file is gone with its bids."""
    lose_addresses(applied, PORTS, BID)
    applied.ok("state", "rm", VOLUME)
    (applied.path / "flowplan.yaml").unlink()
    told = applied.ok("orphans")
    cancel, back = (line.strip() for line in told.splitlines() if line.startswith("    flowplan "))
    name = VOLUME.partition(".")[2]
    delete = " ".join(told.split()).partition("`flowplan destroy")[2].partition("`")[0].replace("NAME", name)
    applied.ok(*shlex.split(cancel)[1:])
    applied.ok(*shlex.split(back)[1:])
    applied.ok("destroy", *shlex.split(delete), "--auto-approve")
    assert applied.ok("orphans") == "Nothing is orphaned.\n"


def test_what_is_typed_as_orphans_say_ends_a_stack_whose_state_is_lost(applied: Place) -> None:
    """Without its files, too: whoever is called at night has a key, and no more. The data stays."""
    lose(applied)
    (applied.path / "flowplan.yaml").unlink()
    told = applied.ok("orphans")
    (lineage,) = re.findall(r"stack work, lineage (\S+)", told)
    rebuild, destroy = (line.strip() for line in told.splitlines() if line.startswith("    flowplan "))
    done = applied.run(*shlex.split(rebuild.replace("LINEAGE", lineage))[1:])
    assert done.code == 0
    name = VOLUME.partition(".")[2]
    assert f"no file given here names, and the state does not have them: {name} (vol_" in " ".join(done.err.split())
    assert "flowplan status --state rescue.json shows what it costs." in " ".join(done.out.split())  # no file to plan
    applied.ok(*shlex.split(destroy)[1:], "--auto-approve")
    assert live_ids(applied) == []
    project = json.loads(applied.call("GET", "/v2/projects").body)[0]["fid"]
    assert [one["name"] for one in json.loads(applied.call("GET", f"/v2/volumes?project={project}").body)] == [name]


def test_orphans_change_nothing(applied: Place) -> None:
    before = len(applied.ledger())
    lose_addresses(applied, PORTS, BID)
    files = {path.name: path.read_bytes() for path in applied.path.glob("flowplan.state*")}
    applied.ok("orphans")
    assert files == {path.name: path.read_bytes() for path in applied.path.glob("flowplan.state*")}
    assert len(applied.ledger()) == before
