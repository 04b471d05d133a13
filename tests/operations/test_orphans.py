"""`orphans`: what is live with flowplan's marker, and in no state."""

from __future__ import annotations

import json
import shlex

from tests.conftest import BID, PORTS, VOLUME, Place, bid_id, lose_addresses


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


def test_orphans_change_nothing(applied: Place) -> None:
    before = len(applied.ledger())
    lose_addresses(applied, PORTS, BID)
    files = {path.name: path.read_bytes() for path in applied.path.glob("flowplan.state*")}
    applied.ok("orphans")
    assert files == {path.name: path.read_bytes() for path in applied.path.glob("flowplan.state*")}
    assert len(applied.ledger()) == before
