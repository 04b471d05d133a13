"""What a reply means: the answer to the call, or the error it stands for and how often to try again.

What becomes of an attempt that brought no plain 2xx ("paid" methods may cost money when they are sent twice):

    what happened                       GET HEAD PUT DELETE           POST PATCH (paid)
    DNS, refused, connect timeout       5 tries, Unreachable          the same: nothing was sent
    TLS                                 Unreachable at once           the same in the handshake, else Ambiguous
    timeout, reset, truncated, 408      5 tries, CloudError           Ambiguous
    5xx                                 5 tries, CloudError           Ambiguous
    429                                 5 tries, Refused; every worker pauses        the same
    2xx whose body cannot be read       3 tries, CloudError           Ambiguous
    206, 304: no call asks for them     3 tries, CloudError           Ambiguous
    2xx over 64 MB, 5 million values    CloudError at once            Ambiguous
    3xx                                 CloudError at once            the same; Ambiguous for 303
    202 held                            Held                          Held
    401, 409 needs_reauth               Unauthorized                  Unauthorized
    404 that names what is missing      NotFound                      NotFound
    any other 404                       CloudError                    CloudError
    409, 400 "name already used"        Refused                       NameTaken (POST)
    other 4xx                           Refused                       Refused

Before the first answer of all the five tries have four seconds together: nothing was changed by then.

A DELETE answered with 2xx succeeded whatever its body is. So for a paid method `Ambiguous` is the only error that
leaves open whether the request was executed: every other one proves that it was not.

`NotFound` is what the API itself says, in its own form: `{"detail": "Bid not found"}`. A gateway's 404, a page, a list
of fields, and what a web framework says of a path that it does not know (`{"detail": "Not Found"}`) prove nothing about
an object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn, Protocol

from attrs import field

from flowplan.classes import frozen
from flowplan.cloud.http.endpoint import trusting
from flowplan.cloud.http.redaction import REFUSED_HINT
from flowplan.cloud.http.response import GARBLED, LOST, TLS, TOO_BIG, UNREACHABLE, Reply
from flowplan.errors import Ambiguous, CloudError, Held, NameTaken, NotFound, Refused, Unauthorized, Unreachable
from flowplan.patterns import regex

TRIES = 5
UNREADABLE_TRIES = 3
RETRY_AFTER_CAP = 60.0  # seconds: if it asks for more, the call ends at once
EXCERPT = 200  # characters of a strange answer that are shown
WORDS = 4_000  # characters of a refusal that are searched for what it means

LOGIN_PATH = "/login"  # what it answers holds a token, or repeats the password: none of it is quoted

_PAID = ("POST", "PATCH")
# What answers a header that no call has: a cache does not do as it should, and half a list would pass for all of it.
_UNASKED = {206: "it is a part, and the whole was asked for", 304: "it says that nothing has changed"}
# What web frameworks and gateways say of a path that they do not know: nothing but such words.
_WORD = regex(r"\w+")
_SAID = (
    "404 error http a an any api at be cannot could delete do does endpoint exist find for found get given here in "
    "is it match matched matches matching method no not nothing of on or page patch path post put request "
    "requested resource route server service that the this those to unknown uri url values was were with"
)
_NO_ROUTE = frozenset(_SAID.split())
_NAME_TAKEN = regex(r"\bname\b.*\b(already|taken|in use|exists|duplicate)|duplicate\b.*\bname", re.DOTALL)

# What the API's refusals mean for whoever wrote the task (its texts are free, so words are all there is).
_HINTS: Final = (
    (regex(r"quota"), "the project's quota does not allow it: free something, or ask for more in the console"),
    (
        regex(r"price\b.*\bbelow\b.*\bminimum", re.DOTALL),
        "raise utility_threshold_price to that minimum or above",
    ),
    (
        regex(r"ssh\b.*key.*required|no ssh keys|required.*ssh\b.*key", re.DOTALL),
        "name an SSH key of the project: --ssh-key, or FOUNDRY_SSH_KEY_NAME",
    ),
    (regex(r"billing|payment|stripe"), "the account has no usable payment method: set one up in the console"),
)


@frozen
class Answer:
    """A 2xx answer. `data` is its JSON (fractions as Decimal), or None for an empty body; `headers` finds names in
    lower case. `size` is that of the body, in bytes."""

    status: int
    data: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    request_id: str
    size: int = 0

    @property
    def is_page(self) -> bool:
        """Whether it is a web page, as of a proxy or a login, and so not the API's."""
        return _is_page(self.headers)


def _is_page(headers: Mapping[str, str]) -> bool:
    return "html" in headers.get("content-type", "")


class Clean(Protocol):
    """Makes text from outside fit for a message: without credentials, escaped, at most `limit` characters."""

    def __call__(self, text: str, limit: int = EXCERPT) -> str: ...


@frozen(eq=False, repr=False)
class Call:
    """One call to `host` at its `tries`-th attempt, and what messages need to tell of it."""

    method: str
    path: str
    tries: int
    host: str
    clean: Clean

    def judge(self, reply: Reply) -> tuple[Answer | CloudError, int]:
        """The answer, or the error that `reply` means; and how many tries a call may make that gets such a reply."""
        status = reply.status
        if status is None:
            return self._unanswered(reply)
        if status in _UNASKED and not (status == 206 and self.method == "DELETE"):
            return self._invalid(reply, GARBLED, _UNASKED[status])
        if 200 <= status < 300:
            return self._success(reply, status)
        if 300 <= status < 400:
            return self._redirect(reply, status), 1
        if status == 429 or reply.leaves_open:
            return self._transient(reply, status)
        return self._refusal(reply, status), 1

    def _unanswered(self, reply: Reply) -> tuple[CloudError, int]:
        host, why = self.host, self.clean(reply.why)
        if reply.fault == UNREACHABLE:
            hint = "check the network, the VPN, HTTPS_PROXY and the API's URL"
            return Unreachable(f"cannot reach {host}: {why}{self._so_far}", hint=hint), TRIES
        if reply.fault == TLS:
            signed = "if a proxy signs TLS itself, add its authority to the file that REQUESTS_CA_BUNDLE names"
            hint = trusting(reply.why, otherwise=signed)
            message = f"cannot trust {host}: {why}"
            return self._unsure(message, reply, hint) if reply.sent else Unreachable(message, hint=hint), 1
        return self._unsure(f"{self._what}: no answer: {why}{self._so_far}", reply), self._tries_unless_paid(TRIES)

    def _success(self, reply: Reply, status: int) -> tuple[Answer | CloudError, int]:
        fault, why, data = reply.fault, reply.why, None
        if fault is None and reply.body:
            try:
                data = json_of(reply.body)
            except ValueError:
                fault, why = GARBLED, "it is not JSON"
        if isinstance(data, dict) and status == 202 and isinstance(data.get("held"), dict):
            return self._held(reply, data["held"]), 1
        if self.method == "DELETE":
            return Answer(status, data, reply.headers, reply.request_id, len(reply.body)), 1
        if fault is None and not reply.body and status in (200, 201) and self.method != "HEAD":
            fault, why = GARBLED, "it is empty"
        if fault is None:
            return Answer(status, data, reply.headers, reply.request_id, len(reply.body)), 1
        return self._invalid(reply, fault, why)

    def _invalid(self, reply: Reply, fault: str, why: str) -> tuple[CloudError, int]:
        says = "the answer was cut off" if fault == LOST else "invalid response"
        message = f"{self._what}: {says}: {self.clean(why)}{self._source(reply)}"
        if reply.body and fault == GARBLED and self._quotable:
            message += f": {self.clean(_text(reply.body))}"
        hint = "a proxy or a login page seems to answer instead of the API" if _is_page(reply.headers) else None
        allowed = {TOO_BIG: 1, GARBLED: UNREADABLE_TRIES}.get(fault, TRIES)
        return self._unsure(message, reply, hint), self._tries_unless_paid(allowed)

    def _held(self, reply: Reply, held: dict[str, Any]) -> CloudError:
        proposal = self.clean(str(held.get("proposal_id")), 80)
        expires = self.clean(str(held.get("expires_at")), 40)
        return Held(
            f"{self._what}: held for approval as proposal {proposal}, which expires at {expires}",
            hint="have it approved, then run the same command again",
            status=reply.status,
            request_id=reply.request_id,
        )

    def _redirect(self, reply: Reply, status: int) -> CloudError:
        target = self.clean(reply.sent_on_to or self.host)
        message = f"{self._what}: unexpected redirect to {target}{self._source(reply)}"
        hint = "nothing was sent there; check the API's URL"
        if reply.leaves_open:
            return self._unsure(message, reply, hint)
        return CloudError(message, status=status, request_id=reply.request_id, hint=hint)

    def _transient(self, reply: Reply, status: int) -> tuple[CloudError, int]:
        refused = status == 429
        what = "too many requests" if refused else "the API is unavailable"
        message = f"{self._what}: {what}{self._source(reply)}{self._so_far}"
        allowed = TRIES if refused else self._tries_unless_paid(1 if status == 501 else TRIES)
        asked = reply.retry_after
        if asked is not None and asked > RETRY_AFTER_CAP:
            message += f"; it asks you to wait {asked:.0f} s"
            allowed = 1
        if refused:
            return Refused(message, status=status, request_id=reply.request_id, hint="try again later"), allowed
        return self._unsure(message, reply, detail=self._detail(reply)[0]), allowed

    def _refusal(self, reply: Reply, status: int) -> CloudError:
        detail, words, is_api = self._detail(reply)
        words = words[:WORDS].lower()
        kind, says, hint = _refusal(self.method, status, words, is_api and self._names_something(words))
        # A list of fields stands by itself, under the message.
        said, listed = (f": {detail}", None) if "\n" not in detail and status != 422 else ("", detail)
        message = f"{self._what}: {says}{said if detail else ''}{self._source(reply)}"
        return kind(message, status=status, request_id=reply.request_id, hint=hint, detail=listed or None)

    def _names_something(self, words: str) -> bool:
        """Whether a 404's text says more than would fit any path: only then is it about the object asked for."""
        rest = words.replace(self.path.lower(), " ")
        return not _NO_ROUTE.issuperset(_WORD.findall(rest))

    def _unsure(self, message: str, reply: Reply, hint: str | None = None, detail: str | None = None) -> CloudError:
        """An error after which the request may have been executed: that matters for paid methods only."""
        kind = Ambiguous if self.method in _PAID else CloudError
        return kind(message, status=reply.status, request_id=reply.request_id, hint=hint, detail=detail or None)

    def _tries_unless_paid(self, tries: int) -> int:
        return 1 if self.method in _PAID else tries

    def _detail(self, reply: Reply) -> tuple[str, str, bool]:
        """What an error's body says: cleaned (one line a field), raw, and whether it has the API's form for what is no
        problem of a field: the text `detail`."""
        try:
            data = json_of(reply.body) if reply.body else {}
        except ValueError:
            return self.clean(_text(reply.body)) if self._quotable else "", _text(reply.body), False
        said = data.get("detail", "") if isinstance(data, dict) else ""
        lines = [_field_problem(item) for item in said] if isinstance(said, list) else [str(said or "")]
        clean = "\n".join(self.clean(line, 500) for line in lines[:50]) if self._quotable else ""
        return clean, "\n".join(lines), isinstance(data, dict) and isinstance(data.get("detail"), str)

    @property
    def _quotable(self) -> bool:
        return self.path != LOGIN_PATH

    @property
    def _what(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def _so_far(self) -> str:
        return f" ({self.tries} tries)" if self.tries > 1 else ""

    def _source(self, reply: Reply) -> str:
        return f" ({reply.status}, request {self.clean(reply.request_id, 64)})"


def _refusal(method: str, status: int, words: str, names: bool) -> tuple[type[CloudError], str, str | None]:
    """The error, its text and its hint for a 4xx that proves that nothing was done. `names`: a 404 of the API's form
    says what is missing."""
    hint = next((hint for pattern, hint in _HINTS if pattern.search(words)), None)
    if status == 401 or (status == 409 and "needs_reauth" in words):
        return Unauthorized, "the API does not accept the credentials", REFUSED_HINT
    if status == 404 and not names:
        # A proxy's, or another server's own: it must not pass for "your bid is gone".
        return (
            CloudError,
            "not found, but not by the API's own answer",
            "check the API's URL and the proxies on the way",
        )
    if status == 404:
        return NotFound, "not found", None
    if status == 403:
        return Refused, "permission denied", hint or "the credentials lack a permission in this project"
    if method == "POST" and (status == 409 or (status == 400 and _NAME_TAKEN.search(words))):
        return NameTaken, "the name is taken", None
    if status == 402:
        return Refused, "refused", hint or _HINTS[-1][1]
    return Refused, "refused", hint


def _field_problem(item: object) -> str:
    """One entry of a 422 as `launch_specification.volumes.0: what is wrong`."""
    if not isinstance(item, dict):
        return str(item)
    place = item.get("loc")
    parts = [str(part) for part in place] if isinstance(place, list) else []
    name = ".".join(parts[1:] if len(parts) > 1 and parts[0] in ("body", "query", "path") else parts)
    return f"{name or '(request)'}: {item.get('msg', 'invalid')}"


# -- reading ---------------------------------------------------------------------------------------------------------


def json_of(body: bytes) -> Any:
    """The JSON value in `body`. Raises ValueError for anything but strict JSON in UTF-8; half a character, which JSON
    can name and nothing can write, is read as U+FFFD."""
    text = body.decode("utf-8-sig")
    if "\\ud" in text or "\\uD" in text:
        text = _HALVES.sub(lambda found: found[1] or r"\ufffd", text)
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


# An escaped backslash, or a pair, which stay as they are; or half of one.
_HALVES = regex(r"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _text(body: bytes) -> str:
    return body[: 20 * EXCERPT].decode("utf-8", "replace").strip()
