"""Values of sensitive variables in saved plans: digests with a key that stays in the directory of the state.

Without the key nobody can tell a value from its digest, however short it is; with it a plan that is applied with
another value is refused, and the message names the variable.
"""

from __future__ import annotations

import hmac
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from flowplan.errors import StalePlan, StateError
from flowplan.files.atomic import create_file
from flowplan.files.private import make_directory
from flowplan.files.regular import read_regular
from flowplan.operations.opening.settings import PLAN_KEY

if TYPE_CHECKING:
    from flowplan.config import Config
    from flowplan.documents.shapes.plan import SealedPlan, SensitiveValues
    from flowplan.operations.opening.session import Session

KEY = ".flowplan/plan.key"
_LONGEST = 1_000  # bytes


def config_sha256(session: Session, config: Config) -> str:
    """What plans and the history say of `config`: its digest, with the key where a sensitive value takes part."""
    return kept_of(session, config)[0]


def kept_of(session: Session, config: Config) -> tuple[str, SensitiveValues | None]:
    """What a plan keeps of `config`: its digest, as `config_sha256` has it, and its sensitive variables; None: it has
    none."""
    if not config.sensitive:
        return config.sha256, None
    key = _key(session)
    values = {name: _digest(key, name, text) for name, text in sorted(config.sensitive.items())}
    return _digest(key, "config", config.sha256), {"key": _digest(key, "key", "")[:16], "variables": values}


def hold_sensitive(session: Session, saved: SealedPlan, config: Config | None) -> None:
    """Raise StalePlan where a sensitive variable has another value than the one that `saved` was made with, or where
    that cannot be told."""
    kept = saved.get("sensitive")
    now = kept_of(session, config)[1] if config is not None else None
    if kept is None or now is None:
        return
    if kept["key"] != now["key"]:
        raise StalePlan(
            "flowplan cannot compare the values of sensitive variables: the plan was made with another key; "
            "nothing was done",
            hint=f"plan again here; or set {PLAN_KEY} where you plan and where you apply",
        )
    both = kept["variables"].keys() & now["variables"].keys()
    other = sorted(name for name in both if kept["variables"][name] != now["variables"][name])
    if other:
        named = ", ".join(f"variable {name}" for name in other)
        raise StalePlan(
            f"{named} (sensitive): the value here is not the one that the plan was made with; nothing was done",
            hint="give the value that the plan was made with; or plan again with this one",
        )


def _digest(key: bytes, what: str, text: str) -> str:
    return hmac.new(key, json.dumps([what, text]).encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def _key(session: Session) -> bytes:
    """That of the plans, where there is one; else that beside the state, which is made if it is missing. One that
    cannot be kept serves once: what was made with it is refused later."""
    given = session.settings.plan_key
    if given is not None:
        return given.reveal().encode()
    path = Path(session.store.base) / KEY
    try:
        make_directory(path.parent)
        if not path.exists():
            create_file(path, secrets.token_hex(32).encode())
        kept = read_regular(path, _LONGEST)
    except (OSError, StateError) as error:
        session.listener.note(f"{path} cannot be used ({error}): a plan saved now will be refused")
        return secrets.token_bytes(32)
    return kept if len(kept) >= 32 else secrets.token_bytes(32)
