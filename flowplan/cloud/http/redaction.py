"""Credentials in messages: the hint that says how to give them, and the forms in which they must never show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, takewhile

from flowplan.masking import forms_of, without_userinfo

CREDENTIALS_HINT = (
    "set FLOWPLAN_API_KEY, FLOWPLAN_API_KEY_FILE, FOUNDRY_API_KEY or MITHRIL_API_KEY, "
    "or FOUNDRY_EMAIL with FOUNDRY_PASSWORD"
)

REFUSED_HINT = (
    "they may have expired or been revoked, or be for another API; `flowplan doctor` says which they are. The first "
    "that is set counts: FLOWPLAN_API_KEY, FLOWPLAN_API_KEY_FILE, FOUNDRY_API_KEY, MITHRIL_API_KEY, or FOUNDRY_EMAIL "
    "with FOUNDRY_PASSWORD"
)

# flowplan's own variables whose values are secret though the API gets none: they sign plans, and encrypt the state.
OF_FILES = ("FLOWPLAN_PLAN_KEY", "FLOWPLAN_AGE_KEY", "FLOWPLAN_PASSPHRASE", "FLOWPLAN_OLD_PASSPHRASE")
# The variables whose values are secret: for the API, for files, for a server that keeps the state.
VARIABLES = (
    *("FLOWPLAN_API_KEY", "FOUNDRY_API_KEY", "MITHRIL_API_KEY", "FOUNDRY_PASSWORD", *OF_FILES),
    *("FLOWPLAN_HTTP_PASSWORD", "FLOWPLAN_TO_HTTP_PASSWORD", "TF_HTTP_PASSWORD"),
)
_SHORTEST = 8  # characters: less than that is a part of prices, ids and words, which must be seen


def forms_in(environ: Mapping[str, str]) -> list[str]:
    """The forms of every credential of the environment, whether it is used or not."""
    values = {environ[name] for name in VARIABLES if len(environ.get(name, "")) >= _SHORTEST}
    return [form for value in sorted(values, key=len, reverse=True) for form in forms_of(value)]


def anywhere(forms: Iterable[str]) -> list[str]:
    """Those of `forms` that are long enough to be kept out of all that is printed, and not only of what was answered:
    a proxy's password `1792` would take the price out of a plan."""
    return [form for form in forms if len(form) >= _SHORTEST]


def without(text: str, forms: Iterable[str]) -> str:
    """`text` with none of `forms` in it; of a long one no beginning and no end either: what is long is cut in its
    middle before it is shown."""
    long: dict[str, list[str]] = {}
    ends: dict[str, list[str]] = {}
    for form in forms:
        text = text.replace(form, _MASK)
        if len(form) > 2 * _HEAD:
            long.setdefault(form[:_HEAD], []).append(form)
            ends.setdefault(form[-_HEAD:], []).append(form)
    for head, begun in long.items():
        while head in text:
            start = text.index(head)
            length = max(_alike(form, text[start : start + len(form)]) for form in begun)
            text = text[:start] + _MASK + text[start + length :]
    for end, finished in ends.items():
        while end in text:
            stop = text.rindex(end) + _HEAD
            length = max(_alike(form[::-1], text[:stop][::-1]) for form in finished)
            text = text[: stop - length] + _MASK + text[stop:]
    return text


class Hidden:
    """What must stay secret, as it becomes known: the last hold on what is shown or handed to other programs."""

    def __init__(self) -> None:
        self._known: list[Callable[[], Iterable[str]]] = []

    def hide(self, forms: Callable[[], Iterable[str]]) -> None:
        """From here on `secretless` leaves `forms` out too, asked for at each text."""
        self._known.append(forms)

    def secretless(self, text: str) -> str:
        """`text` without what is hidden, and without the passwords of URLs."""
        text = without(text, chain.from_iterable(forms() for forms in self._known))
        return without_userinfo(text) if "@" in text else text


_MASK = "********"
_HEAD = 12  # characters, by which a secret of more than twice as many is known


def _alike(one: str, other: str) -> int:
    """How many characters the two begin with in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
