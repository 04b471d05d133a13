"""What codes and exit codes mean."""

from typing import Literal, TypedDict


class ExplanationBody(TypedDict):
    """`word`: what documents and refusals call a code, where they have a word for it; `remedy`: what to do."""

    name: str
    kind: Literal["code", "exit_code"]
    word: str | None
    sentence: str
    remedy: str


class ExplainDocument(TypedDict):
    """What each code means that was asked for."""

    format_version: str
    explanations: list[ExplanationBody]
