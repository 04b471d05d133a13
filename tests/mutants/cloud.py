"""Mistakes seeded in flowplan/cloud."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "a name of a type that a shell could obey is offered to it",
        "cloud/remembered.py",
        "isinstance(one, str) and _NAME.fullmatch(one)",
        "isinstance(one, str) and one.isprintable()",
        ("tests/cloud/test_remembered.py", "-k", "obey"),
    ),
    Mistake(
        "retry a POST on 502",
        "cloud/http/meaning.py",
        "self._tries_unless_paid(1 if status == 501 else TRIES)",
        "(1 if status == 501 else TRIES)",
        ("tests/cloud/test_retries.py", "tests/faults/test_doubt.py"),
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
        "own._dns_host, own.timeout = address, _left(patience)",
        "own._dns_host, own.timeout = address, patience",
        ("tests/cloud/test_deadline.py",),
    ),
    Mistake(
        "a list that never ends is read without end",
        "cloud/http/paging.py",
        "_hold_finite(number, count, size, clock() - started, more=cursor is not None)",
        "_hold_finite(number, 0, 0, 0, more=cursor is not None)",
        ("tests/faults/test_endless.py",),
    ),
    Mistake(
        "take what is not told for empty",
        "cloud/rows.py",
        "for name, value in given.items() if value is None}",
        "for name, value in given.items() if value == 0}",
        ("tests/faults/test_unreported.py",),
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
        "the row of another bid counts",
        "cloud/proving.py",
        "            reading.hold_about(row, id)\n",
        "",
        ("tests/faults/test_answers_of_others.py", "-k", "another_bid"),
    ),
    Mistake(
        "a gateway's 404 means gone",
        "cloud/http/meaning.py",
        "if status == 404 and not names:",
        "if False:",
        ("tests/faults/test_absence.py", "-k", "own_words or gateways"),
    ),
    Mistake(
        "announce a call before the token is there",
        "cloud/http/transport.py",
        "                self._authorize(request)  # a login takes its time: what `before` announces is sent at once\n"
        "                before()\n",
        "                before()\n                self._authorize(request)\n",
        ("tests/faults/test_lies.py", "-k", "announced"),
    ),
    Mistake(
        "an empty list of somebody else's key is proof",
        "cloud/proving.py",
        "return self.project in self.seen_projects or bool(live.bids or live.volumes)",
        "return True",
        ("tests/faults/test_absence.py", "-k", "see_nothing"),
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
        "a renewed token is renewed again and again",
        "cloud/http/transport.py",
        "                renewed = True",
        "                renewed = False",
        ("tests/operations/test_waiting.py", "-k", "ends_it"),
    ),
    Mistake(
        "quote the answer to a login",
        "cloud/http/meaning.py",
        "return self.path != LOGIN_PATH",
        "return True",
        ("tests/faults/test_canary.py", "-k", "never_quoted"),
    ),
)
