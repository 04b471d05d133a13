"""What a first stack was begun with."""

from typing import Literal, TypedDict

from flowplan.documents.shapes.common import Amount
from flowplan.documents.shapes.validate import Found


class ChosenBody(TypedDict):
    """`value`: what stands in the file, null where its line is a comment; `choices`: the names there are, where you
    have to choose."""

    value: str | None
    choices: list[str]


class OfferBody(TypedDict):
    """The cheapest offer, which the file asks for. `limit_price`: dollars per instance-hour, as the file has it."""

    instance_type: str
    region: str
    gpus: int
    limit_price: Amount


class FoundOut(TypedDict):
    """What the API says. `offer`: null where it could not be asked, or offers nothing: the file has an example then."""

    project: ChosenBody
    ssh_key: ChosenBody
    offer: OfferBody | None


class FirstFile(TypedDict):
    """`path`: from the working directory; `left`: it was there, and is as it was."""

    path: str
    purpose: str
    status: Literal["written", "left"]


class NextCommand(TypedDict):
    """A line for a shell, and what it is good for."""

    command: str
    purpose: str | None


class InitDocument(TypedDict):
    """`asked`: whether the API could be; `diagnostics` says why not. `to_ignore`: lines that the .gitignore there
    lacks. `next`: what to type, one after the other."""

    format_version: str
    directory: str
    form: Literal["stack", "task"]
    asked: bool
    found: FoundOut
    files: list[FirstFile]
    to_ignore: list[str]
    next: list[NextCommand]
    diagnostics: list[Found]
