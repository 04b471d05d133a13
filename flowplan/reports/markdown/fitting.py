"""Pieces of a text within a number of bytes: each is whole, short, or left out and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from flowplan.classes import frozen

ROOM = 400  # bytes that stay free for what is said of what is left out


@frozen
class Piece:
    """A part of a text. `whole` is what it says where there is room, `short` where there is none; of the pieces that
    have room for one of them only, those of the lowest `rank` and, of one rank, the first come first. `kind`: what is
    counted where it is not whole, and counts as `count`; "" for what has to stand there."""

    whole: str
    short: str = ""
    rank: int = 0
    kind: str = ""
    count: int = 1

    @property
    def shrinks(self) -> bool:
        """Whether it may be left out where there is no room: it is one of a `kind`, which is then counted."""
        return bool(self.kind)


def fitted(pieces: Sequence[Piece], limit: int, left_out: Callable[[Mapping[str, int]], str]) -> str:
    """The pieces in their order, in at most `limit` bytes of UTF-8 (what has to stand there may take more). What does
    not fit is short or left out, and `left_out` says so at the end: of each kind, how many are not whole."""
    whole = "".join(piece.whole for piece in pieces)
    if _bytes(whole) <= limit:
        return whole
    texts = ["" if piece.shrinks else piece.whole for piece in pieces]
    room = limit - ROOM - sum(map(_bytes, texts))
    order = sorted((n for n, piece in enumerate(pieces) if piece.shrinks), key=lambda n: pieces[n].rank)
    for form in ("short", "whole"):
        room = _filled(pieces, texts, order, form, room)
    missing: Counter[str] = Counter()
    for piece, text in zip(pieces, texts, strict=True):
        missing[piece.kind] += 0 if text == piece.whole else piece.count
    return "".join(texts) + left_out(+missing)


def _filled(pieces: Sequence[Piece], texts: list[str], order: Sequence[int], form: str, room: int) -> int:
    """Put the pieces into `texts` in that form, in that order, each that has room. Returns what is left of it."""
    for n in order:
        text: str = getattr(pieces[n], form)
        more = _bytes(text) - _bytes(texts[n])
        if more <= room:
            texts[n], room = text, room - more
    return room


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
