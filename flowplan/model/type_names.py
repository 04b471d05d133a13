"""How users name instance types: in words of Foundry, of the API, and short."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from flowplan.classes import frozen
from flowplan.model.catalogue import InstanceType
from flowplan.patterns import regex


@frozen
class TypeName:
    """A user's name for an instance type, taken apart. `id` and `name` are exact; `gpu`, `gpus` and the
    rest are what the parts of Foundry's spelling and of the short forms say."""

    text: str
    id: str | None = None
    gpu: str | None = None
    gpus: int | None = None
    memory_gb: int | None = None
    socket: str | None = None

    def matches(self, kind: InstanceType) -> bool:
        """Whether `kind` is what the name says; a listed API name always wins (see `find_types`)."""
        if self.gpu is None:
            return False
        return (
            has_word(kind.gpu_type, self.gpu)
            and self.gpus in (None, kind.gpus)
            and self.memory_gb in (None, kind.gpu_memory_gb)
            and (self.socket is None or same_socket(self.socket, kind.gpu_socket))
        )


_ID = regex(r"it_[A-Za-z0-9]+", re.ASCII)
_GPU = r"(?P<gpu>[a-z]+[0-9]+[a-z0-9]*)(?:-(?P<memory>[0-9]+)gb)?"
_GPUS = r"(?P<gpus>[1-9][0-9]{0,2})"
_FOUNDRY = regex(_GPU + rf"\.{_GPUS}x(?:\.(?P<socket>[a-z]+[0-9]*))?(?:\.[a-z0-9]+)?", re.I | re.A)
_API = regex(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+){0,3}", re.I | re.A)
_API_PARTS = regex(r"(?:[a-z]+-)?" + _GPU + rf"(?:\.(?P<socket>[a-z]+))?\.{_GPUS}x", re.I | re.A)
_SHORT = (
    regex(rf"{_GPUS}x" + _GPU, re.I | re.A),
    regex(_GPU + rf":{_GPUS}", re.I | re.A),
)


@lru_cache(maxsize=1024)
def read_type_name(text: str) -> TypeName:
    """Take apart `h100.8x.SXM5.IB`, `h100-80gb.sxm.8x`, `8xh100`, `h100:8` or `it_...`.

    Raises ValueError when `text` is none of these.
    """
    if text.startswith("it_"):
        if not _ID.fullmatch(text):
            raise ValueError(f"{text!r} is not an instance type id")
        return TypeName(text, id=text)
    for pattern in (*_SHORT, _FOUNDRY, _API_PARTS):
        found = pattern.fullmatch(text)
        if found:
            parts = found.groupdict()
            memory = parts.get("memory")
            return TypeName(
                text,
                gpu=parts["gpu"].lower(),
                gpus=int(parts["gpus"]),
                memory_gb=int(memory) if memory else None,
                socket=parts.get("socket"),
            )
    if not _API.fullmatch(text):
        raise ValueError(f"{text!r} is not an instance type: write h100.8x.SXM5.IB, h100-80gb.sxm.8x, 8xh100 or it_...")
    return TypeName(text)


def find_types(wanted: TypeName, types: Iterable[InstanceType]) -> tuple[InstanceType, ...]:
    """The types that `wanted` may mean: the id, else those of exactly that name, else those whose parts agree."""
    types = tuple(types)
    if wanted.id is not None:
        return tuple(kind for kind in types if kind.id == wanted.id)
    exact = tuple(kind for kind in types if kind.name.lower() == wanted.text.lower())
    return exact or tuple(kind for kind in types if wanted.matches(kind))


def has_word(text: str, word: str) -> bool:
    """Whether `word` stands in `text` as a whole word, ignoring case: "A100" in "NVIDIA A100", not in "A1000"."""
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", text, re.IGNORECASE) is not None


def same_socket(wanted: str, there: str) -> bool:
    """`sxm` in an API name is any generation; where both name one (SXM5, SXM4), it must be the same."""
    one, other = wanted.lower(), there.lower()
    plain, other_plain = one.rstrip("0123456789"), other.rstrip("0123456789")
    return one == other or (plain == other_plain and (one == plain or other == other_plain))
