"""The pages of a list, one after the other, up to what no project comes near."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from flowplan.cloud.http.meaning import Answer
from flowplan.errors import CloudError

# One list, all its pages together. No project comes near: what goes beyond is a server that does not end.
PAGES_CAP = 10_000
ROWS_CAP = 200_000
LIST_CAP = 128 * 1024 * 1024  # bytes
LIST_BUDGET = 600.0  # seconds


def read(
    ask: Callable[[str | None], Answer], path: str, *, rows: str, repeated: bool, clock: Callable[[], float]
) -> Iterator[list[dict[str, Any]]]:
    """The pages that `ask` gives for the cursor of each, None for that of the first; see `Transport.pages`."""
    seen: set[str] = set()
    cursors: set[str] = set()
    cursor: str | None = None
    size, count, started = 0, 0, clock()
    for number in itertools.count(1):
        answer = ask(cursor)
        try:
            page, cursor = _page(answer.data, rows)
            if cursor in cursors:
                raise ValueError("a page repeats")
            size, count = size + answer.size, count + len(page)
            _hold_finite(number, count, size, clock() - started, more=cursor is not None)
        except ValueError as problem:
            raise CloudError(f"GET {path}: invalid response: {problem}", request_id=answer.request_id) from None
        yield page if repeated else _unseen(page, seen)
        if cursor is None:
            return
        cursors.add(cursor)


def _page(data: object, rows: str) -> tuple[list[dict[str, Any]], str | None]:
    """The rows and the next cursor. Raises ValueError naming the field that is not as it must be."""
    cursor: object = None
    if isinstance(data, dict):
        cursor = data.get("next_cursor")
        data = data.get(rows)
    else:
        rows = "it"
    if not isinstance(data, list):
        raise ValueError(f"{rows} is not a list")
    for number, row in enumerate(data):
        if not isinstance(row, dict):
            raise ValueError(f"{rows}[{number}] is not an object")
    if isinstance(cursor, bool) or not isinstance(cursor, str | int | None):
        raise ValueError("next_cursor is neither text nor a number")
    return data, None if cursor is None or cursor == "" else str(cursor)


def _hold_finite(pages: int, rows: int, size: int, seconds: float, *, more: bool) -> None:
    """Raises ValueError for a list that has come to more than any project has. `more`: it says that it goes on."""
    if rows > ROWS_CAP:
        raise ValueError(f"the list has more than {ROWS_CAP:,} rows")
    if size > LIST_CAP:
        raise ValueError(f"the list is larger than {LIST_CAP // 1024**2} MB")
    if more and pages >= PAGES_CAP:
        raise ValueError(f"the list has more than {PAGES_CAP:,} pages")
    if more and seconds > LIST_BUDGET:
        raise ValueError(f"the list did not end in {LIST_BUDGET / 60:.0f} minutes")


def _unseen(page: list[dict[str, Any]], seen: set[str]) -> list[dict[str, Any]]:
    """The rows whose `fid` is not in `seen`, which grows by theirs. Rows without one are for the reader to judge."""
    fresh = []
    for row in page:
        fid = row.get("fid")
        if isinstance(fid, str):
            if fid in seen:
                continue
            seen.add(fid)
        fresh.append(row)
    return fresh
