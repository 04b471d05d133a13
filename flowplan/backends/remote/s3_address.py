"""Where a state is on a server that speaks Amazon's S3, by its URL and the environment.

On AWS a bucket's name is one bucket, wherever it is asked for; on any other server it is one of that server's.
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

ENDPOINT = "FLOWPLAN_S3_ENDPOINT"
ENDPOINTS = ("--endpoint", ENDPOINT, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # the first that is set counts
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
DEFAULT_REGION = "us-east-1"
_LIKE = "for example s3://my-bucket/flowplan/train"
_SCHEME = regex(r"s3://", re.IGNORECASE)
_BUCKET = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_REGION = regex(r"[A-Za-z0-9-]{1,40}")
_AWS = regex(r"https://[a-z0-9.-]+\.amazonaws\.com")


@frozen
class S3Address:
    """The object `key` of `bucket`, at `endpoint`, a URL without a path at its end. `region` "": nobody says."""

    bucket: str
    key: str
    endpoint: str = ""  # "": AWS
    region: str = ""

    @classmethod
    def of(cls, given: str, environ: Mapping[str, str]) -> S3Address:
        """The address that `given`, a URL, and `environ` say. Raises UsageProblem with what to type."""
        bucket, key = _checked(given)
        region = next((environ[name] for name in REGIONS if environ.get(name)), "")
        if region and not _REGION.fullmatch(region):
            raise UsageProblem(f"the region '{shown(region)}' is not one", hint="set AWS_REGION, as eu-central-1")
        endpoint = endpoint_in(
            environ, ENDPOINTS, "for example https://s3.example.com", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
        return cls(bucket, key, endpoint, region)

    @property
    def name(self) -> str:
        """How messages name the state."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def identity(self) -> str:
        """What tells it from every other state: without the endpoint on AWS, where one bucket has many."""
        return self.name if not self.endpoint or _AWS.fullmatch(self.endpoint) else f"{self.name} at {self.endpoint}"

    @property
    def server(self) -> str:
        """How messages name the server."""
        return self.endpoint or "Amazon S3"

    def url(self, region: str) -> str:
        """What requests begin with, without the bucket, where the region is known to be `region`."""
        if self.endpoint:
            return self.endpoint
        return f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def _checked(given: str) -> tuple[str, str]:
    """Bucket and key. Raises UsageProblem; a URL that may hold a password is not shown."""
    where = f"--state {shown(without_userinfo(given))}"
    if "?" in given or "#" in given:
        raise UsageProblem("--state: the URL of a state must end with its key: no ? and no #", hint=_LIKE)
    bucket, _, key = _SCHEME.sub("", given, 1).partition("/")
    if "@" in bucket or ":" in bucket:
        raise UsageProblem(
            "--state: s3:// is followed by the name of a bucket, without a server, a user or a password",
            hint=f"{_LIKE}; {ENDPOINT} names a server that is not Amazon's",
        )
    if not _BUCKET.fullmatch(bucket):
        raise UsageProblem(f"{where}: the URL names no bucket", hint=_LIKE)
    hold_key(key, where, f"s3://{bucket}/", _LIKE)
    return bucket, key
