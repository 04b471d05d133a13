"""The stores of objects that obstore speaks to, as the tests that hold for each of them need them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest
from attrs import frozen

from flowplan.backends.remote.stored import StoredObjects
from tests.contracts.memory import ObjectSite
from tests.contracts.odd import Odd, error, reply

Answers: TypeAlias = Mapping[str, bytes]  # by what they are called
MODIFIED = "Last-Modified: Sun, 29 Nov 2026 03:15:11 GMT"


@frozen
class Kind:
    """`url`: a state, and how messages name it; `secret`: what no message holds. `objects`: the store at a URL, with
    variables besides and limits; `site` and `endpoint`: of a real server. Answers: `absent` that there is no such
    object, `refused` with what it says and hints at, `passing` what may go well the next time, `nothing` what is no
    answer."""

    url: str
    secret: str
    objects: Callable[..., StoredObjects[Any]]
    site: Callable[[Path], ObjectSite]
    endpoint: Callable[[], str]
    absent: bytes
    refused: tuple[tuple[bytes, str, str], ...]
    passing: Answers
    nothing: Answers

    def at(self, odd: Odd, limits: tuple[float, float] = (5.0, 10.0), **variables: str) -> StoredObjects[Any]:
        """The store where `odd` answers."""
        return self.objects(self.url, odd.url, limits, **variables)

    def behind(self, site: ObjectSite, port: int) -> StoredObjects[Any]:
        """The store of `site`, asked through what listens at `port`."""
        path = urlsplit(self.endpoint()).path
        return self.objects(site.url, f"http://127.0.0.1:{port}{path}", (5.0, 10.0))


_BOTH: Answers = {"500": error(500, "InternalError"), "429": error(429, "TooManyRequests"), "nothing": b""}
_NOTHING: Answers = {
    "404": reply(404),
    "a page": reply(404, "<html>Not Found</html>"),
    "204": reply(204),
    "empty": reply(200, ""),
    "cut off": reply(200, "{}", 'ETag: "1"', MODIFIED, length=100),
    "304": reply(304),
}


def s3() -> Kind:
    pytest.importorskip("obstore")
    pytest.importorskip("moto")
    from flowplan.backends.remote.s3 import S3Objects
    from flowplan.backends.remote.s3_address import S3Address
    from tests.contracts.s3_site import KEYS, S3Site, endpoint, environ

    def objects(url: str, at: str, limits: tuple[float, float], **variables: str) -> S3Objects:
        given = {**environ(at), **variables}
        return S3Objects(S3Address.of(url, given), given, lambda _: None, limits)

    return Kind(
        "s3://states/train",
        KEYS["AWS_SECRET_ACCESS_KEY"],
        objects,
        S3Site,
        endpoint,
        error(404, "NoSuchKey"),
        (
            (error(403, "AccessDenied"), "denies access: HTTP 403 AccessDenied", "s3:ListBucket"),
            (error(404, "NoSuchBucket"), "there is no bucket states at http://127", "FLOWPLAN_S3_ENDPOINT"),
            (reply(301), "in another region than us-east-1", "set AWS_REGION"),
            (
                error(400, "AuthorizationHeaderMalformed", "x", "<Region>eu-central-1</Region>"),
                "in another region than us-east-1",
                "set AWS_REGION=eu-central-1",
            ),
            (error(400, "ExpiredToken", "It has expired."), "refuses the credentials", "AWS_ACCESS_KEY_ID"),
            (error(403, "InvalidAccessKeyId"), "refuses the credentials", "AWS_ACCESS_KEY_ID"),
            (error(403, "SignatureDoesNotMatch"), "refuses the credentials", "AWS_ACCESS_KEY_ID"),
            (error(401, "Unauthorized"), "refuses the credentials", "AWS_ACCESS_KEY_ID"),
            (error(403, "RequestTimeTooSkewed"), "the clock of this machine is wrong", "set the clock"),
            (error(400, "KMS.DisabledException"), "HTTP 400 KMS.DisabledException", "FLOWPLAN_S3_ENDPOINT"),
        ),
        {
            **_BOTH,
            "503": error(503, "SlowDown"),
            "409": error(409, "ConditionalRequestConflict"),
            "408": error(400, "RequestTimeout"),
            "no HTTP": b"hello\r\n\r\n",
        },
        {
            **_NOTHING,
            "another 404": error(404, "NoSuchUpload"),
            "empty, ETag": reply(200, "", 'ETag: "1"'),
            "no ETag": reply(200, "{}", MODIFIED),
        },
    )


def azure() -> Kind:
    pytest.importorskip("obstore")
    from flowplan.backends.remote.azure import AzureBlobs
    from flowplan.backends.remote.azure_address import AZURE_ENDPOINT, AzureAddress
    from tests.contracts.azure_site import KEY, AzureSite, endpoint

    def objects(url: str, at: str, limits: tuple[float, float], **variables: str) -> AzureBlobs:
        keyed = (
            variables if any(one.startswith("AZURE_") for one in variables) else {"AZURE_STORAGE_KEY": KEY, **variables}
        )
        given = {AZURE_ENDPOINT: at, "HOME": "/nonexistent", **keyed}
        return AzureBlobs(AzureAddress.of(url, given), given, lambda _: None, limits)

    return Kind(
        "az://myaccount/states/train",
        KEY,
        objects,
        AzureSite,
        endpoint,
        error(404, "BlobNotFound"),
        (
            (error(403, "AuthorizationPermissionMismatch"), "denies access", "Storage Blob Data Contributor"),
            (error(403, "AuthorizationFailure"), "denies access", "network rules"),
            (
                error(404, "ContainerNotFound"),
                "there is no container states in http://127",
                "az storage container create",
            ),
            (error(404, "ResourceNotFound"), "HTTP 404 ResourceNotFound", AZURE_ENDPOINT),
            (
                error(403, "AuthenticationFailed", "x RequestId:1"),
                "refuses the credentials: HTTP 403",
                "AZURE_STORAGE_KEY",
            ),
            (error(401, "InvalidAuthenticationInfo"), "refuses the credentials", "az login"),
            (error(401, "NoAuthenticationInformation"), "refuses the credentials", "az login"),
            (error(412, "LeaseIdMissing"), "HTTP 412 LeaseIdMissing", "az storage blob lease break"),
            (error(409, "BlobImmutableDueToPolicy"), "HTTP 409 BlobImmutableDueToPolicy", AZURE_ENDPOINT),
            (error(400, "InvalidHeaderValue"), "HTTP 400 InvalidHeaderValue", AZURE_ENDPOINT),
        ),
        {**_BOTH, "503": error(503, "ServerBusy"), "no HTTP": b"hello\r\n\r\n"},
        {
            **_NOTHING,
            "another 404": error(404, "ContainerNotFound"),
            "a login": reply(200, "<html>Log in</html>"),
            "a redirect": reply(302, "", "Location: https://login.example.com/"),
        },
    )


KINDS: Mapping[str, Callable[[], Kind]] = {"s3": s3, "azure": azure}


def calls(objects: StoredObjects[Any]) -> list[Callable[[], object]]:
    """Each call that a store answers."""
    return [
        lambda: objects.get("train"),
        lambda: objects.put("train", b"one", ""),
        lambda: objects.put("train", b"one", '"1"'),
        lambda: objects.names("train.d/states/"),
        lambda: objects.delete("train"),
    ]
