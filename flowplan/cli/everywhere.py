"""The options that every command takes, before its name or behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from flowplan.cli.completing import directories, files
from flowplan.cli.kinds import Duration


class Anywhere(click.Option):
    """A global option: it may stand before the command or after it."""

    def __init__(self, *names: str, **how: Any) -> None:
        super().__init__(list(names), expose_value=False, callback=remember, **how)


def remember(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    """The callback of an option whose value stands with those of the global ones."""
    given: dict[str, Any] = ctx.find_root().ensure_object(dict)
    if option.name and isinstance(value, tuple):  # may be given several times, before the command and after it
        given[option.name] = (*given.get(option.name, ()), *value)
    elif option.name and value not in (None, False):
        given[option.name] = value


_WHICH_STATE = ("chdir", "state", "endpoint")
_DATABASES = ("postgres", "postgresql")
_SECRETS = ("password", "secret", "token", "scram_")  # what parameters of a database are called that are secret


def which_state(given: Mapping[str, Any]) -> str:
    """The options that say which state, as they are `given`, for a command line; "" where there are none, or one may
    hold a password."""
    words = [(f"--{name}", str(given[name])) for name in _WHICH_STATE if given.get(name)]
    if not words or any(_may_be_secret(word) for _, word in words):
        return ""
    import shlex

    return " ".join(f"{option} {shlex.quote(word)}" for option, word in words)


def _may_be_secret(word: str) -> bool:
    """Whether a URL has a password or a token in it, as far as that can be known; a user alone is none."""
    if "://" not in word:
        return False
    start, _, query = word.partition("?")
    scheme, _, place = start.partition("://")
    names = [one.partition("=")[0].lower() for one in query.split("&")]
    is_secret = any(part in name for name in names for part in _SECRETS)
    says_more = scheme.lower() not in _DATABASES and ("?" in word or "#" in word)  # where nothing of it belongs
    return ":" in place.rpartition("@")[0] or is_secret or says_more


def which_files(given: Mapping[str, Any]) -> str:
    """The PATHs among what is `given`, for a command line; "" where there are none, or one is no task file and no
    directory: a saved plan, say."""
    paths = given.get("paths")
    if not isinstance(paths, tuple) or not paths:
        return ""
    import shlex
    from pathlib import Path

    from flowplan.files.private import is_missing

    words = shlex.join(map(str, paths))
    if not words.isprintable():
        return ""
    places = Path(), Path(given.get("chdir") or "")  # this process may have gone there by now
    read = (
        one.endswith((".yaml", ".yml")) or not all(is_missing(at / one) for at in places) for one in map(str, paths)
    )
    return words if all(read) else ""


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """The options every command takes; shown once, in `flowplan --help`."""
    return [
        Anywhere("--chdir", metavar="DIR", shell_complete=directories, hidden=hidden, help="Work in DIR."),
        Anywhere(
            "--state",
            metavar="FILE|URL",
            shell_complete=files,
            hidden=hidden,
            help="The state (FLOWPLAN_STATE, state: of the stack, flowplan.state.json).",
        ),
        Anywhere(
            "--allow-plaintext",
            is_flag=True,
            hidden=hidden,
            help="Where a key is given, go on from a state that is not encrypted.",
        ),
        Anywhere(
            "--endpoint",
            metavar="URL",
            hidden=hidden,
            help="The server of an s3:// or az:// state, if not the usual one.",
        ),
        Anywhere("--api-url", metavar="URL", hidden=hidden, help="The API's URL; sim: is the embedded simulator."),
        Anywhere("--project", metavar="NAME", hidden=hidden, help="The project, by name or id."),
        Anywhere("--ssh-key", metavar="NAME", hidden=hidden, help="The SSH key for tasks that name none."),
        Anywhere(
            "--var", multiple=True, metavar="NAME=VALUE", hidden=hidden, help="The value of a variable of the stack."
        ),
        Anywhere(
            "--var-file",
            multiple=True,
            metavar="FILE",
            shell_complete=files,
            hidden=hidden,
            help="Values of variables, as YAML; the last wins.",
        ),
        Anywhere(
            "--lock-timeout",
            type=Duration(),
            metavar="TIME",
            hidden=hidden,
            help="How long to wait for the lock (0s; in CI, 5m).",
        ),
        Anywhere(
            "--no-lock",
            is_flag=True,
            hidden=hidden,
            help="Accepted by commands that change nothing, which take no lock anyway.",
        ),
        Anywhere("--no-color", is_flag=True, hidden=hidden, help="Do not use colour."),
        Anywhere(
            "-v",
            "--verbose",
            is_flag=True,
            hidden=hidden,
            help="Log the API calls to stderr; show changes that are alike one by one.",
        ),
    ]
