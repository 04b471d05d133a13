"""Which instance type somebody probably means whose spelling names none: by what it says, not by how it looks. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from flowplan.classes import frozen
from flowplan.model.catalogue import InstanceType
from flowplan.model.type_names import has_word, same_socket
from flowplan.patterns import regex

# A GPU: `h100`, `a5000`, `l40s`; before it nothing of a word, but the `x` of `8xh100`; behind it nothing, or the `x` of
# `h100x8`.
_GPU = regex(
    r"(?:^|[^a-z]|(?<=[0-9\s])x)(?P<gpu>(?!x)[a-z]{1,3}[0-9]{2,4}(?:s|e|ti)?)(?=$|[^a-z0-9]|x[0-9]|x$|x[^a-z0-9])"
)
_MEMORY = regex(r"([0-9]+)\s*gb")
_SOCKET = regex(r"\b(sxm|nvl|pcie)([0-9]*)\b")
_MOST_GPUS = 64  # of one instance


@frozen
class Meaning:
    """What a text says of an instance type; what it does not say is None."""

    gpu: str
    gpus: int | None = None
    memory_gb: int | None = None
    socket: str | None = None

    @property
    def short(self) -> str | None:
        """The short form, where that says all of it."""
        return f"{self.gpus}x{self.gpu}" if self.gpus and not self.memory_gb and not self.socket else None

    def fits(self, kind: InstanceType) -> bool:
        """Whether `kind` is of this GPU, and nothing else of it differs; its socket may be of another generation."""
        return (
            has_word(kind.gpu_type, self.gpu)
            and self.memory_gb in (None, kind.gpu_memory_gb)
            and (self.socket is None or same_socket(self.socket, kind.gpu_socket))
        )


def meaning(text: str) -> Meaning | None:
    """What `text` says, in whatever order and with whatever between; None: it names no GPU."""
    plain = text.lower()
    found = _GPU.search(plain)
    if found is None:
        return None
    rest = f"{plain[: found.start('gpu')]} {plain[found.end('gpu') :]}"
    memory, socket = _MEMORY.search(rest), _SOCKET.search(rest)
    numbers = re.findall(r"[0-9]+", _SOCKET.sub(" ", _MEMORY.sub(" ", rest)))
    count = int(numbers[0]) if len(numbers) == 1 and len(numbers[0]) < 3 else 0
    return Meaning(
        found["gpu"],
        count if 0 < count <= _MOST_GPUS else None,
        int(memory[1]) if memory else None,
        socket[1] if socket else None,
    )


def type_hint(text: str, types: Collection[InstanceType]) -> str | None:
    """What to write in place of `text`, which names none of `types`: never another GPU, or more of them."""
    means = meaning(text)
    alike = [kind for kind in types if means is not None and has_word(kind.gpu_type, means.gpu)]
    if means is None or not alike:
        gpus = sorted({kind.gpu_type for kind in types if kind.gpu_type})
        return f"there are: {', '.join(gpus)}; `flowplan market` lists their sizes" if gpus else None
    fitting = [kind for kind in alike if means.fits(kind) and kind.gpus == means.gpus]
    if fitting:
        return f"did you mean {means.short or ' or '.join(_names(fitting))}?"
    return f"{means.gpu.upper()} is offered as {', '.join(_names(alike))}"


def _names(kinds: Iterable[InstanceType]) -> list[str]:
    return sorted({kind.name for kind in kinds})
