"""Nothing is locked while somebody is asked: what the state has become by then is not written over."""

from __future__ import annotations

import json
import shutil
import sqlite3
from typing import Any

from tests.cli.terminals import at_terminal
from tests.conftest import BID, Place, live_ids, lose_addresses, many

OURS, THEIRS = "my-foundry-project", "somebody-elses-project"


def pulled(place: Place) -> Any:
    return json.loads(place.ok("state", "pull"))


def resources(place: Place) -> dict[str, str]:
    return {one["address"]: one["id"] for one in pulled(place)["resources"]}


def bought(place: Place) -> int:
    return len([one for one in place.ledger() if one.method == "POST"])


def two_projects(place: Place) -> None:
    """A second project that may be used, with the same key and quotas."""
    place.run("plan")
    with sqlite3.connect(place.path / ".flowplan" / "simulator.db") as db:
        db.execute("UPDATE projects SET mine = 1")
        (other,) = db.execute("SELECT fid FROM projects WHERE seq = 2").fetchone()
        db.execute("DELETE FROM quotas WHERE project = ?", (other,))
        for table in ("ssh_keys", "quotas"):
            rows = db.execute(f"SELECT * FROM {table} WHERE project != ?", (other,))
            names = [column[0] for column in rows.description]
            for number, row in enumerate(rows.fetchall()):
                copy = {**dict(zip(names, row, strict=True)), "project": other, "fid": f"{table}_{number}"}
                copy["seq"] = 1000 + number
                db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(copy))})", list(copy.values()))
    db.close()


def asked_in_ours(place: Place, theirs: str) -> tuple[int, str]:
    """An apply at its prompt in one project, while another one begins the state in another with the file `theirs`."""

    def meanwhile() -> None:
        place.ok("--project", THEIRS, "apply", theirs, "--auto-approve")

    return at_terminal(place, "yes\n", "--project", OURS, "apply", "flowplan.yaml", meanwhile=meanwhile)


def test_a_state_begun_meanwhile_in_another_project_by_other_files_stays_that_projects(place: Place) -> None:
    place.write(many(1))
    place.write(many(1, first=1), "b.yaml")
    two_projects(place)
    code, shown = asked_in_ours(place, "b.yaml")
    after = pulled(place)
    assert after["project_name"] == THEIRS
    assert len(after["resources"]) == 3
    assert bought(place) == 2
    assert code == 3, shown


def test_what_is_bought_meanwhile_in_another_project_is_not_bought_again(place: Place) -> None:
    place.write(many(1))
    two_projects(place)
    code, shown = asked_in_ours(place, "flowplan.yaml")
    after = pulled(place)
    assert after["project_name"] == THEIRS
    assert len(after["resources"]) == 3
    assert bought(place) == 2
    assert code == 3, shown


def test_a_stack_that_is_named_meanwhile_keeps_its_name(place: Place) -> None:
    place.write("version: 2\nname: ours\nvolumes:\n  data: {size: 1, disk_interface: File, region_id: us-central1-b}\n")
    place.write(many(1, first=1), "b.yaml")

    def meanwhile() -> None:
        place.ok("apply", "b.yaml", "--auto-approve")

    code, shown = at_terminal(place, "yes\n", "apply", meanwhile=meanwhile)
    assert (code, pulled(place)["stack"]) == (3, "work"), shown
    assert len(live_ids(place)) == 1


def test_a_state_that_is_gone_after_the_yes_is_not_begun_again(place: Place) -> None:
    place.write(many(1), "a.yaml")
    place.write(many(1, first=1), "b.yaml")
    place.ok("apply", "a.yaml", "--auto-approve")

    def meanwhile() -> None:
        shutil.rmtree(place.path / ".flowplan" / "versions")
        for one in ("json", "journal", "json.backup"):
            (place.path / f"flowplan.state.{one}").unlink()

    code, shown = at_terminal(place, "yes\n", "apply", "b.yaml", meanwhile=meanwhile)
    assert code == 3, shown
    assert "the state has gone" in " ".join(shown.split())
    assert len(live_ids(place)) == 1


def test_init_keeps_others_out_while_it_asks(place: Place) -> None:
    """A journal that another run began meanwhile would be set aside with what it has in doubt."""
    place.write(many(1))
    meanwhile: list[int] = []

    def begins() -> None:
        meanwhile.append(place.run("apply", "--auto-approve").code)

    code, shown = at_terminal(place, "yes\n", "apply", "--init", meanwhile=begins)
    assert (code, meanwhile) == (0, [4]), shown
    assert (bought(place), len(pulled(place)["resources"])) == (2, 3)


def test_what_is_forgotten_meanwhile_is_kept(applied: Place) -> None:
    before = resources(applied)
    applied.write((applied.path / "flowplan.yaml").read_text() + "\n---\n" + many(1))
    code, shown = at_terminal(applied, "yes\n", "apply", meanwhile=lambda: lose_addresses(applied, BID))
    assert before.items() <= resources(applied).items()
    assert code == 0, shown
    assert len(live_ids(applied)) == 2
