"""Every code of a problem, refusal, warning or note: what it means and what to do."""

from __future__ import annotations

from flowplan.diagnostics import CODES
from flowplan.documents.remedies import REMEDIES
from reference.markup import code, plain

PAGE = "reference/codes.md"
_SAYS = """# Codes of messages

What flowplan says of a configuration or a plan has a code. `--format json` has it in `diagnostics`, as `code`, and
where JSON has a word of its own for it, that word as `detail`. `flowplan explain CODE` says the same as this page.
"""


def pages() -> dict[str, str]:
    return {PAGE: "\n".join((_SAYS, *(_section(one) for one in sorted(CODES))))}


def _section(name: str) -> str:
    word = CODES[name].word
    known = f" In JSON also {code(word)}." if word and word != name else ""
    return f"## {name}\n\n{plain(CODES[name].sentence)}{known}\n\n**What to do:** {plain(REMEDIES[name])}\n"
