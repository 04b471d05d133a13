"""Objects of an S3 bucket, each put on condition: If-None-Match, or If-Match with its ETag."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from obstore.store import S3Store

from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.backends.remote.s3_address import DEFAULT_REGION, S3Address
from flowplan.backends.remote.s3_answers import Answer
from flowplan.backends.remote.s3_credentials import Credentials, config_of
from flowplan.backends.remote.store import RemoteStore
from flowplan.backends.remote.stored import CONNECT_TIMEOUT, TIMEOUT, StoredObjects, client, once
from flowplan.errors import StateError
from flowplan.state.form import Form


def open_s3(
    given: str, directory: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form
) -> RemoteStore:
    """The store of the state at `given`, an s3:// URL. Raises UsageProblem."""
    address = S3Address.of(given, environ)
    objects = S3Objects(address, environ)
    place = ObjectPlace(objects, address.key, address.name, address.identity)
    return RemoteStore.on(place, directory, environ, hold, form)


class S3Objects(StoredObjects[Answer]):
    """Those of the bucket of `address`. Credentials are found when they are first needed. `limits`: seconds to connect,
    and of one try."""

    def __init__(
        self,
        address: S3Address,
        environ: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
        limits: tuple[float, float] = (CONNECT_TIMEOUT, TIMEOUT),
    ) -> None:
        self.address = address
        credentials = Credentials.of(environ)
        self._region = address.region or credentials.region or DEFAULT_REGION
        self._url = address.url(self._region)
        store = S3Store(
            address.bucket,
            config=config_of(self._url, self._region, credentials.config),
            client_options=client(self._url, environ, limits, "AWS_CA_BUNDLE"),
            retry_config=once(limits),
            credential_provider=credentials.provider,
        )
        super().__init__(store, address.name, sleep)

    @property
    def name(self) -> str:
        return f"{self.address.server} (s3://{self.address.bucket})"

    def refusal(self, error: BaseException) -> Answer:
        return Answer.of(error, self._url)

    def error(self, refusal: Answer, verb: str) -> StateError:
        return refusal.error(self.address, self._region, verb)
