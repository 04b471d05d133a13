"""The one HTTP transport of flowplan: every request to the cloud, and to the simulator, goes through here.

`Transport` sends, waits and tries again. The rest stands beside it: `endpoint` says where requests may go, `request`
what is in them, `paging` reads a list to its end, `throttle` slows all workers down together, `response` reads what
comes back, `meaning` says what it means (its table is the contract of `Transport.call`), `redaction` keeps credentials
out of messages.

requests is used without its Session: a Session would add cookies, redirects, ~/.netrc and the environment's
proxies, and none of these may touch a request that carries a credential. It is imported on the first call.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable
from urllib.parse import urlsplit

from flowplan.cloud.http import paging
from flowplan.cloud.http.endpoint import PATH, authorities, checked_url, proxies
from flowplan.cloud.http.meaning import EXCERPT, RETRY_AFTER_CAP, Answer, Call
from flowplan.cloud.http.redaction import CREDENTIALS_HINT, without
from flowplan.cloud.http.request import filled, template
from flowplan.cloud.http.response import UNREACHABLE, Reply, answered, http_date, unanswered
from flowplan.cloud.http.throttle import Gate
from flowplan.errors import CloudError, Unauthorized
from flowplan.masking import forms_of
from flowplan.model.bounds import of_our_time
from flowplan.printable import Secret, shown

if TYPE_CHECKING:
    from requests import PreparedRequest
    from requests.adapters import BaseAdapter

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
BACKOFF_FLOOR = 0.1  # seconds: full jitter may draw 0, and 0 would be a spin


class Wire(NamedTuple):
    """What sends, and the template of all requests."""

    adapter: BaseAdapter
    template: PreparedRequest


@runtime_checkable
class Renewable(Protocol):
    """A source of tokens that expire: the one of now, and another instead of one that was refused."""

    def __call__(self) -> Secret: ...
    def renew(self, refused: str) -> None:
        """Get another token instead of `refused`, unless another thread has done so already. Raises CloudError."""


class Transport:
    """Calls to one API, safe for `parallelism` threads at once.

    `base_url` has no /v2 (one at its end is dropped); UsageProblem if it is not https, or http on loopback.
    `token` goes to that origin and nowhere else; None sends no credential; a `Renewable` is asked for another one, once
    a call, when it was refused. `adapter` replaces the network (the simulator inside this process). `deadline` and
    `budget` are seconds, for one attempt and for one call.
    `wait` sleeps, and may raise to abandon a call between two attempts. `jitter` draws from [0, 1).
    `log` gets one line an attempt. `secrets` are further values that no message may show.

    From `environ` (os.environ) come HTTPS_PROXY, NO_PROXY, and REQUESTS_CA_BUNDLE or SSL_CERT_FILE: a file with
    the certificate authorities to trust instead of those that come with requests. Verification is never off.
    """

    def __init__(
        self,
        base_url: str,
        token: Secret | Callable[[], Secret] | None,
        *,
        adapter: BaseAdapter | None = None,
        parallelism: int = 10,
        deadline: float = DEADLINE,
        budget: float = BUDGET,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
        log: Callable[[str], object] | None = None,
        environ: Mapping[str, str] | None = None,
        secrets: Iterable[Secret] = (),
    ) -> None:
        environ = os.environ if environ is None else environ
        self.base_url: str = checked_url(base_url, in_process=adapter is not None)
        self.host: str = urlsplit(self.base_url).hostname or ""
        self.in_process: bool = adapter is not None
        self._token = token
        self._given = adapter
        self._made: Wire | None = None
        self._parallelism = parallelism
        self._deadline = deadline
        self._budget = budget
        self._clock = clock
        self._wait = wait
        self._jitter = jitter
        self._log = log
        self._gate = Gate(clock, wait)
        self._proxies: dict[str, str] = {}
        self._verify: bool | str = True
        self._known: Secret | None = None  # the credential whose forms are among `_hidden`
        self._date: str | None = None
        self._answered = False  # whether anybody ever did
        self.has_answered = False
        self._setup = threading.Lock()
        if adapter is None and self.base_url.startswith("https:"):
            self._proxies = proxies(environ, self.host, urlsplit(self.base_url).port)
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
        """The `Date` of the last answer that had a valid one: whole seconds, UTC; informative, it may jump."""
        return http_date(self._date)

    def close(self) -> None:
        """Closes the idle connections."""
        adapter = self._made.adapter if self._made is not None else self._given
        if adapter is not None:
            adapter.close()

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
    ) -> Answer:
        """Sends `method path` until there is an answer or no hope; raises as the table of `meaning` says.

        `path` begins with /v2 (or with what the legacy API has) and its ids went through `segment`. `query` leaves
        out what is None. `body` is bytes, sent as they are, or what `encode` takes. `key` is the Idempotency-Key.
        `before` is called before each attempt, when its turn has come; what it raises ends the call. `most`: tries
        at most, for what is not worth waiting for.
        """
        wire = self._wire()
        request = self._prepared(wire, method, path, query, body, key)
        started = self._clock()
        tries, renewed = 0, False
        while True:
            tries += 1
            with self._gate:
                self._authorize(request)  # a login takes its time: what `before` announces is sent at once
                before()
                reply = self._exchange(wire, request, path)
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
            if everybody:
                self._gate.close(pause)
            if tries >= min(allowed, most or allowed) or not self._affordable(reply, self._clock() - started + pause):
                raise verdict
            if not everybody:
                self._wait(pause)
            request = request.copy()  # whoever recorded the last attempt keeps it as it was

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
        self, wire: Wire, method: str, path: str, query: Mapping[str, object] | None, body: object, key: str | None
    ) -> PreparedRequest:
        """The request without what changes from attempt to attempt: the credential and the client's request id."""
        if not PATH.fullmatch(path) or "/./" in f"{path}/" or "/../" in f"{path}/":
            raise CloudError(f"nothing sent: '{self.clean(path)}' is not a path of the API")
        return filled(wire.template, method, self.base_url + path, query or {}, body, key)

    def _wire(self) -> Wire:
        """Imports requests, makes the connection pool and the template of all requests; once."""
        if self._made is not None:
            return self._made
        with self._setup:
            if self._made is None:
                self._made = Wire(self._given or self._pool(), template())
            return self._made

    def _pool(self) -> BaseAdapter:
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        from flowplan.cloud.http.deadline import DeadlineAdapter

        authorities = DEFAULT_CA_BUNDLE_PATH if self._verify is True else str(self._verify)
        return DeadlineAdapter(authorities, pool_connections=1, pool_maxsize=self._parallelism, max_retries=0)

    def _authorize(self, request: PreparedRequest) -> None:
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
        if not (request.url or "").startswith(self.base_url + "/"):
            raise CloudError(f"refusing to send the credentials of {self.host} to another host")
        request.headers["Authorization"] = f"Bearer {value}"

    def _exchange(self, wire: Wire, request: PreparedRequest, path: str) -> Reply:
        """Sends once. Whatever the network does comes back as a `Reply`: no exception here knows the request."""
        from flowplan.cloud.http.deadline import within

        own_id = str(uuid.uuid4())
        request.headers["X-Client-Request-Id"] = own_id
        started = self._clock()
        with within(self._deadline):
            reply = self._sent(wire, request, own_id)
        if self._log is not None:
            self._log(self._line(request, path, reply, self._clock() - started))
        return reply

    def _sent(self, wire: Wire, request: PreparedRequest, own_id: str) -> Reply:
        from urllib3.exceptions import HTTPError

        try:
            response = wire.adapter.send(
                request,
                stream=True,
                timeout=(min(self._connect_timeout, self._deadline), min(READ_TIMEOUT, self._deadline)),
                verify=self._verify,
                proxies=self._proxies,
            )
        except (OSError, HTTPError) as error:  # requests' own exceptions are OSErrors
            return unanswered(error, own_id)
        self.has_answered = True
        self._answered = True
        self._note_date(response.headers.get("Date"))
        return answered(response, own_id)

    def _note_date(self, date: str | None) -> None:
        """Keeps a `Date` for `server_time`, unless it is none, or of no time in which anybody looks at a cloud."""
        if date is not None and date != self._date and (found := http_date(date)) and of_our_time(found):
            self._date = date

    def _line(self, request: PreparedRequest, path: str, reply: Reply, elapsed: float) -> str:
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
            return asked + 0.25 * self._jitter()
        cap = FIRST_BACKOFF_CAP if self._alone(reply) else BACKOFF_CAP
        return max(BACKOFF_FLOOR, self._jitter() * min(cap, 2.0 ** (tries - 1)))

    def _affordable(self, reply: Reply, spent: float) -> bool:
        """Whether one more attempt may begin `spent` seconds after the call did."""
        if self._alone(reply):
            return spent <= min(FIRST_BUDGET, self._budget)
        reachable = reply.fault != UNREACHABLE or spent + CONNECT_TIMEOUT <= REACH_BUDGET
        return reachable and spent <= self._budget

    def _alone(self, reply: Reply) -> bool:
        """Whether nobody answers, and nobody ever did."""
        return reply.fault == UNREACHABLE and not self._answered

    @property
    def _connect_timeout(self) -> float:
        return CONNECT_TIMEOUT if self._answered else FIRST_CONNECT_TIMEOUT
