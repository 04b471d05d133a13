"""What an API was last seen to offer, by name, kept on this machine: what completes a word may not wait for a network.

Both lists are of the account, not of a project. The file holds no URL and no credential: APIs stand in it by a digest.
It is a cache: what cannot be read is not there, and what cannot be written is left.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.files.atomic import replace_file
from flowplan.files.private import make_directory
from flowplan.files.regular import read_regular
from flowplan.model.catalogue import Catalogue
from flowplan.patterns import regex

_VERSION = 1
_SIZE_LIMIT = 1024 * 1024  # bytes
_MOST_APIS, _MOST_NAMES = 8, 400
_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9._+:-]{0,79}", re.ASCII)  # what no shell takes for anything else


@frozen
class Offered:
    """Names of instance types, as the API has them, and of regions: each sorted, and none empty."""

    types: tuple[str, ...]
    regions: tuple[str, ...]


def offered_by(catalogue: Catalogue) -> Offered | None:
    """What has an auction in `catalogue`; None where nothing has, or all names are strange."""
    kinds = (catalogue.type(auction.instance_type) for auction in catalogue.auctions)
    return _offered([kind.name for kind in kinds if kind is not None], catalogue.regions)


def remember(environ: Mapping[str, str], api_url: str, catalogue: Catalogue) -> None:
    """Keep what `catalogue` offers as that of `api_url`, one of eight. Where it cannot be kept, nothing happens."""
    path, found = _path(environ), offered_by(catalogue)
    if path is None or found is None:
        return
    known = _read(path)
    if _taken(known.get(_key(api_url))) == found:
        return
    known.pop(_key(api_url), None)
    known[_key(api_url)] = {"types": found.types, "regions": found.regions}
    kept = dict(list(known.items())[-_MOST_APIS:])
    with suppress(OSError, StateError):
        make_directory(path.parent)
        text = json.dumps({"format_version": _VERSION, "apis": kept}, indent=1)
        replace_file(path, text.encode() + b"\n", through_link=False)


def remembered(environ: Mapping[str, str], api_url: str) -> Offered | None:
    """What `api_url` was last seen to offer; None: this machine does not know."""
    path = _path(environ)
    return None if path is None else _taken(_read(path).get(_key(api_url)))


def _path(environ: Mapping[str, str]) -> Path | None:
    """Below $XDG_CACHE_HOME, else ~/.cache; None where there is no home."""
    given, home = Path(environ.get("XDG_CACHE_HOME", "")), Path(environ.get("HOME", ""))
    base = given if given.is_absolute() else home / ".cache"
    return base / "flowplan" / "offered.json" if base.is_absolute() else None


def _key(api_url: str) -> str:
    return hashlib.sha256(api_url.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _read(path: Path) -> dict[str, Any]:
    """What is kept of each API, unchecked; nothing of a file that is too large or of another format."""
    try:
        data = read_regular(path, _SIZE_LIMIT)
        found = json.loads(data) if len(data) <= _SIZE_LIMIT else None
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or found.get("format_version") != _VERSION:
        return {}
    apis = found.get("apis")
    return apis if isinstance(apis, dict) else {}


def _taken(kept: object) -> Offered | None:
    if not isinstance(kept, dict):
        return None
    return _offered(kept.get("types"), kept.get("regions"))


def _offered(types: object, regions: object) -> Offered | None:
    found = Offered(_names(types), _names(regions))
    return found if found.types and found.regions else None


def _names(found: object) -> tuple[str, ...]:
    names: Iterable[Any] = found if isinstance(found, list | tuple) else ()
    return tuple(sorted({one for one in names if isinstance(one, str) and _NAME.fullmatch(one)})[:_MOST_NAMES])
