"""Where a state is on an HTTP server that keeps Terraform states, by its URL and the environment.

The variables of Terraform's own `http` backend count, as far as they are about this URL: one that names another state
would take another lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import evolve, field

from flowplan.backends.sent import Sent
from flowplan.classes import frozen
from flowplan.cloud.http.endpoint import PATH, is_here, is_host, is_loopback
from flowplan.errors import UsageProblem
from flowplan.masking import without_userinfo
from flowplan.patterns import regex
from flowplan.printable import shown
from flowplan.secret import Secret

USERNAME, PASSWORD = "FLOWPLAN_HTTP_USERNAME", "FLOWPLAN_HTTP_PASSWORD"
EXAMPLE = "https://gitlab.example.com/api/v4/projects/42/terraform/state/train"
_NUMBERED = regex(r"/terraform/state/[^/]+\Z")  # GitLab, Gitea
_GITLAB = regex(r"/api/v4/projects/[^/]+/terraform/state/[^/]+\Z")
_METHOD = regex(r"[A-Z]{1,20}")


@frozen
class HttpAddress:
    """Three URLs without anything secret, and the method that each takes. `numbered`: by its path it is a server that
    keeps each serial once, so that a late write with a serial that is taken fails there."""

    state: str
    lock: str
    unlock: str
    update_method: str = "POST"
    lock_method: str = "LOCK"
    unlock_method: str = "UNLOCK"
    username: str = ""
    password: Secret = field(default=Secret(""))
    numbered: bool = False

    def for_watching(self) -> HttpAddress | None:
        """The address of the state whose lock a watcher of this one has; None: it is not known that this server takes
        a name beside the one that was given. The name has no dot: GitLab before 16 drops what comes after one."""
        if not self.numbered:
            return None
        state = f"{self.state}-flowplan-watch"
        return evolve(self, state=state, lock=f"{state}/lock", unlock=f"{state}/lock")

    @property
    def sends(self) -> Sent | None:
        """The user name and the password, with each request; None: there are none."""
        login = f"{self.username}:{self.password.reveal()}"
        server = "{}://{}".format(*_origin(self.state))
        return None if login == ":" else Sent(frozenset({server}), Secret(login), (USERNAME, PASSWORD))

    @property
    def gitlab(self) -> bool:
        """Whether by its path it is a GitLab: all that it says itself of an error is JSON, and what says it in other
        words is a proxy or a gateway."""
        return _GITLAB.search(urlsplit(self.state).path) is not None

    @classmethod
    def of(cls, given: str, environ: Mapping[str, str]) -> HttpAddress:
        """The address that `given`, a URL, and `environ` say. Raises UsageProblem with what to type."""
        state = _checked(given, "--state")
        terraform = _about(state, environ)
        numbered = _NUMBERED.search(urlsplit(state).path) is not None
        own = f"{state}/lock" if numbered else state
        username, password = _login(environ, terraform)
        return cls(
            state,
            lock=_lock_address(terraform, "TF_HTTP_LOCK_ADDRESS", own, state, numbered=numbered),
            unlock=_lock_address(terraform, "TF_HTTP_UNLOCK_ADDRESS", own, state, numbered=numbered),
            update_method=_method(terraform, "TF_HTTP_UPDATE_METHOD", "POST"),
            lock_method=_method(terraform, "TF_HTTP_LOCK_METHOD", "POST" if numbered else "LOCK"),
            unlock_method=_method(terraform, "TF_HTTP_UNLOCK_METHOD", "DELETE" if numbered else "UNLOCK"),
            username=username,
            password=password,
            numbered=numbered,
        )


def _checked(given: str, what: str) -> str:
    """`given` in its one form. Raises UsageProblem; a URL that may hold a password is not shown."""
    where = f"{what} {shown(without_userinfo(given))}"
    hidden = f"{what} {given.partition('://')[0].lower()}://…"
    if "@" in given:
        raise UsageProblem(
            f"{hidden}: the URL of a state must not hold a user name or a password",
            hint=f"take them out, and set {USERNAME} and {PASSWORD}",
        )
    if "?" in given or "#" in given:
        raise UsageProblem(f"{hidden}: the URL of a state must end with its path: no ? and no #", hint=_like())
    try:
        parts = urlsplit(given)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageProblem(f"{where}: that is not a URL", hint=_like()) from None
    if not is_host(host):
        raise UsageProblem(f"{where}: the URL has no valid host", hint=_like())
    if parts.scheme.lower() == "http" and not (is_loopback(host) or (host == "localhost" and is_here(host))):
        raise UsageProblem(
            f"{where}: plain http is allowed only for this machine (127.0.0.1, ::1, localhost)", hint="write https://"
        )
    path = parts.path
    if not PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        why = "names no state" if path.strip("/") == "" else "has an invalid path"
        remedy = f"write {path.rstrip('/')!r} as its path" if path.endswith("/") and path.strip("/") else _like()
        raise UsageProblem(f"{where}: the URL {why}", hint=remedy)
    place = f"[{host}]" if ":" in host else host.rstrip(".")
    default = {"https": 443, "http": 80}[parts.scheme.lower()]
    return f"{parts.scheme.lower()}://{place}{f':{port}' if port not in (None, default) else ''}{path}"


def _like() -> str:
    return f"for example {EXAMPLE}"


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _about(state: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of Terraform's that count for `state`: of one on another server none, of another state on this
    server all but its addresses."""
    found = {name: value for name, value in environ.items() if name.startswith("TF_HTTP_") and value}
    address = found.get("TF_HTTP_ADDRESS", state)
    try:
        same = _origin(_checked(address, "TF_HTTP_ADDRESS")) == _origin(state)
    except UsageProblem:
        same = False
    if not same:
        return {}
    if address != state:
        for name in ("TF_HTTP_LOCK_ADDRESS", "TF_HTTP_UNLOCK_ADDRESS"):
            found.pop(name, None)
    return found


def _lock_address(terraform: Mapping[str, str], name: str, own: str, state: str, *, numbered: bool) -> str:
    """What `name` says, else `own`. Raises UsageProblem for the lock of another state, or one on another server."""
    given = terraform.get(name)
    if given is None:
        return own
    found = _checked(given, name)
    if (found != own) if numbered else (_origin(found) != _origin(state)):
        raise UsageProblem(
            f"{name} is {shown(found)}, which is not the lock of {state}",
            hint=f"unset {name}, or set TF_HTTP_ADDRESS to what it belongs to",
        )
    return found


def _method(terraform: Mapping[str, str], name: str, default: str) -> str:
    found = terraform.get(name, default).upper()
    if not _METHOD.fullmatch(found):
        raise UsageProblem(f"{name} is '{shown(found)}', which is no HTTP method", hint=f"for example {default}")
    return found


def _login(environ: Mapping[str, str], terraform: Mapping[str, str]) -> tuple[str, Secret]:
    """User name and password, both "" without any. Raises UsageProblem for one that no header can hold."""
    pairs = ((environ, USERNAME, PASSWORD), (terraform, "TF_HTTP_USERNAME", "TF_HTTP_PASSWORD"))
    for values, user, word in pairs:
        username, password = values.get(user, ""), values.get(word, "")
        if username or password:
            if ":" in username or not (username.isprintable() and password.isprintable()):
                raise UsageProblem(f"{user} or {word} has a character that no user name or password can have")
            return username, Secret(password)
    return "", Secret("")
