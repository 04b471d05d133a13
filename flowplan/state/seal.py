"""What is sealed for those who have a key, and what seals and opens it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from attrs import field

from flowplan.classes import frozen
from flowplan.errors import Damaged, Remedied, StateError

# What becomes of a state whose key somebody may have: who has it could not open the one that is made in its place.
_ANEW = "`flowplan recover --from-live --force` makes another state, from the markers of live bids, in its place"
WITHOUT_KEY = f"if nobody has the key any more, {_ANEW}"
FOR_OTHERS = (
    "give the key, or ask somebody who has it to add yours to the recipients (`flowplan state rekey`); " + WITHOUT_KEY
)


SCRYPT = "passphrase"  # stands for the recipient of what is encrypted with one


class Unopened(StateError):
    """What may be whole, and this run cannot read, because of the keys it is given: never damage."""


class NoKey(Unopened, Remedied):
    """What no key that is given opens: the hint names the key, and what to do where nobody has it any more."""


class InTheClear(Unopened):
    """What is not encrypted, though a key is given."""


@frozen
class Sealed:
    """What was sealed. `recipients`: who can open it, as far as the document says. Texts as the age format has them."""

    recipients: tuple[str, ...]
    key: str = field(repr=False)
    sealed: str = field(repr=False)

    @classmethod
    def of(cls, entry: Mapping[str, Any], name: str) -> Sealed:
        """Raises StateError for an entry that is none."""
        recipients, key, sealed = entry.get("recipients"), entry.get("key"), entry.get("sealed")
        if not isinstance(recipients, list) or [one for one in (*recipients, key, sealed) if type(one) is not str]:
            raise Damaged(f"{name} is encrypted, and damaged: its key or its content is missing")
        return cls(tuple(recipients), str(key), str(sealed))

    @property
    def whose(self) -> str:
        """Who can open it, after "is encrypted"."""
        if self.recipients == (SCRYPT,):
            return "with a passphrase"
        return f"for {', '.join(self.recipients) or 'nobody'}"

    @property
    def opener(self) -> str:
        """What opens it, after "give"."""
        if self.recipients == (SCRYPT,):
            return "the passphrase in FLOWPLAN_PASSPHRASE"
        return "the key of one of them in FLOWPLAN_AGE_KEY_FILE or FLOWPLAN_AGE_KEY"

    def entry(self) -> dict[str, Any]:
        """As a document has it."""
        return {"recipients": list(self.recipients), "key": self.key, "sealed": self.sealed}


class Seal(Protocol):
    """The keys of a run. One object is one run's: what it seals, it seals for one key of its own."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who will be able to open what it seals; (): it can only open."""

    @property
    def opens_own(self) -> bool:
        """Whether it can open what it seals."""

    def seal(self, data: bytes) -> Sealed:
        """`data` for the recipients. Raises StateError where there are none."""

    def open(self, sealed: Sealed, name: str) -> bytes:
        """What was sealed as `name`. Raises Unopened where no key opens it, StateError for what is not what was
        sealed."""
