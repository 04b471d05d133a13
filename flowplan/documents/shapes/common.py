"""What several documents have: amounts, places, bands, what is said."""

from typing import Annotated, Literal, NewType, TypeAlias, TypedDict

Decimals = NewType("Decimals", str)  # marks what follows; nothing is one
Amount: TypeAlias = Annotated[str, Decimals]  # a decimal number as text: money, shares, times a day


class Place(TypedDict):
    """Where something stands in a file; `line` and `column` begin at 1."""

    file: str
    line: int
    column: int


class Project(TypedDict):
    """The project in FCP, by its id and its name."""

    id: str
    name: str


class Stack(TypedDict):
    """The stack that a document is about; `lineage` null: it has no state yet."""

    name: str
    project: Project
    api_url: str
    lineage: str | None


class Band(TypedDict):
    """Of what may happen: 1 case in 10 is below `p10`, half are below `p50`, 9 in 10 below `p90`. Null: nothing tells.
    Money is in dollars."""

    p10: Amount | None
    p50: Amount | None
    p90: Amount | None
    expected: Amount | None


class Share(TypedDict):
    """A share of the time, from 0 to 1: 1 case in 10 is below `p10`, 9 in 10 are below `p90`. Null: past prices do not
    tell."""

    p10: Amount | None
    mean: Amount | None
    p90: Amount | None


class Said(TypedDict):
    """A diagnostic of a plan. `detail`: the word of its code where documents have one, else more about it."""

    severity: Literal["error", "warning", "note"]
    summary: str
    detail: str | None
    source: Place | None
    hint: str | None


class Pair(TypedDict):
    """A port that is open to the internet, and the port of the instance that it leads to."""

    external: int
    internal: int
    protocol: str


class Mount(TypedDict):
    """A volume, by its id or address, and where an instance mounts it."""

    volume: str
    mount_point: str


class Disk(TypedDict):
    """A disk of the instance itself, and where it is mounted. It ends with the instance."""

    device: str
    mount_point: str


class Image(TypedDict):
    """The container image of a task, as its file says it."""

    image_name: str
    build_context: str | None
    run_options: str | None
