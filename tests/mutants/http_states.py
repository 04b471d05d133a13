"""Mistakes seeded in what keeps a state at a server for Terraform states."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "take an older document from a cache",
        "backends/remote/http_client.py",
        '?fresh={uuid.uuid4().hex}"',
        '"',
        ("tests/contracts/test_http.py", "-k", "cache_before"),
    ),
    Mistake(
        "send a write again that may arrive twice, and after the next one",
        "backends/remote/http.py",
        " or not left or not self.client.address.numbered:\n",
        " or not left:\n",
        ("tests/contracts/test_http.py", "-k", "arrive_twice"),
    ),
    Mistake(
        "write on after a write that may still arrive",
        "backends/remote/http.py",
        "            if found.write != self._doubt and not self.client.address.numbered:\n",
        "            if False:\n",
        ("tests/contracts/test_http.py", "-k", "arrive_twice"),
    ),
    Mistake(
        "trust a server that takes a write without its lock",
        "backends/remote/http.py",
        "        if not self._refuses(there.next(), other.ID):\n",
        "        if False:\n",
        ("tests/contracts/test_http_answers.py", "-k", "refused_by_name"),
    ),
    Mistake(
        "trust a server that takes a write of a run whose lock was taken away",
        "backends/remote/http.py",
        "            if not self._refuses(there.next(), mine.ID):\n",
        "            if False:\n",
        ("tests/contracts/test_http_answers.py", "-k", "refused_by_name"),
    ),
    Mistake(
        "begin under the fence of the run before",
        "backends/remote/http.py",
        "fence, version = before.fence + 1, uuid.uuid4().hex",
        "fence, version = before.fence or 1, uuid.uuid4().hex",
        ("tests/contracts/test_http.py", "-k", "was_broken_writes_nothing"),
    ),
    Mistake(
        "take an empty answer for no state",
        "backends/remote/http_client.py",
        "        if not reply.body.strip():\n",
        "        if not reply.body.strip():\n            return None\n        if False:\n",
        ("tests/contracts/test_http_answers.py", "-k", "nothing_means_nothing"),
    ),
    Mistake(
        "take a project that is not shown for one without a state",
        "backends/remote/http_client.py",
        "            self._hold_absent(reply)\n",
        "",
        ("tests/contracts/test_http_answers.py", "-k", "nothing_means_nothing"),
    ),
    Mistake(
        "take a login page for a write that was done",
        "backends/remote/http_client.py",
        '            raise self._refusal(reply, "write")\n        self._hold_no_page(reply)\n',
        '            raise self._refusal(reply, "write")\n',
        ("tests/contracts/test_http_answers.py", "-k", "answered_with_a_page"),
    ),
    Mistake(
        "show the credentials that a server repeats",
        "backends/remote/http_client.py",
        "        return shown(without(text, self._hidden), 200)\n",
        "        return shown(text, 200)\n",
        ("tests/contracts/test_http_answers.py", "-k", "says_of_credentials"),
    ),
    Mistake(
        "take the lock of another state, which Terraform's variables name",
        "backends/remote/http_address.py",
        "    if (found != own) if numbered else (_origin(found) != _origin(state)):\n",
        "    if False:\n",
        ("tests/backends/test_http_address.py",),
    ),
    Mistake(
        "send credentials to a server that they are not for",
        "backends/remote/http_address.py",
        "    if not same:\n",
        "    if False:\n",
        ("tests/backends/test_http_address.py",),
    ),
    Mistake(
        "go by a lock at a server for ever",
        "backends/remote/http_lock.py",
        "self._taken and (self._fresh(TRUST) or self._still_ours())",
        "self._taken",
        ("tests/contracts/test_http.py", "-k", "broken or is_old"),
    ),
    Mistake(
        "take over the lock of a run that lives",
        "backends/remote/http_lock.py",
        "        if left.holder is not None and dead(left):\n",
        "        if left.holder is not None:\n",
        ("tests/contracts/test_backends.py", "-k", "one_run_at_a_time and gitlab"),
    ),
    Mistake(
        "hand the password of the state's server to hooks",
        "cloud/credentials.py",
        ', "FLOWPLAN_HTTP_PASSWORD", ',
        ", ",
        ("tests/operations/test_hooks.py", "-k", "secrets_are"),
    ),
    Mistake(
        "take a lock that is held for one that was given back",
        "backends/remote/http_lock.py",
        "(found.holder is None and found.run == there.ID)",
        "found.run == there.ID",
        ("tests/contracts/test_backends.py", "-k", "one_run_at_a_time and gitlab"),
    ),
    Mistake(
        "ask for a lock at a server without a note of it",
        "backends/remote/http_lock.py",
        "        self._noted.note(record)  # and so does the next run, whatever ends this one\n",
        "",
        ("tests/contracts/test_http.py", "-k", "before_its_document"),
    ),
    Mistake(
        "keep the note of a lock that a dead run had",
        "backends/remote/http_lock.py",
        "        self._noted.forget_dead()\n",
        "",
        ("tests/contracts/test_http.py", "-k", "before_its_document"),
    ),
)
