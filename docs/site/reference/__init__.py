"""The reference pages of the site, made from the code: what a command, a key, a code or a document gains is there."""

from __future__ import annotations

from reference import codes, commands, documents, fields


def pages() -> dict[str, str]:
    """Every generated page: its path below docs/ -> its Markdown, or the text of a JSON Schema."""
    return {**commands.pages(), **fields.pages(), **codes.pages(), **documents.pages()}
