"""A state that is encrypted: what its files show, what opens them, and what is refused. The keys are real ones."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from flowplan.backends.keys import form_of
from flowplan.backends.store import Store
from flowplan.errors import StateError, UsageProblem
from flowplan.state import codec, history
from flowplan.state.form import Form
from flowplan.state.history import Rewritten
from flowplan.state.seal import Unopened
from flowplan.state.state import State
from tests.builders import DATA, bound, create_of, state, volume
from tests.contracts.begun import BINDING, DONE, INTENT, OTHER, SECOND
from tests.contracts.memory import ObjectSite
from tests.runs import Run
from tests.sealed import (
    CHANGE,
    KIMS,
    MINE,
    Open,
    everything,
    files_in,
    form,
    key,
    local,
    mine,
    public,
    run,
)


def test_no_file_shows_what_the_state_says_and_its_key_reads_all_of_it(opens: Open, tmp_path: Path) -> None:
    run(opens(mine()))
    again = Run.of(opens(mine()))
    again.append([create_of(OTHER, SECOND.applied, intent="i2")])
    again.overflow([DONE])
    shown = everything(tmp_path)
    for text in (b"vol_1", b"volume.data", b"volume.other", b"applied"):
        assert text not in shown
    assert shown.count(b"-----BEGIN AGE") > 5
    store = opens(mine())
    loaded = store.read()
    assert (loaded.state.bindings, [one.address for one in loaded.pending.values()]) == ({DATA: BINDING}, [OTHER])
    (version,) = store.versions()
    assert version.change == CHANGE
    assert store.version(version.lineage, version.serial).bindings == {DATA: BINDING}


def test_what_overflowed_is_encrypted_and_counted(opens: Open, tmp_path: Path) -> None:
    one = Run.of(opens(mine()))
    one.append([INTENT])
    assert one.overflow([DONE])
    assert b"vol_1" not in everything(tmp_path)
    assert opens(mine()).read().state.bindings == {DATA: BINDING}


@pytest.mark.parametrize("begun", [False, True], ids=["saved", "only a journal"])
def test_another_key_and_none_are_errors_that_name_who_can_read_it(opens: Open, *, begun: bool) -> None:
    if begun:
        Run.of(opens(mine())).append([INTENT])
    else:
        run(opens(mine()))
    for other in (form(AGE_KEY=KIMS), form()):
        with pytest.raises(StateError, match=f"is encrypted for {public(MINE)}, and no key") as caught:
            opens(other).read()
        assert "recover --from-live" in (caught.value.hint or "")


def test_several_can_read_it_and_nobody_is_left_out_unasked(opens: Open) -> None:
    both = f"{public(MINE)}, {public(KIMS)}"
    run(opens(form(AGE_KEY=MINE, AGE_RECIPIENTS=both)))
    kims = opens(form(AGE_KEY=KIMS, AGE_RECIPIENTS=both))
    assert run_more(kims)
    alone = Run.of(opens(form(AGE_KEY=KIMS)))
    with pytest.raises(StateError, match="this run would encrypt it for") as caught:
        alone.append([create_of(OTHER, SECOND.applied)])
    assert "state rekey" in (caught.value.hint or "")
    with pytest.raises(StateError, match="this run would encrypt it for"):
        alone.save(alone.read().state)
    assert opens(form(AGE_KEY=MINE, AGE_RECIPIENTS=both)).read().state.serial == 2


def run_more(store: Store) -> bool:
    one = Run.of(store)
    one.append([create_of(OTHER, SECOND.applied, intent="i2")])
    return one.save(one.read().state).serial == 2


def test_who_is_taken_away_reads_nothing_that_is_there_any_more(opens: Open, tmp_path: Path) -> None:
    both = f"{public(MINE)} {public(KIMS)}"
    run(opens(form(AGE_KEY=MINE, AGE_RECIPIENTS=both)))
    store = opens(mine())
    store.form.change_recipients = True
    store.save(store.read().state, stated=True)
    assert store.rewrite_versions() == Rewritten((1,))
    kims = opens(form(AGE_KEY=KIMS))
    with pytest.raises(StateError, match="no key that is given opens it"):
        kims.read()
    (version,) = kims.versions()
    with pytest.raises(StateError, match="no key that is given opens it"):
        kims.version(version.lineage, version.serial)
    kept = [data for path, data in files_in(tmp_path).items() if public(KIMS).encode() in data]
    assert kept == []


def test_clear_text_beside_a_key_is_refused_unless_it_is_allowed_once(opens: Open, tmp_path: Path) -> None:
    run(opens(form()))
    with pytest.raises(StateError, match="is not encrypted, though a key is given"):
        opens(mine()).read()
    store = opens(form(AGE_KEY=MINE, plain=True))
    state = store.save(store.read().state)
    assert store.rewrite_versions() == Rewritten((1,))
    store.keep(state, CHANGE)
    assert opens(mine()).read().state.bindings == {DATA: BINDING}
    assert b"vol_1" not in b"".join(data for path, data in files_in(tmp_path).items() if path.suffix != ".spill")


def sealed_for(recipient: str, data: bytes) -> str:
    """As somebody does who can write the file, and not read it."""
    import pyrage

    text = base64.b64encode(pyrage.encrypt(data, [pyrage.x25519.Recipient.from_str(recipient)])).decode()
    return f"-----BEGIN AGE ENCRYPTED FILE-----\n{text}\n-----END AGE ENCRYPTED FILE-----\n"


def edited(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    body = json.loads(path.read_bytes())
    change(body)
    path.write_text(json.dumps(body, indent=1) + "\n")


def changed_at(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda body: body.update(serial=9), "holds another state than it says"),
        (lambda body: body.update(lineage="other"), "holds another state than it says"),
        (lambda body: body.update(serial=True), "holds another state than it says"),
        (lambda body: body.pop("key"), "damaged: its key or its content is missing"),
        (lambda body: body.update(recipients="age1"), "damaged: its key or its content is missing"),
        (lambda body: body.update(sealed=body["sealed"][:200]), "it is not what was encrypted"),
        (lambda body: body.update(sealed=body["key"]), "it is not what was encrypted"),
        (lambda body: body.update(key=body["sealed"]), "damaged: its key does not open with one that it names"),
        (lambda body: body.update(key=changed_at(body["key"], 120)), "damaged: its key does not open with one that"),
        (lambda body: body.update(key=body["key"][:150]), "it is not what was encrypted"),
        (lambda body: body.update(key="%"), "is damaged: it is not what was encrypted"),
        (lambda body: body.update(key=sealed_for(public(MINE), b"no key")), "what its key opens with is no key"),
        (lambda body: body.update(key=body["key"] * 200), "its key is longer than any that flowplan writes"),
        (lambda body: body.update(format_version=4), "what is encrypted in it cannot be unpacked"),
        (lambda body: body.update(format_version=5), "in format 5; this is flowplan"),
    ],
)
def test_what_was_changed_is_an_error(tmp_path: Path, change: Callable[[dict[str, Any]], None], match: str) -> None:
    opens = local(tmp_path)
    run(opens(mine()))
    edited(tmp_path / "flowplan.state.json", change)
    with pytest.raises(StateError, match=match):
        opens(mine()).read()


def test_a_key_that_is_damaged_keeps_nobody_from_putting_the_backup_back(tmp_path: Path) -> None:
    """To who has not the key, it may as well be whole."""
    opens, path = local(tmp_path), tmp_path / "flowplan.state.json"
    run(opens(mine()))
    edited(path, lambda body: body.update(key=changed_at(body["key"], 120)))
    with pytest.raises(Unopened):
        opens(form(AGE_KEY=KIMS)).restore()
    assert opens(mine()).restore().state.bindings == {DATA: BINDING}


def test_a_version_is_compressed_before_it_is_encrypted_and_unpacked_no_further_than_a_state_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = mine()
    large = state(*(bound(attrs.evolve(DATA, name=f"v{at}"), f"vol_{at}", volume()) for at in range(100)))
    document = one.dump_version(large, CHANGE)
    assert len(document) < len(one.dump(large)) / 4
    assert one.load_version(document, "it", large.lineage, large.serial) == large
    as_before = history.dump_version(large, CHANGE, one.dump)  # of a flowplan that compressed none
    assert mine().load_version(as_before, "it", large.lineage, large.serial) == large
    monkeypatch.setattr("flowplan.state.codec.SIZE_LIMIT", len(one.dump(large)) // 4)
    with pytest.raises(StateError, match="what is encrypted in it cannot be unpacked"):
        mine().load_version(document, "it", large.lineage, large.serial)


def test_nobody_is_left_out_where_there_is_only_a_journal(opens: Open) -> None:
    both = f"{public(MINE)}, {public(KIMS)}"
    Run.of(opens(form(AGE_KEY=MINE, AGE_RECIPIENTS=both))).append([INTENT])
    alone = opens(mine())
    with pytest.raises(StateError, match="this run would encrypt it for"):
        Run.of(alone).append([DONE])
    loaded = alone.read()
    with pytest.raises(StateError, match="this run would encrypt it for"):
        alone.save(loaded.state, loaded.pending.values())
    assert list(opens(form(AGE_KEY=KIMS, AGE_RECIPIENTS=both)).read().pending) == [INTENT.intent]


def test_a_state_is_put_back_for_those_who_could_read_it(tmp_path: Path) -> None:
    opens, both = local(tmp_path), f"{public(MINE)}, {public(KIMS)}"
    run(opens(form(AGE_KEY=MINE, AGE_RECIPIENTS=both)))
    for part in ("json", "journal"):
        (tmp_path / f"flowplan.state.{part}").write_text("{\n{\n")
    before = files_in(tmp_path)
    with pytest.raises(StateError, match="this run would encrypt it for"):
        opens(mine()).restore()
    assert files_in(tmp_path) == before
    assert opens(form(AGE_KEY=KIMS, AGE_RECIPIENTS=both)).restore().state.bindings == {DATA: BINDING}


def test_nothing_is_set_aside_for_a_state_that_others_could_not_read(opens: Open, tmp_path: Path) -> None:
    both = f"{public(MINE)}, {public(KIMS)}"
    run(opens(form(AGE_KEY=MINE, AGE_RECIPIENTS=both)))
    alone = opens(mine())
    alone.read()
    before = files_in(tmp_path)
    with pytest.raises(StateError, match="this run would encrypt it for"):
        alone.begin_anew()
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("begun", [MINE, None], ids=["the old key", "in the clear"])
def test_a_journal_that_the_keys_do_not_open_is_not_put_aside_as_damaged(tmp_path: Path, begun: str | None) -> None:
    """As after a change of keys that was killed between the snapshot and the journal."""
    opens, journal = local(tmp_path), tmp_path / "flowplan.state.journal"
    before = form(AGE_KEY=begun) if begun else form()
    run(opens(before))
    Run.of(opens(before)).append([create_of(OTHER, SECOND.applied, intent="i2")])
    old = journal.read_bytes()
    both = form(AGE_KEY=f"{MINE}\n{KIMS}", AGE_RECIPIENTS=public(KIMS), plain=True)
    both.change_recipients = True
    changed = opens(both)
    loaded = changed.read()
    changed.save(loaded.state, loaded.pending.values(), stated=True)
    journal.write_bytes(old)
    with pytest.raises(Unopened):
        opens(form(AGE_KEY=KIMS)).restore()
    assert list(opens(both).read().pending) == ["i2"]


def test_a_version_that_could_not_be_written_is_an_error(tmp_path: Path) -> None:
    site = ObjectSite(tmp_path)
    run(site.open())
    with site.full(), pytest.raises(StateError):
        site.open().rewrite_versions()


def test_as_many_as_may_read_it_are_written_and_read(tmp_path: Path) -> None:
    opens, names = local(tmp_path), ",".join([public(MINE), *(public(key()) for _ in range(99))])
    everybody = f",{names},"  # a comma too many names nobody
    run(opens(form(AGE_KEY=MINE, AGE_RECIPIENTS=everybody)))
    assert opens(form(AGE_KEY=MINE, AGE_RECIPIENTS=everybody)).read().state.bindings == {DATA: BINDING}


def test_a_recipient_in_capitals_is_the_same_one(tmp_path: Path) -> None:
    opens = local(tmp_path)
    run(opens(mine()))
    assert run_more(opens(form(AGE_KEY=MINE, AGE_RECIPIENTS=public(MINE).upper())))


def test_a_recipient_that_somebody_writes_in_gets_nothing(tmp_path: Path) -> None:
    opens = local(tmp_path)
    run(opens(mine()))
    edited(tmp_path / "flowplan.state.json", lambda body: body["recipients"].append(public(KIMS)))
    with pytest.raises(StateError, match="this run would encrypt it for"):
        Run.of(opens(mine())).append([create_of(OTHER, SECOND.applied)])


def test_a_key_that_somebody_made_is_used_for_nothing_new(tmp_path: Path) -> None:
    """Whoever may write the file can seal a state of their own making for a key that they know."""
    opens = local(tmp_path)
    run(opens(mine()))
    before = json.loads((tmp_path / "flowplan.state.json").read_bytes())["key"]
    store = opens(mine())
    store.save(store.read().state)
    assert json.loads((tmp_path / "flowplan.state.json").read_bytes())["key"] != before


@pytest.mark.parametrize(
    ("environ", "match"),
    [
        ({"FLOWPLAN_AGE_KEY": "AGE-SECRET-KEY-1CANARY"}, "FLOWPLAN_AGE_KEY: line 1 is no age key"),
        ({"FLOWPLAN_AGE_KEY": "# only a comment"}, "holds no age key"),
        ({"FLOWPLAN_AGE_KEY_FILE": "none.txt"}, "none.txt cannot be read: No such file"),
        ({"FLOWPLAN_AGE_KEY_FILE": "open.txt"}, r"may be read by others \(mode 0644\)"),
        ({"FLOWPLAN_AGE_KEY_FILE": "bytes.txt"}, "holds no age key"),
        ({"FLOWPLAN_AGE_RECIPIENTS": "age1canary"}, "age1canary is no age recipient"),
        ({"FLOWPLAN_AGE_RECIPIENTS": "AGE-SECRET-KEY-1CANARY"}, "holds a secret key"),
        ({"FLOWPLAN_PASSPHRASE": "CANARY"}, "fewer than 12 characters"),
        ({"FLOWPLAN_AGE_KEY_FILE": "AGE-SECRET-KEY-1CANARY"}, "FLOWPLAN_AGE_KEY_FILE holds a key, and not the name"),
        ({"FLOWPLAN_OLD_AGE_KEY_FILE": "age-secret-key-1CANARY"}, "FLOWPLAN_OLD_AGE_KEY_FILE holds a key, and not"),
        ({"FLOWPLAN_AGE_KEY": "CANARY\udcff"}, "FLOWPLAN_AGE_KEY is not UTF-8"),
        ({"FLOWPLAN_PASSPHRASE": "CANARY of CANARY\udcff"}, "FLOWPLAN_PASSPHRASE is not UTF-8"),
        ({"FLOWPLAN_OLD_PASSPHRASE": "CANARY\udcff", "FLOWPLAN_AGE_KEY": MINE}, "FLOWPLAN_OLD_PASSPHRASE is not UTF-8"),
        ({"FLOWPLAN_AGE_RECIPIENTS": " ,, ", "FLOWPLAN_AGE_KEY": MINE}, "FLOWPLAN_AGE_RECIPIENTS names nobody"),
        ({"FLOWPLAN_AGE_RECIPIENTS": "\n".join(public(key()) for _ in range(101))}, "names 101 recipients"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(tmp_path: Path, environ: dict[str, str], match: str) -> None:
    (tmp_path / "open.txt").write_text(MINE)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "bytes.txt").chmod(0o600)
    (tmp_path / "open.txt").chmod(0o644)
    with pytest.raises(UsageProblem, match=match) as caught:
        form_of(environ, tmp_path)
    assert "CANARY" not in f"{caught.value}{caught.value.hint}"


def test_only_recipients_can_write_and_not_read(tmp_path: Path) -> None:
    opens = local(tmp_path)
    run(opens(mine()))
    with pytest.raises(StateError, match="no key that is given opens it"):
        opens(form(AGE_RECIPIENTS=public(MINE))).read()


def test_the_age_tool_reads_it_without_flowplan(tmp_path: Path) -> None:
    if shutil.which("age") is None:
        pytest.skip("age is not installed: reading a state without flowplan is not tried")
    run(local(tmp_path)(mine()))
    (tmp_path / "me.txt").write_text(MINE)
    body = json.loads((tmp_path / "flowplan.state.json").read_bytes())
    (tmp_path / "run.txt").write_bytes(aged(tmp_path / "me.txt", body["key"]))
    assert b"vol_1" in aged(tmp_path / "run.txt", body["sealed"])


def aged(identity: Path, armored: str) -> bytes:
    done = subprocess.run(["age", "--decrypt", "-i", identity], input=armored.encode(), capture_output=True, check=True)
    return done.stdout


@pytest.mark.parametrize("opened", [Form, mine])
def test_the_same_bytes_are_read_once_in_a_run(opened: Callable[[], Form]) -> None:
    """A run reads the state again, to see whether it is still what it was."""
    known = state(bound(DATA, "vol_1", volume()), outputs={"a": {"value": {}, "template": "b"}})
    reading, data = opened(), opened().dump(known)
    first = reading.load(data, "state")
    assert first == known
    assert reading.load(bytes(bytearray(data)), "state") is first
    assert reading.load(opened().dump(attrs.evolve(known, serial=9)), "state").serial == 9
    assert reading.load(data, "state") == known


@pytest.mark.parametrize("opened", [Form, mine])
def test_the_same_state_is_written_once_in_a_run(opened: Callable[[], Form], monkeypatch: pytest.MonkeyPatch) -> None:
    """A run keeps what it saves as a version, too."""
    known, dump, made = state(bound(DATA, "vol_1", volume())), codec.dump, list[int]()

    def counted(one: State) -> bytes:
        made.append(one.serial)
        return dump(one)

    monkeypatch.setattr(codec, "dump", counted)
    writing, later = opened(), attrs.evolve(known, serial=9)
    for one in (known, known, later, known):
        assert opened().load(writing.dump(one), "state") == one
    version = opened().load_version(writing.dump_version(known, CHANGE), "v", known.lineage, known.serial)
    assert (version, made) == (known, [known.serial, 9, known.serial])


def test_a_run_reads_what_another_one_may_have_changed_afresh() -> None:
    """Who is given a state may do with its dictionaries as he likes."""
    known = state(bound(DATA, "vol_1", volume()), outputs={"a": {"value": 1, "template": "b"}})
    data = Form().dump(known)
    first = Form().load(data, "state")
    first.outputs["a"]["value"] = 2
    assert Form().load(data, "state") == known
