"""The user's own script, out of what a live bid runs. In what `script.render` made, the digest beside it proves it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib

from flowplan.model.live import LiveBid
from flowplan.model.resources import Script
from flowplan.patterns import regex

_MOST = 16_000_000  # bytes, unpacked
_DIGEST = regex(r"^sha256='?([0-9a-f]{64})'?$", re.MULTILINE)
_SIZE = regex(r"^size=([0-9]{1,8})$", re.MULTILINE)
_INLINE = regex(r"^  base64 -d <<'END'\n([A-Za-z0-9+/=\n]*)\nEND$", re.MULTILINE)
_PACKED = regex(r"^base64 -d <<'END' \| gzip -dc [^\n]*\n([A-Za-z0-9+/=\n]*)\nEND$", re.MULTILINE)


def script_of(bid: LiveBid) -> Script | None:
    """What the instances of `bid` run of the user's, all of it where flowplan did not place the bid; None: nothing, or
    it is not reported, or not in a form that this version reads."""
    if bid.marker is not None:
        return user_script(bid.sent or "")
    return bid.script if bid.script is not None and bid.script.size else None


def user_script(sent: str) -> Script | None:
    """The user's part of `sent`; None: it holds none, is not flowplan's, or is of a form that this version does not
    read."""
    digest = _DIGEST.search(sent)
    data = None if digest is None else _inline(sent) or _packed(sent)
    if digest is None or data is None or hashlib.sha256(data).hexdigest() != digest[1]:
        return None
    try:
        return Script.of(data.decode())
    except UnicodeDecodeError:
        return None


def _inline(sent: str) -> bytes | None:
    found = _INLINE.search(sent)
    return None if found is None else _decoded(found[1])


def _packed(sent: str) -> bytes | None:
    """The last `size` bytes of what is packed: the steps stand before them."""
    found, size = _PACKED.search(sent), _SIZE.search(sent)
    packed = None if found is None else _decoded(found[1])
    if packed is None or size is None:
        return None
    try:
        data = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed, _MOST)
    except zlib.error:
        return None
    return data[len(data) - int(size[1]) :] if 0 < int(size[1]) <= len(data) else None


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError):
        return None
