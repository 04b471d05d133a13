"""What is asked of a server that keeps Terraform states, and what its answers mean.

    200, 201, 204       done; a GET of 204 or 404: nothing is there
    409, 412, 422, 423  refused: the lock is another's, or the serial is taken
    3xx, a web page     an error: a login, or a URL that is not that of a state. No redirect is followed: the
                        credentials are for this server
    5xx, 1xx, 303, 408, a GET, a lock and an unlock are sent again, but for 303; of a write it is not known whether
    no answer           it was done

An empty answer to a GET is an error, never "nothing".
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flowplan.backends.remote.http_address import PASSWORD, USERNAME, HttpAddress
from flowplan.backends.remote.http_document import SIZE_LIMIT
from flowplan.backends.remote.in_time import hold_wanted
from flowplan.backends.remote.place import Conflict, Fault, Unanswered
from flowplan.classes import frozen
from flowplan.cloud.http.endpoint import authorities, proxies, trusting
from flowplan.cloud.http.redaction import without
from flowplan.cloud.http.request import outgoing
from flowplan.cloud.http.response import TLS, TOO_BIG, Reply
from flowplan.cloud.http.wire import Patience
from flowplan.errors import StateError
from flowplan.masking import forms_of
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.cloud.http.network import Network

CONNECT_TIMEOUT, READ_TIMEOUT, DEADLINE = 10.0, 30.0, 30.0  # seconds of one attempt; the last from beginning to end
BUDGET = 60.0  # seconds of one call, after which no further attempt begins
_TRIES = 4
_PAUSE = 0.5  # seconds before the second try; it doubles
_LONGEST_PAUSE = 20.0
_NO_PROJECT = "project not found"  # GitLab's words; of a state that is not there it says "404 Not found"
_REFUSED = (409, 412, 422, 423)
UNRETURNED: set[str] = set()  # the ids of locks that this process gave back, and the server did not confirm it
CREDENTIALS = f"set {USERNAME} and {PASSWORD}; in a job of GitLab's they are gitlab-ci-token and $CI_JOB_TOKEN"


@frozen
class LockInfo:
    """A lock as Terraform's protocol has it: exactly these fields."""

    ID: str
    Operation: str = ""
    Info: str = ""
    Who: str = ""
    Version: str = ""
    Created: str = ""
    Path: str = ""

    def dump(self) -> bytes:
        """The body of a request."""
        names = ("ID", "Operation", "Info", "Who", "Version", "Created", "Path")
        return json.dumps({name: getattr(self, name) for name in names}).encode()

    @classmethod
    def load(cls, data: bytes) -> LockInfo:
        """What a server says of a lock; "" for what it does not say."""
        try:
            found = json.loads(data)
            return cls(**{name: str(found.get(name) or "") for name in ("ID", "Info", "Who", "Created")})
        except (ValueError, AttributeError, RecursionError):
            return cls("")


class HttpClient:
    """Asks the server at `address`; usable by several threads at once. Raises StateError, whose text shows nothing that
    is secret. `environ` has the proxy and the certificate authorities, as for the cloud's API."""

    def __init__(
        self, address: HttpAddress, environ: Mapping[str, str], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.address, self._sleep = address, sleep
        parts = urlsplit(address.state)
        secure = parts.scheme == "https"
        self._proxies = proxies(environ, parts.hostname or "", parts.port) if secure else {}
        self._verify = authorities(environ) if secure else True
        self._made: Network | None = None
        self._until: float | None = None  # when it must be over, by the monotonic clock
        secrets = [address.password.reveal(), *(urlsplit(url).password or "" for url in self._proxies.values())]
        self._hidden = [form for secret in secrets for form in forms_of(secret)]
        login = f"{address.username}:{address.password.reveal()}"
        self._login = f"Basic {base64.b64encode(login.encode()).decode()}" if login != ":" else ""
        self._hidden += [self._login.removeprefix("Basic ")] if self._login else []

    @property
    def name(self) -> str:
        """How messages name the state."""
        return self.address.state

    def close(self) -> None:
        """End what is open; what is asked after it opens again."""
        made, self._made = self._made, None
        if made is not None:
            made.close()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Inside, whatever is asked is over in `seconds`, all together."""
        self._until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._until = None

    # -- what is asked

    def get(self) -> bytes | None:
        """The document, whole; None: there is none. Raises StateError."""
        # No cache has the answer to a URL that nobody has asked before. Many give what they have whatever a header
        # says, and where a server keeps no serials, an older document would be written over the latest one.
        reply, _ = self._ask("GET", f"{self.address.state}?fresh={uuid.uuid4().hex}", "", None, again=True)
        if reply.status in (204, 404):
            self._hold_absent(reply, "read")
            return None
        if reply.status != 200 or reply.fault is not None:
            raise self._refusal(reply, "read")
        self._hold_no_page(reply)
        if not reply.body.strip():
            raise Fault(
                f"{self.name} was answered with nothing (HTTP 200), which never means that there is no state",
                hint="look at it on the server, and run the same command again",
            )
        return reply.body

    def update(self, document: bytes, lock_id: str) -> None:
        """Put the document there, under the lock `lock_id` ("": none). Raises Conflict where the server refuses it,
        Unanswered where it is not known whether it was done, StateError."""
        if len(document) > SIZE_LIMIT:
            raise StateError(f"the state is too large for {self.name}: {len(document):,} bytes")
        address = self.address
        reply, _ = self._ask(address.update_method, address.state, lock_id, document, again=False)
        if reply.status in _REFUSED:
            raise Conflict(f"{self.name} was not written: {self._said(reply)}")
        if reply.status is None or reply.leaves_open:
            raise Unanswered(
                f"whether {self.name} was written is not known: {self._said(reply)}",
                hint="run the same command again, also where somebody has unlocked the state at the server",
            )
        if not 200 <= reply.status < 300:
            raise self._refusal(reply, "write")
        self._hold_no_page(reply)

    def lock(self, info: LockInfo) -> LockInfo | None:
        """Take the lock; what the server says of the one that is in the way. None: it is taken. Raises StateError."""
        address = self.address
        reply, tries = self._ask(address.lock_method, address.lock, info.ID, info.dump(), again=True)
        if reply.status in _REFUSED:
            there = LockInfo.load(reply.body)
            if there.ID == info.ID:  # the answer to an earlier try was lost
                return None
            if tries > 1 and not there.ID:
                self.unlock(info)  # it may have been ours: the next try shows
            return there
        if reply.status is None or not 200 <= reply.status < 300:
            raise self._refusal(reply, "lock")
        self._hold_no_page(reply)
        return None

    def unlock(self, info: LockInfo) -> bool:
        """Give the lock back; False: the server says that it is not that one (any more). Raises StateError."""
        address = self.address
        reply, _ = self._ask(address.unlock_method, address.unlock, info.ID, info.dump(), again=True)
        if reply.status == 404:
            self._hold_absent(reply, "unlock")
        if reply.status in (*_REFUSED, 404):
            UNRETURNED.discard(info.ID)
            return False
        if reply.status is None or not 200 <= reply.status < 300:
            raise self._refusal(reply, "unlock")
        self._hold_no_page(reply)
        UNRETURNED.discard(info.ID)
        return True

    @contextmanager
    def holding(self, info: LockInfo) -> Iterator[LockInfo | None]:
        """Inside, the lock is held; given is what is in the way, None: nothing. In any case it is given back, or
        `UNRETURNED`. Raises StateError."""
        there = None
        try:
            there = self.lock(info)
            yield there
        finally:
            if there is None:
                UNRETURNED.add(info.ID)
                with suppress(StateError):
                    self.unlock(info)

    # -- one call

    def _ask(self, method: str, url: str, lock_id: str, body: bytes | None, *, again: bool) -> tuple[Reply, int]:
        """The answer, or what came instead of one to the last try, and how many there were. `again`: it may be sent
        twice. Raises StateError where nothing was sent."""
        until, pause = self._until or time.monotonic() + BUDGET, _PAUSE
        for tries in range(1, _TRIES + 1):
            hold_wanted()
            reply = self._exchange(method, url, lock_id, body, max(until - time.monotonic(), 0.1))
            wait = min(max(reply.retry_after or 0.0, pause), _LONGEST_PAUSE)
            over = time.monotonic() + wait > until
            if not _passing(reply, method, again=again) or tries == _TRIES or over:
                break
            self._sleep(wait)
            pause *= 2
        if reply.fault == TLS and not reply.sent:
            raise StateError(
                f"{self.name}: its server cannot be trusted: {self._clean(reply.why)}",
                hint=trusting(reply.why),
            )
        if reply.status is None and not reply.sent:
            raise StateError(
                f"{self.name} cannot be reached: {self._clean(reply.why)}",
                hint="look whether its server and the network are up, and run the same command again",
            )
        return reply, tries

    def _exchange(self, method: str, url: str, lock_id: str, body: bytes | None, seconds: float) -> Reply:
        from flowplan.cloud.http.network import Network

        if self._made is None:
            self._made = Network(self._verify, self._proxies, 10)
        request = outgoing(method, url, {"ID": lock_id or None}, body, None)
        if self._login:
            request.headers["Authorization"] = self._login
        return self._made.send(request, "", Patience(CONNECT_TIMEOUT, READ_TIMEOUT, min(seconds, DEADLINE)))

    # -- what an answer means

    def _hold_absent(self, reply: Reply, what: str) -> None:
        """Raise StateError unless the server itself says to somebody who wanted to `what` it that there is no such
        state."""
        if reply.status != 404:
            return
        strange = self.address.gitlab and not _is_object(reply.body)
        if strange or _is_page(reply) or _NO_PROJECT in self._message(reply).lower():
            raise self._refusal(reply, what)

    def _hold_no_page(self, reply: Reply) -> None:
        if _is_page(reply):
            raise StateError(
                f"{self.name} was answered with a web page (HTTP {reply.status}), as a login is",
                hint=f"check the URL, and {CREDENTIALS}",
            )

    def _refusal(self, reply: Reply, what: str) -> StateError:
        """What an answer that is no success says to somebody who wanted to `what` the state."""
        status = reply.status
        if status == 401:
            return StateError(f"{self.name}: the server refuses the credentials (HTTP 401)", hint=CREDENTIALS)
        if status == 403:
            return StateError(
                f"{self.name}: these credentials may not {what} it (HTTP 403)",
                hint="GitLab lets a Developer read a state, and a Maintainer lock and write it",
            )
        if status == 404:
            return StateError(
                f"{self.name}: the server has no such project or page, or does not show it to these credentials "
                "(HTTP 404)",
                hint=f"check the URL, and {CREDENTIALS}",
            )
        if status is not None and 300 <= status < 400:
            host = reply.sent_on_to or "another page"
            return StateError(
                f"{self.name}: the server sends flowplan on to {self._clean(host)} (HTTP {status}), and credentials "
                "go nowhere else",
                hint=f"give the URL of the state itself, and {CREDENTIALS}",
            )
        return StateError(f"the server could not {what} {self.name}: {self._said(reply)}", hint=_AGAIN)

    def _said(self, reply: Reply) -> str:
        if reply.status is None:
            return self._clean(reply.why or "no answer")
        said = self._clean(reply.why) or self._message(reply)
        return f"HTTP {reply.status}{f' ({said})' if said else ''}"

    def _message(self, reply: Reply) -> str:
        """What the server says in words."""
        if _is_page(reply):
            return ""
        try:
            found = json.loads(reply.body)
            text = found.get("message") or found.get("error") or "" if isinstance(found, dict) else ""
        except (ValueError, RecursionError):
            text = reply.body.decode(errors="replace").strip()
        return self._clean(str(text))

    def _clean(self, text: str) -> str:
        return shown(without(text, self._hidden), 200)


_AGAIN = "look at the server, and run the same command again"


def _passing(reply: Reply, method: str, *, again: bool) -> bool:
    """Whether it is worth another try: what was not done may be sent again, what may have been only `again`."""
    if reply.status is None and not reply.sent:
        return reply.fault != TLS
    if reply.status == 429:
        return True
    if reply.leaves_open:
        return again and reply.status != 303
    # What a lock or an unlock brought is said by its status, whatever becomes of the body.
    unread = reply.fault is not None and reply.fault != TOO_BIG
    return again and unread and (method == "GET" or not 200 <= (reply.status or 0) < 300)


def _is_object(body: bytes) -> bool:
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(body), dict)
    return False


def _is_page(reply: Reply) -> bool:
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml") or reply.body.lstrip()[:9].lower() in (
        b"<!doctype",
        b"<html>",
    )
