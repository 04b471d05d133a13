"""What a URL says of a state in PostgreSQL, and what it never says to anybody else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flowplan.backends.open import open_store
from flowplan.backends.remote.postgres_url import read_url
from flowplan.errors import UsageProblem


@pytest.fixture(autouse=True)
def nothing_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgres://db.example/infra", "postgres://db.example:5432/infra/default"),
        ("postgresql://db.example/infra", "postgres://db.example:5432/infra/default"),
        ("postgres://db.example/infra/team/train", "postgres://db.example:5432/infra/team/train"),
        ("postgres://db.example/infra?state=team/train", "postgres://db.example:5432/infra/team/train"),
        ("postgres://db.example/infra?state=team%2Ftrain", "postgres://db.example:5432/infra/team/train"),
        ("postgres://ann:s3cret@db.example:5433/infra/a", "postgres://db.example:5433/infra/a"),
        ("postgres://db/infra/a?password=s3cret&sslmode=require", "postgres://db:5432/infra/a"),
        ("postgres://db/infra/a?schema=ops", "postgres://db:5432/infra/a?schema=ops"),
        ("postgres:///infra/a?host=/run/pg", "postgres:///infra/a?host=/run/pg"),
        ("postgres:///infra/a?host=/run/pg&port=6000", "postgres:///infra/a?host=/run/pg&port=6000"),
        ("postgres://one:1,two:2/infra/a", "postgres://one:1,two:2/infra/a"),
        ("postgres://[::1]:6000/infra/a", "postgres://[::1]:6000/infra/a"),
        ("postgres:///infra/a?service=train", "postgres:///infra/a?service=train"),
        ("postgres://db/?service=train&state=a", "postgres://db:5432/?service=train&state=a"),
    ],
)
def test_a_state_is_named_without_credentials(url: str, name: str) -> None:
    target = read_url(url)
    assert target.name == name
    assert read_url(name).identity == target.identity  # the name is a URL of the same state
    assert read_url(target.identity).identity == target.identity  # and so is what is left where it has moved from
    assert "s3cret" not in target.identity + repr(target)


def test_what_the_environment_says_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGDATABASE", "infra")
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    target = read_url("postgres:///?state=train")
    assert (target.name, target.secrets) == ("postgres://db.example:5432/infra/train", ("s3cret",))
    assert "s3cret" not in repr(target)


def test_each_state_is_told_from_the_others() -> None:
    urls = ("postgres://a/d/s", "postgres://b/d/s", "postgres://a/e/s", "postgres://a/d/t", "postgres://a/d/s?schema=x")
    assert len({read_url(url).identity for url in urls}) == len(urls)


def test_each_user_sees_the_same_state() -> None:
    first, second = read_url("postgres://ann:1@a/d/s"), read_url("postgres://bob:2@a:5432/d/s?sslmode=require")
    assert first.identity == second.identity


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://ann:s3cret%zz@db/infra", "cannot read it"),
        ("postgres://ann:s3cret@db:port/infra/a?s3cret=1", "cannot read it"),
        ("postgres://ann:s3?cret&s3cret@db/infra", "cannot read it"),
        ("postgres://ann:1s3@s3cret@db/infra/a", "an @ too many"),
        ("postgres://ann:1/s3cret@db/infra", "an @ too many"),
        ("postgres://db/infra/a/../b", "cannot be the name of a state"),
        ("postgres://db/infra/a?state=b", "two states"),
        ("postgres://db/infra?state=a&state=b", "two states"),
        ("postgres://db/infra?state=..%0a", "cannot be the name of a state"),
        ("postgres://db/infra?state=", "cannot be the name of a state"),
        (f"postgres://db/infra?state={'a' * 201}", "cannot be the name of a state"),
        ("postgres://db/infra?schema=a%22b", "cannot be the name of a schema"),
        ("postgres://db/infra?schema=pg_catalog", "cannot be the name of a schema"),
    ],
)
def test_what_can_be_no_state_is_refused(url: str, said: str) -> None:
    with pytest.raises(UsageProblem, match=said) as found:
        read_url(url)
    assert found.value.hint
    assert "s3" not in str(found.value) + found.value.hint


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in sys.modules if one.startswith("flowplan.backends.remote.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageProblem, match="PostgreSQL: a library is missing") as found:
        open_store("postgres://ann:s3cret@db/infra/a", tmp_path, {})
    assert found.value.hint == "pip install 'flowplan[postgres]'"
    assert "s3cret" not in str(found.value)


@pytest.mark.parametrize(
    ("url", "typed"),
    [
        ("postgres://db/infra/train", "postgres://db:5432/infra/train"),
        (
            "postgres://ann:CANARY@db/infra/train?sslmode=verify-full&sslrootcert=/etc/ca.pem&sslpassword=CANARY",
            "postgres://ann@db:5432/infra/train?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        ),
        (
            "postgres://ann%40x@/infra/train?host=/run/pg&schema=ops&sslmode=disable",
            "postgres://ann%40x@/infra/train?host=/run/pg&schema=ops&sslmode=disable",
        ),
        (
            "postgres://ann@a,b/infra/train?target_session_attrs=read-write",
            "postgres://ann@a:5432,b:5432/infra/train?target_session_attrs=read-write",
        ),
    ],
)
def test_who_is_told_to_type_a_url_is_told_all_that_it_needs_and_no_password(url: str, typed: str) -> None:
    """Without its sslmode, libpq would check no certificate."""
    found = read_url(url)
    assert found.typed == typed
    assert "CANARY" not in found.typed
    assert read_url(found.typed).identity == found.identity
