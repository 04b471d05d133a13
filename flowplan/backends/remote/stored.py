"""Objects of a store that obstore speaks to, each put on condition: that there is none, or that it has the ETag it had,
which is its version.

The library asks once, and each try is decided here: what is asked again is a read, or what the server did not do. A
write that may have been done is `Unanswered`: `object_place.py` looks it up.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError

from flowplan.backends.remote.in_time import hold_wanted
from flowplan.backends.remote.objects import Found, Objects
from flowplan.backends.remote.place import Conflict, Fault, Unanswered
from flowplan.cloud.http.endpoint import authorities, hashed, is_beside_proxy, proxies, proxy_of, without_proxy
from flowplan.errors import StateError
from flowplan.files.regular import read_regular
from flowplan.state.codec import SIZE_LIMIT

if TYPE_CHECKING:
    from obstore.store import AzureStore, ClientConfig, RetryConfig, S3Store

_BUNDLE_LIMIT = 16 * 1024 * 1024  # bytes of certificates
# What a machine asks for its own credentials is answered on the machine, in the clear: no proxy is to hear of it.
_BESIDE = ("localhost", "127.0.0.0/8", "::1", "169.254.0.0/16", "fd00:ec2::/32")
# Variables that name another place where those are asked for.
_CREDENTIALS = (
    "AWS_METADATA_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "IDENTITY_ENDPOINT",
    "AZURE_IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
    "AZURE_MSI_ENDPOINT",
)
_T = TypeVar("_T")
CONNECT_TIMEOUT, TIMEOUT = 5.0, 20.0  # seconds of one try; the second from its beginning to its end
BUDGET = 25.0  # seconds after which no try begins: a lease outlasts what is tried for it
_TRIES = 4
_PAUSE = 0.25  # seconds before the second try; it doubles


class Refusal(Protocol):
    """An answer that is no success."""

    @property
    def absent(self) -> bool:
        """There is no such object."""

    @property
    def refused(self) -> bool:
        """The condition of a write does not hold, and nothing was done."""

    @property
    def passing(self) -> bool:
        """It may go well the next time; what was asked may have been done."""


Answered = TypeVar("Answered", bound=Refusal)


class StoredObjects(Objects, Generic[Answered]):
    """Those of `store`; what each method promises is said at `objects.Objects`. `state`: how messages name the state
    that is kept there."""

    def __init__(self, store: S3Store | AzureStore, state: str, sleep: Callable[[float], None]) -> None:
        self._store, self._state, self._sleep = store, state, sleep

    @abstractmethod
    def refusal(self, error: BaseException) -> Answered:
        """What the library's `error` says of an answer."""

    @abstractmethod
    def error(self, refusal: Answered, verb: str) -> StateError:
        """What to raise for it: `verb` is what was to be done ("read", "write")."""

    def close(self) -> None:
        """Connections that are idle end by themselves."""

    def get(self, key: str) -> Found | None:
        return self._asked("read", lambda: self._got(key), absent=None)

    def _got(self, key: str) -> Found:
        result = obstore.get(self._store, key)
        meta = result.meta
        if meta["size"] > SIZE_LIMIT:
            what = f"{self.name} has more than {SIZE_LIMIT // 1024**2} MB as {key}: flowplan did not write it"
            raise StateError(what, hint="check the name of the state: something else may be there")
        data = bytes(result.bytes())
        if len(data) != meta["size"]:
            raise StateError(f"{self.name} gave {len(data)} bytes of {key}, which has {meta['size']}")
        return Found(data, self._version(meta["e_tag"]), meta["last_modified"].timestamp() or None)

    def put(self, key: str, data: bytes, expected: str) -> str:
        try:
            found = obstore.put(
                self._store, key, data, mode={"e_tag": expected} if expected else "create", use_multipart=False
            )
        except (BaseError, OSError) as error:
            raise self._not_put(key, self.refusal(error), expected) from None
        return self._version(found["e_tag"])

    def _version(self, etag: str | None) -> str:
        if not etag:
            raise Fault(f"{self.name} answers without an ETag", hint="keep the state on a server that gives one")
        return etag

    def _not_put(self, key: str, refusal: Answered, expected: str) -> StateError:
        if refusal.refused or (refusal.absent and expected):
            return Conflict(f"{key} is not what was read")
        error = self.error(refusal, "write")
        if refusal.passing:
            return Unanswered(f"whether {self._state} was written is not known: {error}", hint=error.hint)
        return error

    def names(self, prefix: str) -> list[str]:
        def listed() -> list[str]:
            pages = obstore.list(self._store, prefix)
            return [one["path"] for page in pages for one in page if one["path"].startswith(prefix)]

        return self._asked("list", listed)

    def delete(self, key: str) -> None:
        self._asked("delete", lambda: obstore.delete(self._store, key), absent=None)

    def _asked(self, verb: str, ask: Callable[[], _T], **absent: None) -> _T:
        """What `ask` gives, which may be asked again. `absent`: where there is no such object, it is that."""
        began, pause = time.monotonic(), _PAUSE
        for left in reversed(range(_TRIES)):
            hold_wanted()
            try:
                return ask()
            except (BaseError, OSError) as error:
                refusal = self.refusal(error)
            if refusal.absent and absent:
                return absent["absent"]  # type: ignore[return-value]
            if not left or not refusal.passing or time.monotonic() - began > BUDGET:
                break
            self._sleep(pause)
            pause *= 2
        raise self.error(refusal, verb)


def once(limits: tuple[float, float]) -> RetryConfig:
    """That the library tries nothing twice. `limits`: seconds to connect, and of one try."""
    return {"max_retries": 0, "retry_timeout": timedelta(seconds=limits[1])}


def client(url: str, environ: Mapping[str, str], limits: tuple[float, float], *bundles: str) -> ClientConfig:
    """How the server at `url` is reached: by the proxy, and with the certificate authorities, of the cloud's API.
    `bundles`: variables that name such authorities before all others. Raises UsageProblem."""
    connect, whole = (timedelta(seconds=seconds) for seconds in limits)
    options: ClientConfig = {
        "connect_timeout": connect,
        "timeout": whole,
        "allow_http": url.startswith("http://"),
        "user_agent": "flowplan",
    }
    options.update(_proxied(url, environ))
    trusted = authorities(environ, *bundles)
    if isinstance(trusted, str):
        files = hashed(Path(trusted)) if Path(trusted).is_dir() else [Path(trusted)]
        options["root_certificate"] = b"\n".join(read_regular(one, _BUNDLE_LIMIT) for one in files)
    return options


def _proxied(url: str, environ: Mapping[str, str]) -> ClientConfig:
    """The proxy by which the server at `url` is reached, or by which others are where that is none: those that give
    tokens. Raises UsageProblem."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    beside = is_beside_proxy(environ, host, parts.port)
    if not beside and parts.scheme != "https":
        return {}
    proxy = proxy_of(environ) if beside else proxies(environ, host, parts.port).get("https")
    if not proxy:
        return {}
    exempt = [*_BESIDE, *_named_beside(environ), without_proxy(environ), *([host] if beside else [])]
    return {"proxy_url": proxy, "proxy_excludes": ",".join(filter(None, exempt))}


def _named_beside(environ: Mapping[str, str]) -> list[str]:
    """The hosts that variables name for the credentials of the machine, as far as they are asked in the clear: a pod or
    a service beside this one, which a proxy would answer with its own."""
    found = []
    for name in _CREDENTIALS:
        with suppress(ValueError):
            parts = urlsplit(environ.get(name, ""))
            if parts.scheme == "http" and parts.hostname:
                found.append(parts.hostname)
    return found
