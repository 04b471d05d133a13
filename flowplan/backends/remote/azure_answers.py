"""What an answer of Azure Blob Storage means that is no success, and whether a write may have been done.

404 BlobNotFound is a blob that is not there. Any other 404 is an error: a container that is not there, a web page. 412
ConditionNotMet and 409 BlobAlreadyExists: the condition of a write does not hold, and nothing was done. 429, 5xx, a
409 of another kind that ends by itself, or no answer: it may go well the next time. All else is refused, and nothing
was done: a lease that somebody holds on the blob, a rule that nothing may be changed.
"""

from __future__ import annotations

import re

from attrs import field

from flowplan.backends.remote.azure_address import AZURE_ENDPOINT, AzureAddress
from flowplan.backends.remote.stored_errors import Told, remedy_of, short
from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.patterns import regex
from flowplan.printable import shown

_PASSING = ("ServerBusy", "OperationTimedOut", "InternalError", "ContainerBeingDeleted", "AccountBeingCreated")
_BATCHED = regex(r"Bulk delete request failed for key .*: (.*)\(code: (\d{3})\)", re.DOTALL)
# How the library begins where it got as far as its credentials, and no request to the store was made.
_TOKEN = regex(
    r"Error performing token request|'az account get-access-token' command failed|Failed to parse azure cli response"
    r"|Error reading federated token file|Invalid Access Key|Missing component in SAS query pair"
)
_CREDENTIALS = ("AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation")
CREDENTIALS = (
    "set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, "
    "or log in with `az login`"
)
_PERMISSIONS = (
    "the credentials need the role Storage Blob Data Contributor on the container, and the network rules of the "
    "account must let this machine in"
)


@frozen
class AzureAnswer:
    """What came instead of success. `status` None: no answer. `code` and `says` are the server's words."""

    status: int | None
    code: str = ""
    says: str = ""
    credentials: str = field(default="", repr=False)  # why there are none; "": there are

    @classmethod
    def of(cls, error: BaseException) -> AzureAnswer:
        """What the library's `error` tells."""
        told = Told.of(error)
        if _TOKEN.search(told.said) is not None:
            return cls(None, credentials=_no_token(told))
        if (batched := _BATCHED.search(told.said)) is not None:
            status = int(batched[2])
            return cls(status, "BlobNotFound" if status == 404 else "", short(batched[1]))
        if told.status is not None:
            return cls(told.status, told.element("Code"), told.element("Message"))
        says = told.why("Azure Blob Storage") if told.asked is not None else short(told.said.partition(": ")[2])
        return cls(None, says=says)

    @property
    def absent(self) -> bool:
        """There is no such blob."""
        return self.status == 404 and self.code == "BlobNotFound"

    @property
    def refused(self) -> bool:
        """The condition of a write does not hold."""
        return (self.status, self.code) in ((412, "ConditionNotMet"), (409, "BlobAlreadyExists"))

    @property
    def passing(self) -> bool:
        """It may go well the next time."""
        if self.status is None:
            return not self.credentials
        return self.status == 429 or self.status >= 500 or self.code in _PASSING

    def error(self, address: AzureAddress, verb: str) -> StateError:
        """What to raise where it does not pass: `verb` is what was to be done ("read", "write")."""
        name, server = address.name, address.server
        if self.credentials:
            return StateError(f"{name}: there are no credentials for Azure: {self.credentials}", hint=CREDENTIALS)
        if self.status is None:
            return StateError(f"{name}: {server} cannot be reached: {self.says}", hint=remedy_of(self.says))
        if self.code == "ContainerNotFound":
            hint = "check its name and the account's, or make it: `az storage container create`"
            return StateError(f"there is no container {address.container} in {server}", hint=hint)
        if self.code in _CREDENTIALS or self.status == 401:
            return StateError(f"{name}: {server} refuses the credentials: {self.words}", hint=CREDENTIALS)
        if self.status == 403:
            return StateError(f"{name}: {server} denies access: {self.words}", hint=_PERMISSIONS)
        if self.code.startswith("Lease"):
            hint = "somebody has taken a lease on this blob: break it with `az storage blob lease break`"
            return StateError(f"{name}: {server} does not {verb} it: {self.words}", hint=hint)
        if self.passing:
            return StateError(f"{name}: {server} fails: {self.words}", hint="run the same command again in a while")
        where = f"{AZURE_ENDPOINT} names the blobs of a storage account" if address.endpoint else "a rule forbids it"
        return StateError(f"{name}: {server} does not {verb} it: {self.words}", hint=f"look whether {where}")

    @property
    def words(self) -> str:
        """Status and what the server says."""
        says = self.says.partition(" RequestId:")[0]
        return " ".join(filter(None, (f"HTTP {self.status}", self.code, says and f"({says})")))


def _no_token(told: Told) -> str:
    """Why there are none, for people."""
    if told.asked is None:
        return short(told.said.removeprefix("Generic MicrosoftAzure error: "))
    if "/metadata/identity/" in told.asked:
        return "none are set, nobody is logged in with `az login`, and this machine has no identity"
    why = "no answer" if told.status is None else f"HTTP {told.status}"
    return f"{shown(told.asked.partition('?')[0])} gives no token: {why}"
