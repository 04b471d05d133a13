"""What PostgreSQL's errors mean, and what to do about each. Codes are SQLSTATEs, or what they begin with."""

from __future__ import annotations

LOST = ("08", "57P01", "57P02", "57P03", "57P05", "53300", "25P03")  # the session, or the server, is gone
UNDONE = ("40001", "40P01", "55P03", "57014")  # the server says that it did nothing, and may the next time
NO_WRITES, NO_RIGHTS = "25006", "42501"
_NO_LOGIN = "not permitted to log in"
# Words of a connection that is refused, and will be.
FOR_GOOD = ("authentication", "password", "pg_hba.conf", "does not exist", _NO_LOGIN)

_READ_ONLY = (
    "the server takes no writes, as a standby: name the primary, or several hosts and target_session_attrs=read-write"
)
AGAIN = "run the same command again once the server answers"
POOLER = "it may be a pooler, as PgBouncer: name the server behind it"
_OTHERS = "these tables are not flowplan's: name another schema in the URL, as ?schema=flowplan_state"
_HINTS: dict[str, str] = {
    NO_WRITES: _READ_ONLY,
    "3D000": "create the database first, or name another",
    "42703": _OTHERS,
    "42804": _OTHERS,
    "42883": _OTHERS,
    "42P10": _OTHERS,
    "53100": "the disk of the server is full: make room there, then run the same command again",
}


def first_words(said: str) -> str:
    """libpq's message without what it asks back."""
    lines = [line.strip() for line in said.splitlines() if not line.strip().startswith("Is the server running")]
    return " ".join(lines).removeprefix("connection failed: ")


def hint(code: str, said: str) -> str | None:
    """What to do about the error `code`, of which the server, or libpq, `said` that. One of a connection that was
    refused has none: ""."""
    if code in _HINTS:
        return _HINTS[code]
    if "row-level security" in said:
        return "flowplan must see every row: let an administrator give the role BYPASSRLS"
    if code:
        return None
    if "password" in said or "authentication" in said or "no pg_hba.conf entry" in said:
        return "give the password as PGPASSWORD, in ~/.pgpass, or in the service that PGSERVICE names"
    if _NO_LOGIN in said:
        return "let an administrator permit it (ALTER ROLE ... LOGIN), or name another user in the URL"
    if "database" in said and "does not exist" in said:
        return _HINTS["3D000"]
    if "SSL" in said or "certificate" in said:
        return "`?sslmode=verify-full&sslrootcert=FILE` in the URL verifies the server by the certificates in FILE"
    if "definition of service" in said:
        return "PGSERVICEFILE, or else ~/.pg_service.conf, names the file that must have it"
    if "read-only" in said:
        return _READ_ONLY
    if "startup parameter" in said:
        return POOLER
    return "check the host and the port, and that the server runs"
