"""Where the API's credentials come from: the environment, or a private file it names. Never a flag, never YAML.

The first of these that is set, and not empty, decides:

    FLOWPLAN_API_KEY
    FLOWPLAN_API_KEY_FILE               a file of the user's own that nobody else may read
    FOUNDRY_API_KEY
    MITHRIL_API_KEY
    FOUNDRY_EMAIL and FOUNDRY_PASSWORD  POST /login, once, gives a bearer token
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Mapping
from copy import copy
from pathlib import Path

from flowplan.classes import frozen
from flowplan.cloud.http.meaning import LOGIN_PATH
from flowplan.cloud.http.redaction import CREDENTIALS_HINT, OF_FILES
from flowplan.cloud.http.transport import Caller, Transport
from flowplan.errors import CloudError, Unauthorized
from flowplan.files.regular import opened
from flowplan.printable import shown
from flowplan.secret import Secret

KEY_FILE = "FLOWPLAN_API_KEY_FILE"
SOURCES = ("FLOWPLAN_API_KEY", KEY_FILE, "FOUNDRY_API_KEY", "MITHRIL_API_KEY")
LOGIN = "FOUNDRY_EMAIL and FOUNDRY_PASSWORD"
_OURS = ("FLOWPLAN_VAR_", "FLOWPLAN_TO_")  # values of variables, and what counts where a state moves to
KEY_LENGTH = 4096  # characters: far above any key, far below a file named by mistake
_OWN = "put the key into a file of your own that only you can read, and name that"


@frozen
class Credentials:
    """What was found: an API key, or a password with the `email` it belongs to. `source` is safe to show."""

    source: str
    secret: Secret
    email: str | None = None


def without_credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for somebody else's program: without flowplan's credentials, also those for a place that a state moves
    to, and without the values of variables."""
    files = ("FLOWPLAN_AGE_KEY_FILE", "FLOWPLAN_OLD_AGE_KEY_FILE")
    own = {*SOURCES, "FOUNDRY_EMAIL", "FOUNDRY_PASSWORD", *files, "FLOWPLAN_HTTP_PASSWORD", *OF_FILES}
    return {name: value for name, value in environ.items() if name not in own and not name.startswith(_OURS)}


def find(environ: Mapping[str, str]) -> Credentials:
    """The credentials `environ` offers. Raises Unauthorized: none, half a login, a malformed key, an open file."""
    for name in SOURCES:
        value = environ.get(name)
        if value:
            key = _from_file(value) if name == KEY_FILE else value
            return Credentials(name, _checked(key, name))
    email, password = environ.get("FOUNDRY_EMAIL"), environ.get("FOUNDRY_PASSWORD")
    if email and password:
        return Credentials(LOGIN, Secret(password), email)
    if email or password:
        missing = "FOUNDRY_PASSWORD" if email else "FOUNDRY_EMAIL"
        raise Unauthorized(f"the login is incomplete: {missing} is not set", hint=CREDENTIALS_HINT)
    raise Unauthorized(
        "no credentials for the API", hint=f"{CREDENTIALS_HINT}; or try --api-url sim:, which needs none"
    )


def token(
    credentials: Credentials, base_url: str, *, environ: Mapping[str, str], caller: Caller | None = None
) -> Secret | Login:
    """What gives a Transport its bearer token: an API key as it is, or a login."""
    return credentials.secret if credentials.email is None else Login(credentials, base_url, environ, caller)


class Login:
    """A password, exchanged for a token on the first call, and again when that has expired; once for all threads. A
    login that fails is one for all threads that waited for it: the same wrong password sent by each of them could lock
    the account. The next call tries again.

    Both methods raise Unauthorized if the login is refused, CloudError if it fails.
    """

    def __init__(
        self, credentials: Credentials, base_url: str, environ: Mapping[str, str], caller: Caller | None
    ) -> None:
        self._given = credentials, base_url, environ, caller
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._failures = 0
        self._failure: CloudError | None = None

    def __call__(self) -> Secret:
        known = self._failures
        with self._lock:
            return self._token or self._log_in(known)

    def renew(self, refused: str) -> None:
        """Get another token instead of `refused`, unless another thread has done so already."""
        known = self._failures
        with self._lock:
            if self._token is None or self._token.reveal() == refused:
                self._log_in(known)

    def _log_in(self, known: int) -> Secret:
        """The token of a new login. `known`: the failures by the time that this thread began to wait for its turn."""
        if self._failure is not None and self._failures > known:
            raise copy(self._failure)  # each thread its own: one that several raise grows
        try:
            self._token = _login(*self._given)
        except CloudError as error:
            self._failures, self._failure = self._failures + 1, error
            raise
        return self._token


def _login(credentials: Credentials, base_url: str, environ: Mapping[str, str], caller: Caller | None) -> Secret:
    transport = Transport(base_url, None, environ=environ, secrets=[credentials.secret], caller=caller)
    body = {"email": credentials.email, "password": credentials.secret.reveal()}
    try:
        data = transport.call("POST", LOGIN_PATH, body=body).data
    except CloudError as error:
        raise _login_failed(error) from None
    # The endpoint is older than the API's description: Foundry's first client read `access_token`.
    given = (data.get("access_token") or data.get("token")) if isinstance(data, dict) else None
    if not isinstance(given, str):
        raise CloudError("POST /login: invalid response: access_token is missing or not text")
    return _checked(given, "the token from POST /login")


def _login_failed(error: CloudError) -> CloudError:
    """Never Ambiguous: a login creates nothing, so nobody needs to look what became of it."""
    refused = error.status in (400, 401, 403, 404, 409, 422)
    kind = Unauthorized if refused else CloudError
    hint = f"check {LOGIN}, or set an API key instead" if refused else error.hint
    return kind(
        f"login failed: {error}", status=error.status, request_id=error.request_id, hint=hint, detail=error.detail
    )


def _checked(key: str, source: str) -> Secret:
    """`key` if a header can carry it. What is wrong is said without showing the key."""
    if len(key) > KEY_LENGTH:
        raise _malformed(source, f"is longer than {KEY_LENGTH} characters")
    if any(character.isspace() for character in key):
        raise _malformed(source, "holds a space or a line break")
    if not key.isascii() or not key.isprintable():
        raise _malformed(source, "holds a character that is not printable ASCII")
    if key[0] in "\"'" or key[-1] in "\"'":
        raise _malformed(source, "begins or ends with a quotation mark")
    return Secret(key)


def _malformed(source: str, says: str) -> Unauthorized:
    return Unauthorized(f"{source} {says}", hint="copy the key again, alone and without quotation marks")


def _from_file(name: str) -> str:
    """The key in a regular file that the user owns and nobody else may read; a line break at its end is left out."""
    try:
        path = Path(name).expanduser()
        link = path.lstat()
        with opened(path) as file:
            _check_private(name, link, os.fstat(file.fileno()))
            data = file.read(KEY_LENGTH + 3)
    except (OSError, ValueError, RuntimeError) as error:
        raise _bad_file(name, f"cannot be read: {getattr(error, 'strerror', None) or 'not a path'}") from None
    try:
        key = data.decode()
    except UnicodeDecodeError:
        raise _malformed(KEY_FILE, "is not text") from None
    key = key.removesuffix("\n").removesuffix("\r")
    if not key:
        raise _bad_file(name, "is empty", hint="write the API key into it, and nothing else")
    return key


def _check_private(name: str, link: os.stat_result, target: os.stat_result) -> None:
    """Looks at the opened file, not at its name: a name can be changed between two looks."""
    me = os.geteuid()
    if target.st_uid != me:
        raise _bad_file(name, "belongs to another user", hint=_OWN)
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in (me, 0):
        raise _bad_file(name, "is a symbolic link of another user", hint=_OWN)
    if target.st_mode & 0o077:
        mode = stat.S_IMODE(target.st_mode)
        raise _bad_file(name, f"may be read by others (mode {mode:04o})", hint=f"chmod 600 {shown(name, 4096)}")


def _bad_file(name: str, says: str, hint: str | None = None) -> Unauthorized:
    return Unauthorized(f"the file '{shown(name, 4096)}' that {KEY_FILE} names {says}", hint=hint or CREDENTIALS_HINT)
