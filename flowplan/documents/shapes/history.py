"""The versions of a state, and one that was put back."""

from typing import TypedDict

from flowplan.documents.shapes.state import Listed


class ChangeShown(TypedDict):
    at: str
    who: str
    command: str
    ci: str | None
    plan_sha256: str | None
    config_sha256: str | None
    commit: str | None
    added: int
    changed: int
    removed: int


class VersionShown(TypedDict):
    serial: int
    resources: int
    change: ChangeShown | None


class HistoryDocument(TypedDict):
    format_version: str
    lineage: str | None
    serial: int | None
    versions: list[VersionShown]


class PutBackDocument(TypedDict):
    format_version: str
    version: int
    serial: int
    forgotten: list[Listed]
    over: list[Listed]
