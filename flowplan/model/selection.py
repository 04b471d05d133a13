"""Which resources are meant: addresses with wildcards, as --target, --exclude and --replace take them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from flowplan.classes import frozen
from flowplan.model.address import Address

_TASK = "task."


@frozen
class Patterns:
    """What is asked for by address: only these and what they need (`targets`), all but these and what depends on them
    (`excluded`), these made again (`replace`). Each as it was written."""

    targets: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether a plan leaves out something because of them."""
        return bool(self.targets or self.excluded)


def held(text: str) -> str:
    """`text`, if it can be a pattern. Raises ValueError, saying what an address looks like."""
    if not text.strip():
        raise ValueError("an address is missing: expected volume.NAME, bid.NAME, ports.NAME or task.NAME")
    if not is_wild(text):
        Address.given(text)
    return text


def is_wild(pattern: str) -> bool:
    """Whether a pattern can match more than one address."""
    return "*" in pattern or "?" in pattern


def matching(pattern: str, addresses: Iterable[Address]) -> frozenset[Address]:
    """Those that `pattern` means. `*` stands for any text, `?` for one character; `task.NAME` for a bid and its ports;
    a name without a key for every instance that `for_each` made of it. Quotes, which a shell removes, do not count."""
    plain = pattern.replace('"', "").replace("[", "[[]")  # a bracket is one: it holds the key
    return frozenset(one for one in addresses if any(fnmatchcase(name, plain) for name in _names(one)))


def _names(address: Address) -> set[str]:
    names = {address.name.replace('"', ""), address.current.name.replace('"', ""), address.base}
    kinds = [f"{address.kind}."] if address.kind == "volume" else [f"{address.kind}.", _TASK]
    return {f"{kind}{name}" for kind in kinds for name in names}


def together(address: Address) -> frozenset[Address]:
    """`address` and what cannot be apart from it: a bid carries its ports."""
    if address.kind == "volume":
        return frozenset((address,))
    return frozenset((Address("bid", address.name), Address("ports", address.name)))
