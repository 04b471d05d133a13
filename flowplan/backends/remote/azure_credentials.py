"""Which credentials a request to Azure Blob Storage has.

The environment decides, as for Azure's own tools: a key of the account, a SAS token, a service principal, a workload
identity (Kubernetes, GitHub). Where it says nothing, the user who is logged in with the `az` tool; else the identity
of the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flowplan.backends.sent import Sent
from flowplan.errors import UsageProblem
from flowplan.secret import Secret

if TYPE_CHECKING:
    from obstore.store import AzureConfig

_KEYS = ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY")  # the first that is set counts
_SAS = ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY")
_CLIENT, _TENANT, _SECRET = "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"
_TOKEN_FILE, _AUTHORITY = "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST"


def credentials(environ: Mapping[str, str]) -> AzureConfig:
    """What the library is to send, by `environ`. Nothing is asked yet. Raises UsageProblem."""
    every = (*_KEYS, *_SAS, _CLIENT, _TENANT, _SECRET, _TOKEN_FILE)
    if empty := [name for name in every if environ.get(name) == ""]:
        raise UsageProblem(f"{empty[0]} is set, to nothing", hint=f"give it its value, or `unset {' '.join(empty)}`")
    return cast("AzureConfig", _found(environ))


def _found(environ: Mapping[str, str]) -> dict[str, str]:
    if key := _first(environ, _KEYS):
        return {"credential_type": "access_key", "account_key": key}
    if sas := _first(environ, _SAS):
        return {"credential_type": "sas_token", "sas_key": sas.removeprefix("?")}
    who = {"client_id": environ.get(_CLIENT, ""), "tenant_id": environ.get(_TENANT, "")}
    authority = environ.get(_AUTHORITY, "")
    if authority:
        who["authority_host"] = authority.rstrip("/")
    if secret := environ.get(_SECRET):
        _hold_whole(environ, _SECRET)
        return {"credential_type": "client_secret", "client_secret": secret, **who}
    if file := environ.get(_TOKEN_FILE):
        _hold_whole(environ, _TOKEN_FILE)
        return {"credential_type": "workload_identity", "federated_token_file": file, **who}
    if _logged_in(environ):
        return {"credential_type": "azure_cli"}
    machine = {"credential_type": "managed_identity"}
    return {**machine, "client_id": who["client_id"]} if who["client_id"] else machine


def sent(found: AzureConfig, account: str, endpoint: str) -> Sent | None:
    """What of the credentials that were `found` goes out as it is, where the blobs are at the URL `account`, and
    `endpoint` is that of a server that was named ("": Azure's own). None: nothing, as of a key, which only signs."""
    kind = found.get("credential_type")
    if kind == "access_key":
        return None
    server = account if kind == "sas_token" else endpoint  # a token is one for all accounts
    return Sent(frozenset({server}), Secret(repr(sorted(found.items()))), (_KEYS[0], _SAS[0]))


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")


def _hold_whole(environ: Mapping[str, str], name: str) -> None:
    """Raise UsageProblem where what belongs to the variable `name` is not set."""
    missing = [one for one in (_CLIENT, _TENANT) if not environ.get(one)]
    if missing:
        raise UsageProblem(f"{name} is set, but not {' and '.join(missing)}", hint="set all three, or none of them")


def _logged_in(environ: Mapping[str, str]) -> bool:
    """Whether somebody has used the `az` tool to log in here."""
    home = Path(environ.get("HOME") or "~").expanduser()
    return (Path(environ.get("AZURE_CONFIG_DIR") or home / ".azure") / "azureProfile.json").is_file()
