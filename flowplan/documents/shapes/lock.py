"""Who holds the lock of a state."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

# `nobody`: no run has left its name in it. `unseen`: it names a run, and whether that holds it cannot be seen. `dead`,
# `alive`, `unknown`: nobody holds it, as this machine sees it, and that is what is known of the run that it names.
Standing: TypeAlias = Literal["nobody", "held", "unseen", "dead", "alive", "unknown"]


class Holder(TypedDict):
    """A run: `since` in RFC 3339, `ci` the address of the CI run."""

    id: str
    who: str
    host: str
    pid: int
    command: str
    since: str
    ci: str | None


class Watcher(TypedDict):
    """The lock of the one `flowplan watch` of a state: it excludes other watchers alone."""

    standing: Standing
    holder: Holder | None


class LockDocument(TypedDict):
    """The lock of a state: whether somebody has it, and who. `lock` names it. `untold`: why it may be held although it
    names nobody, for people; absent: there is no such doubt."""

    format_version: str
    lock: str
    standing: Standing
    holder: Holder | None
    watcher: Watcher
    untold: NotRequired[str]
