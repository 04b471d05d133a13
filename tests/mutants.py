"""Seeded mistakes: each is edited into a copy of the package, and some test must fail there. `make mutants`.

    python tests/mutants.py [WORD...]     all of them, or those whose names contain a WORD

Prints a table and ends with 1 when a mistake survives. Before that, the same tests must pass on an unchanged copy.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parent.parent
AT_ONCE = 2
LONGEST = 200  # seconds for the tests of one mistake

DOUBT, POWER, STORE, STATE = (
    f"tests/{name}.py" for name in ("faults/test_doubt", "faults/test_power", "backends/test_local", "state/test_state")
)
BLOCK_VOLUMES, LOCK, GRAPH, HTTP = (
    f"tests/{name}.py"
    for name in ("operations/test_block_volumes", "backends/test_lock", "planning/test_steps", "cloud/test_retries")
)
CONTRACT = "tests/contracts/test_backends.py"
LOST_ANSWERS = "tests/operations/test_lost_answers.py"
LET_GO = "tests/faults/test_let_go.py"
WHAT_IF = "tests/cost/test_what_if.py"
SCHEDULE = "tests/apply/test_schedule.py"
INERT = "tests/faults/test_inert.py"
SENT_BEFORE = "tests/planning/test_sent_before.py"
AFTER_YES, APPLIED_ONCE = "tests/faults/test_after_yes.py", "tests/operations/test_applied_once.py"
ANSWERS = "tests/faults/test_create_answers.py"
UNTOLD, SPELLING, WHOSE = (
    f"tests/{name}.py" for name in ("faults/test_untold", "planning/test_spelling", "faults/test_whose")
)
CHANGES = "tests/planning/test_changes.py"
LIES, HIDDEN = "tests/faults/test_lies.py", "tests/faults/test_hidden_lists.py"
STOP_PAYING, ODD_ROWS = "tests/faults/test_stop_paying.py", "tests/faults/test_odd_rows.py"


@frozen
class Mistake:
    """In `file` of the package, `old` (found exactly once) becomes `new`; one of `tests` fails then."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MISTAKES = (
    # -- the seven
    Mistake(
        "drop the fsync of the journal",
        "backends/open_journal.py",
        "            os.fdatasync(descriptor)\n",
        "",
        (POWER, "-k", "first and power and not name"),
    ),
    Mistake(
        "drop the intent",
        "apply/run.py",
        "records += local + [work.intent for work in works]",
        "records += local",
        (POWER, "-k", "first and kill"),
    ),
    Mistake(
        "no settle window",
        "apply/lookup.py",
        "    deadline = clock.monotonic() + window\n",
        "    deadline = clock.monotonic()\n",
        (DOUBT,),
    ),
    Mistake(
        "adopt without marker",
        "state/ownership.py",
        "        if bid.marker is not None and not bid.ended and bid.marker.lineage == lineage\n"
        "        if bid.marker.address == intent.address and bid.marker.intent == intent.intent\n",
        "        if not bid.ended and bid.bid.name == intent.name\n",
        (DOUBT,),
    ),
    Mistake(
        "a fresh key in each run",
        "apply/works.py",
        "self._again(earlier), request, wanted)",
        'attrs.evolve(self._again(earlier), key=f"flowplan-{uuid.uuid4()}"), request, wanted)',
        (DOUBT,),
    ),
    Mistake(
        "treat an empty state as fresh",
        "backends/state_files.py",
        "    if data is None:\n        return _without_snapshot(files, journal)",
        "    if not data:\n        return _without_snapshot(files, journal)",
        (DOUBT,),
    ),
    Mistake(
        "retry a POST on 502",
        "cloud/http/meaning.py",
        "self._tries_unless_paid(1 if status == 501 else TRIES)",
        "(1 if status == 501 else TRIES)",
        (HTTP, DOUBT),
    ),
    # -- what is printed is inert
    Mistake(
        "a line break in an address breaks the line",
        "cli/state.py",
        "here.terminal.line(str(address))",
        "here.terminal.out(str(address))",
        (INERT, "-k", "the_state"),
    ),
    Mistake(
        "the lock's command is printed as it is",
        "backends/lock.py",
        "{shown(self.command, 400)}",
        "{self.command}",
        (INERT, "-k", "the_lock"),
    ),
    Mistake(
        "a plan file breaks its lines",
        "reports/text/plan.py",
        "    body = _lines_apart(body)\n",
        "",
        (INERT, "-k", "plan_file"),
    ),
    Mistake(
        "a line begins with a command for the CI runner",
        "cli/harmless.py",
        '    if "::" in text:\n',
        '    if "" == text:\n',
        (INERT, "-k", "writer"),
    ),
    # -- nothing hangs
    Mistake(
        "a stopped run waits for whoever reads its output",
        "cli/stop.py",
        "        self.wake()\n        self.hurry()\n",
        "        self.wake()\n",
        ("tests/faults/test_unread.py", "-k", "progress", "--timeout", "90"),
    ),
    Mistake(
        "a FIFO is read like a file",
        "files/regular.py",
        "if not stat.S_ISREG(mode):",
        "if stat.S_ISSOCK(mode):",
        ("tests/faults/test_fifo.py", "--timeout", "60"),
    ),
    Mistake(
        "an answer that drips is waited for without end",
        "cloud/http/deadline.py",
        "own.settimeout(_left(own.gettimeout()))",
        "own.settimeout(own.gettimeout())",
        ("tests/cloud/test_deadline.py",),
    ),
    Mistake(
        "the addresses of a name are tried each with a deadline of its own",
        "cloud/http/deadline.py",
        "own._dns_host, own.timeout = one, _left(patience)",
        "own._dns_host, own.timeout = one, patience",
        ("tests/cloud/test_deadline.py",),
    ),
    Mistake(
        "a list that never ends is read without end",
        "cloud/http/transport.py",
        "_hold_finite(number, count, size, self._clock() - started, more=cursor is not None)",
        "_hold_finite(number, 0, 0, 0, more=cursor is not None)",
        ("tests/faults/test_endless.py",),
    ),
    # -- whose it is, and what differs
    Mistake(
        "take what is not told for empty",
        "cloud/rows.py",
        "for name, value in given.items() if value is None}",
        "for name, value in given.items() if value == 0}",
        (UNTOLD,),
    ),
    Mistake(
        "compare what is not known",
        "planning/differences.py",
        "        if name in before.untold or name in after.untold:\n            continue\n",
        "",
        (UNTOLD,),
    ),
    Mistake(
        "replace a bid for the order of its mounts",
        "model/resources.py",
        "        return known._unordered() == full._unordered()\n",
        "        return known.sha256 == full.sha256\n",
        (SPELLING,),
    ),
    Mistake(
        "replace a bid for the order in its marker",
        "model/resources.py",
        "    if full._ordered_as(known).sha256 == known.sha256:\n",
        "    if full.sha256 == known.sha256:\n",
        (SPELLING,),
    ),
    Mistake(
        "replace a bid for line ends that an older flowplan made of its script",
        "model/resources.py",
        "        return (self, attrs.evolve(self, startup_script=script)) if script else (self,)\n",
        "        return (self,)\n",
        (SENT_BEFORE,),
    ),
    Mistake(
        "replace a bid for the spelling of masked options",
        "model/resources.py",
        "    return known._unordered() == full.shown._unordered()  # the options",
        "    return False  # the options",
        (SENT_BEFORE,),
    ),
    Mistake(
        "show the password of a user's option",
        "masking.py",
        "            yield _user(user[1], user[2])\n",
        "            yield word, False\n",
        ("tests/test_masking.py",),
    ),
    Mistake(
        "show the options of a container where something is wrong with them",
        "masking.py",
        '    text = _USER_VALUE.sub(rf"\\1{MASK}", _ENV_VALUE.sub(rf"\\1{MASK}", text))\n',
        "",
        ("tests/faults/test_secrets.py", "-k", "options"),
    ),
    Mistake(
        "show what is left of a long key that was cut",
        "cloud/http/redaction.py",
        "        if len(form) > 2 * _HEAD:\n",
        "        if False:\n",
        ("tests/faults/test_secrets.py", "-k", "long_key"),
    ),
    Mistake(
        "hide prices that a short password is in",
        "cloud/connect.py",
        "anywhere(transport.hidden)",
        "transport.hidden",
        ("tests/faults/test_secrets.py", "-k", "short_password"),
    ),
    Mistake(
        "keep the digest of another spelling than the marker's",
        "planning/differences.py",
        "    if known.inputs.complete or not known.inputs.alike(after.inputs):\n",
        "    if known.inputs.given_sha256 is None or not known.inputs.alike(after.inputs):\n",
        (SENT_BEFORE,),
    ),
    Mistake(
        "move a bid whose auction was withdrawn",
        "planning/lookup.py",
        "        if stands is not None:\n            here = [stands]\n",
        "",
        (SPELLING,),
    ),
    Mistake(
        "cancel a bid that cannot be placed anew",
        "operations/plan.py",
        "    problems = [unplaceable[address] for address in placing if address in unplaceable]\n",
        "    problems = []\n",
        (SPELLING,),
    ),
    Mistake(
        "compare the size that the API made",
        "state/ownership.py",
        '    if "size_gb" in volume.untold or volume.size_gb == applied.capacity_gb:\n',
        '    if "size_gb" in volume.untold:\n',
        (UNTOLD,),
    ),
    Mistake(
        "mount a renamed volume by its old name",
        "model/resources.py",
        "        name = (called or {}).get(id, mount.volume_name) if isinstance(id, str) else mount.volume_name\n",
        "        name = mount.volume_name\n",
        (SPELLING,),
    ),
    Mistake(
        "read only the id of a create's answer",
        "apply/answered.py",
        "    found = [_difference(one) for one in differences(wanted, actual)]\n",
        "    found: list[str] = []\n",
        (ANSWERS, "-k", "asked_for"),
    ),
    Mistake(
        "take the answer to another create",
        "apply/creates.py",
        "        if why := of_another(made, intent):\n",
        "        if (why := of_another(made, intent)) and not made.id:\n",
        (ANSWERS, "-k", "another_stack"),
    ),
    Mistake(
        "take an id that another address has",
        "apply/run.py",
        "            if other := self._elsewhere(result):\n",
        "            if (other := self._elsewhere(result)) and not result.work.step.address:\n",
        (ANSWERS, "-k", "one_id"),
    ),
    Mistake(
        "place a bid on a volume that is not as it was asked for",
        "apply/run.py",
        'frees=step.address.kind == "bid")',
        "frees=True)",
        (ANSWERS, "-k", "nothing_is_placed"),
    ),
    Mistake(
        "say that a journal with one id twice is in order",
        "backends/local.py",
        "        hold_distinct(loaded.state.bindings.values(), str(self.journal_path))\n",
        "",
        (ANSWERS, "-k", "in_order"),
    ),
    Mistake(
        "adopt a volume whenever it was made",
        "state/ownership.py",
        "    if created is not None and not early - doubt <= created <= late + doubt:\n        return False\n",
        "",
        (WHOSE, "-k", "three_days or created"),
    ),
    Mistake(
        "adopt a volume of unknown age",
        "state/ownership.py",
        "    certain = timely and found",
        "    certain = (timely or created is None) and found",
        (WHOSE, "-k", "created or known"),
    ),
    Mistake(
        "adopt a volume that somebody uses",
        "state/ownership.py",
        " and not found.untold and not volume.users\n",
        " and not found.untold\n",
        (WHOSE, "-k", "uses"),
    ),
    Mistake(
        "trust a spill of anybody",
        "backends/overflow.py",
        "        hold_trusted(path)\n",
        "",
        (WHOSE, "-k", "spill"),
    ),
    Mistake(
        "count bids only as users of a volume",
        "planning/guards.py",
        "(*volume.bids, *volume.reservations, *map(self._holder, volume.attachments))",
        "(id for id in volume.bids if id in self.live.bids)",
        ("tests/faults/test_in_use.py",),
    ),
    # -- durability
    Mistake(
        "drop the fsync of a new file",
        "files/atomic.py",
        "        os.fsync(descriptor)\n    finally:\n        os.close(descriptor)\n\n\ndef write_all",
        "    finally:\n        os.close(descriptor)\n\n\ndef write_all",
        (POWER, "-k", "first and names"),
    ),
    Mistake(
        "skip the fsync of the directory of a new journal",
        "backends/local.py",
        "            sync_directory(self.journal_path.parent)\n        except",
        "        except",
        (POWER, "-k", "first and power and not name"),
    ),
    Mistake(
        "skip the fsync of the directory of a replaced file",
        "files/atomic.py",
        "    sync_directory(target.parent)\n",
        "",
        (POWER, "-k", "first and last"),
    ),
    Mistake(
        "tell before it is durable",
        "apply/run.py",
        "            records = self._records_of(back)\n",
        "            records = self._records_of(back)\n            self._tell(back)\n",
        (POWER, "-k", "first and kill"),
    ),
    Mistake(
        "write the state in place",
        "files/atomic.py",
        "        temporary.replace(target)\n",
        "        target.unlink(missing_ok=True)\n        _write_new(target, data)\n        temporary.unlink()\n",
        (STORE,),
    ),
    Mistake(
        "no CRC check",
        "state/journal.py",
        "    whole = data[at : at + _HEAD] == _head(payload) and",
        "    whole = data[at : at + 9] == _head(payload)[:9] and",
        (STATE,),
    ),
    Mistake(
        "no high-water mark",
        "backends/state_files.py",
        "    if header.serial > snapshot.serial:",
        "    if header.serial > snapshot.serial + 1_000_000:",
        (CONTRACT,),
    ),
    Mistake(
        "forget what is in doubt with the snapshot",
        "operations/apply.py",
        "        return store.save(outcome.state, (*outcome.pending, *self._doubted))",
        "        return store.save(outcome.state)",
        (DOUBT,),
    ),
    Mistake("a state that others can read", "files/atomic.py", "PRIVATE = 0o600", "PRIVATE = 0o644", (STORE,)),
    # -- doubt
    Mistake(
        "close the intent on 5xx",
        "apply/outcome.py",
        "    return isinstance(error, (Ambiguous, NameTaken))",
        "    return isinstance(error, NameTaken) or (isinstance(error, Ambiguous) and (error.status or 0) < 500)",
        (DOUBT,),
    ),
    Mistake(
        "an absence seen once is enough",
        "apply/lookup.py",
        "            absences += late\n",
        "            absences += 2 * late\n",
        (DOUBT,),
    ),
    Mistake(
        "adopt one of two",
        "apply/lookup.py",
        "    if len(found) == 1:\n        return Finding(intent",
        "    if found:\n        return Finding(intent",
        (DOUBT,),
    ),
    Mistake(
        "start a step before all that it needs is there",
        "apply/schedule.py",
        "            if not self._waits[user]:\n",
        "            if user not in self._ready:\n",
        (SCHEDULE,),
    ),
    Mistake(
        "start what needs a step that failed",
        "apply/schedule.py",
        '        self._end(step, "failed")\n',
        '        self._end(step, "failed")\n        self._free(step)\n',
        (SCHEDULE,),
    ),
    Mistake(
        "more at once than asked for",
        "apply/schedule.py",
        " or len(self._under_way) >= self.parallelism:",
        ":",
        (SCHEDULE,),
    ),
    Mistake(
        "take a name that the first attempt took for somebody else's",
        "apply/works.py",
        "create(request, sent, wanted, change)",
        "create(request, intent, wanted, change)",
        ("tests/apply/test_works.py",),
    ),
    Mistake(
        "send a step again that may have happened",
        "apply/doubts.py",
        '    if finding.verdict == "found" and finding.binding is not None:\n',
        '    if finding.verdict == "unprovable":\n        return "send again"\n'
        '    if finding.verdict == "found" and finding.binding is not None:\n',
        ("tests/apply/test_doubts.py",),
    ),
    Mistake(
        "send again and again",
        "apply/doubts.py",
        'finding.verdict == "absent" and not finding.intent.resent and resend',
        'finding.verdict == "absent" and resend',
        (DOUBT, "-k", "third"),
    ),
    Mistake(
        "adopt another stack's bid",
        "state/ownership.py",
        "        if marker is None or bid.ended or marker.lineage != state.lineage or bid.id in known:",
        "        if marker is None or bid.ended or bid.id in known:",
        (DOUBT,),
    ),
    Mistake(
        "know a bid in doubt by its address",
        "state/ownership.py",
        "        if bid.marker.address == intent.address and bid.marker.intent == intent.intent\n",
        "        if bid.marker.address == intent.address and bid.marker.generation == intent.generation\n",
        (DOUBT,),
    ),
    Mistake(
        "take somebody else's name for the end of our doubt",
        "apply/lookup.py",
        '_BY_ABSENCE = ("absent", "foreign", "unclear")',
        '_BY_ABSENCE = ("absent", "unclear")',
        (DOUBT,),
    ),
    Mistake(
        "place anew what ended while in doubt",
        "operations/apply.py",
        "        if found.ended:\n",
        "        if found.ended and not found:\n",
        (LOST_ANSWERS, "-k", "created_and_gone"),
    ),
    Mistake(
        "take what is not listed for gone",
        "operations/looking.py",
        '    bids = [id for id in ids["bid"] if id not in live.bids and id not in live.gone]\n',
        "    bids: list[str] = []\n",
        (LOST_ANSWERS, "-k", "not_listed"),
    ),
    # -- stopping
    Mistake(
        "ask for what is offered although nothing is placed",
        "operations/observe.py",
        "(Catalogue((), ()), cloud.live_as_told()) if config is None else cloud.observe_as_told()",
        "cloud.observe_as_told()",
        (STOP_PAYING, "-k", "asks_for_nothing"),
    ),
    Mistake(
        "hold a destroy up for a price",
        "operations/plan.py",
        "shown_only=keys if only_stops(plan) else ()",
        "shown_only=()",
        (STOP_PAYING, "-k", "destroy_cancels and prices"),
    ),
    Mistake(
        "place where not all is told",
        "planning/untold.py",
        "    if only_stops(plan) and not plan.empty:\n",
        "    if not plan.empty:\n",
        (STOP_PAYING, "-k", "needs_all_of_it"),
    ),
    Mistake(
        "delete a volume although nobody tells who uses it",
        "planning/changes.py",
        "        if found.users_untold:\n",
        "        if found.users_untold and found.users:\n",
        (ODD_ROWS, "-k", "unless_nobody_tells"),
    ),
    Mistake(
        "take what cannot be read for somebody else's while a create is in doubt",
        "state/ownership.py",
        "unread = [one for one in bids if one.unfit and not one.ended and one.marker is None]",
        "unread: list[LiveBid] = []",
        (ODD_ROWS, "-k", "no_proof"),
    ),
    Mistake(
        "lose an earlier doubt once the rest is destroyed",
        "operations/apply.py",
        "(*outcome.pending, *self._doubted)",
        "outcome.pending",
        (STOP_PAYING, "-k", "stays_in_doubt"),
    ),
    # -- the lock
    Mistake(
        "ignore that the lock was taken away",
        "apply/run.py",
        "            self._around.hold_lock()\n        except",
        "            pass\n        except",
        (DOUBT,),
    ),
    Mistake(
        "ignore that the lock was taken away while a create waited",
        "apply/run.py",
        "        self._around.hold_lock()\n        if self._working.pending",
        "        if self._working.pending",
        (DOUBT,),
    ),
    Mistake(
        "ignore that the lock was taken away while a change waited",
        "apply/updates.py",
        "self.cloud.update_bid, id, before=self.hold_lock, **fields",
        "self.cloud.update_bid, id, **fields",
        (DOUBT,),
    ),
    Mistake(
        "lock a file that was replaced",
        "backends/lock.py",
        "            if _same_file(descriptor, self.path):\n                self._descriptor",
        "            if descriptor:\n                self._descriptor",
        (LOCK,),
    ),
    Mistake(
        "no lock at all",
        "backends/lock.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "",
        ("tests/faults/test_concurrency.py", "-m", "not slow"),
    ),
    # -- what is deleted, and in which order
    Mistake(
        "the row of another bid counts",
        "cloud/proving.py",
        "            reading.hold_about(row, id)\n",
        "",
        ("tests/faults/test_answers_of_others.py", "-k", "another_bid"),
    ),
    Mistake(
        "of two rows about a bid the last one counts",
        "model/live.py",
        "return other if self.ended else self",
        "return self",
        ("tests/faults/test_answers_of_others.py", "-k", "bid_listed_twice"),
    ),
    Mistake(
        "a bid that does not tell its volumes has none",
        "apply/removals.py",
        'if not found.ended and "volumes" in found.bid.untold:',
        "if not found.id:",
        ("tests/faults/test_answers_of_others.py", "-k", "does_not_tell_its_volumes"),
    ),
    Mistake(
        "cancel by name",
        "apply/removals.py",
        "return self.delete(change.id) if",
        "live = [b for b in self.cloud.live().bids.values() if not b.ended]\n"
        "        named = [b.id for b in live if b.bid.name == change.address.name]\n"
        "        change = attrs.evolve(change, id=named[-1]) if named and change.address.kind == 'bid' else change\n"
        "        return self.delete(change.id) if",
        (DOUBT,),
    ),
    Mistake(
        "delete a volume that is attached now",
        "planning/changes.py",
        '        if address in self.desired.reads and self.wishes.mode == "apply":\n            note',
        '        if address in self.desired.reads and self.wishes.mode == "destroy":\n            note',
        ("tests/test_cases.py", BLOCK_VOLUMES, "-k", "attach or another_files"),
    ),
    Mistake(
        "destroy data that nobody named",
        "planning/guards.py",
        "        if not {volume.name, EVERYTHING} & wishes.destroyable:\n",
        "        if not {volume.name, EVERYTHING}:\n",
        ("tests/operations/test_apply.py", "-k", "destroy"),
    ),
    Mistake(
        "take the old bid away before what the new one needs is there",
        "planning/steps.py",
        '                if up in known and Step("down", need) not in known:\n',
        '                if up in known and Step("down", need) in known and not known:\n',
        (DOUBT,),
    ),
    Mistake(
        "delete a volume before its user has let go",
        "planning/steps.py",
        "            if last_use is not None and down in known:\n",
        "            if last_use is None and down in known:\n",
        (GRAPH,),
    ),
    Mistake(
        "place the next user of a Block volume before the last is gone",
        "planning/steps.py",
        '        if gone is not None and (up := Step("up", taker)) in known:\n',
        '        if gone is not None and (up := Step("up", taker)) in known and not known:\n',
        (BLOCK_VOLUMES, "-k", "from_one_bid_to_another"),
    ),
    Mistake(
        "cancel the next user of a Block volume before the last has let go",
        "planning/steps.py",
        "        if not _waits_for(gone, down, waits):\n",
        "        if not waits:\n",
        (BLOCK_VOLUMES, "-k", "has_not_let_go"),
    ),
    # -- what somebody said of a live object
    Mistake(
        "a restore makes `state rm` undone",
        "backends/local.py",
        "        old = None if told else self._files.snapshot()\n",
        "        old = self._files.snapshot()\n",
        (LET_GO,),
    ),
    Mistake(
        "adopt what was let go of",
        "state/ownership.py",
        '    if id in state.released:\n        return "was let go of',
        '    if not state:\n        return "was let go of',
        (LET_GO,),
    ),
    Mistake(
        "import what is in doubt under another address",
        "operations/import_.py",
        '        elif intent.op == "create" and found in perhaps_created',
        "        elif not found and found in perhaps_created",
        (LET_GO,),
    ),
    Mistake(
        "let go of what is in doubt",
        "operations/state.py",
        "        _hold_certain(left, loaded)\n",
        "",
        (LET_GO,),
    ),
    Mistake(
        "cancel before all are looked at",
        "operations/recover.py",
        "        duplicates = [duplicate(live, loaded, id) for id in dict.fromkeys(ids)]",
        "        duplicates = (duplicate(live, loaded, id) for id in dict.fromkeys(ids))",
        (LET_GO,),
    ),
    Mistake(
        "cancel without saying so first",
        "operations/recover.py",
        "    store.append([intent])\n",
        "",
        (LET_GO,),
    ),
    Mistake(
        "cancel once the lock is somebody else's",
        "operations/recover.py",
        "Patience(clock, Options().timeout), lock.verify).cancel(bid.id)",
        "Patience(clock, Options().timeout), lambda: None).cancel(bid.id)",
        (LET_GO,),
    ),
    Mistake(
        "restore one run too far back",
        "backends/local.py",
        "        path = max(versions, key=",
        "        path = min(versions, key=",
        (CONTRACT,),
    ),
    Mistake(
        "guess which of two stacks belongs here",
        "backends/local.py",
        "        if header is not None and all(",
        "        if header is not None and not header and all(",
        (CONTRACT,),
    ),
    Mistake(
        "give a restored state the serial of an older one",
        "backends/local.py",
        "        serial = max([state.serial, header.serial if header else 0, *(",
        "        serial = max([state.serial, *(",
        (CONTRACT,),
    ),
    # -- truth afterwards
    Mistake(
        "forecast kept of a change that failed",
        "operations/track_record.py",
        " and address in placed",
        "",
        ("tests/cost/test_cost.py",),
    ),
    Mistake(
        "forecast of a bid that was changed counts all the same",
        "pricing/track_record.py",
        "if touched is not None and touched.at <= now:",
        "if touched is not None and touched.at < kept.starts_at:",
        ("tests/pricing/test_track_record.py",),
    ),
    Mistake(
        "forecast above its band taken for one that held",
        "pricing/track_record.py",
        'return "above" if self.verdict.paid > high + CENT else "inside"',
        'return "inside"',
        ("tests/pricing/test_track_record.py",),
    ),
    # -- what if
    Mistake(
        "an auction that cannot be simulated adds nothing to the total",
        "cost/what_if/results.py",
        ".no_less(day.money(first)) if complete else Band()",
        ".no_less(day.money(first))",
        (WHAT_IF,),
    ),
    Mistake(
        "what a bid holds already displaces others",
        "cost/what_if/pools.py",
        "held=min(stock, sum(bid.instance_quantity * (bid.gpus or 1) for bid in held)),",
        "held=0,",
        (WHAT_IF,),
    ),
    Mistake(
        "whoever is outbid stops at once",
        "cost/what_if/futures.py",
        "            if out >= GRACE:",
        "            if out > 0:",
        (WHAT_IF,),
    ),
    Mistake(
        "who wins at one price wins at every one",
        "cost/what_if/book.py",
        "        return tuple(places)",
        "        return ()",
        (WHAT_IF,),
    ),
    # -- files: arguments, locks, journals, sources
    Mistake(
        "an empty PATH is the current directory",
        "cli/base.py",
        "isinstance(value, str) and not value.strip() for value in values",
        "isinstance(value, str) and not value.strip() for value in ()",
        ("tests/cli/test_arguments.py",),
    ),
    Mistake(
        "a host's name proves that its run is dead",
        "backends/lock.py",
        '    same = left.machine != "" and (left.machine, left.host) == (here.machine, here.host)\n',
        "    same = left.host == here.host\n",
        ("tests/faults/test_lock_owner.py",),
    ),
    Mistake(
        "a boot that is not known is ours",
        "backends/lock.py",
        "    if not left.boot or not here.boot:\n",
        "    if not left.boot and here.boot:\n",
        ("tests/faults/test_lock_owner.py",),
    ),
    Mistake(
        "a free lock is taken from whoever lives",
        "backends/lock.py",
        'return "alive" if left.started and not itself',
        'return "alive" if not left.started and not itself',
        ("tests/faults/test_lock_owner.py",),
    ),
    Mistake(
        "a signal before the plan leaves the name in the lock",
        "cli/stop.py",
        "            signal.signal(number, end)\n",
        "            pass\n",
        ("tests/faults/test_lock_owner.py", "-k", "signal"),
    ),
    # -- the instance's disks
    *(
        Mistake(name, "startup/steps.sh.j2", old, new, ("tests/startup/test_node_disks.py", "-k", tests))
        for name, old, new, tests in (
            (
                "format an attached volume",
                'if [ "$1" != attached ]; then',
                "if true; then",
                "not_formatted_either",
            ),
            ("format without looking for zeros", 'blank "$2" || {', "true || {", "one_byte"),
            (
                "look at the head of the disk only",
                'zeros "$1" $((size - end)) $end || return',
                "true || return",
                "one_byte",
            ),
            (
                "look at nothing between head and end",
                "for ((i = 1; i < 64; i++)); do\n    zeros",
                "for ((i = 64; i < 64; i++)); do\n    zeros",
                "one_byte",
            ),
            ("format what another process has open", 'until unused "$2"; do', "until true; do", "open_is_left"),
            ("format a volume as a local disk", '[ "$1" = local ] &&', "false &&", "another_name"),
            ("format without the lock", "  flock 9\n", "", "two_runs or without_the_tool"),
        )
    ),
    Mistake(
        "an untold field proves a lost change",
        "apply/updates.py",
        " or not fields.keys().isdisjoint(found.untold):",
        ":",
        ("tests/faults/test_lies.py", "-k", "does_not_tell"),
    ),
    Mistake(
        "cancel for a lower limit that may be refused",
        "planning/limits.py",
        "        and least is None\n",
        "        and False\n",
        ("tests/planning/test_limits.py", "-k", "nobody_can_judge"),
    ),
    # -- absence, and waiting
    Mistake(
        "a gateway's 404 means gone",
        "cloud/http/meaning.py",
        "if status == 404 and not names:",
        "if False:",
        ("tests/faults/test_absence.py", "-k", "own_words or gateways"),
    ),
    Mistake(
        "a 404 to a cancellation needs no second look",
        "apply/removals.py",
        "            self._hold_gone(kind, id, error)\n",
        "",
        ("tests/faults/test_absence.py", "-k", "while_its_list"),
    ),
    Mistake(
        "a deletion is done once it is answered",
        "apply/removals.py",
        "                return self._hold_deleted(id)\n",
        "                return None\n",
        (LIES, "-k", "only_answered"),
    ),
    Mistake(
        "a deletion is told again without a look who uses it",
        "apply/removals.py",
        "                if listed is None or not self._held(id, _users_of(listed)):\n",
        "                if True:\n",
        (LIES, "-k", "took_the_volume"),
    ),
    Mistake(
        "a change is done once it is answered",
        "apply/updates.py",
        "                self._hold_changed(id, fields)\n",
        "                pass\n",
        (LIES, "-k", "no_success or another_limit"),
    ),
    Mistake(
        "a lock that is lost before the pause loses the bid that was placed",
        "apply/creates.py",
        "        except (CloudError, StateError) as error:  # the lock may",
        "        except CloudError as error:  # the lock may",
        (LIES, "-k", "whatever_keeps"),
    ),
    Mistake(
        "an id that was ended is taken from an answer",
        "state/ownership.py",
        "    if id in state.ended and not",
        "    if not id and not",
        (LIES, "-k", "has_ended"),
    ),
    Mistake(
        "what the state binds is hidden as ended",
        "operations/session.py",
        "lately(state.ended, now.timestamp()) - bound",
        "lately(state.ended, now.timestamp()) - set()",
        (LIES, "-k", "binds or came_back"),
    ),
    Mistake(
        "announce a call before the token is there",
        "cloud/http/transport.py",
        "                self._authorize(request)  # a login takes its time: what `before` announces is sent at once\n"
        "                before()\n",
        "                before()\n                self._authorize(request)\n",
        (LIES, "-k", "announced"),
    ),
    Mistake(
        "a list that hides what is known proves an absence",
        "apply/lookup.py",
        "                _hold_complete(live, known, cloud)\n",
        "                pass\n",
        (HIDDEN, "-k", "list"),
    ),
    Mistake(
        "this machine's clock alone tells whose a volume is",
        "state/ownership.py",
        "last.server is not None else WRONG",
        "last.server is not None else 0.0",
        (HIDDEN, "-k", "machines"),
    ),
    Mistake(
        "an empty list of somebody else's key is proof",
        "cloud/proving.py",
        "return self.project in self._projects or bool(live.bids or live.volumes)",
        "return True",
        ("tests/faults/test_absence.py", "-k", "see_nothing"),
    ),
    Mistake(
        "deactivated means ended whatever the status says",
        "model/live.py",
        "(self.deactivated and self.has_strange_status)",
        "self.deactivated",
        ("tests/faults/test_absence.py", "-k", "deactivation"),
    ),
    Mistake(
        "a volume is deleted when the field has any value",
        "cloud/observing.py",
        'if not reading.is_over(row, "deleted_at")]',
        'if row.get("deleted_at") is None]',
        ("tests/faults/test_over.py", "-k", "moment_is_there"),
    ),
    Mistake(
        "deleted is proved by any value",
        "cloud/proving.py",
        'for row in rows if reading.is_over(row, "deleted_at"))',
        'for row in rows if row.get("deleted_at") is not None)',
        ("tests/faults/test_over.py", "-k", "proved_by_a_moment"),
    ),
    Mistake(
        "deactivated at no moment is over",
        "cloud/rows.py",
        'deactivated=is_over(row, "deactivated_at")',
        'deactivated=row.get("deactivated_at") is not None',
        ("tests/faults/test_over.py", "-k", "not_bought_again"),
    ),
    Mistake(
        "a 404 that would fit any path means gone",
        "cloud/http/meaning.py",
        "is_api and self._names_something(words)",
        "is_api",
        ("tests/faults/test_over.py", "-k", "fit_any_path"),
    ),
    Mistake(
        "what was ended is hidden for ever",
        "operations/session.py",
        "lately(state.ended, now.timestamp())",
        "frozenset(state.ended)",
        ("tests/faults/test_over.py", "-k", "after_it_was_ended"),
    ),
    Mistake(
        "one instance that runs is all of them",
        "apply/waits.py",
        "up[id] < bid.instance_quantity",
        "not up[id]",
        ("tests/faults/test_over.py", "-k", "as_many"),
    ),
    Mistake(
        "what the journal ended is forgotten",
        "state/journal.py",
        "                ended |= ended_by(intent)\n",
        "",
        ("tests/faults/test_absence.py", "-k", "crash"),
    ),
    Mistake(
        "a look that fails while waiting is success",
        "apply/waits.py",
        "return self._failed(plan, outcome, failed | {step: _unseen(error) for step in wanted.values()})",
        "return outcome",
        ("tests/operations/test_waiting.py", "-k", "no_success"),
    ),
    Mistake(
        "a renewed token is renewed again and again",
        "cloud/http/transport.py",
        "                renewed = True",
        "                renewed = False",
        ("tests/operations/test_waiting.py", "-k", "ends_it"),
    ),
    Mistake(
        "take an imported volume for a created one",
        "operations/import_.py",
        '{id} if wanted.kind == "volume" else set()',
        "set()",
        ("tests/startup/test_node_disks.py", "-k", "imported"),
    ),
    Mistake(
        "remove the user's script when its main process ends",
        "startup/steps.sh.j2",
        '  say "script: exit code $code"\n',
        '  rm -r "$dir"\n  say "script: exit code $code"\n',
        ("tests/startup/test_node_script.py", "-k", "background"),
    ),
    # -- saved plans
    *(
        Mistake(name, file, old, new, ("tests/operations/test_saved_plans.py", "-k", tests))
        for name, file, old, new, tests in (
            (
                "believe what a saved plan says",
                "operations/saved_plan.py",
                "    if differing := differences(",
                "    if differing := () and differences(",
                "lie",
            ),
            (
                "use a plan before its shape is held to",
                "operations/saved_plan.py",
                "    if why := misfit(body):\n",
                "    if not body and (why := misfit(body)):\n",
                "some_of_all",
            ),
            (
                "apply a plan of an earlier state",
                "operations/saved_plan.py",
                '    if saved["stack"]["serial"] != now["stack"]["serial"]:\n',
                '    if saved["stack"]["serial"] > now["stack"]["serial"]:\n',
                "moved_on",
            ),
            (
                "let an error pass for a warning about prices",
                "documents/plan_held.py",
                'if one["severity"] == "error" or one["detail"] not in _OF_NOW]',
                'if one["detail"] not in _OF_NOW]',
                "diagnostic",
            ),
            (
                "believe a budget that refused, and was raised",
                "documents/plan_held.py",
                '"refused": [one["guard"] for one in _refusing(body)]',
                '"refused": []',
                "contradiction",
            ),
        )
    ),
    # -- what plan knows, apply does not run into
    *(
        Mistake(name, "planning/limits.py", old, new, ("tests/planning/test_limits.py", "-k", tests))
        for name, old, new, tests in (
            (
                "place below the reserve",
                "least is not None and bid.limit_price < least:",
                "least is not None and bid.limit_price < least - 1000:",
                "reserve",
            ),
            (
                "place more than the auction has",
                "if total is not None and bid.instance_quantity > total:",
                "if total is not None and bid.instance_quantity > total * 9:",
                "auction",
            ),
            ("place without a key that is required", "    if missing:\n", "    if missing and not bid:\n", "key"),
            ("place beyond the quota", "if more and taken > quota.total:", "if more and more > quota.total:", "quota"),
            (
                "count twice what a quota counts",
                "    return max(quota.used - sum(size(one.before) for one in kept), 0)\n",
                "    return quota.used\n",
                "quota",
            ),
        )
    ),
    Mistake(
        "take a bid that is placed to be paused for free",
        "cost/budgets.py",
        "    after = None if after is None else after + pausing\n",
        "",
        ("tests/planning/test_limits.py", "-k", "paused"),
    ),
    Mistake(
        "take a replacement that is to be paused for no dearer",
        "cost/budgets.py",
        '    if after.paused and change.action == "update":\n',
        "    if after.paused:\n",
        ("tests/planning/test_limits.py", "-k", "paused"),
    ),
    # -- what was true when the plan was shown
    Mistake(
        "take a yes for what was shown",
        "operations/apply.py",
        "        return plan if plan.empty or not self._time_passed() else self._still(plan, seen)\n",
        "        return plan\n",
        (AFTER_YES,),
    ),
    Mistake(
        "ask no guard after the yes",
        "operations/apply.py",
        "        refuse(self._held(now), saved=True)\n",
        "        self._held(now)\n",
        (AFTER_YES,),
    ),
    Mistake(
        "ask no budget after the yes",
        "operations/apply.py",
        "        refuse(self._held(now), saved=True)\n",
        "        refuse(now, saved=True)\n",
        (AFTER_YES,),
    ),
    Mistake(
        "delete a volume without a look who uses it",
        "apply/removals.py",
        "            if self._held(id, self._users(id)):\n                continue\n",
        "",
        (AFTER_YES,),
    ),
    Mistake(
        "share a look that began before one asked",
        "apply/shared.py",
        "            if self._seen is None or self._seen[0] < mine:\n",
        "            if self._seen is None:\n",
        (AFTER_YES, "-k", "share"),
    ),
    Mistake(
        "do not record that a plan is applied",
        "apply/run.py",
        "            local.insert(0, self._saved)\n",
        "",
        (APPLIED_ONCE,),
    ),
    Mistake(
        "forget with the snapshot that a plan was applied",
        "apply/run.py",
        "            self._working.begin(self._saved)\n",
        "",
        (APPLIED_ONCE,),
    ),
    Mistake(
        "apply a plan again",
        "operations/saved_plan.py",
        '        if plan.sha256 == saved["sha256"]:\n',
        '        if plan.sha256 == saved["sha256"] and plan.serial == state.serial:\n',
        (APPLIED_ONCE,),
    ),
    # -- secrets
    *(
        Mistake(name, file, old, new, tests)
        for name, file, old, new, tests in (
            (
                "keep secrets of run_options in the state",
                "state/codec.py",
                "plain(inputs.shown)",
                "plain(inputs)",
                ("tests/faults/test_secrets.py", "-k", "holds_the_value"),
            ),
            (
                "show secrets of run_options in plans",
                "documents/plan.py",
                "image = image.shown if image else None",
                "pass",
                ("tests/faults/test_secrets.py", "-k", "nowhere_shown"),
            ),
            (
                "replace a bid because its options are masked",
                "model/resources.py",
                "given_sha256=self.sha256 if self.resolved else None",
                "given_sha256=None",
                ("tests/test_masking.py", "-k", "has_the_digest"),
            ),
            (
                "quote the answer to a login",
                "cloud/http/meaning.py",
                "return self.path != LOGIN_PATH",
                "return True",
                ("tests/faults/test_canary.py", "-k", "never_quoted"),
            ),
            (
                "lock before the API's URL is looked at",
                "operations/settings.py",
                'if "@" in found and',
                "if False and",
                ("tests/faults/test_secrets.py", "-k", "apis_url"),
            ),
        )
    ),
    Mistake(
        "write over the journal of a successor",
        "backends/open_journal.py",
        'or seen[len(self._tail) :].strip(b"\\0")',
        "",
        ("tests/state/test_journal.py",),
    ),
    Mistake(
        "no look whether the journal is found by its path",
        "backends/open_journal.py",
        "            os.fdatasync(descriptor)\n            self._hold_there(descriptor)\n",
        "            os.fdatasync(descriptor)\n",
        ("tests/state/test_journal.py", "tests/backends/test_local.py"),
    ),
    Mistake(
        "a journal that is gone takes what it held along",
        "backends/local.py",
        "        kept = [*(() if self._in_place() else self._recorded), *records]\n",
        "        kept = [*records]\n",
        ("tests/state/test_journal.py",),
    ),
    Mistake(
        "a late result undoes what was settled since",
        "backends/overflow.py",
        "self.serial >= serial and one.intent not in settled",
        "self.serial >= serial",
        ("tests/state/test_journal.py",),
    ),
    Mistake(
        "a late result comes back over a later snapshot",
        "backends/overflow.py",
        "(self.serial >= serial and one.intent not in settled)",
        "one.intent not in settled",
        ("tests/state/test_journal.py",),
    ),
    Mistake(
        "a spill alone is a fresh start",
        "backends/local.py",
        "        if spilled := self._spill.found():\n",
        "        if (spilled := self._spill.found()) and not spilled:\n",
        ("tests/state/test_journal.py",),
    ),
    Mistake(
        "the lock is not looked after before a frame",
        "backends/local.py",
        "        self._hold()\n        records = tuple(records)\n",
        "        records = tuple(records)\n",
        ("tests/state/test_journal.py",),
    ),
    Mistake(
        "a bid keeps the volume that is replaced under it",
        "planning/changes.py",
        "            self.ids.pop(address, None)\n",
        "            pass\n",
        (CHANGES,),
    ),
    Mistake(
        "what is bought again has the generation of what is gone",
        "planning/changes.py",
        'binding.generation + 1, "create_because_gone"',
        'binding.generation, "create_because_gone"',
        (CHANGES,),
    ),
    Mistake(
        "a Block volume is taken before it is let go",
        "planning/hand_overs.py",
        "        return order_with(changes, hand_overs(changes))\n",
        "        return order_with(changes, ())\n",
        (CHANGES, "-k", "block_volume"),
    ),
    Mistake(
        "a tie with the lowest limit wins",
        "planning/placement.py",
        "(lowest is not None and self.limit > lowest)",
        "(lowest is not None and self.limit >= lowest)",
        ("tests/planning/test_placement.py",),
    ),
    Mistake(
        "a file that was renamed leaves what it made",
        "planning/make.py",
        "{source for source in named if files.is_gone(source) or files.is_given(source)}",
        "{source for source in named if files.is_given(source)}",
        ("tests/operations/test_sources.py",),
    ),
    Mistake(
        "whatever a link leads to is this run's business",
        "operations/sources.py",
        "        return entry in self.files or",
        "        return self.is_given(binding.source) or entry in self.files or",
        ("tests/operations/test_sources.py",),
    ),
    Mistake(
        "a file that cannot be looked at is gone",
        "operations/sources.py",
        "        except OSError:\n            return False\n        return False\n",
        "        except OSError:\n            return True\n        return False\n",
        ("tests/operations/test_sources.py",),
    ),
    Mistake(
        "what a file made that is gone runs on unsaid",
        "planning/drift.py",
        "or not binding.source or not files.is_gone(binding.source):",
        "or not binding.source or files.is_gone(binding.source):",
        ("tests/operations/test_sources.py",),
    ),
    Mistake(
        "another checkout's task runs on",
        "operations/sources.py",
        "        return Path(self._place(source)).parts[-len(end) :] == end\n",
        "        return False\n",
        ("tests/operations/test_sources.py",),
    ),
    Mistake(
        "what stands in the way of a file keeps it paid",
        "operations/sources.py",
        "        if optional and (not found or readable != found) and made(",
        "        if optional and not os.path.lexists(path) and made(",
        ("tests/faults/test_obstacles.py",),
    ),
    Mistake(
        "a path that made nothing and cannot be read is passed over",
        "operations/sources.py",
        "(not found or readable != found) and made(_scope(root, here, [path], [path])):",
        "(not found or readable != found):",
        ("tests/faults/test_obstacles.py",),
    ),
    Mistake(
        "the backup overwrites what a link leads to",
        "backends/local.py",
        "replace_file(self.backup_path, old or new, through_link=False)",
        "replace_file(self.backup_path, old or new)",
        ("tests/faults/test_obstacles.py",),
    ),
    Mistake(
        "the journal overwrites what a link leads to",
        "backends/state_files.py",
        "replace_file(self.journal, data, through_link=False)",
        "replace_file(self.journal, data)",
        ("tests/faults/test_obstacles.py",),
    ),
    Mistake(
        "a lock full of brackets stops whoever wants to stop paying",
        "backends/lock.py",
        "except (OSError, ValueError, TypeError, RecursionError):",
        "except (OSError, ValueError, TypeError):",
        ("tests/faults/test_obstacles.py",),
    ),
    # -- what comes from outside
    Mistake(
        "a price below zero counts",
        "model/bounds.py",
        "type(value) is int and 0 <= value <= 100 * HIGHEST",
        "type(value) is int and value <= 100 * HIGHEST",
        ("tests/cloud/test_bounds.py", "-k", "price_that_cannot or negative"),
    ),
    Mistake(
        "an amount may be as high as it likes",
        "model/bounds.py",
        "if not value.is_finite() or not 0 <= value <= HIGHEST:",
        "if not value.is_finite() or value < 0:",
        ("tests/cloud/test_bounds.py", "-k", "amount"),
    ),
    Mistake(
        "a lineage may lead out of its directory",
        "model/bounds.py",
        "    if not is_name(value):\n",
        "    if not isinstance(value, str):\n",
        ("tests/cloud/test_bounds.py", "-k", "never_writes"),
    ),
    Mistake(
        "the name of an anchor is where libyaml stops",
        "config/yaml/events.py",
        "    if written is None or written[1] == name:\n",
        "    if written is None or written[1].startswith(name):\n",
        ("tests/config/test_yaml.py", "-k", "misreads"),
    ),
)


def main(words: list[str]) -> int:
    chosen = [one for one in MISTAKES if not words or any(word in one.name for word in words)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sound = list(pool.map(_sound, dict.fromkeys(one.tests for one in chosen)))
        if not all(sound):
            return 1
        killers = list(pool.map(_tried, chosen))
    survivors = [one.name for one, killer in zip(chosen, killers, strict=True) if killer is None]
    print(f"{len(chosen)} mistakes, {len(chosen) - len(survivors)} found by a test, {len(survivors)} survived")
    return 1 if survivors else 0


def _sound(tests: tuple[str, ...]) -> bool:
    """Whether the tests pass without a mistake: else they prove nothing."""
    with tempfile.TemporaryDirectory() as directory:
        done = _run(_copy(Path(directory)), tests)
    if done.returncode != 0:
        print(f"not sound: pytest {' '.join(tests)}\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def _tried(mistake: Mistake) -> str | None:
    """The test that failed; None when none did."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        copy = _copy(Path(directory))
        _edit(copy / "flowplan" / mistake.file, mistake)
        done = _run(copy, mistake.tests)
    killer = _killer(done)
    print(f"{mistake.name:<62} | {killer or 'SURVIVED':<90} | {time.monotonic() - began:5.1f} s", flush=True)
    return killer


def _copy(directory: Path) -> Path:
    """The package, its tests and what they read."""
    copy = directory / "flowplan"
    copy.mkdir()
    for name in ("flowplan", "tests", "examples", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.cfg", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def _edit(path: Path, mistake: Mistake) -> None:
    text = path.read_text()
    count = text.count(mistake.old)
    if count != 1:
        raise SystemExit(f"{mistake.name}: the text to replace stands {count} times in {mistake.file}, not once")
    path.write_text(text.replace(mistake.old, mistake.new))


def _run(copy: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    if "-m" not in tests:
        command += ["-m", "not slow and not timed"]
    try:
        return subprocess.run(
            command, cwd=copy, env=environ, capture_output=True, text=True, check=False, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", "")


def _killer(done: subprocess.CompletedProcess[str]) -> str | None:
    """The name of the test that failed. Raises SystemExit for a run that came to no verdict."""
    if done.returncode == 0:
        return None
    if done.returncode == 124:
        return f"(no end within {LONGEST} s)"
    found = re.search(r"^FAILED \S+?/(test_\w+\.py::\S+)", done.stdout, re.MULTILINE)
    if done.returncode != 1 or found is None:
        raise SystemExit(f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return found[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
