"""The one HTTP transport of flowplan: every request to the cloud, and to the simulator, goes through here.

`Transport` sends, waits and tries again. The rest stands beside it: `endpoint` says where requests may go, `request`
what is in them, `paging` reads a list to its end, `throttle` slows all workers down together, `response` reads what
comes back, `meaning` says what it means (its table is the contract of `Transport.call`), `redaction` keeps credentials
out of messages.

requests is used without its Session: a Session would add cookies, redirects, ~/.netrc and the environment's
proxies, and none of these may touch a request that carries a credential. It is imported on the first call over the
network (`network`); the simulator in this process is asked without it.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

from flowplan.classes import frozen
from flowplan.clock import Told, since_boot
from flowplan.cloud.http import paging
from flowplan.cloud.http.endpoint import PATH, authorities, checked_url, proxies
from flowplan.cloud.http.meaning import EXCERPT, RETRY_AFTER_CAP, Answer, Call
from flowplan.cloud.http.redaction import CREDENTIALS_HINT, without
from flowplan.cloud.http.request import Outgoing, outgoing
from flowplan.cloud.http.response import UNREACHABLE, Reply, http_date
from flowplan.cloud.http.throttle import Gate
from flowplan.cloud.http.wire import Patience, Wire
from flowplan.errors import CloudError, Unauthorized
from flowplan.masking import forms_of
from flowplan.model.bounds import of_our_time
from flowplan.patterns import regex
from flowplan.printable import shown
from flowplan.secret import Secret

CONNECT_TIMEOUT = 10.0  # seconds, TLS included
READ_TIMEOUT = 30.0  # seconds without a byte
DEADLINE = 30.0  # seconds for one attempt, from the look-up of the name to the last byte of its answer
BUDGET = 120.0  # seconds for one call, all its tries and pauses together
REACH_BUDGET = 30.0  # the same, while nobody answers any more
# Before the first answer nothing was changed, and a wrong URL or no network at all is likelier than a hitch.
FIRST_CONNECT_TIMEOUT = 5.0  # seconds, TLS included
FIRST_BUDGET = 4.0  # seconds for one call, after which no further attempt begins
FIRST_BACKOFF_CAP = 1.0  # seconds
BACKOFF_CAP = 20.0  # seconds
# A 429 says that there are too many calls, and not that this one fails: of those made side by side, one that is not
# worth waiting for gets its turn as the others do.
CROWDED = 10.0  # seconds of such a call
HURRIED = 5.0  # seconds in all for what is only shown, or only proves more, while something runs that is to stop
NOTABLE = 10.0  # seconds of a pause, or of an attempt in vain, from which on it is said what is waited for
_AGE = regex(r"[0-9]{1,8}", re.ASCII)  # seconds
BACKOFF_FLOOR = 0.1  # seconds: full jitter may draw 0, and 0 would be a spin


@runtime_checkable
class Renewable(Protocol):
    """A source of tokens that expire: the one of now, and another instead of one that was refused."""

    def __call__(self) -> Secret: ...
    def renew(self, refused: str) -> None:
        """Get another token instead of `refused`, unless another thread has done so already. Raises CloudError."""


@frozen
class Caller:
    """Whose calls they are. `wait` sleeps, and may raise to abandon a call between two attempts; `hold` may before
    each. `log` gets one line an attempt. `note` hears once that the API asks to wait long."""

    wait: Callable[[float], object] = time.sleep
    hold: Callable[[], None] = lambda: None
    log: Callable[[str], object] | None = None
    note: Callable[[str], object] = lambda _: None


@frozen
class Timing:
    """`deadline` and `budget` are seconds of `clock`, for one attempt and for one call. `jitter` draws from [0, 1).
    `steady` is a clock that nobody sets, which also counts while the machine sleeps; `wall` is this machine's."""

    deadline: float = DEADLINE
    budget: float = BUDGET
    clock: Callable[[], float] = time.monotonic
    steady: Callable[[], float] = since_boot
    wall: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random


class Transport:
    """Calls to one API, safe for any number of threads; `parallelism` attempts are under way at once, and no more.

    `base_url` has no /v2 (one at its end is dropped); UsageProblem if it is not https, or http on loopback.
    `token` goes to that origin and nowhere else; None sends no credential; a `Renewable` is asked for another one, once
    a call, when it was refused. `wire` replaces the network (the simulator inside this process). `secrets` are further
    values that no message may show. `clocks`: what time it is by the answers.

    From `environ` (os.environ) come HTTPS_PROXY, NO_PROXY, and REQUESTS_CA_BUNDLE or SSL_CERT_FILE: a file with
    the certificate authorities to trust instead of those that come with requests. Verification is never off.
    """

    def __init__(
        self,
        base_url: str,
        token: Secret | Callable[[], Secret] | None,
        *,
        wire: Wire | None = None,
        parallelism: int = 10,
        environ: Mapping[str, str] | None = None,
        secrets: Iterable[Secret] = (),
        caller: Caller | None = None,
        timing: Timing | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        self.base_url: str = checked_url(base_url, in_process=wire is not None)
        self.host: str = urlsplit(self.base_url).netloc  # with its port: messages name where a call went
        self.in_process: bool = wire is not None
        self._token = token
        self._made = wire
        self._parallelism = parallelism
        self._caller = caller or Caller()
        self._timing = timing or Timing()
        self._clock = self._timing.clock
        self._told: set[str] = set()  # why it is waited, once each
        self._gate = Gate(self._clock, self._caller.wait, parallelism)
        self._proxies: dict[str, str] = {}
        self._verify: bool | str = True
        self._known: Secret | None = None  # the credential whose forms are among `_hidden`
        self._date: tuple[str, float] | None = None  # the last `Date` that was valid, and what it says
        leaps = self.in_process or self.base_url.startswith("http:")  # on this machine there are only simulators
        self.clocks: Told = Told(leaps=leaps, steady=self._timing.steady, wall=self._timing.wall)
        self._answered = False  # whether anybody ever did
        self.has_answered = False
        self._setup = threading.Lock()
        if wire is None and self.base_url.startswith("https:"):
            parts = urlsplit(self.base_url)
            self._proxies = proxies(environ, parts.hostname or "", parts.port)
            self._verify = authorities(environ)
        proxy_password = [Secret(p) for url in self._proxies.values() if (p := urlsplit(url).password)]
        self._hidden = tuple(form for secret in (*secrets, *proxy_password) for form in forms_of(secret.reveal()))

    def __repr__(self) -> str:
        return f"Transport({self.base_url!r})"

    @property
    def hidden(self) -> Sequence[str]:
        """The forms of every secret known by now; nothing that an answer says shows one of them."""
        return self._hidden

    @property
    def server_time(self) -> datetime | None:
        """What time it is by the `Date`s of the answers, in whole seconds, UTC; it may jump. None: no answer had one
        that is valid."""
        return self.clocks.now()

    def close(self) -> None:
        """Closes the idle connections."""
        if self._made is not None:
            self._made.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        key: str | None = None,
        before: Callable[[], None] = lambda: None,
        most: int | None = None,
        by: float | None = None,
    ) -> Answer:
        """Sends `method path` until there is an answer or no hope; raises as the table of `meaning` says.

        `path` begins with /v2 (or with what the legacy API has) and its ids went through `segment`. `query` leaves
        out what is None. `body` is bytes, sent as they are, or what `encode` takes. `key` is the Idempotency-Key.
        `before` is called before each attempt, when its turn has come; what it raises ends the call. `most`: tries
        at most, for what is not worth waiting for; after a 429 as many as any other, for as long as `CROWDED`. `by`:
        when it is given up (see `soon`); that it is refused holds up no other call then.
        """
        wire = self._wire()
        request = self._prepared(method, path, query, body, key)
        started = self._clock()
        tries, renewed = 0, False
        while True:
            tries += 1
            with self._turn(method, path, by):
                self._caller.hold()
                self._authorize(request)  # a login takes its time: what `before` announces is sent at once
                before()
                sent = self._clock()
                reply = self._exchange(wire, request, path, self._left(by))
                took = self._clock() - sent
            if reply.status != 429:
                self._gate.ease()
            verdict, allowed = Call(method, path, tries, self.host, self.clean).judge(reply)
            if isinstance(verdict, Answer):
                return verdict
            if isinstance(verdict, Unauthorized) and isinstance(self._token, Renewable) and not renewed:
                self._token.renew(request.headers["Authorization"].removeprefix("Bearer "))
                renewed = True  # such a refusal proves that nothing was done: the same call is sent again, once
                request = request.copy()
                continue
            pause = self._pause(reply, tries)
            everybody = reply.status == 429 and pause <= RETRY_AFTER_CAP + 1
            spent = self._clock() - started + pause
            if by is not None and self._clock() + pause >= by:
                raise verdict
            if everybody:
                self._gate.close(pause)
                self._tell(pause)
            if most is not None and not (everybody and spent <= CROWDED):
                allowed = min(allowed, most)
            if tries >= allowed or not self._affordable(reply, spent):
                raise verdict
            if not everybody:
                if took >= NOTABLE:
                    self._say("slow", f"{method} {path} failed after {took:.0f} s: flowplan asks again")
                self._caller.wait(pause)
            request = request.copy()  # whoever recorded the last attempt keeps it as it was

    def soon(self) -> float:
        """The `by` of calls that together may hold up for `HURRIED` who is about to stop what costs money."""
        return self._clock() + HURRIED

    def pages(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        rows: str = "data",
        repeated: bool = False,
        most: int | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """The pages of a list, whose rows are under the name `rows`; a bare JSON list is one page.

        A row with the `fid` of an earlier one is left out, unless `repeated`: lists shift while they are read. `most`:
        tries of each page, as in `call`.
        Raises CloudError for a cursor that comes back, for what is no list of objects, and for a list that does not
        end: more pages, rows, bytes or time than the caps of paging.py. A cursor is only ever sent as the parameter
        `next_cursor`, whatever it looks like.
        """

        def ask(cursor: str | None) -> Answer:
            return self.call("GET", path, query={**(query or {}), "next_cursor": cursor}, most=most)

        return paging.read(ask, path, rows=rows, repeated=repeated, clock=self._clock)

    def clean(self, text: str, limit: int = EXCERPT) -> str:
        """`text` from outside as messages may show it: without credentials, escaped, at most `limit` characters."""
        return shown(without(text, self._hidden), limit)

    # -- one attempt ---------------------------------------------------------------------------------------------

    def _prepared(
        self, method: str, path: str, query: Mapping[str, object] | None, body: object, key: str | None
    ) -> Outgoing:
        """The request without what changes from attempt to attempt: the credential and the client's request id."""
        if not PATH.fullmatch(path) or "/./" in f"{path}/" or "/../" in f"{path}/":
            raise CloudError(f"nothing sent: '{self.clean(path)}' is not a path of the API")
        return outgoing(method, self.base_url + path, query or {}, body, key)

    def _wire(self) -> Wire:
        """What sends. The network is imported, with requests, when it is first needed; once."""
        if self._made is not None:
            return self._made
        with self._setup:
            if self._made is None:
                from flowplan.cloud.http.network import Network

                self._made = Network(self._verify, self._proxies, self._parallelism)
            return self._made

    def _authorize(self, request: Outgoing) -> None:
        """Puts the credential of now on `request`, which must go to the origin it belongs to."""
        secret = self._token() if callable(self._token) else self._token
        if secret is None:
            return
        value = secret.reveal()
        if secret is not self._known:
            # http.client would show the whole value in its own complaint about a line break.
            if not value.isascii() or not value.isprintable() or " " in value or not value:
                raise Unauthorized("the credentials have characters that cannot be sent", hint=CREDENTIALS_HINT)
            self._hidden = (*forms_of(value), *self._hidden)
            self._known = secret
        if not request.url.startswith(self.base_url + "/"):
            raise CloudError(f"refusing to send the credentials of {self.host} to another host")
        request.headers["Authorization"] = f"Bearer {value}"

    def _turn(self, method: str, path: str, by: float | None) -> AbstractContextManager[None]:
        """Inside, it is this call's turn to send. Raises CloudError where that does not come `by` then."""
        if by is None:
            return self._gate
        return self._gate.by(by, CloudError(f"{method} {path}: not asked: the API is slow, or asks to wait"))

    def _left(self, by: float | None) -> float:
        """Seconds that one attempt may take which begins now."""
        longest = self._timing.deadline
        return longest if by is None else min(longest, max(by - self._clock(), BACKOFF_FLOOR))

    def _exchange(self, wire: Wire, request: Outgoing, path: str, deadline: float) -> Reply:
        """Sends once. Whatever the network does comes back as a `Reply`: no exception here knows the request."""
        own_id = str(uuid.uuid4())
        request.headers["X-Client-Request-Id"] = own_id
        connect, read = min(self._connect_timeout, deadline), min(READ_TIMEOUT, deadline)
        started = self._clock()
        reply = wire.send(request, own_id, Patience(connect, read, deadline))
        if reply.status is not None:
            self.has_answered = True
            self._answered = True
            self._note_date(reply)
        if self._caller.log is not None:
            self._caller.log(self._line(request, path, reply, self._clock() - started))
        return reply

    def _note_date(self, reply: Reply) -> None:
        """Hears what time it is by the `Date` of an answer, unless that is none, or of no time in which anybody looks
        at a cloud. One that lay in a cache is as old as its `Age` says. That of a failure is the clock of whatever
        stands before the API."""
        date, age = reply.headers.get("date"), reply.headers.get("age", "0").strip()
        if date is None or (reply.status or 500) >= 500 or _AGE.fullmatch(age) is None:
            return
        if self._date is None or date != self._date[0]:
            found = http_date(date)
            if found is None or of_our_time(found) is None:
                return
            self._date = (date, found.timestamp())
        self.clocks.hear(self._date[1] + int(age))

    def _line(self, request: Outgoing, path: str, reply: Reply, elapsed: float) -> str:
        template = re.sub(r"/[a-z]+_[^/]+", "/{fid}", path)
        return (
            f"{request.method} {template} -> {reply.status or reply.fault} "
            f"request_id={self.clean(reply.request_id, 64)} sent={len(request.body or b'')} B "
            f"received={len(reply.body)} B elapsed={elapsed:.3f} s"
        )

    # -- between two attempts ------------------------------------------------------------------------------------

    def _pause(self, reply: Reply, tries: int) -> float:
        """Seconds until the next attempt: full jitter, or what the server asked for and a little more."""
        asked = reply.retry_after
        if asked:
            return asked + 0.25 * self._timing.jitter()
        cap = FIRST_BACKOFF_CAP if self._alone(reply) else BACKOFF_CAP
        return max(BACKOFF_FLOOR, self._timing.jitter() * min(cap, 2.0 ** (tries - 1)))

    def _tell(self, pause: float) -> None:
        """Say what is waited for: nothing at all is sent meanwhile, and that may be so again and again."""
        if pause >= NOTABLE:
            asks = f"the API says that it is asked too often (429), and to wait {pause:.0f} s"
            self._say("crowded", f"{asks}: flowplan waits, and goes on by itself")

    def _say(self, why: str, text: str) -> None:
        """Note `text`, unless something was said of the same `why`."""
        with self._setup:  # several wait at a time
            told = why in self._told
            self._told.add(why)
        if not told:
            self._caller.note(text)

    def _affordable(self, reply: Reply, spent: float) -> bool:
        """Whether one more attempt may begin `spent` seconds after the call did."""
        if self._alone(reply):
            return spent <= min(FIRST_BUDGET, self._timing.budget)
        reachable = reply.fault != UNREACHABLE or spent + CONNECT_TIMEOUT <= REACH_BUDGET
        return reachable and spent <= self._timing.budget

    def _alone(self, reply: Reply) -> bool:
        """Whether nobody answers, and nobody ever did."""
        return reply.fault == UNREACHABLE and not self._answered

    @property
    def _connect_timeout(self) -> float:
        return CONNECT_TIMEOUT if self._answered else FIRST_CONNECT_TIMEOUT
