"""A state as one JSON document: what a server for Terraform states keeps of it, and each time as a whole.

Bytes that are plain text stand there as text, so that a person can read them; any others as base64.
"""

from __future__ import annotations

import base64
import json
import uuid
import zlib
from typing import Any

from attrs import evolve, field

from flowplan.backends.remote.lease import Record
from flowplan.backends.remote.place import Contents, Foreign
from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.state import codec
from flowplan.state.history import VersionId

FORMAT, FORMAT_VERSION = "flowplan-state", 1
SIZE_LIMIT = 64 * 1024 * 1024  # bytes of a document
KEPT_BYTES, MOST_KEPT_BYTES = 256 * 1024, 1024 * 1024  # of versions, packed: each write sends them all
ASIDE = 5  # copies of damaged parts


@frozen
class Packed:
    """A document that is kept, compressed, under what tells it from others."""

    lineage: str
    serial: int
    data: str = field(repr=False)

    @classmethod
    def of(cls, id: VersionId, document: bytes) -> Packed:
        """Raises nothing; `document` comes back from `unpacked` as it is."""
        return cls(*id, base64.b64encode(zlib.compress(document, 9)).decode())

    @property
    def id(self) -> VersionId:
        """Which version it is."""
        return self.lineage, self.serial

    def unpacked(self) -> bytes:
        """The document; b"" for one that is damaged, which reads as no version, or that becomes larger than any state:
        a few kilobytes can be made to fill the memory."""
        unpacking = zlib.decompressobj()
        try:
            found = unpacking.decompress(base64.b64decode(self.data, validate=True), codec.SIZE_LIMIT)
        except (ValueError, zlib.error):
            return b""
        return found if unpacking.eof else b""


@frozen
class Aside:
    """A part that was damaged and replaced, compressed, and what messages call it."""

    name: str
    data: str = field(repr=False)


def _written(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    return text if "\0" not in text else {"base64": base64.b64encode(data).decode()}


def _bytes(found: Any) -> bytes | None:
    if found is None:
        return None
    return found.encode() if isinstance(found, str) else base64.b64decode(found["base64"], validate=True)


@frozen
class Document:
    """`serial` rises with every write, whatever it is about, and `write` is another in each. `lineage` stays as long as
    there is a document. `run` is what began to write under `fence`, and `record` says who has the lock. `version` is
    another after each begin and each save. `state` is lineage and serial of the snapshot, for people."""

    serial: int = 0
    lineage: str = ""
    fence: int = 0
    run: str = ""
    version: str = ""
    record: Record = field(default=Record(None, 0))
    state: VersionId = ("", 0)
    snapshot: bytes | None = field(default=None, repr=False)
    backup: bytes | None = field(default=None, repr=False)
    journal: bytes = field(default=b"", repr=False)
    versions: tuple[Packed, ...] = ()
    aside: tuple[Aside, ...] = ()
    write: str = ""

    def next(self, **changes: Any) -> Document:
        """The document to be written in its place."""
        return evolve(
            self,
            serial=self.serial + 1,
            lineage=self.lineage or str(uuid.uuid4()),
            write=uuid.uuid4().hex,
            **changes,
        )

    @property
    def contents(self) -> Contents:
        """What it says of the state."""
        return Contents(self.snapshot, self.backup, self.journal, self.fence, self.version)

    def keeping(self, new: Packed, *, replace: bool) -> tuple[Packed, ...]:
        """Its versions with `new`, or with it in the place of the one that it is. They have the room that the state
        takes, from KEPT_BYTES to MOST_KEPT_BYTES: those of other lineages than the state's go first, then the oldest.
        That of the state stays, whatever it takes, and one that was not there before goes last of all others."""
        others = [one for one in self.versions if one.id != new.id]
        is_new = len(others) == len(self.versions)
        if not is_new and not replace:
            return self.versions
        own = new.lineage if is_new else self.state[0]

        def order(one: Packed) -> tuple[bool, bool, bool, int]:
            return one.id == self.state, is_new and one is new, one.lineage == own, one.serial

        kept = sorted([*others, new], key=order)
        room = min(max(KEPT_BYTES, len(self.snapshot or b"")), MOST_KEPT_BYTES)
        over = sum(len(one.data) for one in kept) - room
        while over > 0 and len(kept) > 1:
            over -= len(kept.pop(0).data)
        return tuple(kept)

    def dump(self) -> bytes:
        """As the server keeps it."""
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "serial": self.serial,
            "lineage": self.lineage,
            "fence": self.fence,
            "run": self.run,
            "version": self.version,
            "write": self.write,
            "lock": json.loads(self.record.dump()),
            "state": {"lineage": self.state[0], "serial": self.state[1]},
            "snapshot": _written(self.snapshot),
            "backup": _written(self.backup),
            "journal": _written(self.journal),
            "versions": [{"lineage": one.lineage, "serial": one.serial, "data": one.data} for one in self.versions],
            "aside": [{"name": one.name, "data": one.data} for one in self.aside],
        }
        return json.dumps(document).encode()

    @classmethod
    def load(cls, data: bytes, name: str) -> Document:
        """Raises StateError for what is no such document, as nothing at all, or a part of one; Foreign where it is
        whole, as a state of Terraform."""
        strange = (
            f"what the server gave as {name} is not a state of this flowplan",
            "look at it on the server: flowplan changes nothing that it does not understand",
        )
        try:
            found = json.loads(data, object_pairs_hook=codec.no_duplicates, parse_constant=codec.no_constant)
        except (ValueError, RecursionError):
            raise StateError(strange[0], hint=strange[1]) from None
        try:
            if "terraform_version" in found:
                raise _strange(f"{name} is a state of Terraform", "give flowplan a name of its own there")
            if (found["format"], found["format_version"]) != (FORMAT, FORMAT_VERSION):
                raise ValueError("another format")
            return cls._of(found, name)
        except Foreign:
            raise
        except StateError as error:  # of the lock
            raise _strange(error.summary, error.hint) from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise _strange(*strange) from None

    @classmethod
    def _of(cls, found: dict[str, Any], name: str) -> Document:
        texts = {key: found[key] for key in ("lineage", "run", "version", "write")}
        numbers = {key: found[key] for key in ("serial", "fence")}
        state, versions = found["state"], [Packed(**one) for one in found["versions"]]
        aside = [Aside(**one) for one in found["aside"]]
        strings = [*texts.values(), *(one.data for one in versions), *(one.lineage for one in versions)]
        integers = [*numbers.values(), *(one.serial for one in versions)]
        if {str} != {type(one) for one in strings} or {int} != {type(one) for one in integers} or min(integers) < 0:
            raise ValueError("other types")
        return cls(
            **texts,
            **numbers,
            record=Record.load(json.dumps(found["lock"]).encode(), name),
            state=(str(state["lineage"]), int(state["serial"])),
            snapshot=_bytes(found["snapshot"]),
            backup=_bytes(found["backup"]),
            journal=_bytes(found["journal"]) or b"",
            versions=tuple(versions),
            aside=tuple(aside),
        )


def _strange(message: str, hint: str | None) -> Foreign:
    return Foreign(message, hint=hint)
