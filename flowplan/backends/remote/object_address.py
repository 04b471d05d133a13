"""What the addresses of states in object stores have in common: which keys every server takes, and how somebody names a
server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from flowplan.cloud.http.endpoint import PATH, is_here, is_host, is_loopback
from flowplan.errors import UsageProblem
from flowplan.patterns import regex
from flowplan.printable import shown

_SEGMENT = regex(r"[A-Za-z0-9._=@+:,()!-]+")
_OURS = regex(r"\.d/(states|journal|versions|aside|probe|clock)(/|\Z)")
_LONGEST_KEY = 800  # bytes, of 1,024: names of the objects below it are longer
_LONGEST_SEGMENT = 200


def hold_key(key: str, where: str, above: str, like: str) -> None:
    """Raise UsageProblem unless every server takes `key`. `where`: how messages name what was typed; `above`: the URL
    up to the key; `like`: an example."""
    if not key.strip("/"):
        raise UsageProblem(f"{where}: the URL names no object", hint=like)
    if key.endswith("/"):
        raise UsageProblem(f"{where}: a state has no / at its end", hint=f"--state {above}{key.rstrip('/')}")
    segments = key.split("/")
    fit = all(_SEGMENT.fullmatch(one) and one.strip(".") and len(one) <= _LONGEST_SEGMENT for one in segments)
    if not fit or len(key) > _LONGEST_KEY:
        raise UsageProblem(
            f"{where}: its key is not one that every server takes",
            hint=f"letters, digits and . _ - = @ + : , ( ) ! between single slashes; {like}",
        )
    if key.endswith(".lock") or _OURS.search(key):
        raise UsageProblem(f"{where}: flowplan uses this name for what belongs to a state", hint=like)


def endpoint_in(environ: Mapping[str, str], names: Sequence[str], like: str, instead: str) -> str:
    """The URL of the server that the first of `names` which `environ` has says, in its one form; "": none is set.
    `instead`: where credentials belong that somebody put in the URL. Raises UsageProblem."""
    name = next((name for name in names if environ.get(name)), None)
    if name is None:
        return ""
    given = environ[name]
    if "@" in given:
        raise UsageProblem(f"{name} must not hold a user name or a password", hint=f"take them out, and set {instead}")
    where = f"{name} '{shown(given)}'"
    try:
        parts = urlsplit(given)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageProblem(f"{where} is not a URL", hint=like) from None
    scheme, path = parts.scheme.lower(), parts.path.rstrip("/")
    if scheme not in ("https", "http") or not is_host(host) or "?" in given or "#" in given:
        raise UsageProblem(f"{where} is not the URL of a server", hint=like)
    if path and not PATH.fullmatch(path):
        raise UsageProblem(f"{where} has an invalid path", hint=like)
    if scheme == "http" and not (is_loopback(host) or (host == "localhost" and is_here(host))):
        raise UsageProblem(
            f"{where}: plain http is allowed only for this machine (127.0.0.1, ::1, localhost)", hint="write https://"
        )
    place = f"[{host}]" if ":" in host else host.rstrip(".")
    default = {"https": 443, "http": 80}[scheme]
    return f"{scheme}://{place}{f':{port}' if port not in (None, default) else ''}{path}"
