"""The one HTTP transport of flowplan: every request to the cloud, and to the simulator, goes through here.

What becomes of an attempt that brought no plain 2xx ("paid" methods may cost money when they are sent twice):

    what happened                       GET HEAD PUT DELETE           POST PATCH (paid)
    DNS, refused, connect timeout       5 tries, CloudError           the same: nothing was sent
    TLS                                 CloudError at once            the same in the handshake, else Ambiguous
    timeout, reset, truncated, 408      5 tries, CloudError           Ambiguous
    5xx                                 5 tries, CloudError           Ambiguous
    429                                 5 tries, Refused; every worker pauses        the same
    2xx whose body cannot be read       3 tries, CloudError           Ambiguous
    2xx over 64 MB                      CloudError at once            Ambiguous
    3xx                                 CloudError at once            the same; Ambiguous for 303
    202 held                            Held                          Held
    401, 409 needs_reauth               Unauthorized                  Unauthorized
    404                                 NotFound                      NotFound
    409, 400 "name already used"        Refused                       NameTaken (POST)
    other 4xx                           Refused                       Refused

A DELETE answered with 2xx succeeded whatever its body is. So for a paid method `Ambiguous` is the only error that
leaves open whether the request was executed: every other one proves that it was not.

requests is used without its Session: a Session would add cookies, redirects, ~/.netrc and the environment's
proxies, and none of these may touch a request that carries a credential. It is imported on the first call.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import math
import os
import random
import re
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import quote, urlencode, urlsplit

from attrs import field, frozen

from flowplan import __version__
from flowplan.errors import (
    Ambiguous,
    CloudError,
    Held,
    NameTaken,
    NotFound,
    Refused,
    Secret,
    Unauthorized,
    UsageProblem,
    shown,
)

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import BaseAdapter

CONNECT_TIMEOUT = 10.0  # seconds, TLS included
READ_TIMEOUT = 30.0  # seconds without a byte
DEADLINE = 30.0  # seconds for one attempt, up to the last byte of its answer
BUDGET = 120.0  # seconds for one call, all its tries and pauses together
REACH_BUDGET = 30.0  # the same, as long as nobody answers at all
TRIES = 5
UNREADABLE_TRIES = 3
BACKOFF_CAP = 20.0  # seconds
BACKOFF_FLOOR = 0.1  # seconds: full jitter may draw 0, and 0 would be a spin
RETRY_AFTER_CAP = 60.0  # seconds: who asks for more is told so at once
RESPONSE_CAP = 64 * 1024 * 1024  # bytes, on the wire and unpacked
PAGES_CAP = 10_000
EXCERPT = 200  # characters of a strange answer that are shown

CREDENTIALS_HINT = (
    "set FLOWPLAN_API_KEY, FLOWPLAN_API_KEY_FILE, FOUNDRY_API_KEY or MITHRIL_API_KEY, "
    "or FOUNDRY_EMAIL with FOUNDRY_PASSWORD"
)

_PAID = ("POST", "PATCH")
_PATH = re.compile(r"(/[A-Za-z0-9_.~%-]+)+", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
_NAME_TAKEN = re.compile(r"\bname\b.*\b(already|taken|in use|exists|duplicate)|duplicate\b.*\bname", re.DOTALL)

# What the API's refusals mean for whoever wrote the task (its texts are free, so words are all there is).
_HINTS: Final = (
    (re.compile(r"quota"), "the project's quota does not allow it: free something, or ask for more in the console"),
    (
        re.compile(r"price\b.*\bbelow\b.*\bminimum", re.DOTALL),
        "raise utility_threshold_price to that minimum or above",
    ),
    (
        re.compile(r"ssh\b.*key.*required|no ssh keys|required.*ssh\b.*key", re.DOTALL),
        "name an SSH key of the project: --ssh-key, or FOUNDRY_SSH_KEY_NAME",
    ),
    (re.compile(r"billing|payment|stripe"), "the account has no usable payment method: set one up in the console"),
)


@frozen
class Answer:
    """A 2xx answer. `data` is its JSON (fractions as Decimal), or None for an empty body; header names ignore case."""

    status: int
    data: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    request_id: str


def encode(body: object) -> bytes:
    """The bytes sent for `body`: sorted, compact JSON, so that equal bodies have equal digests."""
    return json.dumps(body, allow_nan=False, separators=(",", ":"), sort_keys=True).encode()


def segment(text: str) -> str:
    """`text` (an id) as one segment of a path."""
    return quote(text, safe="")


def redacted(text: str, secrets: Iterable[Secret]) -> str:
    """`text` without the values of `secrets`: plain, URL-encoded, JSON-escaped and in base64."""
    return _without(text, [form for secret in secrets for form in _forms(secret.reveal())])


class Transport:
    """Calls to one API, safe for `parallelism` threads at once.

    `base_url` has no /v2 (one at its end is dropped); UsageProblem if it is not https, or http on loopback.
    `token` goes to that origin and nowhere else; None sends no credential. `adapter` replaces the network (the
    simulator inside this process). `deadline` and `budget` are seconds, for one attempt and for one call.
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
        self.base_url: str = _checked_url(base_url, in_process=adapter is not None)
        self.host: str = urlsplit(self.base_url).hostname or ""
        self.in_process: bool = adapter is not None
        self._token = token
        self._adapter = adapter
        self._parallelism = parallelism
        self._deadline = deadline
        self._budget = budget
        self._clock = clock
        self._wait = wait
        self._jitter = jitter
        self._log = log
        self._gate = _Gate(clock, wait)
        self._proxies: dict[str, str] = {}
        self._verify: bool | str = True
        self._known: Secret | None = None  # the credential whose forms are among `_hidden`
        self._date: str | None = None
        self._template: PreparedRequest | None = None
        self._setup = threading.Lock()
        if adapter is None and self.base_url.startswith("https:"):
            self._proxies = _proxies(environ, self.host)
            self._verify = _authorities(environ)
        proxy_password = [Secret(p) for url in self._proxies.values() if (p := urlsplit(url).password)]
        self._hidden = tuple(form for secret in (*secrets, *proxy_password) for form in _forms(secret.reveal()))

    def __repr__(self) -> str:
        return f"Transport({self.base_url!r})"

    @property
    def server_time(self) -> datetime | None:
        """The `Date` of the last answer that had a valid one: whole seconds, UTC; informative, it may jump."""
        return _http_date(self._date)

    def close(self) -> None:
        """Closes the idle connections."""
        if self._adapter is not None:
            self._adapter.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        key: str | None = None,
    ) -> Answer:
        """Sends `method path` until there is an answer or no hope; raises as the module's table says.

        `path` begins with /v2 (or with what the legacy API has) and its ids went through `segment`. `query` leaves
        out what is None. `body` is bytes, sent as they are, or what `encode` takes. `key` is the Idempotency-Key.
        """
        request = self._prepared(method, path, query, body, key)
        started = self._clock()
        tries = 0
        while True:
            tries += 1
            with self._gate:
                reply = self._exchange(request, path)
            if reply.status != 429:
                self._gate.ease()
            verdict, allowed = _Call(self, method, path, tries).judge(reply)
            if isinstance(verdict, Answer):
                return verdict
            pause = self._pause(reply, tries)
            everybody = reply.status == 429 and pause <= RETRY_AFTER_CAP + 1
            if everybody:
                self._gate.close(pause)
            if tries >= allowed or not self._affordable(reply, self._clock() - started + pause):
                raise verdict
            if not everybody:
                self._wait(pause)
            request = request.copy()  # whoever recorded the last attempt keeps it as it was

    def pages(
        self, path: str, query: Mapping[str, object] | None = None, *, rows: str = "data"
    ) -> Iterator[list[dict[str, Any]]]:
        """The pages of a list, whose rows are under the name `rows`; a bare JSON list is one page.

        A row with the `fid` of an earlier one is left out: lists shift while they are read. Raises CloudError for
        a cursor that comes back, and for what is no list of objects. A cursor is only ever sent as the parameter
        `next_cursor`, whatever it looks like.
        """
        seen: set[str] = set()
        cursors: set[str] = set()
        cursor: str | None = None
        for _ in range(PAGES_CAP):
            answer = self.call("GET", path, query={**(query or {}), "next_cursor": cursor})
            try:
                page, cursor = _page(answer.data, rows)
                if cursor in cursors:
                    raise ValueError("a page repeats")
            except ValueError as problem:
                raise CloudError(f"GET {path}: invalid response: {problem}", request_id=answer.request_id) from None
            yield _unseen(page, seen)
            if cursor is None:
                return
            cursors.add(cursor)
        raise CloudError(f"GET {path}: invalid response: more than {PAGES_CAP} pages")

    def clean(self, text: str, limit: int = EXCERPT) -> str:
        """`text` from outside as messages may show it: without credentials, escaped, at most `limit` characters."""
        return shown(_without(text, self._hidden), limit)

    # -- one attempt ---------------------------------------------------------------------------------------------

    def _prepared(
        self, method: str, path: str, query: Mapping[str, object] | None, body: object, key: str | None
    ) -> PreparedRequest:
        """The request without what changes from attempt to attempt: the credential and the client's request id."""
        if not _PATH.fullmatch(path) or "/./" in f"{path}/" or "/../" in f"{path}/":
            raise CloudError(f"nothing sent: '{self.clean(path)}' is not a path of the API")
        if key is not None and not _KEY.fullmatch(key):
            raise ValueError(f"not an idempotency key: {shown(key)}")
        request = (self._template or self._set_up()).copy()
        request.method = method
        request.url = self.base_url + path
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        if asked:
            request.url += "?" + urlencode(asked)
        if method in ("GET", "HEAD"):
            request.headers["Cache-Control"] = "no-cache"
        if body is not None:
            request.body = body if isinstance(body, bytes) else encode(body)
            request.headers["Content-Type"] = "application/json"
        if method not in ("GET", "HEAD", "DELETE") or body is not None:
            request.headers["Content-Length"] = str(len(request.body or b""))
        if key is not None:
            request.headers["Idempotency-Key"] = key
        return request

    def _set_up(self) -> PreparedRequest:
        """Imports requests, makes the connection pool and the template of all requests; once."""
        from requests import PreparedRequest
        from requests.adapters import HTTPAdapter
        from requests.structures import CaseInsensitiveDict

        with self._setup:
            if self._template is None:
                if self._adapter is None:
                    self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=self._parallelism, max_retries=0)
                template = PreparedRequest()
                template.headers = CaseInsensitiveDict(
                    {
                        "User-Agent": f"flowplan/{__version__}",
                        "Accept": "application/json",
                        "Accept-Encoding": "gzip",
                    }
                )
                self._template = template
            return self._template

    def _authorize(self, request: PreparedRequest) -> None:
        """Puts the credential of now on `request`, which must go to the origin it belongs to."""
        secret = self._token() if callable(self._token) else self._token
        if secret is None:
            return
        value = secret.reveal()
        if secret is not self._known:
            # http.client would show the whole value in its own complaint about a line break.
            if not value.isascii() or not value.isprintable() or " " in value or not value:
                raise Unauthorized("the credentials hold characters that cannot be sent", hint=CREDENTIALS_HINT)
            self._hidden = (*_forms(value), *self._hidden)
            self._known = secret
        if not (request.url or "").startswith(self.base_url + "/"):
            raise CloudError(f"refusing to send the credentials of {self.host} to another place")
        request.headers["Authorization"] = f"Bearer {value}"

    def _exchange(self, request: PreparedRequest, path: str) -> _Reply:
        """Sends once. Whatever the network does comes back as a `_Reply`: no exception here knows the request."""
        from urllib3.exceptions import HTTPError

        own_id = str(uuid.uuid4())
        request.headers["X-Client-Request-Id"] = own_id
        self._authorize(request)
        assert self._adapter is not None  # noqa: S101  (_set_up made it)
        started = self._clock()
        try:
            response = self._adapter.send(
                request,
                stream=True,
                timeout=(min(CONNECT_TIMEOUT, self._deadline), min(READ_TIMEOUT, self._deadline)),
                verify=self._verify,
                proxies=self._proxies,
            )
        except (OSError, HTTPError) as error:  # requests' own exceptions are OSErrors
            reply = _no_answer(error, own_id)
        else:
            reply = self._received(response, started + self._deadline, own_id)
        if self._log is not None:
            self._log(self._line(request, path, reply, self._clock() - started))
        return reply

    def _received(self, response: Response, until: float, own_id: str) -> _Reply:
        from urllib3.exceptions import HTTPError

        headers = response.headers
        if (date := headers.get("Date")) is not None and date != self._date and _http_date(date) is not None:
            self._date = date
        body, fault, why = b"", None, ""
        try:
            body = _content(response, until, self._clock)
        except _Unreadable as error:
            fault, why = error.fault, str(error)
        except (OSError, HTTPError) as error:
            fault, why = LOST, _reason(error)
        finally:
            # A body read to its end has given the connection back already; any other connection is not reusable.
            response.close()
        request_id = headers.get("X-Request-Id") or headers.get("X-Correlation-Id") or own_id
        return _Reply(response.status_code, headers, body, request_id, fault, why)

    def _line(self, request: PreparedRequest, path: str, reply: _Reply, elapsed: float) -> str:
        template = re.sub(r"/[a-z]+_[^/]+", "/{fid}", path)
        return (
            f"{request.method} {template} -> {reply.status or reply.fault} "
            f"request_id={self.clean(reply.request_id, 64)} sent={len(request.body or b'')} B "
            f"received={len(reply.body)} B elapsed={elapsed:.3f} s"
        )

    # -- between two attempts ------------------------------------------------------------------------------------

    def _pause(self, reply: _Reply, tries: int) -> float:
        """Seconds until the next attempt: full jitter, or what the server asked for and a little more."""
        asked = reply.retry_after
        if asked:
            return asked + 0.25 * self._jitter()
        return max(BACKOFF_FLOOR, self._jitter() * min(BACKOFF_CAP, 2.0 ** (tries - 1)))

    def _affordable(self, reply: _Reply, spent: float) -> bool:
        """Whether one more attempt may begin `spent` seconds after the call did."""
        reachable = reply.fault != UNREACHABLE or spent + CONNECT_TIMEOUT <= REACH_BUDGET
        return reachable and spent <= self._budget


# -- what came back --------------------------------------------------------------------------------------------------

UNREACHABLE, TLS, LOST, TOO_BIG, GARBLED = "unreachable", "TLS failure", "lost", "too big", "garbled"


@frozen
class _Reply:
    """What one attempt brought. `status` is None without an answer; `fault` says what is wrong with its body, or
    why there is none, and `why` says it in words. `sent`: the request may have reached the server."""

    status: int | None
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    fault: str | None = None
    why: str = ""
    sent: bool = True

    @property
    def retry_after(self) -> float | None:
        """Seconds the server asks to wait, or None. A date counts from the server's own clock."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text), 1e9)
        when = _http_date(text)
        now = _http_date(self.headers.get("Date")) or datetime.now(UTC)
        return None if when is None or when <= now else (when - now).total_seconds()


class _Unreadable(Exception):
    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


@frozen
class _Call:
    """One call at its `tries`-th attempt: turns what came back into an answer, or an error and the tries allowed."""

    transport: Transport
    method: str
    path: str
    tries: int

    def judge(self, reply: _Reply) -> tuple[Answer | CloudError, int]:
        status = reply.status
        if status is None:
            return self._unanswered(reply)
        if 200 <= status < 300:
            return self._success(reply, status)
        if 300 <= status < 400:
            return self._redirect(reply, status), 1
        if status == 429 or status == 408 or not 400 <= status < 500:
            return self._transient(reply, status)
        return self._refusal(reply, status), 1

    def _unanswered(self, reply: _Reply) -> tuple[CloudError, int]:
        host, why = self.transport.host, self.transport.clean(reply.why)
        if reply.fault == UNREACHABLE:
            hint = "check the network, the VPN, HTTPS_PROXY and the API's URL"
            return CloudError(f"cannot reach {host}: {why}{self._so_far}", hint=hint), TRIES
        if reply.fault == TLS:
            hint = "a proxy that signs TLS itself needs its authority in the file REQUESTS_CA_BUNDLE names"
            message = f"cannot trust {host}: {why}"
            return self._unsure(message, reply, hint) if reply.sent else CloudError(message, hint=hint), 1
        return self._unsure(f"{self._what}: no answer: {why}{self._so_far}", reply), self._tries_unless_paid(TRIES)

    def _success(self, reply: _Reply, status: int) -> tuple[Answer | CloudError, int]:
        fault, why, data = reply.fault, reply.why, None
        if fault is None and reply.body:
            try:
                data = _json(reply.body)
            except ValueError:
                fault, why = GARBLED, "it is not JSON"
        if isinstance(data, dict) and status == 202 and isinstance(data.get("held"), dict):
            return self._held(reply, data["held"]), 1
        if self.method == "DELETE":
            return Answer(status, data, reply.headers, reply.request_id), 1
        if fault is None and not reply.body and status in (200, 201) and self.method != "HEAD":
            fault, why = GARBLED, "it is empty"
        if fault is None:
            return Answer(status, data, reply.headers, reply.request_id), 1
        return self._invalid(reply, fault, why)

    def _invalid(self, reply: _Reply, fault: str, why: str) -> tuple[CloudError, int]:
        clean = self.transport.clean
        says = "the answer broke off" if fault == LOST else "invalid response"
        message = f"{self._what}: {says}: {clean(why)}{self._source(reply)}"
        if reply.body and fault == GARBLED:
            message += f": {clean(_text(reply.body))}"
        html = "html" in reply.headers.get("Content-Type", "")
        hint = "a proxy or a login page seems to answer instead of the API" if html else None
        allowed = {TOO_BIG: 1, GARBLED: UNREADABLE_TRIES}.get(fault, TRIES)
        return self._unsure(message, reply, hint), self._tries_unless_paid(allowed)

    def _held(self, reply: _Reply, held: dict[str, Any]) -> CloudError:
        proposal = self.transport.clean(str(held.get("proposal_id")), 80)
        expires = self.transport.clean(str(held.get("expires_at")), 40)
        return Held(
            f"{self._what}: held for approval as proposal {proposal}, which expires at {expires}",
            hint="have it approved, then run the same command again",
            status=reply.status,
            request_id=reply.request_id,
        )

    def _redirect(self, reply: _Reply, status: int) -> CloudError:
        target = _target_host(reply.headers.get("Location", ""), self.transport.host)
        message = f"{self._what}: unexpected redirect to {self.transport.clean(target)}{self._source(reply)}"
        hint = "nothing was sent there; check the API's URL"
        if status == 303:  # "it is done, its result is elsewhere"
            return self._unsure(message, reply, hint)
        return CloudError(message, status=status, request_id=reply.request_id, hint=hint)

    def _transient(self, reply: _Reply, status: int) -> tuple[CloudError, int]:
        refused = status == 429
        what = "too many requests" if refused else "the API is unavailable"
        message = f"{self._what}: {what}{self._source(reply)}{self._so_far}"
        allowed = TRIES if refused else self._tries_unless_paid(1 if status == 501 else TRIES)
        asked = reply.retry_after
        if asked is not None and asked > RETRY_AFTER_CAP:
            message += f"; it asks to wait {asked:.0f} s"
            allowed = 1
        if refused:
            return Refused(message, status=status, request_id=reply.request_id, hint="try again later"), allowed
        return self._unsure(message, reply, detail=self._detail(reply)[0]), allowed

    def _refusal(self, reply: _Reply, status: int) -> CloudError:
        detail, words, is_api = self._detail(reply)
        kind, says, hint = _refusal(self.method, status, words.lower(), is_api)
        # A list of fields stands by itself, under the message.
        told, listed = (f": {detail}", None) if "\n" not in detail and status != 422 else ("", detail)
        message = f"{self._what}: {says}{told if detail else ''}{self._source(reply)}"
        return kind(message, status=status, request_id=reply.request_id, hint=hint, detail=listed or None)

    def _unsure(self, message: str, reply: _Reply, hint: str | None = None, detail: str | None = None) -> CloudError:
        """An error after which the request may have been executed: that matters for paid methods only."""
        kind = Ambiguous if self.method in _PAID else CloudError
        return kind(message, status=reply.status, request_id=reply.request_id, hint=hint, detail=detail or None)

    def _tries_unless_paid(self, tries: int) -> int:
        return 1 if self.method in _PAID else tries

    def _detail(self, reply: _Reply) -> tuple[str, str, bool]:
        """What an error's body says: cleaned (one line a field), raw, and whether it has the API's form."""
        try:
            data = _json(reply.body) if reply.body else {}
        except ValueError:
            return self.transport.clean(_text(reply.body)), _text(reply.body), False
        said = data.get("detail", "") if isinstance(data, dict) else ""
        lines = [_field_problem(item) for item in said] if isinstance(said, list) else [str(said or "")]
        clean = "\n".join(self.transport.clean(line, 500) for line in lines[:50])
        return clean, "\n".join(lines), isinstance(data, dict)

    @property
    def _what(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def _so_far(self) -> str:
        return f" ({self.tries} tries)" if self.tries > 1 else ""

    def _source(self, reply: _Reply) -> str:
        return f" ({reply.status}, request {self.transport.clean(reply.request_id, 64)})"


def _refusal(method: str, status: int, words: str, is_api: bool) -> tuple[type[CloudError], str, str | None]:
    """The error, its text and its hint for a 4xx that proves that nothing was done."""
    hint = next((hint for pattern, hint in _HINTS if pattern.search(words)), None)
    if status == 401 or (status == 409 and "needs_reauth" in words):
        return Unauthorized, "the credentials are not accepted", CREDENTIALS_HINT
    if status == 404 and not is_api:
        # A proxy's or another server's own page: it must not pass for "your bid is gone".
        return CloudError, "not found, and the API did not say so", "check the API's URL and the proxies on the way"
    if status == 404:
        return NotFound, "not found", None
    if status == 403:
        return Refused, "needs permission", hint or "the credentials lack a permission in this project"
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


def _page(data: object, rows: str) -> tuple[list[dict[str, Any]], str | None]:
    """The rows and the next cursor. Raises ValueError naming the field that is not as it must be."""
    cursor: object = None
    if isinstance(data, dict):
        cursor = data.get("next_cursor")
        data = data.get(rows)
    else:
        rows = "it"
    if not isinstance(data, list):
        raise ValueError(f"{rows} is not a list")
    for number, row in enumerate(data):
        if not isinstance(row, dict):
            raise ValueError(f"{rows}[{number}] is not an object")
    if isinstance(cursor, bool) or not isinstance(cursor, str | int | None):
        raise ValueError("next_cursor is neither text nor a number")
    return data, None if cursor is None or cursor == "" else str(cursor)


def _unseen(page: list[dict[str, Any]], seen: set[str]) -> list[dict[str, Any]]:
    """The rows whose `fid` is not in `seen`, which grows by theirs. Rows without one are for the reader to judge."""
    fresh = []
    for row in page:
        fid = row.get("fid")
        if isinstance(fid, str):
            if fid in seen:
                continue
            seen.add(fid)
        fresh.append(row)
    return fresh


# -- reading ---------------------------------------------------------------------------------------------------------


def _content(response: Response, until: float, clock: Callable[[], float]) -> bytes:
    """The body, unpacked. Raises _Unreadable, or what the socket raised."""
    if response.raw is None:  # an adapter in this process, whose body is there already
        body = response.content or b""
        _check_size(len(body))
        return body
    unpack = _unpacker(response.headers.get("Content-Encoding", ""))
    unpacked, received = bytearray(), 0
    # read1 returns what has come: read would wait for a full buffer, out of reach of the deadline.
    while chunk := response.raw.read1(65536, decode_content=False):
        received += len(chunk)
        unpacked += unpack(chunk)
        _check_size(max(received, len(unpacked)))
        if clock() > until:
            raise _Unreadable(LOST, "the answer did not end in time")
    return bytes(unpacked)


def _check_size(size: int) -> None:
    if size > RESPONSE_CAP:
        raise _Unreadable(TOO_BIG, f"it is larger than {RESPONSE_CAP // 1024**2} MB")


def _unpacker(encoding: str) -> Callable[[bytes], bytes]:
    """Undoes `encoding`, chunk by chunk. Never gives more than a byte over the cap; an early end shows in the JSON."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return lambda chunk: chunk
    if encoding not in ("gzip", "x-gzip"):
        return _refuse_encoding
    inflate = zlib.decompressobj(wbits=31)

    def unpack(chunk: bytes) -> bytes:
        try:
            return inflate.decompress(chunk, RESPONSE_CAP + 1)
        except zlib.error:
            raise _Unreadable(GARBLED, "its gzip data are damaged") from None

    return unpack


def _refuse_encoding(chunk: bytes) -> NoReturn:
    raise _Unreadable(GARBLED, "it has an encoding that was not asked for")


def _json(body: bytes) -> Any:
    """The JSON value in `body`. Raises ValueError for anything but strict JSON in UTF-8."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _text(body: bytes) -> str:
    return body[: 20 * EXCERPT].decode("utf-8", "replace").strip()


def _http_date(text: str | None) -> datetime | None:
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _target_host(location: str, here: str) -> str:
    try:
        return urlsplit(location).hostname or here
    except ValueError:
        return "an invalid address"


# -- failures of the network -----------------------------------------------------------------------------------------


def _no_answer(error: BaseException, request_id: str) -> _Reply:
    """What the failure of an attempt proves: `sent` is False only if no byte of the request can have left."""
    import ssl

    import requests
    import urllib3.exceptions as lower

    causes = list(_causes(error))
    never_connected = (
        lower.NewConnectionError,
        lower.ConnectTimeoutError,
        lower.ProxyError,
        requests.exceptions.ConnectTimeout,
        requests.exceptions.ProxyError,
    )
    unsent = any(isinstance(cause, never_connected) or _while_connecting(cause) for cause in causes)
    broken_tls = (ssl.SSLError, lower.SSLError, requests.exceptions.SSLError)
    fault = UNREACHABLE if unsent else LOST
    if any(isinstance(cause, broken_tls) for cause in causes):
        fault = TLS
    return _Reply(None, {}, b"", request_id, fault, _reason(error), sent=not unsent)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it wraps, outermost first (requests and urllib3 nest in three different ways)."""
    seen: set[int] = set()
    inner: object = error
    while isinstance(inner, BaseException) and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        wrapped = [getattr(inner, "reason", None), inner.__cause__, *inner.args]
        inner = next((item for item in wrapped if isinstance(item, BaseException)), None)


def _while_connecting(error: BaseException) -> bool:
    """Whether `error` was raised inside urllib3's `connect`, TLS and the proxy's CONNECT included.

    The request is written after that. Types do not tell: a handshake that times out or is reset looks just like
    an answer that does.
    """
    from traceback import walk_tb

    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return any(f.f_code.co_name == "connect" and f.f_globals.get("__name__") == "urllib3.connection" for f in frames)


def _reason(error: BaseException) -> str:
    """The innermost cause in words; the wrappers' texts hold memory addresses."""
    cause = list(_causes(error))[-1]
    if isinstance(cause, TimeoutError) or "timed out" in str(cause).lower():
        return "timed out"
    words = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None) or str(cause)
    return str(words) or type(cause).__name__


# -- all workers together --------------------------------------------------------------------------------------------


class _Gate:
    """What all workers pass with each attempt (`with gate:`). A 429 closes it for all of them.

    When it opens again it lets them through as a congested line does: one at a time and with a distance, then more
    and closer with each success. If all came back in one moment, the unlucky ones would use up their tries (ten
    workers, two requests a second, answers after 0.1 s: 7 of 30 calls failed with a mere pause).
    """

    def __init__(self, clock: Callable[[], float], wait: Callable[[float], object]) -> None:
        self._clock = clock
        self._wait = wait
        self._changed = threading.Condition()
        self._opens = 0.0  # when attempts may begin again, on the clock
        self._next = 0.0  # when the next one may
        self._spacing = 0.0  # seconds between two
        self._busy = 0  # attempts under way
        self._limit = math.inf  # how many may be

    def __enter__(self) -> None:
        waited = 0.0  # the moment waited for: a wait is believed, whatever the clock says
        while (turn := self._begin(waited)) is not None:
            self._wait(max(0.0, turn - self._clock()))
            waited = turn

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def _begin(self, waited: float) -> float | None:
        """Lets the caller through: None; or says until when it must wait before it asks again."""
        with self._changed:
            while self._busy >= self._limit:
                self._changed.wait()
            now = max(self._clock(), waited)
            turn = max(self._opens, self._next)
            if now < turn:
                return turn
            self._busy += 1
            self._next = now + self._spacing
            return None

    def close(self, seconds: float) -> None:
        """Lets nobody through for `seconds`, and few after that."""
        with self._changed:
            now = self._clock()
            if now >= self._opens:  # refusals of attempts that were under way together count once
                self._spacing = min(2.0, 2 * self._spacing or 0.1)
                self._limit = 1
            self._opens = max(self._opens, now + seconds)

    def ease(self) -> None:
        """An attempt was not refused: a little more may be tried."""
        if self._limit == math.inf:
            return
        with self._changed:
            self._limit += 1 / self._limit
            self._spacing = self._spacing * 0.9 if self._spacing > 0.02 else 0.0
            self._changed.notify_all()


# -- credentials, kept in --------------------------------------------------------------------------------------------


def _forms(value: str) -> list[str]:
    """The ways in which `value` could stand in a text, longest first; none if it is too short to be told apart."""
    if len(value) < 4:
        return []
    raw = value.encode("utf-8", "surrogatepass")
    forms = {value, quote(value, safe=""), json.dumps(value)[1:-1]}
    for before in range(3):  # base64 of a text in which the value begins at any offset
        packed = base64.b64encode(bytes(before) + raw).decode()
        core = packed[(8 * before + 5) // 6 : 8 * (before + len(raw)) // 6]
        if len(core) >= 8:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    return sorted(forms, key=len, reverse=True)


def _without(text: str, forms: Iterable[str]) -> str:
    for form in forms:
        text = text.replace(form, "********")
    return text


# -- the origin and the way to it ------------------------------------------------------------------------------------


def _checked_url(url: str, *, in_process: bool) -> str:
    """`url` in its one form, without /v2. Raises UsageProblem; a URL that may hold a password is not shown."""
    if "@" in url:
        raise UsageProblem(
            "the API's URL must not hold a user name or a password", hint=f"take them out, and {CREDENTIALS_HINT}"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad_url(url, "is not a URL") from None
    if not url.isascii() or not url.isprintable() or " " in url or parts.scheme not in ("https", "http"):
        raise _bad_url(url, "is not an https URL")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise UsageProblem("the API's URL must end with its path: no ? and no #")
    if not (_HOST.fullmatch(host) or _is_address(host)):
        raise _bad_url(url, "has no valid host")
    if parts.scheme == "http" and not (_is_loopback(host) or (host == "localhost" and _is_here(host, in_process))):
        raise _bad_url(url, "is not https; plain http is for this machine only (127.0.0.1, ::1, localhost)")
    path = parts.path.rstrip("/").removesuffix("/v2").rstrip("/")
    if path and not _PATH.fullmatch(path):
        raise _bad_url(url, "has a strange path")
    place = f"[{host}]" if ":" in host else host.rstrip(".")
    return f"{parts.scheme}://{place}{f':{port}' if port is not None else ''}{path}"


def _bad_url(url: str, says: str) -> UsageProblem:
    return UsageProblem(f"the API's URL '{shown(url)}' {says}", hint="for example https://api.mithril.ai")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_here(host: str, in_process: bool) -> bool:
    """Whether every address of the name `host` is this machine; with an adapter in the process no name is looked up."""
    import socket

    if in_process:
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return bool(found) and all(_is_loopback(str(address[0])) for *_, address in found)


def _proxies(environ: Mapping[str, str], host: str) -> dict[str, str]:
    """HTTPS_PROXY as requests takes it, unless NO_PROXY or loopback exempts `host`. Raises UsageProblem."""
    url = environ.get("https_proxy") or environ.get("HTTPS_PROXY") or ""
    if not url or _is_loopback(host) or host == "localhost" or _is_exempt(environ, host):
        return {}
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageProblem("HTTPS_PROXY is not the URL of an HTTP proxy", hint="for example http://proxy.example:3128")
    return {"https": url}


def _is_exempt(environ: Mapping[str, str], host: str) -> bool:
    names = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").lower().replace(" ", "").split(",")
    return any(
        name == "*" or host == name.lstrip(".") or host.endswith("." + name.lstrip(".")) for name in names if name
    )


def _authorities(environ: Mapping[str, str]) -> bool | str:
    """The file of authorities to verify with, or True for those of requests. Raises UsageProblem if it is no file."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        path = environ.get(name)
        if path:
            if not Path(path).is_file():
                raise UsageProblem(f"{name} names '{shown(path)}', which is not a file")
            return path
    return True
