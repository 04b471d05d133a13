"""What an answer means that is no success: what the server says of it, and whether a write may have been done.

404 NoSuchKey is an object that is not there. Any other 404 is an error: a bucket that is not there, a web page. 412:
the condition of a write does not hold, and nothing was done. 409, 429, 5xx, or no answer: it may go well the next
time. All else is refused, and nothing was done.
"""

from __future__ import annotations

from attrs import field

from flowplan.backends.remote.s3_address import ENDPOINT, S3Address
from flowplan.backends.remote.stored_errors import Told, remedy_of, short
from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.patterns import regex
from flowplan.printable import shown

_PROVIDER = regex(r"External AWS credential provider: (?:\w+: )?(.*)")
_PASSING = ("RequestTimeout", "SlowDown", "ThrottlingException", "Throttling", "RequestTimeTooSlow")
_CREDENTIALS = ("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired", "SignatureDoesNotMatch")
CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with AWS_SESSION_TOKEN if they are temporary, or AWS_PROFILE"
)

_PERMISSIONS = (
    "the credentials need s3:GetObject, s3:PutObject and s3:DeleteObject of KEY, KEY.lock and KEY.d/*, "
    "and s3:ListBucket of the bucket"
)


@frozen
class Answer:
    """What came instead of success. `status` None: no answer. `code` and `says` are the server's words; `sent`: the
    request may have reached the server."""

    status: int | None
    code: str = ""
    says: str = ""
    region: str = ""
    sent: bool = True
    credentials: str = field(default="", repr=False)  # why there are none; "": there are

    @classmethod
    def of(cls, error: BaseException, url: str) -> Answer:
        """What the library's `error` tells, where requests to the server begin with `url`."""
        told = Told.of(error)
        if (provider := _PROVIDER.search(told.said)) is not None:
            return cls(None, sent=False, credentials=short(provider[1]))
        if "token file" in told.said or (told.asked is not None and not told.asked.startswith(url)):
            return cls(None, sent=False, credentials=_no_credentials(told))
        if told.status is not None:
            return cls(told.status, told.element("Code"), told.element("Message"), told.element("Region"))
        if "redirect without LOCATION" in told.said:
            return cls(301, "PermanentRedirect")
        return cls(None, says=told.why("S3"), sent=told.kind != "Connect")

    @property
    def absent(self) -> bool:
        """There is no such object."""
        return self.status == 404 and self.code == "NoSuchKey"

    @property
    def refused(self) -> bool:
        """The condition of a write does not hold."""
        return self.status == 412

    @property
    def passing(self) -> bool:
        """It may go well the next time."""
        if self.status is None:
            return not self.credentials
        return self.status in (409, 429) or self.status >= 500 or self.code in _PASSING

    def error(self, address: S3Address, region: str, verb: str) -> StateError:
        """What to raise where it does not pass: `verb` is what was to be done ("read", "write")."""
        found = self._about_place(address, region) or self._about_credentials(address)
        message, hint = found or self._about_server(address, verb)
        return StateError(message, hint=hint)

    def _about_place(self, address: S3Address, region: str) -> tuple[str, str] | None:
        """Message and hint where the bucket is not the one that was meant."""
        if self.code == "NoSuchBucket":
            what = f"there is no bucket {address.bucket} at {address.server}"
            return what, f"check its name and {ENDPOINT}, or make it"
        if self.status in (301, 307, 308) or self.region not in ("", region):
            what = f"the bucket {address.bucket} is in another region than {region}"
            return what, f"set AWS_REGION={self.region}" if self.region else "set AWS_REGION to its region"
        return None

    def _about_credentials(self, address: S3Address) -> tuple[str, str] | None:
        """Message and hint where the server does not let us in."""
        name, server = address.name, address.server
        if self.credentials:
            return f"{name}: there are no AWS credentials: {self.credentials}", CREDENTIALS
        if self.code == "RequestTimeTooSkewed":
            what = f"{name}: {server} refuses the request, because the clock of this machine is wrong"
            return what, "set the clock, as with `timedatectl set-ntp true`, and run the same command again"
        if self.code in _CREDENTIALS or self.status == 401:
            return f"{name}: {server} refuses the credentials: {self.words}", CREDENTIALS
        return (f"{name}: {server} denies access: {self.words}", _PERMISSIONS) if self.status == 403 else None

    def _about_server(self, address: S3Address, verb: str) -> tuple[str, str]:
        name, server = address.name, address.server
        if self.status is None:
            what = f"{name}: {server} cannot be reached: {self.says}"
            return what, remedy_of(self.says)
        if self.passing:
            return f"{name}: {server} fails: {self.words}", "run the same command again in a while"
        return f"{name}: {server} does not {verb} it: {self.words}", f"look whether {ENDPOINT} names an S3 server"

    @property
    def words(self) -> str:
        """Status and what the server says."""
        return " ".join(filter(None, (f"HTTP {self.status}", self.code, self.says and f"({self.says})")))


def _no_credentials(told: Told) -> str:
    asked = told.asked
    if asked is None:
        return short(told.said.partition(": ")[2])
    if "/latest/" in asked:  # the metadata of an instance
        return "none are set, and this machine has no role"
    why = "no answer" if told.status is None else f"HTTP {told.status} {told.element('Code')}".strip()
    return f"{shown(asked.partition('?')[0])} gives none: {why}"
