"""What lives of a stack are drawn from; never from what is there, so that a sequence can be played again."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from hypothesis import strategies as st

from tests.faults.model import PLACES, Storage, Task

NAMES = st.sampled_from(["a", "b", "c"])
STORAGES = st.none() | st.builds(
    Storage, size=st.sampled_from([1, 1, 2, None]), shared=st.booleans(), mounted=st.booleans()
)
PRICES = st.sampled_from(["17.92", "21.50", "25.60"])
PORTS = st.sampled_from([(8080,), (8080, 8081), ()])
TASKS = st.builds(
    Task,
    price=PRICES,
    place=st.integers(0, len(PLACES) - 1),
    quantity=st.sampled_from([1, 1, 2]),
    storage=STORAGES,
    paused=st.booleans(),
    ports=PORTS,
)


@frozen
class Edit:
    """What the user changes of the task `name`; `to`: the new value, of `add` a task."""

    what: str
    name: str
    to: Any = None


def _edit(what: str, to: st.SearchStrategy[Any]) -> st.SearchStrategy[Edit]:
    return st.builds(Edit, st.just(what), NAMES, to)


EDIT = st.one_of(
    _edit("add", TASKS),
    _edit("add", TASKS),
    _edit("remove", st.none()),
    _edit("rename", st.none()),
    _edit("price", PRICES),
    _edit("place", st.integers(0, len(PLACES) - 1)),
    _edit("quantity", st.sampled_from([1, 2])),
    _edit("storage", STORAGES),
    _edit("storage", STORAGES),
    _edit("paused", st.booleans()),
    _edit("ports", PORTS),
    _edit("script", st.integers(0, 2)),
)
EDITS = st.lists(EDIT, max_size=3)
OTHERS = st.sampled_from(["$19.00", "$30.00", "cancel", "cancel", "rename a volume", "take a name", "preempt"])
PARALLELISM = st.sampled_from(["1", "1", "10"])
CREATES = st.sampled_from(["POST /v2/spot/bids", "POST /v2/volumes", "POST *"])


@frozen
class Trouble:
    """A fault to add, and whether a run gets over it by itself when it is the only one."""

    on: str
    does: str
    how: dict[str, Any]
    tolerable: bool = True


def _lost_answers() -> st.SearchStrategy[Trouble]:
    """Answers to creates that never come: the create is not executed, executed, or executed later."""
    when = st.sampled_from([{}, {"after_commit": True}, {"late": 1}, {"late": 10}, {"late": 25}])
    what = st.sampled_from(
        [
            ("timeout", {}),
            ("reset", {}),
            ("status", {"status": 500}),
            ("status", {"status": 502}),
            ("status", {"status": 504}),
        ]
    )
    nth = st.integers(1, 3)
    return st.builds(lambda on, do, at, n: Trouble(on, do[0], {**do[1], **at, "nth": n}), CREATES, what, when, nth)


TROUBLE = st.one_of(
    _lost_answers(),
    _lost_answers(),
    st.builds(
        lambda on, does, nth: Trouble(on, does, {"nth": nth}),
        CREATES,
        st.sampled_from(["truncated", "garbled"]),
        st.integers(1, 2),
    ),
    st.builds(lambda on: Trouble(on, "edited", {"drop": ["fid"]}), CREATES),
    st.builds(
        lambda on, wait, times: Trouble(on, "status", {"status": 429, "retry_after": wait, "times": times}),
        CREATES | st.sampled_from(["GET *", "PATCH *", "DELETE *"]),
        st.sampled_from([1, 5, 30]),
        st.integers(1, 3),
    ),
    st.builds(
        lambda on, times: Trouble(on, "refused", {"times": times}), CREATES | st.just("GET *"), st.integers(1, 2)
    ),
    st.builds(
        lambda on, does, after, nth: Trouble(on, does, {"after_commit": after, "nth": nth}),
        st.sampled_from(["PATCH *", "DELETE *"]),
        st.sampled_from(["timeout", "reset", "status"]),
        st.booleans(),
        st.integers(1, 2),
    ),
    st.builds(
        lambda does, nth: Trouble("GET *", does, {"nth": nth}),
        st.sampled_from(["timeout", "truncated", "status", "reset"]),
        st.integers(1, 12),
    ),
    st.builds(  # for good, as far as this run goes
        lambda on, after: Trouble(on, "timeout", {"times": None, "after_commit": after}, tolerable=False),
        CREATES | st.sampled_from(["PATCH *", "DELETE *"]),
        st.booleans(),
    ),
    st.builds(lambda on: Trouble(on, "status", {"status": 401, "times": None}, tolerable=False), CREATES),
)
