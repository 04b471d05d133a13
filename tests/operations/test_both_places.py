"""The two places of a move: no secret goes to the server of the other, and nothing is written of what cannot move."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from flowplan.backends import open as opening
from flowplan.backends.open import open_store
from flowplan.backends.processes import this_process
from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.backends.sent import at_target
from flowplan.documents.state import Migrated
from flowplan.errors import StateError, UsageProblem
from flowplan.files import atomic
from flowplan.operations.migrate import _Move, migrate
from flowplan.operations.opening.both_places import both_places, hold_own_secrets
from flowplan.operations.opening.interaction import Listener
from flowplan.operations.opening.loading import load_of_any_api
from flowplan.operations.opening.saving import save_state
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from flowplan.operations.state import rekey
from flowplan.state.moving import hold_in_use
from flowplan.state.state import State
from tests.builders import TRAIN, bid, bound, create_of, state
from tests.contracts import state_servers
from tests.contracts.http_site import LOGIN
from tests.contracts.memory import Memory, opener
from tests.contracts.odd import Odd, reply
from tests.sealed import KIMS, MINE, files_in, public

FILE, URL = "flowplan.state.json", "memory://team/train"
OURS = {"FLOWPLAN_TO_HTTP_USERNAME": "kim", "FLOWPLAN_TO_HTTP_PASSWORD": "CANARYother0123456789"}


def settings(path: Path, **environ: str) -> Settings:
    return Settings(directory=path, environ={"XDG_STATE_HOME": str(path / "home"), **environ}, given_api_url="sim:")


def begin(given: Settings, where: str) -> State:
    with Session(both_places(given, where, where)[0]) as session, session.changing():
        return session.store.save(state(bound(TRAIN, "bid_1", bid()), api_url="sim:"))


def move(given: Settings, source: str, target: str) -> None:
    with Session(given) as session:
        migrate(session, source, target)


# -- secrets


@pytest.fixture
def odd() -> Iterator[Odd]:
    made = Odd()
    made.answer = reply(404)
    yield made
    made.close()


def test_no_password_goes_to_the_server_of_the_other_place(tmp_path: Path, odd: Odd) -> None:
    server = state_servers.server()
    source, target = server.url("gitlab", f"{tmp_path.name}-secret"), f"{odd.url}/train"
    given = settings(tmp_path, **LOGIN)
    begin(given, source)
    for one, other in ((source, target), (target, source)):
        with pytest.raises(UsageProblem, match="would be sent to both") as told:
            move(given, one, other)
        assert "FLOWPLAN_TO_HTTP_USERNAME and FLOWPLAN_TO_HTTP_PASSWORD" in str(told.value.hint)
        assert state_servers.PASSWORD not in f"{told.value} {told.value.hint}"
    assert odd.asked == []
    with pytest.raises(StateError):  # it keeps no state; but it was asked, as Kim
        move(settings(tmp_path, **LOGIN, **OURS), source, target)
    login = base64.b64encode(":".join(OURS.values()).encode())
    assert odd.asked and all(b"authorization: basic " + login.lower() in one.lower() for one in odd.asked)
    assert open_store(source, tmp_path, given.environ).read().state.moved_to == ""


def test_one_server_of_both_places_takes_one_password(tmp_path: Path) -> None:
    server, given = state_servers.server(), settings(tmp_path, **LOGIN)
    source, target = (server.url(kind, f"{tmp_path.name}-{kind}") for kind in ("gitlab", "gitea"))
    begin(given, source)
    move(given, source, target)
    assert open_store(target, tmp_path, given.environ).read().state.bindings


TOKEN = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_SECRET": "s"}
SAS = {"AZURE_STORAGE_SAS_TOKEN": "sv=2021&sig=CANARYsig"}
SENT = {
    "a password of libpq's": ({"PGPASSWORD": "CANARY"}, "postgres://ann@a/x", "postgres://ann@b/x", "PGPASSWORD"),
    "another port": ({"PGPASSWORD": "CANARY"}, "postgres://ann@a/x", "postgres://ann@a:5433/x", "PGPASSWORD"),
    "one more host": ({"PGPASSWORD": "CANARY"}, "postgres://ann@a/x", "postgres://ann@a,b/x", "PGPASSWORD"),
    "a database of it": ({"PGPASSWORD": "CANARY"}, "postgres://ann@a/x", "postgres://ann@a/y", ""),
    "one of its hosts": ({"PGPASSWORD": "CANARY"}, "postgres://ann@a,b/x", "postgres://ann@b/x", ""),
    "its own in the URL": ({"PGPASSWORD": "CANARY"}, "postgres://ann@a/x", "postgres://ann:CANARY@b/x", ""),
    "its own in a variable": (
        {"PGPASSWORD": "CANARY", "FLOWPLAN_TO_PGPASSWORD": "CANARY"},
        "postgres://ann@a/x",
        "postgres://ann@b/x",
        "",
    ),
    "a signature": (SAS, "az://first/states/x", "az://second/states/x", "AZURE_STORAGE_SAS_TOKEN"),
    "a container of it": (SAS, "az://first/states/x", "az://first/others/x", ""),
    "a token, at Azure": (TOKEN, "az://first/states/x", "az://second/states/x", ""),
    "a token, elsewhere": (
        {**TOKEN, "FLOWPLAN_TO_AZURE_ENDPOINT": "https://blobs.example.com"},
        "az://first/states/x",
        "az://first/states/x",
        "AZURE_STORAGE_SAS_TOKEN",
    ),
    "a key that only signs": ({"AZURE_STORAGE_KEY": "Q0FOQVJZ"}, "az://first/states/x", "az://second/states/x", ""),
    "another kind of server": ({"PGPASSWORD": "CANARY", **LOGIN}, "postgres://ann@a/x", "https://b.example.com/x", ""),
    "from a file": (dict(LOGIN), FILE, "https://b.example.com/x", ""),
}


@pytest.mark.parametrize("case", SENT, ids=str)
def test_which_secrets_would_go_astray(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("psycopg", "obstore"):
        pytest.importorskip(library)
    environ, source, target, wanted = SENT[case]
    for name, value in environ.items():
        monkeypatch.setenv(name, value)  # libpq reads it itself
    here, there = both_places(settings(tmp_path, HOME="/nonexistent", **environ), source, target)
    stores = [open_store(one.state, tmp_path, one.environ) for one in (here, there)]
    try:
        hold_own_secrets(*stores, there.environ)
    except UsageProblem as error:
        assert wanted and f"FLOWPLAN_TO_{wanted}" in str(error.hint), error.hint
        assert "CANARY" not in f"{error} {error.hint}"
    else:
        assert not wanted


def test_what_is_set_for_the_target_stands_in_the_place_of_all_that_says_who() -> None:
    """A token beside keys that it does not belong to would be sent, and refused."""
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c", "AWS_PROFILE": "d"}
    environ |= {"AWS_CA_BUNDLE": "ca.pem", "AWS_REGION": "eu-central-1", "FLOWPLAN_HTTP_PASSWORD": "e"}
    own = {"FLOWPLAN_TO_AWS_ACCESS_KEY_ID": "x", "FLOWPLAN_TO_AWS_SECRET_ACCESS_KEY": "y"}
    found = at_target({**environ, **own, "FLOWPLAN_TO_HTTP_USERNAME": "kim"})
    assert {name: value for name, value in found.items() if not name.startswith("FLOWPLAN_TO_")} == {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_CA_BUNDLE": "ca.pem",
        "AWS_REGION": "eu-central-1",
        "FLOWPLAN_HTTP_USERNAME": "kim",
    }
    assert at_target(environ) == environ


def test_keys_without_a_token_get_none_of_the_process(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "CANARYtoken")
    environ = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "FLOWPLAN_S3_ENDPOINT": odd.url}
    with pytest.raises(StateError):
        open_store("s3://states/train", Path(), environ).read()
    assert odd.asked and not any(b"CANARYtoken" in one for one in odd.asked)


@pytest.mark.parametrize(
    ("source", "target", "endpoints"),
    [
        (FILE, "s3://states/x", ("", "https://s")),
        ("s3://states/x", FILE, ("https://s", "")),
        ("s3://states/x", "s3://states/y", ("https://s", "https://s")),
    ],
)
def test_an_endpoint_is_for_the_place_that_has_one(source: str, target: str, endpoints: tuple[str, str]) -> None:
    found = both_places(Settings(endpoint="https://s"), source, target)
    assert tuple(one.endpoint for one in found) == endpoints
    own = Settings(endpoint="https://s", environ={"FLOWPLAN_TO_S3_ENDPOINT": "https://t"})
    assert both_places(own, source, target)[1].endpoint == ""


@pytest.mark.parametrize(("source", "target"), [(FILE, "states/s.json"), ("s3://states/x", "az://first/states/x")])
def test_an_endpoint_of_neither_place_is_refused(source: str, target: str) -> None:
    with pytest.raises(UsageProblem, match="--endpoint"):
        both_places(Settings(endpoint="https://s"), source, target)


# -- what cannot move


@pytest.fixture
def objects(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Memory:
    made = Memory(tmp_path_factory.mktemp("server"))
    monkeypatch.setattr(opening, "STORES", {**opening.STORES, "memory": opener(made)})
    return made


def sealed(path: Path, key: str, *others: str) -> Settings:
    return settings(path, FLOWPLAN_AGE_KEY=key, FLOWPLAN_AGE_RECIPIENTS=" ".join(map(public, (key, *others))))


def without_recipients(path: Path) -> Settings:
    (path / "key.txt").write_text(MINE)
    (path / "key.txt").chmod(0o600)
    return settings(path, FLOWPLAN_OLD_AGE_KEY_FILE="key.txt")


OTHERS: dict[str, Callable[[Path], Settings]] = {
    "others": lambda path: sealed(path, MINE, KIMS),
    "nobody": without_recipients,
}


@pytest.mark.parametrize("who", OTHERS)
def test_a_state_that_would_be_written_for_others_is_refused_before_anything_is(
    tmp_path: Path, objects: Memory, who: str
) -> None:
    pytest.importorskip("pyrage")
    begin(sealed(tmp_path, MINE), FILE)
    with pytest.raises(StateError, match="this run would encrypt it for") as told:
        move(OTHERS[who](tmp_path), FILE, URL)
    assert "state rekey" in str(told.value.hint)
    assert list(objects.directory.iterdir()) == []


def test_no_place_is_touched_for_what_is_not_there(tmp_path: Path, objects: Memory) -> None:
    with pytest.raises(StateError, match="there is no state"):
        move(settings(tmp_path), FILE, URL)
    assert list(objects.directory.iterdir()) == []


def test_a_state_moves_back_that_others_can_read_by_now(tmp_path: Path, objects: Memory) -> None:
    """What was left there is for those who could read it then, and no more."""
    pytest.importorskip("pyrage")
    given, more = sealed(tmp_path, MINE), sealed(tmp_path, MINE, KIMS)
    was = begin(given, FILE)
    move(given, FILE, URL)
    with Session(both_places(more, URL, URL)[0]) as session:
        rekey(session)
    move(more, URL, FILE)
    for key in (MINE, KIMS):
        read = both_places(sealed(tmp_path, key), FILE, FILE)[0]
        store = open_store(FILE, tmp_path, read.environ, form=read.form())
        assert store.read().state.ids() == was.ids()
        for one in store.versions():
            store.version(one.lineage, one.serial)


class Killed(BaseException):
    """The process is gone."""


def with_versions(given: Settings, where: str) -> None:
    """A state there, with a version before it, that has a bid which it has no more."""
    with Session(both_places(given, where, where)[0]) as session, session.changing():
        first = save_state(session, state(bound(TRAIN, "bid_CANARY", bid()), api_url="sim:"), before={})
        save_state(session, attrs.evolve(first, bindings={}), before=first.bindings)


def in_the_clear(*directories: Path) -> list[str]:
    """The files that name the bid."""
    return [path.name for one in directories for path, data in files_in(one).items() if b"bid_CANARY" in data]


@pytest.mark.parametrize(("source", "target"), [(FILE, URL), (URL, FILE), (FILE, "s.json"), (URL, "memory://team/x")])
@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "cut off"])
def test_a_state_that_is_encrypted_by_its_move_leaves_nothing_in_the_clear(
    tmp_path: Path, objects: Memory, monkeypatch: pytest.MonkeyPatch, source: str, target: str, is_cut: bool
) -> None:
    """Once it can be used at the other place, and wherever the move is cut off before that."""
    pytest.importorskip("pyrage")

    def killed(*_: object) -> None:
        raise Killed

    with_versions(settings(tmp_path), source)
    given = attrs.evolve(sealed(tmp_path, MINE), allow_plaintext=True)
    if is_cut:
        assert in_the_clear(tmp_path, objects.directory)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(_Move, "_open", killed)
            move(given, source, target)
        assert in_the_clear(tmp_path, objects.directory) == []
    move(given, source, target)
    assert in_the_clear(tmp_path, objects.directory) == []
    for where in (source, target):
        read = both_places(sealed(tmp_path, MINE), where, where)[0]
        store = open_store(where, tmp_path, read.environ, form=read.form())
        kept = [store.version(one.lineage, one.serial).ids() for one in store.versions()]
        assert {TRAIN: "bid_CANARY"} in kept


def test_a_move_that_is_killed_while_it_closes_the_old_place_is_ended_without_a_trace_of_it(
    tmp_path: Path, objects: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal there is still the earlier one, in the clear, and beside it stands what was to take its place."""
    pytest.importorskip("pyrage")
    replace = atomic._replace

    def killed(target: Path, data: bytes, mode: int, **how: bool) -> None:
        if target.name != "flowplan.state.journal":
            return replace(target, data, mode, **how)
        atomic._write_new(atomic._temporary(target), data, mode)
        raise Killed

    with_versions(settings(tmp_path), FILE)
    with Session(both_places(settings(tmp_path), FILE, FILE)[0]) as session, session.changing():
        found = session.store.read().state
        session.store.prepare(found).append([create_of(TRAIN, bid(name="bid_CANARY"))])
        session.store.close()
    given = attrs.evolve(sealed(tmp_path, MINE), allow_plaintext=True)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(atomic, "_replace", killed)
        move(given, FILE, URL)
    assert in_the_clear(tmp_path) == ["flowplan.state.journal"]
    assert len(list(tmp_path.glob("*.flowplan-tmp.*"))) == 1
    move(given, FILE, URL)
    assert in_the_clear(tmp_path, objects.directory) == []
    assert not list(tmp_path.rglob("*.flowplan-tmp.*"))
    with pytest.raises(StateError, match="the state has moved"), Session(sealed(tmp_path, MINE)) as session:
        load_of_any_api(session)


def test_so_it_is_where_the_old_place_is_a_server_that_has_not_removed_yet_what_no_run_needs(
    tmp_path: Path, objects: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was killed while it closes the place leaves the states of before, as objects that nothing names."""
    pytest.importorskip("pyrage")

    def killed(*_: object) -> None:
        raise Killed

    with_versions(settings(tmp_path), URL)
    given = attrs.evolve(sealed(tmp_path, MINE), allow_plaintext=True)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(ObjectPlace, "_beside", lambda *_: None)
        patch.setattr(ObjectPlace, "purge", killed)
        move(given, URL, FILE)
    assert in_the_clear(objects.directory)
    move(given, URL, FILE)
    assert in_the_clear(tmp_path, objects.directory) == []


def test_a_move_goes_on_where_a_server_does_not_remove_what_is_in_the_clear_and_says_so(
    tmp_path: Path, objects: Memory
) -> None:
    pytest.importorskip("pyrage")

    def asked(call: str, key: str) -> None:
        if call == "delete":
            raise StateError("the server removes nothing")

    with_versions(settings(tmp_path), URL)
    objects.asked = asked
    said: list[str] = []
    given = attrs.evolve(sealed(tmp_path, MINE), allow_plaintext=True)
    with Session(given, Listener(warn=said.append)) as session:
        migrate(session, URL, FILE)
    assert said == [
        f"parts of the earlier state may still be in the clear at {URL}: the server removes nothing; "
        "the same command again removes them"
    ]
    with Session(sealed(tmp_path, MINE)) as session:
        assert not load_of_any_api(session).fresh
    assert in_the_clear(objects.directory)
    objects.asked = lambda call, key: None
    move(given, URL, FILE)
    assert in_the_clear(tmp_path, objects.directory) == []


@pytest.mark.parametrize("name", ["s.journal", ".flowplan/versions/s.json/lineage-1.5.json"])
def test_what_a_move_that_was_killed_at_its_end_left_half_written_is_removed_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    left, replace = tmp_path / name, atomic._replace

    def killed(target: Path, data: bytes, mode: int, **how: bool) -> None:
        if target != left:
            return replace(target, data, mode, **how)
        atomic._write_new(atomic._temporary(target), data, mode)
        raise Killed

    def opened(move: _Move, *given: Any) -> Migrated:
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "_replace", killed)
            return open_(move, *given)

    with_versions(settings(tmp_path), FILE)
    open_ = _Move._open
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(_Move, "_open", opened)
        move(settings(tmp_path), FILE, "s.json")
    assert list(tmp_path.rglob("*.flowplan-tmp.*")) == [atomic._temporary(left)]
    move(settings(tmp_path), FILE, "s.json")
    assert list(tmp_path.rglob("*.flowplan-tmp.*")) == []


def test_what_is_left_of_a_state_in_the_clear_is_encrypted_where_it_comes_back_to(
    tmp_path: Path, objects: Memory
) -> None:
    """Also where somebody has tidied up there: its versions are in a hidden directory."""
    pytest.importorskip("pyrage")
    with_versions(settings(tmp_path), FILE)
    move(settings(tmp_path), FILE, URL)
    given = attrs.evolve(sealed(tmp_path, MINE), allow_plaintext=True)
    with Session(both_places(given, URL, URL)[0]) as session:
        rekey(session)
    for path in tmp_path.glob("flowplan.state.*"):
        path.unlink()
    assert in_the_clear(tmp_path)
    move(sealed(tmp_path, MINE), URL, FILE)
    assert in_the_clear(tmp_path, objects.directory) == []


@pytest.mark.parametrize(
    ("left", "typed"),
    [
        (State("x", moved_to="postgres://db:5432/a/x"), "--state postgres://db:5432/a/x,"),
        (State("x", moved_to="postgres://db:5432/a/x", moved_as="postgres://ann@db/a/x?sslmode=verify-full"), "full',"),
        (State("x", moved_to="s3://b/k at https://s3.example.com"), "s3://b/k --endpoint https://s3.example.com,"),
        (State("x", moved_to="s3://b/k at https://x; rm -rf ~"), "--state 's3://b/k at https://x; rm -rf ~',"),
        (State("x", moved_to="s3://b/k", moved_as="s3://b/k; rm -rf ~"), "--state 's3://b/k; rm -rf ~',"),
    ],
)
def test_what_is_left_says_what_to_type(left: State, typed: str) -> None:
    """As words of a shell, whoever wrote them there."""
    with pytest.raises(StateError) as told:
        hold_in_use(left, FILE)
    assert f"{typed} or write it" in str(told.value.hint)


def test_a_state_moves_back_that_is_encrypted_by_now(tmp_path: Path, objects: Memory) -> None:
    """Nothing that was left there in the clear stays so."""
    pytest.importorskip("pyrage")
    was = begin(settings(tmp_path), FILE)
    move(settings(tmp_path), FILE, URL)
    given = sealed(tmp_path, MINE)
    with Session(attrs.evolve(both_places(given, URL, URL)[0], allow_plaintext=True)) as session:
        rekey(session)
    move(given, URL, FILE)
    read = both_places(given, FILE, FILE)[0]
    store = open_store(FILE, tmp_path, read.environ, form=read.form())
    assert store.read().state.ids() == was.ids()
    assert [store.version(one.lineage, one.serial).lineage for one in store.versions()]


def test_what_is_in_the_clear_is_not_opened_in_the_place_of_what_had_arrived(tmp_path: Path, objects: Memory) -> None:
    """Somebody without a key could have put it there, once the state has left."""
    pytest.importorskip("pyrage")
    given = sealed(tmp_path, MINE)
    was = begin(given, FILE)
    move(given, FILE, URL)
    forged = attrs.evolve(was, bindings={}, moving_from=open_store(FILE, tmp_path, given.environ).identity)
    for path in objects.directory.iterdir():
        path.unlink()
    for path in (tmp_path / "home").rglob("*.json"):
        path.unlink()
    with Session(both_places(settings(tmp_path), URL, URL)[0]) as session, session.changing():
        session.store.save(forged)
    with pytest.raises(StateError, match="is not encrypted, though a key is given"):
        move(given, FILE, URL)


def test_the_place_that_a_state_moves_to_is_kept_as_it_was_typed(
    tmp_path: Path, objects: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings(tmp_path)
    begin(given, FILE)
    monkeypatch.setattr(ObjectPlace, "typed", "memory://ann@team/train")
    move(given, FILE, URL)
    left = open_store(FILE, tmp_path, given.environ).read().state
    assert (left.moved_to, left.moved_as) == (URL, "memory://ann@team/train")


def test_who_watches_the_place_that_a_state_leaves_is_named(tmp_path: Path, objects: Memory) -> None:
    """The watch would end nothing any more that is past its lifetime."""
    given, warned = settings(tmp_path), list[str]()
    told = Listener(warn=warned.append)
    begin(given, FILE)
    watch = open_store(FILE, tmp_path, given.environ).watch_lock
    watch.acquire(this_process("flowplan watch", given.environ, "2026-11-02T09:00:00Z"))
    try:
        with Session(given, told) as session:
            migrate(session, FILE, URL)
    finally:
        watch.release()
    assert "(flowplan watch), and keeps nothing of what is at memory://team/train: end that watch" in warned[0]
    with Session(given, told) as session:
        migrate(session, URL, FILE)
    assert len(warned) == 1
