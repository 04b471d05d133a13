"""What libyaml says about a syntax error, in words that help. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from flowplan.config.yaml.events import ODD_NAME, NotRead
from flowplan.config.yaml.text import Text
from flowplan.diagnostics import Position
from flowplan.printable import shown

TAB_HINT = "use spaces: YAML counts them, and a tab has no fixed width"
_QUOTE = "if the value holds ': ' or begins with a special character, put it in quotes"
_INDENT = "look at the indentation of this line and of the one before it"
_NO_VALUE = "did not find expected node content"

# The parser's text -> (summary, hint, whether the place is where the thing began).
_SYNTAX: Mapping[str, tuple[str, str | None, bool]] = {
    "mapping values are not allowed in this context": (
        "a ':' is not expected here",
        f"{_QUOTE}; else {_INDENT}",
        False,
    ),
    "could not find expected ':'": ("this line is neither a key nor a value", "write `key: value`", True),
    "did not find expected key": ("a key is expected here", _INDENT, False),
    "did not find expected '-' indicator": ("a '-' is expected here", "a list and keys cannot share a column", False),
    "block sequence entries are not allowed in this context": ("a '-' is not expected here", _INDENT, False),
    "mapping keys are not allowed in this context": ("a '?' is not expected here", _INDENT, False),
    "did not find expected ',' or ']'": ("a ',' or ']' is expected here", None, False),
    "did not find expected ',' or '}'": ("a ',' or '}' is expected here", None, False),
    _NO_VALUE: ("a value is expected here", None, False),
    "did not find expected <document start>": (
        "nothing is expected here",
        f"{_INDENT}; documents begin with ---",
        False,
    ),
    "found unexpected ':'": (
        "a ':' inside a value",
        "after a key it needs a space, and a value with a ':' needs quotes",
        False,
    ),
    "found unexpected end of stream": ("the quote that opens here is never closed", None, True),
    "found unexpected document indicator": ("the quote that opens here is never closed", None, True),
    "found unknown escape character": ("double-quoted text has no such escape", "use single quotes", False),
    "did not find expected hexdecimal number": ("this escape needs hexadecimal digits", "use single quotes", False),
    "found invalid Unicode character escape code": ("this escape is not a character", "use single quotes", False),
    "found undefined tag handle": ("tags are not read", "delete it, or put the value in quotes", True),
    "found incompatible YAML document": ("flowplan reads YAML 1.2", "delete the %YAML line", False),
    "did not find expected alphabetic or numeric character": (
        "this is not the name of an anchor",
        "text that begins with & or * needs quotes",
        False,
    ),
    ODD_NAME: (
        "a space is missing here, or the name of the anchor goes on",
        "write `*name : value`, or use letters, digits, - and _ in names",
        False,
    ),
    "more indented follow up line than first in a block scalar": (
        "this block begins with a line of only spaces",
        "delete the spaces at the end of its first lines",
        False,
    ),
    "did not find expected comment or line break": ("the text of a | or > block starts on the next line", None, False),
}


def syntax_problem(text: Text, error: NotRead) -> int:
    """Report `error`; the index where the parser stopped."""
    stopped, began = error.stopped, error.began
    known = error.problem
    summary, hint, at_start = _SYNTAX.get(known, (f"this is not YAML: {shown(error.problem)}", None, False))
    also: tuple[tuple[str, Position], ...] = ()
    place = text.inside(stopped)
    if known == "found character that cannot start any token" or "tab character" in known:
        summary, hint = _odd_start(text.content[stopped.index : stopped.index + 1])
    elif known == _NO_VALUE and not text.content[stopped.index :].strip():
        summary = "the file ends where a value is expected"
    elif began and error.context in _BRACKETS and not text.content[stopped.index :].strip():
        summary, place = f"the '{_BRACKETS[error.context]}' that opens here is never closed", text.inside(began)
    elif began and at_start:
        place = text.inside(began)
    elif began and text.inside(began) != place:
        also = ((_CONTEXTS.get(error.context, "it begins here"), text.inside(began)),)
    text.problem(place, summary, hint, code="syntax", also=also)
    return stopped.index


_BRACKETS = {"while parsing a flow sequence": "[", "while parsing a flow mapping": "{"}
_CONTEXTS: Mapping[str, str] = {
    "while parsing a flow sequence": "the '[' opens here",
    "while parsing a flow mapping": "the '{' opens here",
    "while parsing a block mapping": "its mapping begins here",
    "while parsing a block collection": "its list begins here",
}


def _odd_start(char: str) -> tuple[str, str]:
    if char == "\t":
        return "there is a tab where spaces are expected", TAB_HINT
    return f"'{shown(char)}' cannot begin a value", "put the value in quotes"
