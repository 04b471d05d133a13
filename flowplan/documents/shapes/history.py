"""The versions of a state, and one that was put back."""

from typing import TypedDict

from flowplan.documents.shapes.state import Listed


class ChangeShown(TypedDict):
    """Who saved a version, when, and with what; null: there was none, or it is not known. The counts are of
    addresses."""

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
    """A version of a state; `resources` counts its addresses. `change` null: it is not known who saved it."""

    serial: int
    resources: int
    change: ChangeShown | None


class Unsaved(TypedDict):
    """What a run has recorded since the last save, and has not saved: it was killed, or still runs. `resources` counts
    the addresses that there are by that."""

    resources: int


class HistoryDocument(TypedDict):
    """The versions of a state that are kept, the newest first. `serial`: that of the state now. `unsaved` null: a
    version with that serial is the state now."""

    format_version: str
    lineage: str | None
    serial: int | None
    unsaved: Unsaved | None
    versions: list[VersionShown]


class PutBackDocument(TypedDict):
    """What putting a version back makes of the state, as `serial`. `forgotten`: what the state had and the version has
    not, whose objects are live and unknown now; `over`: what the version has and this stack has ended since; it is left
    out."""

    format_version: str
    version: int
    serial: int
    forgotten: list[Listed]
    over: list[Listed]
