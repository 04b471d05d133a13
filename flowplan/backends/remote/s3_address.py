"""Where a state is on a server that speaks Amazon's S3, by its URL and the environment.

On AWS a bucket's name is one bucket, wherever it is asked for; on any other server it is one of that server's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import frozen

from flowplan.cloud.http.endpoint import PATH, is_here, is_host, is_loopback
from flowplan.errors import UsageProblem
from flowplan.masking import without_userinfo
from flowplan.printable import shown

ENDPOINT = "FLOWPLAN_S3_ENDPOINT"
ENDPOINTS = ("--endpoint", ENDPOINT, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # the first that is set counts
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
DEFAULT_REGION = "us-east-1"
_LIKE = "for example s3://my-bucket/flowplan/train"
_SCHEME = re.compile(r"s3://", re.IGNORECASE)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_SEGMENT = re.compile(r"[A-Za-z0-9._=@+:,()!-]+")
_REGION = re.compile(r"[A-Za-z0-9-]{1,40}")
_OURS = re.compile(r"\.d/(states|journal|versions|aside|probe|clock)(/|\Z)")
_LONGEST_KEY = 800  # bytes, of 1,024: names of the objects below it are longer
_AWS = re.compile(r"https://[a-z0-9.-]+\.amazonaws\.com")


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
        return cls(bucket, key, _endpoint(environ), region)

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
    if not key.strip("/"):
        raise UsageProblem(f"{where}: the URL names no object in the bucket", hint=_LIKE)
    if key.endswith("/"):
        raise UsageProblem(f"{where}: a state has no / at its end", hint=f"--state s3://{bucket}/{key.rstrip('/')}")
    segments = key.split("/")
    if not all(_SEGMENT.fullmatch(one) and one.strip(".") for one in segments) or len(key) > _LONGEST_KEY:
        raise UsageProblem(
            f"{where}: its key is not one that every server takes",
            hint=f"letters, digits and . _ - = @ + : , ( ) ! between single slashes; {_LIKE}",
        )
    if key.endswith(".lock") or _OURS.search(key):
        raise UsageProblem(f"{where}: flowplan uses this name for what belongs to a state", hint=_LIKE)
    return bucket, key


def _endpoint(environ: Mapping[str, str]) -> str:
    """The URL of the server in its one form; "": AWS. Raises UsageProblem."""
    name = next((name for name in ENDPOINTS if environ.get(name)), None)
    if name is None:
        return ""
    given = environ[name]
    like = "for example https://s3.example.com"
    if "@" in given:
        raise UsageProblem(
            f"{name} must not hold a user name or a password",
            hint="take them out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    where = f"{name} '{shown(given)}'"
    try:
        parts = urlsplit(given)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageProblem(f"{where} is not a URL", hint=like) from None
    scheme, path = parts.scheme.lower(), parts.path.rstrip("/")
    if scheme not in ("https", "http") or not is_host(host) or "?" in given or "#" in given:
        raise UsageProblem(f"{where} is not the URL of a server", hint=like)
    if path and not PATH.fullmatch(path):
        raise UsageProblem(f"{where} has an invalid path", hint=like)
    if scheme == "http" and not (is_loopback(host) or (host == "localhost" and is_here(host))):
        raise UsageProblem(
            f"{where}: plain http is allowed only for this machine (127.0.0.1, ::1, localhost)", hint="write https://"
        )
    place = f"[{host}]" if ":" in host else host.rstrip(".")
    default = {"https": 443, "http": 80}[scheme]
    return f"{scheme}://{place}{f':{port}' if port not in (None, default) else ''}{path}"
