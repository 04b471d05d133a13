"""A secret in everything that goes in: it comes out nowhere, in no form.

Each story gives a canary to one input, runs the commands, and then searches every output and every file that was
written, also what the files held in the middle of an apply: plain, URL-encoded, as JSON has it, in base64 at any
offset.
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest

from flowplan.backends import open_journal
from flowplan.cloud.fcp import Fcp
from tests.conftest import many, thinned
from tests.faults.process.disk import Disk, failing

from .world import BIDS, COMMANDS, POST_BID, Told, World, forms, shows

KEY = "fkey_CANARY+key/1=x~&end"
PASSWORD = "CANARY pass/word+2&é"
TOKEN = "fkey_CANARY-login-token/3=="
SCRIPT = "CANARY-script:sk_live_4eC39HqLyjWDarjtT1zdp7dc"
FIELD = "fkey_CANARY-field-5-0123456789abcdef"
USERINFO = "CANARY-userinfo-6"
PROXY = "CANARY-proxy-7"
PLAN_KEY = "CANARY-plan-key-8-0123456789"
OPTION = "CANARY-option-9"
PASTED = "fkey_CANARY-pasted-10/" + "aB3+" * 120
EVERY = (KEY, PASSWORD, TOKEN, SCRIPT, FIELD, USERINFO, PROXY, PLAN_KEY, OPTION, PASTED)


class Search:
    """What was written so far, also in the middle of a run. `hold` fails with the place of a canary."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.snapshots: list[tuple[str, bytes]] = []
        world.secrets.extend(EVERY)

    def snapshot(self) -> None:
        """Keep what the files hold now: the journal and the lock say less when the run is over."""
        self.snapshots += [(f"{name}, in mid-run", data) for name, data in self.files()]

    def files(self) -> Iterator[tuple[str, bytes]]:
        outputs = len(self.world.outputs)
        yield from list(self.world.everything_written())[outputs:]
        for path in (self.world.path.parent / "xdg").rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()

    def hold(self) -> None:
        outputs = [(f"output {n}", text.encode("utf-8", "replace")) for n, text in enumerate(self.world.outputs)]
        files = [*self.snapshots, *self.files()]
        found = [(canary, name) for canary in EVERY for name, data in (*outputs, *files) if shows(data, canary)]
        assert not found
        sizes = sum(len(data) for _, data in (*outputs, *files))
        count = sum(len(forms(canary)) for canary in EVERY)
        print(
            f"{len(outputs)} outputs and {len(files)} files ({sizes:,} bytes) searched for {len(EVERY)} canaries "
            f"in {count} forms: none found"
        )
        assert outputs


@pytest.fixture
def search(world: World) -> Iterator[Search]:
    """Holds at the end of every story."""
    found = Search(world)
    real = Fcp.create

    def create(fcp: Fcp, *given: Any, **more: Any) -> str:
        found.snapshot()
        return real(fcp, *given, **more)

    world.monkeypatch.setattr(Fcp, "create", create)
    yield found
    found.hold()


SCRIPTED = many(1) + f"startup_script: |\n  export SECRET={SCRIPT}\n"


def all_commands(world: World, *more: str) -> dict[str, Told]:
    """Every command that shows or writes something, from nothing to destroyed; all succeed."""
    runs = [
        ("validate",),
        ("validate", "--format", "json"),
        ("plan",),
        ("plan", "--format", "json"),
        ("plan", "--out", "saved.plan"),
        ("show", "saved.plan"),
        ("apply", "saved.plan", "--json"),
        ("plan", "--replace", "bid.task-000"),
        ("apply", "--auto-approve", "--replace", "bid.task-000"),
        ("status",),
        ("show",),
        ("graph",),
        ("state", "list"),
        ("state", "show", "bid.task-000"),
        ("state", "pull"),
        ("lock", "show"),
        ("recover",),
        ("orphans",),
        ("plan", "--destroy", "--allow-volume-destroy", "*"),
        (*COMMANDS["destroy"], "--json"),
    ]
    told = {" ".join(arguments): world.run(*arguments, *more) for arguments in runs}
    assert {name: one.code for name, one in told.items() if one.code} == {}
    return told


# ---- what a user gives --------------------------------------------------------------------------------------


def test_the_search_finds_what_is_there() -> None:
    """Broken on purpose: in each of its forms, anywhere in a text, the canary is found."""
    for before in ("", "a", "ab", "abc"):
        plain = (before + KEY + "tail").encode()
        for text in (plain, quote(KEY, safe="").encode(), base64.b64encode(plain), base64.urlsafe_b64encode(plain)):
            assert shows(text, KEY), text
    assert not shows(b"fkey_ and CANARY alone", KEY)


@pytest.mark.parametrize("verbose", [(), ("-v",)], ids=["plain", "verbose"])
def test_an_api_key_and_a_script(world: World, search: Search, verbose: tuple[str, ...]) -> None:
    world.served(KEY)
    world.place.write(SCRIPTED)
    told = all_commands(world, *verbose)
    assert all("Authorization" not in one.said for one in told.values())
    sent = [bid["launch_specification"]["startup_script"] for bid in world.bids(ended=True)]
    assert len(sent) == 2  # the requests carried the script, of course
    assert SCRIPT not in told["plan"].out


@pytest.mark.parametrize("name", ["FOUNDRY_API_KEY", "MITHRIL_API_KEY", "FLOWPLAN_API_KEY_FILE"])
def test_an_api_key_given_otherwise(world: World, search: Search, name: str) -> None:
    world.served(KEY)
    world.monkeypatch.delenv("FLOWPLAN_API_KEY")
    if name.endswith("FILE"):
        path = world.path.parent / "key"
        path.touch(0o600)
        path.write_text(KEY)
        world.environ(**{name: str(path)})
    else:
        world.environ(**{name: KEY})
    world.place.write(SCRIPTED)
    all_commands(world, "-v")


def test_a_password_and_the_token_it_gives(world: World, search: Search) -> None:
    world.served(TOKEN)
    world.monkeypatch.delenv("FLOWPLAN_API_KEY")
    world.environ(FOUNDRY_EMAIL="kim@flowplan.test", FOUNDRY_PASSWORD=PASSWORD)
    world.fault("POST /login", "status", status=200, body=json.dumps({"access_token": TOKEN}), times=None)
    world.place.write(SCRIPTED)
    all_commands(world, "-v")


@pytest.mark.parametrize("status", [200, 401, 422, 500])
def test_a_login_that_fails_and_repeats_the_password(world: World, search: Search, status: int) -> None:
    world.served(TOKEN)
    world.monkeypatch.delenv("FLOWPLAN_API_KEY")
    world.environ(FOUNDRY_EMAIL="kim@flowplan.test", FOUNDRY_PASSWORD=PASSWORD)
    world.fault("POST /login", "status", status=status, body=echo(PASSWORD), times=None)
    world.place.write(SCRIPTED)
    for command in COMMANDS:
        assert world.do(command, "-v").code == 1


@pytest.mark.parametrize("status", [200, 202, 302, 400, 401, 404, 422, 500])
@pytest.mark.parametrize("body", ['{"access_token": "%s"', '{"detail": "no: %s"}', '["%s"]', "<p>%s</p>"])
def test_an_answer_to_a_login_is_never_quoted(world: World, search: Search, status: int, body: str) -> None:
    """The token in it is not known as a secret yet."""
    world.served(TOKEN)
    world.monkeypatch.delenv("FLOWPLAN_API_KEY")
    world.environ(FOUNDRY_EMAIL="kim@flowplan.test", FOUNDRY_PASSWORD=PASSWORD)
    world.fault("POST /login", "status", status=status, body=body % TOKEN, times=None)
    world.place.write(SCRIPTED)
    told = world.do("plan", "-v")
    assert told.code == 1
    assert not shows(told.said.encode(), TOKEN)


OPTIONS = ("-e HF_TOKEN=%s", "--env=A=%s", "--password %s", "-u kim:%s", "--x https://k:%s@h")


@pytest.mark.parametrize("option", OPTIONS)
def test_a_secret_in_the_options_of_a_container(world: World, search: Search, option: str) -> None:
    """What is sent to FCP holds it: there is no other way to the instance. Nothing else does."""
    world.served(KEY)
    image = f"container_image:\n  image_name: a/b:1\n  run_options: --gpus all {option % OPTION}\n"
    world.place.write(SCRIPTED + image)
    all_commands(world, "-v")
    sent = [bid["launch_specification"]["startup_script"] for bid in world.bids(ended=True)]
    assert len(sent) == 2 and all(OPTION in text for text in sent)


PASTES = ("name: %s", "ports: [%s]", "x: {y: [%s, ", "name: a\npassword: |\n  %s\n  \tx", "# %s\n%s: : :")


@pytest.mark.parametrize("paste", PASTES)
def test_a_long_key_pasted_into_the_task_file(world: World, search: Search, paste: str) -> None:
    world.place.write(paste.replace("%s", PASTED) + "\n")
    for form in ("text", "json", "github", "sarif"):
        assert world.run("validate", "--format", form).code in (64, 65)
    assert world.run("plan", "-v").code == 65


def test_a_key_for_plans(world: World, search: Search) -> None:
    world.served(KEY)
    world.environ(FLOWPLAN_PLAN_KEY=PLAN_KEY)
    world.place.write(SCRIPTED)
    all_commands(world)
    assert "hmac_sha256" in (world.path / "saved.plan").read_text()


def test_a_password_in_the_url(world: World, search: Search) -> None:
    world.environ(FLOWPLAN_API_KEY=KEY)
    world.place.write(SCRIPTED)
    for url in (
        f"https://kim:{USERINFO}@api.flowplan.test",
        f"https://{USERINFO}@api.flowplan.test/v2",
        f"http://kim:{USERINFO}@127.0.0.1:1",
        f"//kim:{USERINFO}@x",
        f"ftp://kim:{USERINFO}@x:notaport/",
    ):
        for command in COMMANDS.values():
            assert world.run("--api-url", url, *command, "-v").code == 64
            world.environ(FLOWPLAN_API_URL=url)
            assert world.run(*command).code == 64


def test_a_password_in_the_proxys_url(world: World, search: Search) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    proxy = f"http://kim:{PROXY}@127.0.0.1:{port}"  # nobody listens there any more
    world.environ(FLOWPLAN_API_URL="https://api.flowplan.test", FLOWPLAN_API_KEY=KEY)
    world.environ(HTTPS_PROXY=proxy, https_proxy=proxy, ALL_PROXY=proxy, HTTP_PROXY=proxy)
    world.place.write(SCRIPTED)
    for command in COMMANDS:
        assert world.do(command, "-v").code == 1
    for bad in (f"socks5://kim:{PROXY}@x", f"http://kim:{PROXY}@[::1", f"kim:{PROXY}@:x"):
        world.environ(HTTPS_PROXY=bad, https_proxy=bad)
        for command in COMMANDS:
            assert world.do(command, "-v").code in (1, 64)


FIELDS = {
    "api_key": f"api_key: {FIELD}\n",
    "token": f"access_token: {FIELD}\n",
    "deep": f"task_management: {{utility_threshold_price: 17.92, password: '{FIELD}'}}\n",
    "list": f"secrets: [{FIELD}]\n",
    "unknown": f"fkey: {FIELD}\n",
    "name": f"credential:\n  key: {FIELD}\n",
}


@pytest.mark.parametrize("text", FIELDS.values(), ids=FIELDS.keys())
def test_a_token_in_the_task_file(world: World, search: Search, text: str) -> None:
    world.place.write(
        text + many(1).removeprefix("---\n").replace("task_management", "x_" if "task_m" in text else "task_management")
    )
    for command in (("validate",), ("validate", "--format", "json"), ("plan", "--format", "json"), *COMMANDS.values()):
        told = world.run(*command, "-v")
        assert told.code == (0 if command[0] == "destroy" else 65), told  # a destroy needs no configuration
        assert command[0] == "destroy" or not told.sent


# ---- what the server sends back ---------------------------------------------------------------------------------


def echo(secret: str) -> str:
    """An answer of somebody who repeats what he was sent, in all ways."""
    packed = [base64.b64encode(text.encode()).decode() for text in (secret, f"user:{secret}")]
    return json.dumps({"detail": f"Bearer {secret} {quote(secret, safe='')} Basic {' '.join(packed)}"})


PAGE = f"<html><body>Denied: Authorization: Bearer {KEY}, {quote(KEY, safe='')}</body></html>"
ANSWERS: dict[str, dict[str, Any]] = {
    "400": {"status": 400, "body": echo(KEY)},
    "401": {"status": 401, "body": echo(KEY)},
    "403": {"status": 403, "body": echo(KEY)},
    "404": {"status": 404, "body": echo(KEY)},
    "409": {"status": 409, "body": echo(KEY)},
    "422": {"status": 422, "body": json.dumps({"detail": [{"loc": ["body", KEY], "msg": KEY}]})},
    "429": {"status": 429, "body": echo(KEY), "headers": {"x-request-id": KEY}},
    "500": {"status": 500, "body": echo(KEY), "headers": {"x-request-id": KEY}},
    "html-502": {"status": 502, "body": PAGE, "headers": {"content-type": "text/html"}},
    "html-200": {"status": 200, "body": PAGE, "headers": {"content-type": "text/html"}},
    "no-json": {"status": 200, "body": f'{{"key": "{KEY}'},
    "redirect": {"status": 302, "headers": {"location": f"https://{quote(KEY, safe='')}.test/?key={quote(KEY)}"}},
    "held": {"status": 202, "body": json.dumps({"held": {"proposal_id": KEY, "expires_at": KEY}})},
    "other-schema": {"status": 200, "body": json.dumps([{KEY: KEY}])},
}


ROUTES = ("GET /v2/projects", "GET /v2/spot/bids", POST_BID, "DELETE *")


@pytest.mark.parametrize(("route", "name"), thinned(3, product(ROUTES, ANSWERS)))
def test_an_answer_that_repeats_the_key(world: World, search: Search, route: str, name: str) -> None:
    answer = ANSWERS[name]
    world.served(KEY)
    world.place.write(SCRIPTED)
    if route.startswith("DELETE"):
        assert world.do("apply").code == 0
    world.fault(route, "status", times=None, **answer)
    command = {"POST": "apply", "DELETE": "destroy"}.get(route.split()[0], "plan")
    settle = ("--settle-window", "1") if command == "apply" else ()
    timeout = ("--timeout", "1s") if command == "destroy" else ()
    codes = {world.do(command, "-v", *settle, *timeout).code}
    if command != "plan":
        codes.add(world.do(command, "--json", *settle, *timeout).code)
    if command == "plan":
        codes.add(world.run("plan", "--format", "json").code)
    assert codes <= {0, 1, 6, 65} and (codes != {0} or answer.get("status") in (200, 404))


# ---- what goes wrong inside ---------------------------------------------------------------------------------------


def bug(secret: str) -> Callable[..., Any]:
    """A call with a bug that talks."""

    def call(self: Fcp, *given: Any, **more: Any) -> Any:
        authorization = f"Bearer {secret}"
        raise RuntimeError(f"cannot do it with {authorization!r} and {quote(secret, safe='')}", {"headers": secret})

    return call


@pytest.mark.parametrize("where", ["projects", "everything_as_reported", "market", "create", "cancel_bid"])
def test_a_bug_that_talks(world: World, search: Search, where: str) -> None:
    world.served(KEY)
    world.place.write(SCRIPTED)
    if where == "cancel_bid":
        assert world.do("apply").code == 0
    world.monkeypatch.setattr(Fcp, where, bug(KEY))
    command = "destroy" if where == "cancel_bid" else "apply"
    world.tracebacks = True
    for more in ((), ("-v",), ("--json",)):
        told = world.do(command, *more, "--settle-window", "1")
        assert told.code in (1, 6), told
        assert "RuntimeError" in told.said


def test_what_is_overflowed(world: World, search: Search) -> None:
    world.served(KEY)
    world.place.write(SCRIPTED)
    with failing(Disk(28, "fdatasync", nth=3), open_journal):
        assert world.do("apply", "-v", "--parallelism", "1").code == 5
    assert list((world.path.parent / "xdg").rglob("*.spill"))
    search.snapshot()


def test_what_is_in_doubt(world: World, search: Search) -> None:
    world.served(KEY)
    world.place.write(SCRIPTED)
    world.fault(POST_BID, "status", status=500)
    world.fault(f"GET {BIDS}", "status", status=503, nth=2, times=None)
    assert world.do("apply").code == 6
    search.snapshot()
    world.clear()
    assert world.run("recover", "--settle-window", "1").code == 0
