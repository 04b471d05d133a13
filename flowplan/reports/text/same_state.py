"""What a message says to type works on the state that the command was given, and rebuilds a lost one from its files."""

from __future__ import annotations

from flowplan.patterns import regex

_COMMAND = regex(
    r"\bflowplan (?:recover|plan|apply|destroy|watch|status|cost|show|output|import|orphans|graph|validate|doctor"
    r"|force-unlock|lock show|state (?:history|restore|list|show|mv|rm|pull|push|rekey))\b"
    r"(?![^`\n]*` (?:was run )?there\b)"  # that is for another state
)

_OF_FILES = regex(r"\bflowplan recover --from-live\b|(?<=`)flowplan (?:plan|validate)(?=`)")


def from_same_files(text: str, paths: str) -> str:
    """`text`, whose commands that read the files have these `paths`, where they name none: without them, there may be
    nothing to read; and who rebuilds a lost state has from them what the stack is called, and which volumes are its
    own. One that has them stays."""
    given = f" {paths}"
    return _OF_FILES.sub(lambda found: found[0] + ("" if text.startswith(given, found.end()) else given), text)


def on_same_state(text: str, options: str) -> str:
    """`text`, whose commands have these `options`; one that says of which state it speaks, or has them, stays."""
    if not options or "--state" in text or options in text:
        return text
    return _COMMAND.sub(lambda found: f"{found[0]} {options}", text)
