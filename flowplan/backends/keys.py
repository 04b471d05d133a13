"""The keys that a state is encrypted with: age (https://age-encryption.org), by the library `pyrage`."""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flowplan.errors import Damaged, StateError, UsageProblem
from flowplan.files.regular import opened
from flowplan.printable import shown
from flowplan.state.form import Form
from flowplan.state.seal import SCRYPT, WITHOUT_KEY, NoKey, Seal, Sealed

if TYPE_CHECKING:
    from pyrage import x25519

KEY, KEY_FILE, RECIPIENTS, PASSPHRASE = (
    "FLOWPLAN_AGE_KEY",
    "FLOWPLAN_AGE_KEY_FILE",
    "FLOWPLAN_AGE_RECIPIENTS",
    "FLOWPLAN_PASSPHRASE",
)
OLD_KEY_FILE, OLD_PASSPHRASE = "FLOWPLAN_OLD_AGE_KEY_FILE", "FLOWPLAN_OLD_PASSPHRASE"  # they open, and seal nothing
_VARIABLES = (KEY, KEY_FILE, RECIPIENTS, PASSPHRASE, OLD_KEY_FILE, OLD_PASSPHRASE)
_SHORTEST = 12  # characters of a passphrase: whoever has the file may try as many as he likes
_FILE_LIMIT = 64 * 1024
_MOST_RECIPIENTS = 100  # to open what is encrypted for a thousand takes the library half a minute
_KEY_LIMIT = 64 * 1024  # characters of a key that is encrypted for so many
_ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----"


def given_in(environ: Mapping[str, str]) -> list[str]:
    """The variables in `environ` that say what a state is encrypted with, and was before."""
    return [name for name in _VARIABLES if environ.get(name)]


def form_of(environ: Mapping[str, str], directory: Path, *, allow_plaintext: bool = False) -> Form:
    """The form of a state, by the keys in `environ`; a relative FLOWPLAN_AGE_KEY_FILE starts from `directory`. Nothing
    is encrypted where there are none. Raises UsageProblem for a key that is none, or without the library."""
    given = {name: environ.get(name, "") for name in _VARIABLES}
    if not any(given.values()):
        return Form(allow_plaintext=allow_plaintext)
    for name, text in given.items():
        if not text.isascii() and _is_bytes(text):
            raise UsageProblem(f"{name} is not UTF-8", hint="give it as text")
    age = _library()
    identities = _identities(age, given[KEY], KEY) if given[KEY] else []
    identities += _in_file(age, directory, given[KEY_FILE], KEY_FILE)
    recipients = _recipients(age, given[RECIPIENTS])
    passphrase = given[PASSPHRASE]
    if passphrase and len(passphrase) < _SHORTEST:
        raise UsageProblem(
            f"{PASSPHRASE} has fewer than {_SHORTEST} characters", hint="take a longer one, as four random words"
        )
    old = Old(_in_file(age, directory, given[OLD_KEY_FILE], OLD_KEY_FILE), given[OLD_PASSPHRASE])
    return Form(AgeSeal(age, identities, recipients, passphrase, old), allow_plaintext)


def _is_bytes(text: str) -> bool:
    """Whether a variable holds bytes that are no characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _library() -> Any:
    try:
        import pyrage
    except ImportError:
        raise UsageProblem(
            "a key for the state is given, and the library for it is not installed",
            hint="pip install 'flowplan[encryption]' (with pipx: pipx inject flowplan pyrage)",
        ) from None
    return pyrage


def _in_file(age: Any, directory: Path, name: str, variable: str) -> list[x25519.Identity]:
    """The keys in the file `name`, which `variable` gives; none for "". Raises UsageProblem."""
    return _identities(age, _text_of(directory / name, name, variable), name) if name else []


def _text_of(path: Path, name: str, variable: str) -> str:
    """Of a file that only the user may read, as `variable` names it. Raises UsageProblem."""
    try:
        with opened(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(_FILE_LIMIT).decode()
    except OSError as error:
        if "AGE-SECRET-KEY-" in name.upper():
            hint = f"put the key in {KEY}, or in a file"
            raise UsageProblem(f"{variable} holds a key, and not the name of a file", hint=hint) from None
        raise UsageProblem(f"{variable}: {shown(name)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageProblem(f"{variable}: {shown(name)} holds no age key", hint="age-keygen writes one") from None
    if mode & 0o077:
        raise UsageProblem(
            f"{variable}: {shown(name)} may be read by others (mode {mode:04o})", hint=f"chmod 600 {shown(name)}"
        )
    return text


def _identities(age: Any, text: str, name: str) -> list[x25519.Identity]:
    """Those in `text`, as age-keygen writes them. Raises UsageProblem without saying what stands there."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            found.append(age.x25519.Identity.from_str(line))
        except age.IdentityError:
            raise UsageProblem(
                f"{shown(name)}: line {number} is no age key",
                hint="a key begins with AGE-SECRET-KEY-1; age-keygen writes one",
            ) from None
    if not found:
        raise UsageProblem(f"{shown(name)} holds no age key", hint="age-keygen writes one")
    return found


def _recipients(age: Any, text: str) -> dict[str, x25519.Recipient]:
    found = {}
    named = [one for one in re.split(r"[\s,]+", text) if one]
    if text.strip() and not named:
        raise UsageProblem(f"{RECIPIENTS} names nobody", hint="a recipient begins with age1; age-keygen shows it")
    for one in named:
        if one.upper().startswith("AGE-SECRET-KEY"):
            raise UsageProblem(
                f"{RECIPIENTS} holds a secret key", hint=f"put the key in {KEY_FILE}; recipients begin with age1"
            )
        try:
            recipient = age.x25519.Recipient.from_str(one)
        except age.RecipientError:
            raise UsageProblem(
                f"{RECIPIENTS}: {shown(one)} is no age recipient",
                hint="a recipient begins with age1; age-keygen shows it",
            ) from None
        found[str(recipient)] = recipient  # which may be written in capitals, too
    if len(found) > _MOST_RECIPIENTS:
        raise UsageProblem(
            f"{RECIPIENTS} names {len(found)} recipients, and flowplan encrypts for {_MOST_RECIPIENTS} at most",
            hint="give people who may all read it one key together",
        )
    return found


class Old(NamedTuple):
    """What a state may be sealed with that is about to be changed: keys, and a passphrase ("": none)."""

    identities: Sequence[x25519.Identity] = ()
    passphrase: str = ""


_NOTHING_OLD = Old()


class AgeSeal(Seal):
    """Opens with any of the `identities`, with the `passphrase` ("": none), and with what is `old`. Seals for
    `recipients`; without any, for the identities; without those, with the passphrase. `age` is the library."""

    def __init__(
        self,
        age: Any,
        identities: list[x25519.Identity],
        recipients: Mapping[str, x25519.Recipient],
        passphrase: str = "",
        old: Old = _NOTHING_OLD,
    ) -> None:
        self._age, self._passphrase = age, passphrase
        self._identities = [*identities, *old.identities]
        self._passphrases = [one for one in (passphrase, old.passphrase) if one]
        public = [identity.to_public() for identity in identities]
        self._own_names = frozenset(str(one.to_public()) for one in self._identities)
        self._recipients = dict(recipients) or {str(one): one for one in public}
        self._keys: dict[str, x25519.Identity] = {}  # those that were opened, by how they were sealed
        self._closed = set[bytes]()  # those that no passphrase opens

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(self._recipients) or ((SCRYPT,) if self._passphrase else ())

    @property
    def opens_own(self) -> bool:
        return not self._recipients or not self._own_names.isdisjoint(self._recipients)

    @cached_property
    def _own(self) -> tuple[str, x25519.Identity]:
        """The key that all of this run is sealed for, sealed for the recipients; and itself."""
        made = self._age.x25519.Identity.generate()
        text = str(made).encode()
        if self._recipients:
            return self._armored(self._age.encrypt(text, list(self._recipients.values()))), made
        return self._armored(self._age.passphrase.encrypt(text, self._passphrase)), made

    def seal(self, data: bytes) -> Sealed:
        if not self.recipients:
            raise StateError("there is no recipient to encrypt the state for", hint=f"set {RECIPIENTS}")
        key, made = self._own
        self._keys[key] = made
        return Sealed(self.recipients, key, self._armored(self._age.encrypt(data, [made.to_public()])))

    def open(self, sealed: Sealed, name: str) -> bytes:
        if sealed.key not in self._keys:
            if len(sealed.key) > _KEY_LIMIT:
                raise Damaged(f"{name} is damaged: its key is longer than any that flowplan writes")
            text = self._opened(self._key_of, sealed.key, sealed, name)
            self._keys[sealed.key] = self._identity_in(text, name)
        identity = self._keys[sealed.key]
        return self._opened(lambda data: self._decrypted(data, [identity]), sealed.sealed, None, name)

    def _identity_in(self, text: bytes, name: str) -> x25519.Identity:
        try:
            found: x25519.Identity = self._age.x25519.Identity.from_str(text.decode())
        except (self._age.IdentityError, UnicodeDecodeError):
            raise Damaged(f"{name} is damaged: what its key opens with is no key") from None
        return found

    def _key_of(self, data: bytes) -> bytes:
        if b"-> scrypt " not in data[:256]:
            return self._decrypted(data, self._identities)
        if data not in self._closed:  # a try takes a second, and a state is looked for in several places
            for passphrase in self._passphrases:
                with suppress(self._age.DecryptError):
                    return bytes(self._age.passphrase.decrypt(data, passphrase))
            self._closed.add(data)
        raise ValueError("no passphrase opens it")

    def _decrypted(self, data: bytes, identities: list[x25519.Identity]) -> bytes:
        return bytes(self._age.decrypt(data, identities))

    def _opened(self, opens: Callable[[bytes], bytes], armored: str, whole: Sealed | None, name: str) -> bytes:
        """What `opens` finds in `armored`. `whole`: of which that is the key. Raises StateError, Unopened."""
        try:
            data = _unarmored(armored)
        except ValueError:
            raise Damaged(f"{name} is damaged: it is not what was encrypted") from None
        try:
            return opens(data)
        except (self._age.DecryptError, ValueError):
            if whole is None or not self._own_names.isdisjoint(whole.recipients):
                what = (
                    "it is not what was encrypted" if whole is None else "its key does not open with one that it names"
                )
                raise Damaged(f"{name} is damaged: {what}") from None
            raise NoKey(
                f"{name} is encrypted {whole.whose}, and no key that is given opens it",
                hint=f"give {whole.opener}{self._goes_on}; {WITHOUT_KEY}",
            ) from None

    @property
    def _goes_on(self) -> str:
        """What ends a change of keys: one that was cut off leaves parts for either, which no one key opens."""
        if not self.recipients:
            return ""
        old = f"{OLD_KEY_FILE} or {OLD_PASSPHRASE}"
        return f"; if you are changing keys, `flowplan state rekey` takes both: the new one there, the old one in {old}"

    @staticmethod
    def _armored(data: bytes) -> str:
        """As `age --armor` writes it."""
        text = base64.b64encode(data).decode()
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return "\n".join((_ARMOR, *lines, _ARMOR.replace("BEGIN", "END"), ""))


def _unarmored(text: str) -> bytes:
    """Raises ValueError."""
    body = text.strip().removeprefix(_ARMOR).removesuffix(_ARMOR.replace("BEGIN", "END"))
    return base64.b64decode("".join(body.split()), validate=True)
