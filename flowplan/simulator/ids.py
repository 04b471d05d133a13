"""Ids as FCP's look: a prefix and 16 letters or digits. Drawn from the seed, so that equal calls give equal ids."""

from __future__ import annotations

import hashlib
import sqlite3

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def fid(seed: int, prefix: str, number: int | str) -> str:
    """The id of the `number`-th object: `bid_5ECSoHQjLBzrp5YM`."""
    digest = hashlib.blake2b(f"{seed}:{prefix}:{number}".encode(), digest_size=12).digest()
    left = int.from_bytes(digest, "big")
    letters = []
    for _ in range(16):
        left, letter = divmod(left, 62)
        letters.append(_LETTERS[letter])
    return f"{prefix}_{''.join(letters)}"


def next_number(db: sqlite3.Connection) -> int:
    """The next number for something made through the API."""
    row: tuple[int] = db.execute("UPDATE clock SET numbered = numbered + 1 RETURNING numbered").fetchone()
    return row[0]


def next_age(db: sqlite3.Connection) -> int:
    """The next number for an order of a book: the smaller, the older. Rivals draw from it too."""
    row: tuple[int] = db.execute("UPDATE clock SET aged = aged + 1 RETURNING aged").fetchone()
    return row[0]
