"""Which credentials a request to S3 has, as Amazon's own tools find them.

The environment comes first: keys, a web identity (Kubernetes), a container's. Then the files that `aws configure`
writes, with all that a profile can be (a role, SSO, a process): boto3 reads those, if it is installed. Last the role of
the machine, which its metadata service gives.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from attrs import field

from flowplan.classes import define, frozen
from flowplan.errors import UsageProblem

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential, S3CredentialProvider

_LASTING = timedelta(minutes=10)  # how long what boto3 gave is used before it is asked again


@frozen
class Credentials:
    """`config`: what the library takes from the environment; `provider`: who else gives them, None: nobody. `region`:
    that of the profile, "": none."""

    config: S3Config = field(repr=False)
    provider: S3CredentialProvider | None = None
    region: str = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Credentials:
        """Those that `environ` leads to. Nothing is asked yet. Raises UsageProblem."""
        found = {name: environ[variable] for variable, name in _VARIABLES.items() if environ.get(variable)}
        if empty := [variable for variable in _VARIABLES if environ.get(variable) == ""]:
            raise UsageProblem(
                f"{empty[0]} is set, to nothing", hint=f"give it its value, or `unset {' '.join(empty)}`"
            )
        if bool(found.get("access_key_id")) is not bool(found.get("secret_access_key")):
            raise UsageProblem(
                "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set", hint="set both, or none of them"
            )
        if "access_key_id" in found and not found.get("session_token") and os.environ.get("AWS_SESSION_TOKEN"):
            return cls({}, _Given(found["access_key_id"], found["secret_access_key"]))
        config = cast("S3Config", found)
        if any(name in found for name in _ENOUGH) or not _in_files(environ):
            return cls(config)
        return _by_boto3(environ)


_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "web_identity_token_file",
    "AWS_ROLE_ARN": "role_arn",
    "AWS_ROLE_SESSION_NAME": "role_session_name",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "container_credentials_relative_uri",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "container_credentials_full_uri",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "container_authorization_token_file",
}
_ENOUGH = (
    "access_key_id",
    "web_identity_token_file",
    "container_credentials_relative_uri",
    "container_credentials_full_uri",
)


def _in_files(environ: Mapping[str, str]) -> bool:
    """Whether a profile is asked for, or there is a file with credentials."""
    home = Path(environ.get("HOME") or "~").expanduser()
    files = environ.get("AWS_SHARED_CREDENTIALS_FILE") or str(home / ".aws" / "credentials")
    return bool(environ.get("AWS_PROFILE")) or Path(files).is_file()


def _by_boto3(environ: Mapping[str, str]) -> Credentials:
    profile = environ.get("AWS_PROFILE") or None
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError:
        what = "AWS_PROFILE is set" if profile else "the credentials of AWS are in a file"
        raise UsageProblem(
            f"{what}, and flowplan reads profiles through boto3, which is not installed",
            hint="`pip install boto3` where flowplan is (`pipx inject flowplan boto3`), "
            'or `eval "$(aws configure export-credentials --format env)"`',
        ) from None
    try:
        session = boto3.Session(profile_name=profile)
    except BotoCoreError as error:
        raise UsageProblem(f"the profile of AWS cannot be used: {error}", hint="check AWS_PROFILE") from None
    return Credentials({}, _Profile(session), session.region_name or "")


@frozen
class _Given:
    """Keys without a token: the library would add the one that the process has, which belongs to other keys."""

    key_id: str
    secret: str = field(repr=False)

    def __call__(self) -> S3Credential:
        return {"access_key_id": self.key_id, "secret_access_key": self.secret, "token": None, "expires_at": None}


class _Session(Protocol):
    """What is used of boto3's session, which is not typed."""

    def get_credentials(self) -> Any: ...


@define
class _Profile:
    """Asks boto3 when credentials are needed; it renews those that end."""

    session: _Session

    def __call__(self) -> S3Credential:
        found = self.session.get_credentials()
        if found is None:
            raise ValueError("the profile has none")
        frozen = found.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _LASTING,
        }


def config_of(url: str, region: str, credentials: S3Config) -> S3Config:
    """All that a request needs. What variables of the library's own could turn off stands here: its conditions, and
    which server it asks."""
    return {
        **credentials,
        "endpoint": url,
        "aws_endpoint_url_s3": url,
        "region": region,
        "conditional_put": "etag",
        "virtual_hosted_style_request": False,
        "disable_bulk_delete": True,
    }
