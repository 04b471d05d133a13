"""Which URLs can be a state's, and which of Terraform's variables count for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowplan.backends.open import open_store
from flowplan.backends.remote.http_address import HttpAddress
from flowplan.errors import UsageProblem

GITLAB = "https://gitlab.example.com/api/v4/projects/42/terraform/state/train"
PLAIN = "https://states.example.com/train"


@pytest.mark.parametrize(
    ("url", "match", "hint"),
    [
        ("https://ann:CANARY@gitlab.example.com/train", "must not hold a user name", "FLOWPLAN_HTTP_PASSWORD"),
        ("https://CANARY@gitlab.example.com/train", "must not hold a user name", "FLOWPLAN_HTTP_PASSWORD"),
        (f"{GITLAB}?private_token=CANARY", r"no \? and no #", "for example https://"),
        (f"{GITLAB}#CANARY", r"no \? and no #", "for example https://"),
        ("https://", "no valid host", "for example https://"),
        ("https:///train", "no valid host", "for example https://"),
        ("https://-/train", "no valid host", "for example https://"),
        ("https://host:port/train", "not a URL", "for example https://"),
        ("https://host", "names no state", "for example https://"),
        ("https://host/", "names no state", "for example https://"),
        (f"{GITLAB}/", "invalid path", "write '/api/v4/projects/42/terraform/state/train' as its path"),
        ("https://host/a/../b", "invalid path", "for example https://"),
        ("https://host/a//b", "invalid path", "for example https://"),
        ("https://host/a b", "invalid path", "for example https://"),
        ("http://host/train", "plain http is allowed only for this machine", "write https://"),
        ("http://10.0.0.1/train", "plain http is allowed only for this machine", "write https://"),
    ],
)
def test_a_url_that_can_be_no_state_is_refused_with_what_to_type(
    tmp_path: Path, url: str, match: str, hint: str
) -> None:
    with pytest.raises(UsageProblem, match=match) as caught:
        open_store(url, tmp_path, {})
    assert hint in (caught.value.hint or "")
    assert "CANARY" not in f"{caught.value} {caught.value.hint}"


def test_one_state_has_one_identity(tmp_path: Path) -> None:
    written = [GITLAB, GITLAB.replace("https://gitlab", "HTTPS://GitLab"), GITLAB.replace(".com", ".com:443")]
    environ = {"FLOWPLAN_HTTP_USERNAME": "ann", "FLOWPLAN_HTTP_PASSWORD": "CANARY"}
    assert {open_store(url, tmp_path, environ).identity for url in written} == {GITLAB}
    assert HttpAddress.of("http://[::1]:8080/train", {}).state == "http://[::1]:8080/train"


@pytest.mark.parametrize(
    ("url", "lock", "methods", "numbered"),
    [
        (GITLAB, f"{GITLAB}/lock", ("POST", "POST", "DELETE"), True),
        (PLAIN, PLAIN, ("POST", "LOCK", "UNLOCK"), False),
        ("https://git.example.com/api/packages/ann/terraform/state/train", None, ("POST", "POST", "DELETE"), True),
    ],
)
def test_a_server_of_a_known_kind_needs_nothing_but_its_url(
    url: str, lock: str | None, methods: tuple[str, ...], *, numbered: bool
) -> None:
    found = HttpAddress.of(url, {})
    assert found.lock == found.unlock == (lock or f"{url}/lock")
    assert (found.update_method, found.lock_method, found.unlock_method) == methods
    assert found.numbered == numbered


def test_what_terraform_is_told_counts() -> None:
    found = HttpAddress.of(
        PLAIN,
        {
            "TF_HTTP_ADDRESS": PLAIN,
            "TF_HTTP_LOCK_ADDRESS": f"{PLAIN}/locks",
            "TF_HTTP_UNLOCK_ADDRESS": f"{PLAIN}/unlocks",
            "TF_HTTP_LOCK_METHOD": "put",
            "TF_HTTP_UNLOCK_METHOD": "DELETE",
            "TF_HTTP_UPDATE_METHOD": "PUT",
            "TF_HTTP_USERNAME": "ann",
            "TF_HTTP_PASSWORD": "word",
        },
    )
    assert (found.lock, found.unlock) == (f"{PLAIN}/locks", f"{PLAIN}/unlocks")
    assert (found.update_method, found.lock_method, found.unlock_method) == ("PUT", "PUT", "DELETE")
    assert (found.username, found.password.reveal()) == ("ann", "word")


def test_flowplans_own_credentials_come_first() -> None:
    own = {"FLOWPLAN_HTTP_USERNAME": "bob", "FLOWPLAN_HTTP_PASSWORD": "own"}
    found = HttpAddress.of(PLAIN, {**own, "TF_HTTP_USERNAME": "ann", "TF_HTTP_PASSWORD": "word"})
    assert (found.username, found.password.reveal()) == ("bob", "own")


@pytest.mark.parametrize("name", ["TF_HTTP_LOCK_ADDRESS", "TF_HTTP_UNLOCK_ADDRESS"])
@pytest.mark.parametrize(
    ("url", "other"), [(GITLAB, f"{GITLAB}-other/lock"), (PLAIN, "https://elsewhere.example/lock")]
)
def test_the_lock_of_another_state_is_refused(name: str, url: str, other: str) -> None:
    """Two runs of one state would each have a lock of its own."""
    with pytest.raises(UsageProblem, match=f"{name} is .*, which is not the lock of {url}") as caught:
        HttpAddress.of(url, {name: other})
    assert f"unset {name}" in (caught.value.hint or "")


def test_what_is_about_another_state_of_terraforms_does_not_count() -> None:
    there = f"{GITLAB}-infrastructure"
    environ = {"TF_HTTP_ADDRESS": there, "TF_HTTP_LOCK_ADDRESS": f"{there}/lock", "TF_HTTP_PASSWORD": "word"}
    found = HttpAddress.of(GITLAB, environ)
    assert (found.lock, found.password.reveal()) == (f"{GITLAB}/lock", "word")  # one server, one login


@pytest.mark.parametrize("address", ["https://elsewhere.example/train", "https://ann:word@gitlab.example.com/x"])
def test_credentials_for_another_server_go_nowhere(address: str) -> None:
    environ = {"TF_HTTP_ADDRESS": address, "TF_HTTP_USERNAME": "ann", "TF_HTTP_PASSWORD": "word"}
    found = HttpAddress.of(GITLAB, environ)
    assert (found.username, found.password.reveal()) == ("", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [("TF_HTTP_LOCK_METHOD", "PO ST"), ("FLOWPLAN_HTTP_PASSWORD", "a\nb"), ("FLOWPLAN_HTTP_USERNAME", "a:b")],
)
def test_a_value_that_no_request_can_hold_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageProblem, match=name) as caught:
        HttpAddress.of(PLAIN, {name: value})
    assert "a\nb" not in str(caught.value)
