"""Saved plans that are signed: who has the key made them, and nobody else."""

from __future__ import annotations

import json
import re

import pytest

from tests.conftest import Place
from tests.faults.losing import created

PLAN_KEY = "a key for plans, long enough"


def test_a_signed_plan_is_carried_out(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_PLAN_KEY", PLAN_KEY)
    example.ok("plan", "--out", "plan.json")
    assert re.fullmatch("[0-9a-f]{64}", json.loads((example.path / "plan.json").read_text())["hmac_sha256"])
    assert PLAN_KEY not in (example.path / "plan.json").read_text()
    example.ok("apply", "plan.json")
    assert created(example) == 2


@pytest.mark.parametrize("how", ["without-a-key", "another-key", "edited-and-sealed-again"])
def test_a_plan_of_somebody_else_is_refused(example: Place, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    from flowplan.documents.plan import digest_of

    if how != "without-a-key":
        monkeypatch.setenv("FLOWPLAN_PLAN_KEY", PLAN_KEY if how != "another-key" else PLAN_KEY[::-1])
    example.ok("plan", "--out", "plan.json")
    if how == "edited-and-sealed-again":
        body = json.loads((example.path / "plan.json").read_text())
        body["resource_changes"][0]["change"]["after"]["limit_price"] = "99.00"
        body["sha256"] = digest_of(body)
        example.write(json.dumps(body, indent=2), "plan.json")
    monkeypatch.setenv("FLOWPLAN_PLAN_KEY", PLAN_KEY)
    result = example.run("apply", "plan.json")
    assert result.code == 3
    assert "is not signed with the key" in result.err
    assert example.ledger() == []


@pytest.mark.parametrize(
    ("signed", "key", "says"),
    [
        (True, None, "this plan is signed, but FLOWPLAN_PLAN_KEY is not set to check it"),
        (True, "", "FLOWPLAN_PLAN_KEY is empty, so whether this plan is signed with it cannot be checked"),
        # Somebody has stripped the signature, or put another plan in its place:
        (False, "", "FLOWPLAN_PLAN_KEY is empty, so whether this plan is signed with it cannot be checked"),
    ],
)
def test_a_signature_that_cannot_be_checked_is_no_signature(
    example: Place, monkeypatch: pytest.MonkeyPatch, signed: bool, key: str | None, says: str
) -> None:
    """As CI leaves a secret that it does not pass on: unset, or empty."""
    if signed:
        monkeypatch.setenv("FLOWPLAN_PLAN_KEY", PLAN_KEY)
    assert ("saved to p and signed: flowplan apply p" in example.run("plan", "--out", "p").err) == signed
    if key is None:
        monkeypatch.delenv("FLOWPLAN_PLAN_KEY", raising=False)
    else:
        monkeypatch.setenv("FLOWPLAN_PLAN_KEY", key)
    refused = example.run("apply", "p")
    assert (refused.code, f"error: {says}; nothing was done" in " ".join(refused.err.split())) == (3, True)
    assert example.ledger() == []
    digest = json.loads((example.path / "p").read_text())["sha256"]
    done = example.run("apply", "p", "--expect", digest)
    assert (done.code, f"warning: {says}: --expect proves" in " ".join(done.err.split())) == (0, True)


def test_a_plan_that_an_empty_key_does_not_sign_says_so(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_PLAN_KEY", "")
    assert "warning: p is not signed: FLOWPLAN_PLAN_KEY is empty" in example.run("plan", "--out", "p").err


def test_a_short_key_is_wrong_usage(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_PLAN_KEY", "short")
    result = example.run("plan", "--out", "plan.json")
    assert result.code == 64
    assert "openssl rand" in result.err
