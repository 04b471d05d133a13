"""The file of a saved plan: read strictly, whole or not at all, and in the form of the state."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from flowplan.errors import GuardRefused, StateError, UsageProblem
from flowplan.files.regular import is_regular, opened, read_regular
from flowplan.model.address import Address
from flowplan.operations.opening.paths import SUFFIXES
from flowplan.operations.opening.settings import Settings
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.state.form import Form

ENCRYPTED = "encrypted"  # the format_version of what holds a plan document
PLAN_LIMIT = 256 * 1024 * 1024  # bytes
_NOTHING = b"\0 \t\r\n"  # of which an empty file is, also one that a crash has left


def read_saved_plan(settings: Settings, paths: Sequence[str]) -> SealedPlan | None:
    """The saved plan that the single PATH is, or None for a configuration. Raises GuardRefused for a file
    that is a plan but not a whole one, or that is empty and not called as YAML is; UsageProblem for a plan with another
    PATH beside it, and for a file that cannot be read: it may be either."""
    if len(paths) == 1:
        return _plan_at(settings, paths[0], alone=True)
    for path in paths:  # a configuration is called .yaml nearly always, and there may be thousands of it
        if not path.endswith(SUFFIXES) and _plan_at(settings, path) is not None:
            hint = f"flowplan apply {shlex.quote(path)}; what the other files ask for is for a plan of their own"
            raise UsageProblem(f"a saved plan takes no PATH beside it: all of {path} is carried out", hint=hint)
    return None


def _plan_at(settings: Settings, path: str, *, alone: bool = False) -> SealedPlan | None:
    try:
        with opened(settings.directory / path) as file:
            start = file.read(4096)
            blank = alone and not path.endswith(SUFFIXES) and not start.strip(_NOTHING)
            if blank and not file.read(PLAN_LIMIT).strip(_NOTHING):
                raise _not_valid(path, "it is empty")
            if not start.lstrip().startswith(b"{"):
                return None
            data = start + file.read(PLAN_LIMIT)
    except OSError as error:
        if path.endswith(SUFFIXES):
            return None  # to read it as a configuration says so
        if is_regular(settings.directory / path):
            raise UsageProblem(f"{path} cannot be read: {error.strerror}") from error
        return None  # a directory, a name that is too long, or none: what is over ends all the same
    return read_plan(data, path, settings)


def _in_its_place(name: str) -> str:
    """What to type where `name` is no file, but may be meant as an address."""
    try:
        address = Address.given(name)
    except ValueError:
        return f"`flowplan plan --out {shlex.quote(name)}` saves a plan there; `flowplan show` alone shows the state"
    return f"this is an address, not a file: `flowplan state show {address.word}`"


def given_plan(settings: Settings, name: str) -> SealedPlan:
    """The saved plan in the file `name`. Raises UsageProblem for one that cannot be read, GuardRefused for what is no
    saved plan, or not a whole one."""
    try:
        data = read_regular(settings.directory / name, PLAN_LIMIT)
    except FileNotFoundError:
        raise UsageProblem(f"there is no file {shown(name)}", hint=_in_its_place(name)) from None
    except OSError as error:
        raise UsageProblem(f"{name} cannot be read: {error.strerror}") from error
    found = read_plan(data, name, settings)
    if found is None:
        raise GuardRefused(f"{name} is not a saved plan", code="invalid-plan", hint="flowplan plan --out FILE")
    return found


def read_plan(data: bytes, name: str, settings: Settings) -> SealedPlan | None:
    """A plan document, checked; None for JSON that is none (a task file may be written in JSON)."""
    from flowplan import __version__
    from flowplan.documents.plan import FORMAT_VERSION, digest_of
    from flowplan.documents.plan_shape import misfit
    from flowplan.documents.scripts import without_scripts
    from flowplan.state.codec import no_constant, no_duplicates

    try:
        body = json.loads(data, object_pairs_hook=no_duplicates, parse_constant=no_constant)
        if isinstance(body, dict) and {"lineage", "serial"} <= body.keys():
            return None  # a state: reading it as a configuration says so
        if isinstance(body, dict) and "format_version" in body:
            body = _opened(body, name, settings)
        body = without_scripts(body) if isinstance(body, dict) else body
        digest = digest_of(body) if isinstance(body, dict) else ""
    except (ValueError, RecursionError):
        if b'"format_version"' in data[:200]:
            raise _not_valid(name, "it is cut off, or was edited") from None
        return None
    if not isinstance(body, dict) or "format_version" not in body:
        return None
    if body.get("errored") is True and "sha256" not in body:
        raise _not_valid(name, "it says why a command failed")
    if body.get("flowplan_version") != __version__:
        raise _not_valid(name, f"it was made by flowplan {body.get('flowplan_version')}; this is {__version__}")
    if body["format_version"] != FORMAT_VERSION:
        raise _not_valid(name, f"its format_version is {body['format_version']}, not {FORMAT_VERSION}")
    if body.get("sha256") != digest:
        raise _not_valid(name, "its digest does not match its content")
    if why := misfit(body):
        raise _not_valid(name, why)
    return cast("SealedPlan", body)


def _opened(body: Any, name: str, settings: Settings) -> Any:
    """The document in the saved plan `body`. Raises GuardRefused for one that is not encrypted where there is a key,
    and for one that no key opens."""
    from flowplan.state.codec import no_constant, no_duplicates
    from flowplan.state.seal import SCRYPT, Sealed, Unopened

    form = settings.form()
    if body.get("format_version") == ENCRYPTED:
        try:
            sealed = Sealed.of(body, name)
            clear = form.open(sealed, name)
        except Unopened as error:
            others = (
                "" if sealed.recipients == (SCRYPT,) else " with FLOWPLAN_AGE_RECIPIENTS naming who applies it, too"
            )
            hint = f"give {sealed.opener}, or plan again{others}"
            raise GuardRefused(str(error), code="invalid-plan", hint=hint) from error
        except StateError as error:
            raise GuardRefused(str(error), code="invalid-plan", hint="plan again") from error
        return json.loads(clear, object_pairs_hook=no_duplicates, parse_constant=no_constant)
    if form.seal is not None and not form.allow_plaintext:
        raise GuardRefused(
            f"{name} is not encrypted, though a key is given",
            code="invalid-plan",
            hint="plan again with the key, or give --allow-plaintext",
        )
    return body


def as_file(plan: str, form: Form) -> str:
    """The saved plan of the document `plan`, in the form of the state. Raises StateError."""
    from flowplan import __version__

    if form.seal is None:
        return plan
    head = {"format_version": ENCRYPTED, "flowplan_version": __version__}
    return json.dumps({**head, **form.seal.seal(plan.encode()).entry()}, indent=2) + "\n"


def hold_whole(made: SealedPlan) -> None:
    """Raise GuardRefused for a plan in memory that was edited since it was made: its digest goes into the state."""
    from flowplan.documents.plan import digest_of

    try:
        whole = made.get("sha256") == digest_of(made)
    except (TypeError, ValueError, RecursionError):
        whole = False
    if not whole:
        raise _not_valid("the proposal", "its digest does not match its content")


def _not_valid(name: str, why: str) -> GuardRefused:
    return GuardRefused(f"{name} is not a valid plan: {why}", code="invalid-plan", hint="plan again")
