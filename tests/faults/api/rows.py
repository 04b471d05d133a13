"""Faults of the API as rows, with the cells that no test can have."""

from __future__ import annotations

from tests.faults.matrix import Matrix
from tests.faults.world import Told, World

MATRIX = Matrix(
    "3.1",
    {
        "429-with-retry-after": "429 + Retry-After n",
        "429-without-usable-header": "429, no header / date in past / garbage header",
        "5xx-burst-on-get": "500/502/503 burst on GET",
        "5xx-on-post": "5xx on POST",
        "504-on-post": "504 on POST",
        "5xx-on-delete-or-patch": "5xx on DELETE/PATCH",
        "unreachable": "connect refused / DNS failure",
        "tls-error": "TLS error (expired, wrong host, self-signed)",
        "timeout-before-commit": "read timeout before commit",
        "timeout-after-commit": "read timeout after commit",
        "reset-mid-body": "reset mid-body on GET",
        "invalid-json": "truncated / invalid JSON, 200",
        "html": "HTML from proxy / captive portal, 200 text/html",
        "wrong-schema": "wrong schema (missing id, id not str)",
        "unknown-fields": "extra unknown fields",
        "unknown-status": "unknown enum (new bid status)",
        "paging": "page repeats / cursor loop / total changes between pages",
        "too-large": "response > 64 MB / gzip bomb / endless body",
        "redirect": "redirect 30x (any)",
        "202-held": '202 {"held": ...} (approval proxy)',
        "401": "401 mid-apply",
        "403": "403",
        "409-needs-reauth": "409 needs_reauth",
        "404-on-get": "404 on GET of a known id",
        "404-on-delete": "404 on DELETE",
        "name-taken": "409, or 400 name already used, on POST",
        "422": "422 / 400 validation",
        "quota": "quota / limit price too low / no SSH key",
        "list-lag": "eventual consistency: list lags by k s",
        "clock": "clock skew +-1 d / jump mid-run",
        "deleted-between": "deleted by someone between plan and apply",
        "changed-between": "changed by someone between plan and apply",
        "preempted-between": "bid preempted/terminated between plan and apply",
        "namesakes": "two live objects with the same name",
        "10000-resources": "10,000 resources",
        "slow-api": "API slow (10 s per call)",
    },
)
cell = MATRIX.cell
MATRIX.not_applicable(
    "a plan sends no POST",
    *("5xx-on-post/plan", "504-on-post/plan", "202-held/plan", "name-taken/plan"),
)
MATRIX.not_applicable(
    "a destroy sends no POST",
    *("5xx-on-post/destroy", "504-on-post/destroy", "name-taken/destroy", "quota/destroy"),
)
MATRIX.not_applicable("a plan sends no DELETE and no PATCH", "5xx-on-delete-or-patch/plan", "404-on-delete/plan")
MATRIX.not_applicable("a plan commits nothing", "timeout-after-commit/plan")
MATRIX.not_applicable("what validates a request is the cloud's answer to a change: a plan sends none", "422/plan")
MATRIX.not_applicable("there is nothing between a plan and itself", "deleted-between/plan", "changed-between/plan")


def failed_or_stopped(world: World, told: Told, command: str) -> None:
    """What cannot be read fails a command before it does anything; but who stops needs only ids, and fails afterwards
    where no list shows what runs beside."""
    if command == "destroy":
        assert told.code == int("more bids of this stack may run" in told.said), told
        assert world.bids() == []
    else:
        assert told.code == 1, told
        assert not told.mutations


def only_bids_stopped(world: World, told: Told, command: str) -> None:
    """The same, where not all that stopped is proved to be over, or volumes stay because nobody tells who uses them."""
    if command == "destroy":
        assert world.bids() == []
        assert len(world.executed("DELETE")) == 2
        assert len(world.volumes()) == 2
    else:
        assert not told.mutations
