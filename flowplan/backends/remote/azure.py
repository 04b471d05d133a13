"""Blobs of a container in Azure Blob Storage, each put on condition: If-None-Match, or If-Match with its ETag."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from obstore.exceptions import BaseError
from obstore.store import AzureStore

from flowplan.backends.remote.azure_address import AzureAddress
from flowplan.backends.remote.azure_answers import CREDENTIALS, AzureAnswer
from flowplan.backends.remote.azure_credentials import credentials, sent
from flowplan.backends.remote.object_place import ObjectPlace
from flowplan.backends.remote.store import RemoteStore
from flowplan.backends.remote.stored import CONNECT_TIMEOUT, TIMEOUT, StoredObjects, client, once
from flowplan.backends.sent import Sent
from flowplan.errors import StateError, UsageProblem
from flowplan.state.form import Form


def open_azure(
    given: str, directory: Path, environ: Mapping[str, str], hold: Callable[[], None], form: Form
) -> RemoteStore:
    """The store of the state at `given`, an az:// URL. Raises UsageProblem."""
    address = AzureAddress.of(given, environ)
    place = ObjectPlace(AzureBlobs(address, environ), address.key, address.name, address.identity)
    return RemoteStore.on(place, directory, environ, hold, form)


class AzureBlobs(StoredObjects[AzureAnswer]):
    """Those of the container of `address`. Tokens are fetched when they are first needed. `limits`: seconds to connect,
    and of one try. Raises UsageProblem for credentials that cannot be any."""

    def __init__(
        self,
        address: AzureAddress,
        environ: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
        limits: tuple[float, float] = (CONNECT_TIMEOUT, TIMEOUT),
    ) -> None:
        self.address = address
        found = credentials(environ)
        self._sends = sent(found, address.url, address.endpoint)
        try:
            store = AzureStore(
                config={
                    # What variables of the library's own could turn to something else stands here.
                    "container_name": address.container,
                    "account_name": address.account,
                    "endpoint": address.url,
                    "use_emulator": False,
                    "use_fabric_endpoint": False,
                    "skip_signature": False,
                    **found,
                },
                client_options=client(address.url, environ, limits),
                retry_config=once(limits),
            )
        except (BaseError, ValueError) as error:
            why = AzureAnswer.of(error)
            raise UsageProblem(
                f"the credentials for Azure cannot be used: {why.credentials or why.says}", hint=CREDENTIALS
            ) from None
        super().__init__(store, address.name, sleep)

    @property
    def name(self) -> str:
        return f"{self.address.server} (az://{self.address.account}/{self.address.container})"

    @property
    def sends(self) -> Sent | None:
        return self._sends

    def refusal(self, error: BaseException) -> AzureAnswer:
        return AzureAnswer.of(error)

    def error(self, refusal: AzureAnswer, verb: str) -> StateError:
        return refusal.error(self.address, verb)
