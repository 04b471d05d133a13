"""Colour, or none. No meaning is carried by colour alone."""

from __future__ import annotations

from attrs import frozen

_CODES = {"green": "32", "yellow": "33", "red": "31", "cyan": "36", "bold": "1", "dim": "2"}
SYMBOL_STYLES = {"+": "green", "~": "yellow", "-": "red", "-/+": "red", "<=": "cyan", ".": "cyan", "<": "cyan"}


@frozen
class Paint:
    """`paint("text", "red")` gives ANSI codes when `on`, the text itself when not."""

    on: bool = False

    def __call__(self, text: str, *styles: str) -> str:
        if not self.on or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def symbol(self, symbol: str) -> str:
        return self(symbol, SYMBOL_STYLES[symbol]) if symbol in SYMBOL_STYLES else symbol
