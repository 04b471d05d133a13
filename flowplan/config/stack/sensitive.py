"""Where a sensitive value stays hidden. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from flowplan import masking

_MARK = "\ue000"  # stands for a sensitive value; nobody types it


def stays_hidden(pieces: Sequence[tuple[str, bool]]) -> bool:
    """Whether `run_options` made of `pieces`, each with whether it is sensitive, show and keep none of the sensitive
    ones: each is the value of an environment variable, and does not end the word that it stands in."""
    marked = "".join(_MARK if sensitive else text for text, sensitive in pieces)
    try:
        words, with_marks = shlex.split("".join(text for text, _ in pieces)), shlex.split(marked)
    except ValueError:
        return True  # that is a problem of its own, and nothing comes of it
    values = iter([text for text, sensitive in pieces if sensitive])
    expected = [re.sub(_MARK, lambda _: next(values), word) for word in with_marks]
    return words == expected and _MARK not in masking.options(marked)[0]
