from __future__ import annotations

from pathlib import Path

import pytest

from flowplan.backends.open import at_endpoint, open_store
from flowplan.backends.remote.azure_address import AzureAddress
from flowplan.errors import UsageProblem

LIKE = "for example az://myaccount/my-container/flowplan/train"


@pytest.mark.parametrize(
    ("url", "match", "hint"),
    [
        ("az://", "names no storage account", LIKE),
        ("az:///states/train", "names no storage account", LIKE),
        ("az://My-Account/states/train", "names no storage account", LIKE),
        ("az://myaccount", "names no container", LIKE),
        ("az://myaccount/a--b/train", "names no container", LIKE),
        ("az://myaccount/States/train", "names no container", LIKE),
        ("az://myaccount/states", "names no object", LIKE),
        ("az://myaccount/states/train/", "no / at its end", "--state az://myaccount/states/train"),
        ("az://myaccount/states/a/../b", "not one that every server takes", LIKE),
        (f"az://myaccount/states/{'k' * 201}", "not one that every server takes", LIKE),
        ("az://myaccount/states/train?sig=CANARY", r"no \? and no #", "AZURE_STORAGE_SAS_TOKEN"),
        ("az://me:CANARY@myaccount/states/train", "without a server, a user or a password", LIKE),
        ("az://myaccount.blob.core.windows.net/states/train", "without a server", "FLOWPLAN_AZURE_ENDPOINT"),
        ("az://myaccount/states/train.lock", "flowplan uses this name", LIKE),
        ("az://myaccount/states/train.d/journal", "flowplan uses this name", LIKE),
    ],
)
def test_a_url_that_can_be_no_state_is_refused_with_what_to_type(
    tmp_path: Path, url: str, match: str, hint: str
) -> None:
    with pytest.raises(UsageProblem, match=match) as caught:
        open_store(url, tmp_path, {"AZURE_STORAGE_KEY": "AAAA"})
    assert hint in (caught.value.hint or "")
    assert "CANARY" not in f"{caught.value} {caught.value.hint}"


def test_one_state_has_one_identity() -> None:
    plain = AzureAddress.of("az://myaccount/states/train", {})
    same = {"FLOWPLAN_AZURE_ENDPOINT": "HTTPS://myaccount.blob.core.windows.net:443/"}
    assert AzureAddress.of("AZ://myaccount/states/train", same) == plain
    assert plain.url == "https://myaccount.blob.core.windows.net"
    other = at_endpoint("az://myaccount/states/train", {}, "https://myaccount.blob.core.chinacloudapi.cn")
    assert AzureAddress.of("az://myaccount/states/train", other).identity != plain.identity
    assert AzureAddress.of("az://youraccount/states/train", {}).identity != plain.identity
