"""What a bid that flowplan did not place runs: written to files, compared, and not dropped without a word."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import Any

import pytest
from attrs import evolve

from flowplan.model.resources import Inputs
from flowplan.planning.actions import Create
from flowplan.planning.as_approved import is_as_applied
from flowplan.planning.desired import Desired
from tests.builders import TRAIN, bid, bound, live_bid
from tests.conftest import APPLY, Place, bid_id, made_once
from tests.operations.handing_over import ATTACHED, DATA, planned, somebodys, stack, task

SCRIPT = "#!/bin/bash\npython train.py"
SECRET = "#!/bin/bash\nexport HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyz0123456789\n"


@pytest.fixture
@made_once
def live(place: Place) -> Place:
    """A stack with one bid, which others are made like."""
    place.write(stack(task("own")))
    place.ok(*APPLY)
    return place


def imported(live: Place, script: str | None, more: str = "", name: str = "web") -> str:
    """A bid of nobody's stack with `script`, imported, and a file that says `more` of it."""
    launch = {**json.loads(live.call("GET", "/v2/spot/bids").body)["data"][0]["launch_specification"], "volumes": []}
    id = somebodys(live, name, launch_specification={**launch, "startup_script": script})
    live.write(stack(task("own"), task(name, more)))
    live.ok("import", f"task.{name}", id)
    return id


def said(live: Place) -> list[dict[str, Any]]:
    return [one for one in planned(live)["diagnostics"] if one["detail"] in ("uncompared", "script_dropped")]


@pytest.mark.parametrize(
    "script",
    [
        SCRIPT,
        f"{SCRIPT}\n",
        "#!/bin/bash\n\n\tindented: # [odd] 'text' ${HOME} ${{x}}\n  \nend \n",
        "a\n\n\n",
        "one line",
        "  first is indented\nsecond\n",
        "#!/bin/sh\necho \u00e9 \u2028 \x85 end\n",
        "if true; then\r\n echo a\nfi\n",
        "true",
    ],
)
def test_a_script_is_in_the_file_as_it_runs(live: Place, script: str) -> None:
    """Byte for byte: the bid that replaces it runs the same."""
    id = somebodys(live, "web", script=script)
    live.ok("import", "task.web", id, "--generate", "web.yaml")
    assert "ignore_changes" not in (live.path / "web.yaml").read_text()
    assert live.run("plan", "web.yaml", "--detailed-exitcode").code == 0
    live.ok("apply", "web.yaml", "--auto-approve", "--replace", "task.web")
    live.write((live.path / "web.yaml").read_text().replace("17.92", "18.92"), "web.yaml")
    body = json.loads(live.run("plan", "web.yaml", "--replace", "task.web", "--format", "json").out)
    sides = body["resource_changes"][0]["change"]
    assert sides["before"]["startup_script"] == sides["after"]["startup_script"]
    assert sides["after"]["startup_script"]["size"] == len(script.encode())


def test_a_secret_in_a_script_is_in_a_private_file_and_nowhere_else(live: Place) -> None:
    id = somebodys(live, "web", script=SECRET)
    result = live.run("import", "task.web", id, "--generate", "web.yaml")
    assert "its startup script seems to hold a secret in its line 2" in " ".join(result.err.split())
    file = live.path / "web.yaml"
    assert (file.stat().st_mode & 0o777, SECRET.splitlines()[1] in file.read_text()) == (0o600, True)
    live.edit("17.92", "17.93", "web.yaml")
    shown = live.run("plan", "web.yaml", "--show-scripts", "--replace", "task.web")
    kept = "".join(one.read_text() for one in live.path.glob("flowplan.state*"))
    assert "hf_abcdef" not in result.out + result.err + shown.out + shown.err + kept


@pytest.mark.parametrize(
    "script",
    [
        base64.b64encode(b"#!/bin/bash\necho hi\n" * 3).decode(),
        base64.b64encode(gzip.compress(b"echo hi\n" * 30, mtime=0)).decode(),
        "#!/bin/bash\n# flowplan:2 stack=x lineage=y\necho hi\n",
        "#!/bin/bash\n# flowplan:1 broken\necho hi\n",
        "echo \0 hi\n",
        None,
    ],
)
def test_what_is_no_script_to_be_sent_again_is_not_known(live: Place, script: str | None) -> None:
    """Encoded, marked by another flowplan, not reported: no file has it, and a replacement says what it may drop."""
    launch = {**json.loads(live.call("GET", "/v2/spot/bids").body)["data"][0]["launch_specification"], "volumes": []}
    id = somebodys(live, "web", launch_specification={**launch, "startup_script": script})
    result = live.run("import", "task.web", id, "--generate", "web.yaml")
    assert "its ports, mounts and startup script are not known" in " ".join(result.err.split())
    assert "startup_script" not in (live.path / "web.yaml").read_text().split("version:")[1]
    body = json.loads(live.run("plan", "web.yaml", "--replace", "task.web", "--format", "json").out)
    assert [one["detail"] for one in body["diagnostics"] if "script" in str(one["detail"])] == ["script_dropped"]
    assert "what it runs is not known" in str(body["diagnostics"])


@pytest.mark.timeout(10)
@pytest.mark.parametrize("sent", ["IyE" + " " * 300_000 + "!", "H4sI" + "=" * 300_000, "\n" * 300_000 + "x"])
def test_a_long_script_takes_no_time(sent: str) -> None:
    """Whatever an API makes up, in whoever's row."""
    script = evolve(live_bid(bid(), ours=False), sent=sent).script
    assert script is not None
    assert script.size == len(sent)


def test_a_script_that_no_file_can_hold_is_ignored_and_named(live: Place) -> None:
    """It is imported all the same."""
    noise = base64.b85encode(b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(240))).decode()
    id = somebodys(live, "web", script=f"#!/bin/bash\n# {noise}\n")
    result = live.run("import", "task.web", id, "--generate", "web.yaml")
    assert "its startup script is not text that the file can have as it is" in " ".join(result.err.split())
    assert "ignore_changes: [startup_script]" in (live.path / "web.yaml").read_text()
    assert live.run("plan", "web.yaml", "--detailed-exitcode").code == 0


def test_a_script_that_another_stack_sent_comes_without_what_flowplan_added(live: Place) -> None:
    live.write(stack(task("job", f"{ATTACHED}, startup_script: echo mine"), volumes=DATA))
    live.ok(*APPLY)
    ids = {name: bid_id(live, name) for name in ("bid.job", "volume.data")}
    for name in ids:
        live.ok("state", "rm", name)
    result = live.run("import", "task.job", ids["bid.job"], "--generate", "job.yaml")
    text = (live.path / "job.yaml").read_text()
    assert result.code == 0, result
    assert 'startup_script: "echo mine"' in text
    assert ("flowplan:1" in text, "ignore_changes" in text, "base64" in text) == (False, False, False)
    assert live.run("plan", "job.yaml", "--detailed-exitcode").code == 0


def test_no_change_names_what_was_not_compared_and_what_to_do(live: Place) -> None:
    """Until the files say that it is to be left so; nothing is replaced because of what is not known."""
    imported(live, SCRIPT, ", ports: [9999], startup_script: echo other")
    shown = live.run("plan")
    assert shown.out.endswith("No changes. The warnings say what differs, or cannot be compared.\n")
    text = " ".join((shown.out + shown.err).split())
    assert "its startup script (27 bytes) is not that of the files, and its ports are not known" in text
    assert [one["detail"] for one in said(live)] == ["uncompared"]
    assert "--replace bid.web places it again, as the files say" in said(live)[0]["hint"]
    assert live.run("plan", "--detailed-exitcode").code == 0
    live.write(stack(task("own"), task("web", ", ports: [9999], lifecycle: {ignore_changes: [ports, startup_script]}")))
    assert said(live) == []
    assert live.ok("plan").rstrip().endswith("No changes. What is live matches the configuration.")


@pytest.mark.parametrize(
    ("script", "more", "expected"),
    [
        ("echo a", ", startup_script: echo a", None),
        ("a\r\nb\r\n", ', startup_script: "a\\r\\nb\\r\\n"', None),
        ("echo a", "", "the files do not have its startup script (6 bytes)"),
        ("", "", None),
        ("", ", startup_script: echo a", "it has no startup script"),
        (None, "", None),
        (None, ", startup_script: echo a, ports: [80]", "its startup script and ports are not known"),
        ("echo a", ", startup_script: echo a, container_image: {image_name: x}", "its container image is not known"),
    ],
)
def test_only_what_the_files_ask_for_is_named(live: Place, script: str | None, more: str, expected: str | None) -> None:
    imported(live, script, more)
    found, hints = [one["summary"] for one in said(live)], str([one["hint"] for one in said(live)])
    assert found == ([] if expected is None else [f"bid.web was not placed by flowplan: {expected}"])
    assert ("copy its startup_script into the task, and delete FILE" in hints) == ("do not have" in str(expected))


def test_a_replacement_names_the_script_that_it_drops(live: Place) -> None:
    """In the plan, in JSON, and beside what it runs instead."""
    imported(live, SCRIPT)
    live.edit("us-central1-b", "eu-central1-a")
    body = planned(live)
    sides = next(one for one in body["resource_changes"] if one["address"] == "bid.web")["change"]
    assert (sides["before"]["startup_script"]["size"], sides["after"]["startup_script"]) == (27, None)
    assert [one["detail"] for one in said(live)] == ["script_dropped"]
    shown = live.run("plan", "--show-scripts").out
    assert "startup_script" in shown
    assert "python train.py" in shown
    assert "its startup script (27 bytes) is not in the files" in " ".join(shown.split())


def test_a_file_that_ignores_the_script_does_not_drop_it_in_silence(live: Place) -> None:
    """As files are that an earlier flowplan wrote of what a stack had released."""
    live.write(stack(task("own"), task("job", ", startup_script: echo mine")))
    live.ok(*APPLY)
    id = bid_id(live, "bid.job")
    live.ok("state", "rm", "bid.job")
    live.write(stack(task("own"), task("job", ", lifecycle: {ignore_changes: [startup_script, container_image]}")))
    live.ok("import", "bid.job", id)
    assert said(live) == []
    live.edit("us-central1-b", "eu-central1-a")
    assert [one["detail"] for one in said(live)] == ["script_dropped"]


def test_what_is_over_and_is_placed_again_names_the_script_that_it_ran(live: Place) -> None:
    id = imported(live, SCRIPT)
    live.call("DELETE", f"/v2/spot/bids/{id}")
    (warning,) = said(live)
    assert (warning["detail"], "it will run no startup script" in warning["summary"]) == ("script_dropped", True)
    live.write(stack(task("own"), task("web", ", startup_script: echo a")))
    assert said(live) == []


@pytest.mark.parametrize(("inputs", "expected"), [(Inputs(), True), (None, False)])
def test_the_watch_places_again_only_what_somebody_approved_in_full(inputs: Inputs | None, expected: bool) -> None:
    """Of a bid that was imported nobody knows what it ran: what the files say instead is for a person to approve."""
    wanted = bid(inputs=Inputs())
    known = bound(TRAIN, "bid_1", evolve(wanted, inputs=inputs))
    assert is_as_applied(Create(TRAIN, after=wanted), known, Desired({TRAIN: wanted}), elsewhere=False) is expected
