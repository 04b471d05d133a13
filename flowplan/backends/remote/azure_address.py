"""Where a state is in Azure Blob Storage, by its URL and the environment.

The URL names the storage account: the same container and key in another account is another state, and no variable must
decide between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowplan.backends.remote.object_address import endpoint_in, hold_key
from flowplan.classes import frozen
from flowplan.errors import UsageProblem
from flowplan.masking import without_userinfo
from flowplan.patterns import regex
from flowplan.printable import shown

AZURE_ENDPOINT = "FLOWPLAN_AZURE_ENDPOINT"
AZURE_ENDPOINTS = ("--endpoint", AZURE_ENDPOINT)  # the first that is set counts
_LIKE = "for example az://myaccount/my-container/flowplan/train"
_SCHEME = regex(r"az://", re.IGNORECASE)
_ACCOUNT = regex(r"[a-z0-9]{3,24}")
_CONTAINER = regex(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")


@frozen
class AzureAddress:
    """The blob `key` in `container` of the storage account `account`, at `endpoint`, the URL of the account's blobs
    without a / at its end. `endpoint` "": the public cloud."""

    account: str
    container: str
    key: str
    endpoint: str = ""

    @classmethod
    def of(cls, given: str, environ: Mapping[str, str]) -> AzureAddress:
        """The address that `given`, a URL, and `environ` say. Raises UsageProblem with what to type."""
        where = f"--state {shown(without_userinfo(given))}"
        if "?" in given or "#" in given:
            raise UsageProblem(
                "--state: the URL of a state must end with its key: no ? and no #",
                hint=f"a SAS token belongs in AZURE_STORAGE_SAS_TOKEN; {_LIKE}",
            )
        account, _, rest = _SCHEME.sub("", given, 1).partition("/")
        container, _, key = rest.partition("/")
        if "@" in account or "." in account or ":" in account:
            raise UsageProblem(
                "--state: az:// is followed by the name of a storage account, without a server, a user or a password",
                hint=f"{_LIKE}; {AZURE_ENDPOINT} names a server that is not https://ACCOUNT.blob.core.windows.net",
            )
        if not _ACCOUNT.fullmatch(account):
            raise UsageProblem(f"{where}: the URL names no storage account", hint=_LIKE)
        if not _CONTAINER.fullmatch(container):
            raise UsageProblem(f"{where}: the URL names no container", hint=_LIKE)
        hold_key(key, where, f"az://{account}/{container}/", _LIKE)
        endpoint = endpoint_in(
            environ, AZURE_ENDPOINTS, "for example https://myaccount.blob.core.chinacloudapi.cn", "AZURE_STORAGE_KEY"
        )
        return cls(account, container, key, "" if endpoint == _public(account) else endpoint)

    @property
    def name(self) -> str:
        """How messages name the state."""
        return f"az://{self.account}/{self.container}/{self.key}"

    @property
    def identity(self) -> str:
        """What tells it from every other state."""
        return f"{self.name} at {self.endpoint}" if self.endpoint else self.name

    @property
    def server(self) -> str:
        """How messages name the server."""
        return self.endpoint or f"the storage account {self.account}"

    @property
    def url(self) -> str:
        """What requests begin with, without the container."""
        return self.endpoint or _public(self.account)


def _public(account: str) -> str:
    return f"https://{account}.blob.core.windows.net"
