"""Codes and exit codes, each with what it means and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from flowplan.classes import frozen
from flowplan.diagnostics import CODES
from flowplan.documents.remedies import EXIT_CODES, REMEDIES

if TYPE_CHECKING:
    from flowplan.documents.shapes.explain import ExplainDocument, ExplanationBody


@frozen
class Explanation:
    """A code, or an exit code by its number; `word`: what documents and refusals call a code, None where they have no
    word for it."""

    name: str
    kind: Literal["code", "exit_code"]
    sentence: str
    remedy: str
    word: str | None = None

    def is_called(self, name: str) -> bool:
        """Whether somebody who types `name` means this: its name or its word, in any case, with either dash."""
        plain = name.strip().lower().replace("_", "-")
        return plain in (self.name, (self.word or self.name).replace("_", "-"))


@frozen
class Explained:
    """`alone`: one that was asked for, otherwise all that there are."""

    explanations: tuple[Explanation, ...]
    alone: bool


def explanations() -> Iterator[Explanation]:
    """All of them: the codes in the order of their table, then the exit codes."""
    for name, code in CODES.items():
        yield Explanation(name, "code", code.sentence, REMEDIES[name], code.word)
    for number, (sentence, remedy) in EXIT_CODES.items():
        yield Explanation(str(number), "exit_code", sentence, remedy)


def document(found: Iterable[Explanation]) -> ExplainDocument:
    """Each with its remedy, in the order given; `word` is null where documents have no word for a code."""
    return {"format_version": "1.0", "explanations": [_body(one) for one in found]}


def _body(one: Explanation) -> ExplanationBody:
    return {"name": one.name, "kind": one.kind, "word": one.word, "sentence": one.sentence, "remedy": one.remedy}
