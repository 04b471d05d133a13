"""What is Azure's own: its credentials. test_stored.py has the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("obstore")

from flowplan.backends.remote.azure import AzureBlobs
from flowplan.backends.remote.azure_address import AzureAddress
from flowplan.backends.remote.stored import StoredObjects
from flowplan.errors import StateError, UsageProblem
from tests.contracts.azure_site import AzureSite, environ
from tests.contracts.odd import Odd, error
from tests.contracts.stores import azure, calls


@pytest.fixture
def site(tmp_path: Path) -> AzureSite:
    return AzureSite(tmp_path / "one")


def at(odd: Odd, **variables: str) -> StoredObjects[Any]:
    return azure().at(odd, **variables)


CLIENT = {"AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": "tenant"}


@pytest.mark.parametrize(
    ("variables", "says", "hint"),
    [
        ({"AZURE_STORAGE_KEY": ""}, "is set, to nothing", "unset AZURE_STORAGE_KEY"),
        ({"AZURE_STORAGE_KEY": "!CANARY"}, "the credentials for Azure cannot be used", "AZURE_STORAGE_KEY"),
        ({"AZURE_STORAGE_SAS_TOKEN": "CANARY"}, "the credentials for Azure cannot be used", "SAS"),
        ({"AZURE_CLIENT_SECRET": "CANARY"}, "not AZURE_CLIENT_ID and AZURE_TENANT_ID", "set all three"),
        ({"AZURE_FEDERATED_TOKEN_FILE": "f", "AZURE_CLIENT_ID": "c"}, "not AZURE_TENANT_ID", "set all three"),
    ],
)
def test_credentials_that_cannot_be_any_are_refused(odd: Odd, variables: dict[str, str], says: str, hint: str) -> None:
    with pytest.raises(UsageProblem, match=says) as caught:
        at(odd, **variables)
    assert hint in (caught.value.hint or "")
    assert "CANARY" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({**CLIENT, "AZURE_FEDERATED_TOKEN_FILE": "/nonexistent/token"}, "reading federated token file"),
        ({**CLIENT, "AZURE_CLIENT_SECRET": "CANARY", "AZURE_AUTHORITY_HOST": "http://127.0.0.1:1/"}, "gives no token"),
    ],
    ids=["workload identity", "service principal"],
)
def test_a_token_that_cannot_be_had_says_so(odd: Odd, variables: dict[str, str], says: str) -> None:
    for call in calls(at(odd, **variables)):
        with pytest.raises(StateError, match=f"there are no credentials for Azure: .*{says}") as caught:
            call()
        assert "CANARY" not in str(caught.value)
    assert odd.asked == []


def test_whoever_is_logged_in_is_asked_for_a_token(odd: Odd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "azureProfile.json").write_text("{}")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(StateError, match="Azure Cli not installed"):
        at(odd, AZURE_CONFIG_DIR=str(tmp_path)).get("train")
    tool = tmp_path / "az"
    tool.write_text(
        '#!/bin/sh\necho \'{"accessToken": "CANARY", "expiresOn": "2099-01-01 00:00:00.000000", '
        ' "expires_on": 4070908800, "subscription": "s", "tenant": "t", "tokenType": "Bearer"}\'\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    odd.answer = error(404, "BlobNotFound")
    assert at(odd, AZURE_CONFIG_DIR=str(tmp_path)).get("train") is None
    assert b"authorization: bearer canary" in odd.asked[0].lower()


def test_a_sas_token_is_sent_and_never_shown(odd: Odd) -> None:
    odd.answer = error(403, "AuthorizationFailure")
    for call in calls(at(odd, AZURE_STORAGE_SAS_TOKEN="?sv=2021-08-06&sig=CANARY")):
        with pytest.raises(StateError) as caught:
            call()
        assert "CANARY" not in f"{caught.value} {caught.value.hint} {caught.value.detail}"
    assert all(b"sig=CANARY" in one for one in odd.asked)


def test_no_variable_of_the_library_moves_the_state(site: AzureSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library reads variables of its own: none of them leads elsewhere than the URL."""
    site.objects.put("train", b"one", "")
    for name, value in {
        "AZURE_CONTAINER_NAME": "others",
        "AZURE_STORAGE_ACCOUNT_NAME": "other",
        "AZURE_STORAGE_ENDPOINT": "https://other.example.com",
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "AZURE_SKIP_SIGNATURE": "true",
        "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=2",
        "AZURE_USE_AZURE_CLI": "true",
    }.items():
        monkeypatch.setenv(name, value)
    again = AzureBlobs(AzureAddress.of(site.url, environ()), environ())
    there = again.get("train")
    assert there is not None
    assert there.data == b"one"
