"""Where requests go and the way there: the base URL, what counts as this machine, proxies, certificate authorities."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from flowplan.cloud.http.redaction import CREDENTIALS_HINT
from flowplan.errors import UsageProblem
from flowplan.patterns import regex
from flowplan.printable import shown

TRUSTING = "name the file of your certificate authority in REQUESTS_CA_BUNDLE or SSL_CERT_FILE"
# What to do about a server that is not trusted, where another authority does not help: by a part of the reason.
_NOT_BY_AUTHORITIES = (
    (("expired", "not yet valid"), "look at this machine's clock; if it is right, the server needs a new certificate"),
    (("mismatch", "another host"), "check the host in the URL: the server shows the certificate of another one"),
    (("wrong version", "does not speak TLS"), "check the URL: what answers there does not speak TLS"),
)
PATH = regex(r"(/[A-Za-z0-9_.~%-]+)+", re.ASCII)  # of the base URL, and of a request
_PREFIXES = frozenset(map(str, range(1, 33)))  # bits of an IPv4 network
_HASHED = regex(r"[0-9a-f]{8}\.[0-9]+", re.ASCII)  # how OpenSSL finds a certificate in a directory
_HOST = regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?")


def checked_url(url: str, *, in_process: bool) -> str:
    """`url` in its one form, without /v2. Raises UsageProblem; a URL that may hold a password is not shown."""
    if "@" in url:
        raise UsageProblem(
            "the API's URL must not hold a user name or a password", hint=f"take them out, and {CREDENTIALS_HINT}"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad_url(url, "is not a URL") from None
    if not url.isascii() or not url.isprintable() or " " in url or parts.scheme not in ("https", "http"):
        raise _bad_url(url, "is not an https URL")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise UsageProblem("the API's URL must end with its path: no ? and no #")
    if not is_host(host):
        raise _bad_url(url, "has no valid host")
    local = is_loopback(host) or (host == "localhost" and in_process)
    if parts.scheme == "http" and not (local or (host == "localhost" and is_here(host))):
        raise _bad_url(url, "is not https; plain http is allowed only for this machine (127.0.0.1, ::1, localhost)")
    path = parts.path.rstrip("/").removesuffix("/v2").rstrip("/")
    if path and not PATH.fullmatch(path):
        raise _bad_url(url, "has an invalid path")
    place = f"[{host}]" if ":" in host else host.rstrip(".")
    return f"{parts.scheme}://{place}{f':{port}' if port is not None else ''}{path}"


def _bad_url(url: str, says: str) -> UsageProblem:
    is_meant = url.lower().startswith("sim") and "/" not in url
    hint = "the simulator is sim: with a colon" if is_meant else "for example https://api.mithril.ai"
    return UsageProblem(f"the API's URL '{shown(url)}' {says}", hint=hint)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_host(text: str) -> bool:
    """Whether `text` can be the name or the address of a host."""
    return _HOST.fullmatch(text) is not None or _is_address(text)


def is_loopback(host: str) -> bool:
    """Whether `host` is an address of this machine alone."""
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def is_here(host: str) -> bool:
    """Whether every address of the name `host` is this machine."""
    import socket

    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return bool(found) and all(is_loopback(str(address[0])) for *_, address in found)


def proxies(environ: Mapping[str, str], host: str, port: int | None = None) -> dict[str, str]:
    """HTTPS_PROXY as requests takes it, unless NO_PROXY or loopback exempts `host` or `host:port`. Raises
    UsageProblem."""
    url = "" if is_beside_proxy(environ, host, port) else proxy_of(environ)
    if url is None:
        raise UsageProblem("HTTPS_PROXY is not the URL of an HTTP proxy", hint="for example http://proxy.example:3128")
    return {"https": url} if url else {}


def proxy_of(environ: Mapping[str, str]) -> str | None:
    """HTTPS_PROXY; "": there is none; None: it is not the URL of an HTTP proxy."""
    url = environ.get("https_proxy") or environ.get("HTTPS_PROXY") or ""
    if not url:
        return ""
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        valid = False
    return url if valid else None


def is_beside_proxy(environ: Mapping[str, str], host: str, port: int | None) -> bool:
    """Whether `host`, or `host:port`, is reached without a proxy: by NO_PROXY, or as it is this machine."""
    return is_loopback(host) or host == "localhost" or _is_exempt(without_proxy(environ), host, port)


def without_proxy(environ: Mapping[str, str]) -> str:
    """What NO_PROXY says; "": nothing."""
    return environ.get("no_proxy") or environ.get("NO_PROXY") or ""


def _is_exempt(no_proxy: str, host: str, port: int | None) -> bool:
    """Whether `no_proxy` exempts a host, as requests reads it: `*`, or a list of names (of the host or of a domain it
    is in, each with a port or without), addresses and IPv4 networks.

    requests' own function sets a variable of the process while it reads, which other threads would see.
    """
    if no_proxy == "*":
        return True
    own = {host, f"{host}:{port}"} if port and not _is_ipv4(host) else {host}
    names = filter(None, no_proxy.lower().replace(" ", "").split(","))
    return any(_is_under(own, name.lstrip(".")) or _is_in_network(host, name) for name in names)


def _is_under(own: Collection[str], name: str) -> bool:
    return any(place == name or place.endswith(f".{name}") for place in own)


def _is_in_network(host: str, network: str) -> bool:
    address, _, bits = network.partition("/")
    if not _is_ipv4(host) or not _is_ipv4(address) or bits not in _PREFIXES:
        return False
    return ipaddress.IPv4Address(host) in ipaddress.IPv4Network((address, int(bits)), strict=False)


def _is_ipv4(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).version == 4


def authorities(environ: Mapping[str, str], *first: str) -> bool | str:
    """The file of authorities to verify with, or a directory that `openssl rehash` made; True for those of requests.
    `first`: variables that come before the usual ones. Raises UsageProblem if it is neither, or holds none."""
    for name in (*first, "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        path = environ.get(name)
        if path:
            _check_authorities(name, path)
            return path
    return True


def trusting(why: str, otherwise: str = TRUSTING) -> str:
    """What to do about a server that is not trusted, for the reason `why`; `otherwise`: where its authority is not
    known."""
    return next((do for parts, do in _NOT_BY_AUTHORITIES if any(part in why for part in parts)), otherwise)


def hashed(directory: Path) -> list[Path]:
    """The certificates of a directory that OpenSSL finds there. Raises OSError."""
    return sorted(entry for entry in directory.iterdir() if _HASHED.fullmatch(entry.name))


def _check_authorities(name: str, path: str) -> None:
    import ssl

    try:
        if Path(path).is_dir():
            if not hashed(Path(path)):
                hint = "run `openssl rehash DIR`, or name a single file"
                raise UsageProblem(f"{name} names '{shown(path)}', a directory without hashed certificates", hint=hint)
        elif Path(path).is_file():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        else:
            raise UsageProblem(f"{name} names '{shown(path)}', which is neither a file nor a directory")
    except (OSError, ValueError) as error:  # a TLS error is an OSError
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or "not a path"
        raise UsageProblem(f"{name} names '{shown(path)}', which cannot be read as certificates: {why}") from None
