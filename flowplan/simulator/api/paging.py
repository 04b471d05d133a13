"""Cursor paging: pages by position, so that nothing is listed twice or left out while rows come and go."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from flowplan.simulator.api.messages import Call, Refusal
from flowplan.simulator.api.validation import Field, choice, integer, nullable, text

DEFAULT_LIMIT = 100  # rows of a page when the request names no limit; also the largest


def paging_fields(*sort_by: str) -> dict[str, Field]:
    """The paging parameters of a listing that can be sorted by these columns."""
    return {
        "limit": Field(nullable(integer(least=1, most=DEFAULT_LIMIT)), None),
        "next_cursor": Field(text(), ""),
        "sort_by": Field(choice(*sort_by), "created_at"),
        "sort_dir": Field(choice("asc", "desc"), "desc"),
    }


def read_page(
    call: Call, select: str, where: dict[str, Any], query: dict[str, Any], columns: dict[str, str]
) -> tuple[list[Any], str | None]:
    """One page of `SELECT ..., KEY, seq FROM ...`, and the cursor of the next (None: the last page).

    `where` maps SQL conditions with one `?` to their values; `columns` the names one can sort by to their columns
    (`seq` for age, the default). `select` must contain `{key}` where the sort key goes, before a last column `seq`.
    A cursor is good for the list that gave it, in the same order. Raises Refusal (400) for any other.
    """
    order_of_list = [call.request.path, query["sort_by"], query["sort_dir"]]
    column = columns.get(query["sort_by"], "seq")
    limit = query["limit"] or DEFAULT_LIMIT
    ascending = query["sort_dir"] == "asc"
    conditions, values = list(where), list(where.values())
    if query["next_cursor"]:
        sign = ">" if ascending else "<"
        key, seq = _read_cursor(query["next_cursor"], order_of_list)
        conditions.append(f"({column}, seq) {sign} (?, ?)" if column != "seq" else f"seq {sign} ?")
        values += [key, seq] if column != "seq" else [seq]
    order = "ASC" if ascending else "DESC"
    by = f"{column} {order}, seq {order}" if column != "seq" else f"seq {order}"
    sql = f"{select.format(key=column)} WHERE {' AND '.join(conditions) or '1'} ORDER BY {by} LIMIT ?"
    rows = call.db.execute(sql, (*values, limit + 1)).fetchall()
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], _write_cursor(order_of_list, rows[limit - 1][-2], rows[limit - 1][-1])


def _write_cursor(order_of_list: list[str], key: Any, seq: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([order_of_list, key, seq]).encode()).decode().rstrip("=")


def _read_cursor(text: str, order_of_list: list[str]) -> tuple[Any, int]:
    try:
        given_by, key, seq = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise Refusal(400, "Invalid cursor") from None
    if given_by != order_of_list or not isinstance(seq, int) or not isinstance(key, str | int) or abs(seq) > 1 << 60:
        raise Refusal(400, "Invalid cursor")
    if isinstance(key, int) and abs(key) > 1 << 60:
        raise Refusal(400, "Invalid cursor")
    return key, seq
