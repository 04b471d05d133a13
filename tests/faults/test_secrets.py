"""Credentials where nobody expects them: in URLs, options of containers, values of a task file, answers to a login."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from flowplan.cloud.http.redaction import without
from flowplan.model.digest import digest
from tests.conftest import Place, live_ids, many

KEY = "fkey_CANARY-" + "x+/y=Z9" * 70  # 500 characters
VALUE = "CANARY0123456789abcdef"
IMAGE = f"container_image:\n  image_name: a/b:1\n  run_options: --gpus all -e HF_TOKEN={VALUE}\n"


def everything(place: Place) -> str:
    """All that lies in the directory, but for the task files and the cloud."""
    found = [path for path in place.path.rglob("*") if path.is_file() and path.suffix not in (".yaml", ".db")]
    return "".join(path.read_bytes().decode("utf-8", "replace") for path in found if "simulator.db" not in path.name)


def outputs(place: Place, *commands: tuple[str, ...]) -> str:
    results = [place.run(*command) for command in commands]
    return "".join(one.out + one.err for one in results)


# ---- options of containers --------------------------------------------------------------------------------------


def test_a_secret_in_run_options_is_warned_of_and_nowhere_shown_or_kept(place: Place) -> None:
    place.write(many(1) + IMAGE)
    told = place.run("validate").err
    assert (
        "container_image.run_options seems to hold a secret; everyone with access to the bid can read it"
        in " ".join(told.split())
    )
    said = told + outputs(
        place,
        ("validate", "--format", "json"),
        ("plan",),
        ("plan", "--out", "saved"),
        ("apply", "saved", "--json"),
        ("plan", "--format", "json"),
        ("state", "show", "bid.task-000"),
        ("show",),
        ("state", "pull"),
    )
    assert live_ids(place)
    assert VALUE not in said + everything(place)
    assert "HF_TOKEN=masked" in said
    assert place.run("plan", "--detailed-exitcode").code == 0  # the digest in the marker is that of the value
    sent = json.loads(place.call("GET", "/v2/spot/bids").body)["data"][0]["launch_specification"]["startup_script"]
    assert VALUE in sent


def test_another_secret_is_a_change_and_says_so_without_it(place: Place) -> None:
    place.write(many(1) + IMAGE)
    place.ok("apply", "--auto-approve")
    place.write(many(1) + IMAGE.replace(VALUE, "CANARYfedcba9876543210"))
    out = place.run("plan").out
    assert "container_image" in out and "# forces replacement" in out
    assert "(a value that is not shown differs) # forces replacement" in " ".join(out.split())
    assert "masked:" not in outputs(place, ("plan", "--format", "json"), ("state", "show", "bid.task-000"))
    assert "CANARY" not in out


def test_no_plan_and_no_output_has_a_digest_of_the_value(place: Place) -> None:
    """A short one could be guessed from it."""
    place.write(many(1) + IMAGE)
    place.ok("apply", "--auto-approve")
    body = json.loads((place.path / "flowplan.state.json").read_text())
    inputs = next(one for one in body["resources"] if one["type"] == "bid")["applied"]["inputs"]
    kept = [inputs["given_sha256"], inputs["unordered_sha256"]]
    place.write(many(1) + IMAGE.replace(VALUE, "CANARYfedcba9876543210"))
    place.ok("plan", "--out", "p.json")
    said = outputs(place, ("plan", "--format", "json"), ("state", "show", "bid.task-000", "--format", "json"))
    assert not any(one in said + (place.path / "p.json").read_text() for one in kept)


def test_a_state_with_digests_of_an_earlier_version_plans_empty(place: Place) -> None:
    place.write(many(1) + IMAGE)
    place.ok("apply", "--auto-approve")
    path = place.path / "flowplan.state.json"
    body = json.loads(path.read_text())
    inputs = next(one for one in body["resources"] if one["type"] == "bid")["applied"]["inputs"]
    tag = f"masked:{hashlib.sha256(VALUE.encode()).hexdigest()[:8]}"
    inputs["container_image"]["run_options"] = inputs["container_image"]["run_options"].replace("masked", tag)
    del body["sha256"], inputs["unordered_sha256"]
    path.write_text(json.dumps(body | {"sha256": digest(body)}))
    assert place.run("plan", "--detailed-exitcode").code == 0
    assert tag not in outputs(place, ("show",), ("state", "show", "bid.task-000"), ("plan", "--format", "json"))


def test_a_state_that_holds_the_value_still_fits(place: Place) -> None:
    """One of an earlier version: nothing is replaced for it, and what is written next is masked."""
    place.write(many(1) + IMAGE)
    place.ok("apply", "--auto-approve")
    path = place.path / "flowplan.state.json"
    body = json.loads(path.read_text())
    bid = next(one for one in body["resources"] if one["type"] == "bid")
    inputs = bid["applied"]["inputs"]
    inputs["container_image"]["run_options"] = f"--gpus all -e HF_TOKEN={VALUE}"
    inputs["given_sha256"] = None
    del body["sha256"]
    path.write_text(json.dumps(body | {"sha256": digest(body)}))
    assert place.run("plan", "--detailed-exitcode").code == 0
    assert VALUE not in outputs(place, ("show",), ("state", "show", "bid.task-000"), ("plan", "--format", "json"))
    place.edit("17.92", "18.50")
    place.ok("apply", "--auto-approve")
    assert VALUE not in path.read_text()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ('"-e AUTHOR=CANARY 1 \'x"', 65),  # a quote that is not closed
        ('"-e X=CANARY\\u00e9"', 65),
        ('["-e X=CANARY"]', 65),
        ('"-iteX=CANARY -ukim:CANARY"', 0),
        ('"--user=kim:CANARY --env  X=CANARY"', 0),
        ("\"--health-cmd 'curl -u kim:CANARY http://h'\"", 0),
    ],
)
@pytest.mark.parametrize("key", ["run_options", "run_option"])
def test_options_are_not_shown_by_what_is_wrong_with_them_either(place: Place, key: str, value: str, code: int) -> None:
    place.write(f"{many(1)}container_image: {{image_name: nginx, {key}: {value}}}\n")
    said = ""
    for command in (("validate",), ("validate", "--format", "json"), ("plan",), ("plan", "--format", "json")):
        result = place.run(*command)
        assert result.code == (code if key == "run_options" else 65)
        said += result.out + result.err
    assert "CANARY" not in said


# ---- the task file ----------------------------------------------------------------------------------------------

PLACES = {
    "a name": f"name: {KEY}\n",
    "flow": f"{{name: a, resources_specification: {{fcp_instance: {KEY}}}}}\n",
    "quoted": f'name: "{KEY}"\n',
    "a key": f"{KEY}: 1\n",
    "an item": f"name: a\nssh_key_name: [ok, {KEY} ]\nports: [x]\n",
    "an anchor": f"name: &k {KEY}\nproject_name: *k\n",
    "a syntax error behind it": f"name: {KEY} : x\n",
    "a comment": f"nam: a  # {KEY}\n",
    "a number": f"name: a\nnum_instances: {KEY}\n",
    "a port": f"name: a\nports: [{KEY}]\n",
    "a price": f"name: a\ntask_management: {{utility_threshold_price: {KEY}}}\n",
    "below its name": "password: |\n  CANARY two words\n  \tand a tab\n",
    "folded below its name": "a: {b: c}\nsecret: >-\n    CANARY two words\n   bad indent\n",
}


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_a_key_in_the_task_file_is_not_shown_in_part_either(place: Place, text: str, form: str) -> None:
    place.write(text)
    result = place.run("validate", "--format", form)
    assert result.code in (64, 65)
    for part in ("CANARY", "x+/y", "Z9x"):
        assert part not in result.out + result.err


def test_the_warning_of_a_secret_in_a_script_does_not_show_its_line(place: Place) -> None:
    for line in (f"export X_PASSWORD={VALUE}", f"export HF_TOKEN='{VALUE}'", "git clone https://kim:CANARYpw@h/a"):
        place.write(f'startup_script: "{line}"\n' + many(1).removeprefix("---\n"))
        for command in (("validate",), ("plan",), ("validate", "--format", "json")):
            result = place.run(*command)
            assert result.code == 0, result
            assert "CANARY" not in result.out + result.err
        assert "startup_script seems to hold a secret in its line 1" in " ".join(place.run("validate").err.split())


# ---- URLs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["https://kim:CANARY@api.test", "https://CANARY@api.test/v2", "http://kim:CANARY@127.0.0.1:1"]
)
@pytest.mark.parametrize(
    "command", [("plan",), ("apply", "--auto-approve"), ("destroy", "--auto-approve"), ("recover",)]
)
def test_a_password_in_the_apis_url_is_refused_before_anything_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch, url: str, command: tuple[str, ...]
) -> None:
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    before = {path: path.read_bytes() for path in place.path.rglob("flowplan.*") if path.is_file()}
    monkeypatch.setattr(sys, "argv", ["flowplan", "--api-url", url, *command])
    for result in (place.run("--api-url", url, *command), place.run(*command, f"--api-url={url}")):
        assert result.code == 64
        assert "the API's URL must not hold a user name or a password" in result.err
        assert "CANARY" not in result.out + result.err
    monkeypatch.setenv("FLOWPLAN_API_URL", url)
    assert place.run(*command).code == 64
    assert {path: path.read_bytes() for path in place.path.rglob("flowplan.*") if path.is_file()} == before


def test_the_lock_names_the_command_without_what_is_secret_in_it(place: Place) -> None:
    from flowplan.cli.context import settings_of
    from flowplan.operations.opening.session import Session

    key = "CANARY-key-0123"
    arguments = ["plan", "--state", "https://kim:CANARY@h/x", f"--ssh-key={key}", "a.yaml"]
    environ = {"FLOWPLAN_API_KEY": key, "BUILD_URL": "https://kim:CANARY@ci.test/1"}
    owner = Session(settings_of({}, environ, arguments)).owner()
    assert owner.command == "flowplan plan --state https://********@h/x --ssh-key=******** a.yaml"
    assert owner.ci == "https://********@ci.test/1"


def test_a_url_in_a_wrong_command_line_is_not_repeated(place: Place) -> None:
    for words in (
        ["plann", "https://kim:CANARY@h"],
        ["plan", "--api-ur=https://kim:CANARY@h"],
        ["https://kim:CANARY@h"],
    ):
        result = place.run(*words)
        assert result.code == 64
        assert "CANARY" not in result.out + result.err


# ---- memory, directories ----------------------------------------------------------------------------------------


def test_a_quit_before_connecting_leaves_no_core(place: Place) -> None:
    """SIGQUIT's default is a core file; the key is in the environment, and so in memory, from the first moment."""
    import resource

    program = (
        "import os, signal, sys, flowplan.__main__, flowplan.cli\n"
        "flowplan.cli.run = lambda _: os.kill(os.getpid(), signal.SIGQUIT)\n"
        "sys.argv = ['flowplan', 'plan']\nflowplan.__main__.main()"
    )
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    environ = {**os.environ, "FLOWPLAN_API_KEY": KEY}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environ,
        cwd=place.path,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)),
    )
    assert done.returncode == -signal.SIGQUIT
    assert not [path for path in place.path.rglob("*") if "core" in path.name]


@pytest.mark.parametrize("mask", [0o022, 0o000])
def test_the_simulators_directory_is_the_users_own(place: Place, mask: int) -> None:
    place.write(many(1))
    old = os.umask(mask)
    try:
        place.ok("apply", "--auto-approve")
        place.ok("--api-url", f"sim:{place.path}/deep/er/data.db", "--state", "other.json", "plan")
    finally:
        os.umask(old)
    for directory in (".flowplan", "deep", "deep/er"):
        assert stat.S_IMODE((place.path / directory).stat().st_mode) == 0o700
    for path in Path(place.path / ".flowplan").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


# ---- what is no secret is seen ----------------------------------------------------------------------------------


def test_a_short_password_hides_no_price(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It stays hidden in what a proxy or the API answers; a plan says $1792.00 all the same."""
    from flowplan.cli.terminal import Terminal
    from flowplan.cloud.connect import connect
    from flowplan.cloud.http.transport import Caller

    environ = {"FLOWPLAN_API_KEY": KEY, "HTTPS_PROXY": "http://kim:1792@proxy.test"}
    terminal = Terminal.of(sys.stdout, sys.stderr, {})
    cloud = connect(
        "https://api.example.test",
        environ,
        1,
        caller=Caller(note=terminal.note),
        hide=terminal.hide,
    )
    terminal.out(f"$1792.00 {KEY}")
    terminal.close()
    cloud.close()
    assert capsys.readouterr().out == "$1792.00 ********\n"


LONG = "fkey-CANARY" + "aB3" * 150


@pytest.mark.parametrize(
    "command",
    [
        ("plan", LONG),
        ("--project", LONG, "plan"),
        ("--api-url", LONG, "plan"),
        ("--api-url", f"https://x{LONG}", "plan"),
        ("plan", "--max-hourly-cost", LONG),
        ("plan", "--out", f"{LONG}/x"),
        ("market", LONG),
        ("market", "--region", LONG),
        ("market", "--svg", f"{LONG}/x"),
        ("--chdir", f"a-directory/{LONG[:-3]}", "plan"),
        (LONG,),
    ],
)
def test_a_long_key_in_the_wrong_place_is_not_shown_in_part_either(
    place: Place, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is long is cut, and what is left of the key is no form of it."""
    place.write(many(1))
    monkeypatch.setenv("FLOWPLAN_API_KEY", LONG)
    result = place.run(*command)
    assert result.code in (1, 64, 65)
    assert "CANARY" not in result.out + result.err
    assert "aB3aB3" not in result.out + result.err
    assert "********" in result.err


def test_a_text_without_secrets_keeps_all_else() -> None:
    forms = ["fkey-0123456789abcdefghijklmnop", "short-key-0123"]
    assert without("a fkey-0123456x fkey-0123456789abc\u2026 b", forms) == "a ********x ********\u2026 b"
    assert without("short-key-012 short-key-0123!", forms) == "short-key-012 ********!"
    assert without("fkey-012345 fkey-01 ", forms) == "fkey-012345 fkey-01 "
