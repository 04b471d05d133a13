"""Objects of an S3 bucket, each put on condition: If-None-Match, or If-Match with its ETag, which is its version.

The library asks once, and each try is decided here: what is asked again is a read, or what the server did not do. A
write that may have been done is `Unanswered`: `objects.py` looks it up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.backends.remote.objects import Found, Objects
from flowplan.backends.remote.place import Conflict, Fault, Unanswered
from flowplan.backends.remote.s3_address import DEFAULT_REGION, S3Address
from flowplan.backends.remote.s3_answers import Answer
from flowplan.backends.remote.s3_credentials import Credentials, config_of
from flowplan.backends.remote.store import RemoteStore
from flowplan.cloud.http.endpoint import authorities
from flowplan.errors import StateError
from flowplan.files.regular import read_regular
from flowplan.state.form import Form

if TYPE_CHECKING:
    from obstore.store import ClientConfig

_BUNDLE_LIMIT = 16 * 1024 * 1024  # bytes of certificates
_T = TypeVar("_T")
CONNECT_TIMEOUT, TIMEOUT = 5.0, 20.0  # seconds of one try; the second from its beginning to its end
BUDGET = 25.0  # seconds after which no try begins: a lease outlasts what is tried for it
_TRIES = 4
_PAUSE = 0.25  # seconds before the second try; it doubles


def open_s3(
    given: str, directory: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form
) -> RemoteStore:
    """The store of the state at `given`, an s3:// URL. Raises UsageProblem."""
    address = S3Address.of(given, environ)
    objects = S3Objects(address, environ)
    place = ObjectPlace(objects, address.key, address.name, address.identity)
    return RemoteStore.on(place, directory, environ, hold, form)


class S3Objects(Objects):
    """The bucket of `address`; what each method promises is said at `objects.Objects`. Credentials are found when they
    are first needed. `limits`: seconds to connect, and of one try."""

    def __init__(
        self,
        address: S3Address,
        environ: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
        limits: tuple[float, float] = (CONNECT_TIMEOUT, TIMEOUT),
    ) -> None:
        self.address, self._sleep = address, sleep
        credentials = Credentials.of(environ)
        self._region = address.region or credentials.region or DEFAULT_REGION
        self._url = address.url(self._region)
        self._store = S3Store(
            address.bucket,
            config=config_of(self._url, self._region, credentials.config),
            client_options=_client(self._url, environ, limits),
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=limits[1])},
            credential_provider=credentials.provider,
        )

    @property
    def name(self) -> str:
        return f"{self.address.server} (s3://{self.address.bucket})"

    def close(self) -> None:
        """Connections that are idle end by themselves."""

    def get(self, key: str) -> Found | None:
        return self._asked("read", lambda: self._got(key), absent=None)

    def _got(self, key: str) -> Found:
        result = obstore.get(self._store, key)
        data, meta = bytes(result.bytes()), result.meta
        if len(data) != meta["size"]:
            raise StateError(f"{self.name} gave {len(data)} bytes of {key}, which has {meta['size']}")
        return Found(data, self._version(meta["e_tag"]), meta["last_modified"].timestamp() or None)

    def put(self, key: str, data: bytes, expected: str) -> str:
        try:
            found = obstore.put(
                self._store, key, data, mode={"e_tag": expected} if expected else "create", use_multipart=False
            )
        except (BaseError, OSError) as error:
            raise self._not_put(key, Answer.of(error, self._url), expected) from None
        return self._version(found["e_tag"])

    def _version(self, etag: str | None) -> str:
        if not etag:
            raise Fault(f"{self.name} answers without an ETag", hint="keep the state on a server that gives one")
        return etag

    def _not_put(self, key: str, answer: Answer, expected: str) -> StateError:
        if answer.status == 412 or (answer.absent and expected):
            return Conflict(f"{key} is not what was read")
        error = answer.error(self.address, self._region, "write")
        if answer.passing:
            return Unanswered(f"whether {self.address.name} was written is not known: {error}", hint=error.hint)
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
            try:
                return ask()
            except (BaseError, OSError) as error:
                answer = Answer.of(error, self._url)
            if answer.absent and absent:
                return absent["absent"]  # type: ignore[return-value]
            if not left or not answer.passing or time.monotonic() - began > BUDGET:
                break
            self._sleep(pause)
            pause *= 2
        raise answer.error(self.address, self._region, verb)


def _client(url: str, environ: Mapping[str, str], limits: tuple[float, float]) -> ClientConfig:
    """How the server is reached. `environ` has the certificate authorities, as for the cloud's API."""
    connect, whole = (timedelta(seconds=seconds) for seconds in limits)
    options: ClientConfig = {
        "connect_timeout": connect,
        "timeout": whole,
        "allow_http": url.startswith("http://"),
        "user_agent": "flowplan",
    }
    bundle = environ.get("AWS_CA_BUNDLE") or authorities(environ)
    if isinstance(bundle, str) and Path(bundle).is_file():
        options["root_certificate"] = read_regular(Path(bundle), _BUNDLE_LIMIT)
    return options
