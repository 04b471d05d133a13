"""What looks like a credential in a text, and the text without it. Pure.

Two ways to leave one out: `MASK`, where a text is shown once; and `MASKED`, a word that a shell takes as it is, in
`run_options` that plans show and the state keeps. Neither tells anything of the value: of a digest a short one could be
guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from flowplan.patterns import regex

MASK, MASKED = "********", "masked"
_SHORT = 5  # characters
_OPAQUE_LENGTH, _WORD_LENGTH = 40, 200  # a word of letters, cases and digits mixed; a word of any kind

_NAME = (
    r"api[_-]?key|token|passw(?:or)?d|passphrase|secret|credential|private[_-]?key|access[_-]?key"
    r"|auth(?:orization)?(?![a-z])"
)
_SECRET_NAME = regex(_NAME, re.IGNORECASE)
# What a key says that declares something: no value of a secret, and the only thing to see where one is misspelt.
_SAYS = r"[\w-]+\s*:\s+(?:true|false|null|~|string|int|number|bool|list|map)"
_DECLARES, _DECLARATION = regex(rf"\s*{_SAYS}\s*"), rf"\{{\s*{_SAYS}\s*(?:,\s*{_SAYS}\s*)*\}}[\s}}]*\Z"
_ASSIGNED = regex(rf"((?:{_NAME})[\w-]*[\"']?\s*[:=]\s*)(?!{_DECLARATION})\S.*", re.IGNORECASE | re.DOTALL)
# What is behind a secret's name on a line of its own: `password: |`, and the value below it.
_OPENS = regex(rf"(?:{_NAME})[\w-]*[\"']?\s*:\s*(?:[&!]\S*\s*)*(?:[|>][-+0-9]*)?\s*(?:#.*)?$", re.IGNORECASE)
_KNOWN = r"(?:fkey_|hf_|gh[pousr]_|github_pat_|glpat-|[sr]k[-_]|xox[abeprs]-|ya29\.|npm_|dckr_pat_)"
# What each of them holds: looking for a fixed text takes no time.
_STARTS: tuple[str, ...] = (
    "fkey_",
    "hf_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_",
    "rk-",
    "rk_",
)
_STARTS += ("xox", "ya29.", "npm_", "dckr_pat_", "AKIA")
_WORD = r"[^\s\"'`,;<>()\[\]{}|]"
_TOKEN = regex(rf"\b({_KNOWN}){_WORD}{{8,}}|\bfkey_{_WORD}+|\bAKIA[0-9A-Z]{{16}}\b")
# A word that is surely meant as one: `sk-datasets` is a name.
_KEY = regex(rf"\b{_KNOWN}(?={_WORD}*[0-9])(?={_WORD}*[A-Za-z0-9]{{16}}){_WORD}+|\bAKIA[0-9A-Z]{{16}}\b")
# Of a database a user alone is none: who types its URL needs it. A token stands alone before other hosts.
_DATABASE_USER = r"(?:(?<=postgres://)|(?<=postgresql://))[\w.%+-]+@[^\s/@\"']*(?=[\s/\"']|$)"
_USERINFO = regex(rf"(://)(?!{_DATABASE_USER})[^\s/\"']+@")
_USER_AT = regex(r"(?<![^\s\"'=])[\w.+-]+:[^\s/:@\"']+@(?!sha256:)(?=[\w.-]+)")
# As docker takes them: what has no value of its own may stand before the letter of what has one.
_ENV_OPTION, _USER_OPTION = r"-[ditPq]*e|--env|--build-arg", r"-[ditPq]*u|--user"
_ENV_VALUE = regex(rf"((?<![^\s\"'])(?:{_ENV_OPTION})[\s=]*[\"']?[A-Za-z_][\w.-]*=)\S.*", re.DOTALL)
_USER_VALUE = regex(
    rf"((?<![^\s\"'])(?:{_USER_OPTION})[\s=]*[\"']?[A-Za-z_][\w.-]*:)(?!(?:\d+|masked(?::[0-9a-f]{{8}})?)(?![^\s\"'])|\*)[^\s\"']+"
)
_LONG = regex(rf"[A-Za-z0-9+/=_~.%-]{{{_OPAQUE_LENGTH},}}")
_PEM = regex(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*", re.DOTALL)
# A private key is one with its body: 40 characters of base64, not far behind the line that announces it.
_PEM_BODY = regex(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.{0,120}?"
    r"(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])(?=[A-Za-z+/]*[0-9])[A-Za-z0-9+/]{40,}",
    re.DOTALL,
)
# In a script: what common services' secrets look like, or a literal assigned to a name that says so.
_SCRIPT = regex(
    rf"\b{_KNOWN}[A-Za-z0-9_-]{{16,}}|\bAKIA[0-9A-Z]{{16}}\b|://[^\s/@:\"'$]+:[^\s/@\"'$]{{4,}}@"
    r"|(?:API_?KEY|TOKEN|SECRET|PASSWORD)\w*=(?:'[^'$]{12,}|\"[^\"$]{12,}|[^\s'\"$()`]{12,})",
    re.IGNORECASE,
)
_TAG = regex(rf"(?<![\w.-]){MASKED}(?::[0-9a-f]{{8}})?(?![\w.-])")


def looks_secret(name: str) -> bool:
    """Whether something of this name would hold a credential."""
    return _SECRET_NAME.search(name) is not None


def masked(text: str) -> str:
    """`text` without what looks like a credential, each whole, however long it is."""
    text = _ASSIGNED.sub(lambda found: found[1] + MASK, _PEM.sub(MASK, text))
    text = _USER_VALUE.sub(rf"\1{MASK}", _ENV_VALUE.sub(rf"\1{MASK}", text))
    text = _USER_AT.sub(f"{MASK}@", without_userinfo(text))
    text = _TOKEN.sub(lambda found: (found[1] or found[0][:5]) + MASK, text)
    return _LONG.sub(lambda found: MASK if _is_opaque(found[0]) else found[0], text)


def hide(text: str, secrets: Collection[str]) -> str:
    """`text` with MASK in the place of each of `secrets`. A short one is left out where it is a word of its own: any
    text has its letters."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORT:
            text = text.replace(secret, MASK)
        elif secret:
            text = re.sub(rf"(?<![\w.-]){re.escape(secret)}(?![\w.-])", MASK, text)
    return text


def forms_of(value: str) -> list[str]:
    """The ways in which `value` could stand in a text, longest first; none if it is too short to be told apart."""
    import base64  # most runs have no secret
    import json
    from urllib.parse import quote

    if len(value) < 4:
        return []
    raw = value.encode("utf-8", "surrogatepass")
    forms = {value, quote(value, safe="", errors="surrogatepass"), value.replace("%", "%25"), json.dumps(value)[1:-1]}
    for before in range(3):  # base64 of a text in which the value begins at any offset
        packed = base64.b64encode(bytes(before) + raw).decode()
        core = packed[(8 * before + 5) // 6 : 8 * (before + len(raw)) // 6]
        if len(core) >= 8:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    return sorted(forms, key=len, reverse=True)


def holds_token(text: str) -> bool:
    """Whether some word of `text` looks like the key of a common service."""
    return any(_KEY.match(text, at) for start in _STARTS for at in _places(text, start))


def _places(text: str, part: str) -> Iterator[int]:
    """Where `part` begins in `text`, each time."""
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def opens_secret(line: str) -> bool:
    """Whether `line` of YAML ends where the value of a secret begins: it stands on the lines below."""
    return _OPENS.search(line) is not None


def declares(line: str, opening: str) -> bool:
    """Whether `line` of YAML, which stands below what the line `opening` opens, says what sort of a value something
    has and not which: `sensitive: true`. What is below a `|` is text."""
    return _DECLARES.fullmatch(line) is not None and opening.rstrip().endswith(":")


def secret_in(script: str) -> int | None:
    """Where something that looks like a credential begins in a script, or None."""
    found = [one.start() for one in (_SCRIPT.search(script), _PEM_BODY.search(script)) if one is not None]
    return min(found, default=None)


def without_userinfo(url: str) -> str:
    """`url`, or a text with URLs in it, without the user names and passwords that they may hold."""
    return _USERINFO.sub(rf"\1{MASK}@", url)


def options(text: str) -> tuple[str, bool]:
    """The words of a command line for containers, without the values of environment variables, passwords and what looks
    like a credential; and whether one of those seems to be secret. Masking again changes nothing."""
    return _options(text, lambda _: MASKED)


def digested_options(text: str) -> str:
    """The same as states of earlier versions have them: with `masked:` and eight digits of the SHA-256 of each value.
    Only to compare with those."""
    from hashlib import sha256

    def tag(value: str) -> str:
        return value if _TAG.fullmatch(value) else f"{MASKED}:{sha256(value.encode()).hexdigest()[:8]}"

    return _options(text, tag)[0]


Tag: TypeAlias = Callable[[str], str]  # a value -> what stands for it


def _options(text: str, tag: Tag) -> tuple[str, bool]:
    import shlex

    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is not closed
        return masked(text), masked(text) != text
    shown = list(_option_words(words, tag))
    if [word for word, _ in shown] == words:
        return text, False
    return shlex.join(word for word, _ in shown), any(secret for _, secret in shown)


_ENVIRONMENT = regex(r"-[a-zA-Z]*e|--env|--build-arg")
_ATTACHED = regex(r"(--env=|--build-arg=|-[ditPq]*e=?)(.+)", re.DOTALL)
_USER = regex(_USER_OPTION)
_USER_ATTACHED = regex(r"(--user=|-[ditPq]*u=?)(.+)", re.DOTALL)


def _option_words(words: list[str], tag: Tag) -> Iterator[tuple[str, bool]]:
    before = ""
    for word in words:
        attached = _ATTACHED.fullmatch(word)
        if _ENVIRONMENT.fullmatch(before):
            yield _assignment("", word, tag, always=True)
        elif attached:
            yield _assignment(attached[1], attached[2], tag, always=True)
        elif _USER.fullmatch(before):
            yield _user("", word, tag)
        elif user := _USER_ATTACHED.fullmatch(word):
            yield _user(user[1], user[2], tag)
        elif before.startswith("--") and "=" not in before and looks_secret(before) and not word.startswith("-"):
            yield tag(word), True
        else:
            yield _assignment("", word, tag, always=False)
        before = word


def _assignment(option: str, word: str, tag: Tag, *, always: bool) -> tuple[str, bool]:
    """`NAME=VALUE` without the value: if it is one of the environment, else if it seems to be secret."""
    name, equals, value = word.partition("=")
    secret = bool(value) and (looks_secret(name) or masked(value) != value) and not _TAG.fullmatch(value)
    if equals and value and (always or looks_secret(name)):
        return f"{option}{name}={tag(value)}", secret
    plain = masked(word)
    return (option + word, False) if plain == word else (f"{option}{tag(word)}", not _TAG.search(word))


def _user(option: str, word: str, tag: Tag) -> tuple[str, bool]:
    """`NAME:GROUP` may be `NAME:PASSWORD`: a group is a number, or named plainly."""
    name, colon, group = word.partition(":")
    if not colon or group.isdigit():
        return option + word, False
    if _TAG.fullmatch(group):
        return f"{option}{name}:{tag(group)}", False
    return f"{option}{name}:{tag(group)}", re.fullmatch(r"[a-z_][a-z0-9_-]*", group) is None


def _is_opaque(word: str) -> bool:
    mixed = re.search("[a-z]", word) and re.search("[A-Z]", word) and re.search("[0-9]", word)
    return bool(mixed) or len(word) >= _WORD_LENGTH
