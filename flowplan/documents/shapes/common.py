"""What several documents have: amounts, places, bands, what is said."""

from typing import Annotated, Literal, NewType, TypeAlias, TypedDict

Decimals = NewType("Decimals", str)  # marks what follows; nothing is one
Amount: TypeAlias = Annotated[str, Decimals]  # a decimal number as text: money, shares, times a day


class Place(TypedDict):
    file: str
    line: int
    column: int


class Project(TypedDict):
    id: str
    name: str


class Stack(TypedDict):
    name: str
    project: Project
    api_url: str
    lineage: str | None


class Band(TypedDict):
    p10: Amount | None
    p50: Amount | None
    p90: Amount | None
    expected: Amount | None


class Share(TypedDict):
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
    external: int
    internal: int
    protocol: str


class Mount(TypedDict):
    volume: str
    mount_point: str


class Disk(TypedDict):
    device: str
    mount_point: str


class Image(TypedDict):
    image_name: str
    build_context: str | None
    run_options: str | None
