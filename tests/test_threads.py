"""Threads for calls side by side: what is submitted is begun once, or never."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from flowplan.threads import Pool
from tests.processes import LONGEST


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(1, "some")
    yield made
    made.shutdown(wait=True)
    assert not [one for one in threading.enumerate() if one.name.startswith("some")]


def test_what_waits_when_the_pool_is_closed_is_told_so_and_not_begun(pool: Pool) -> None:
    under_way, let_go, begun = threading.Event(), threading.Event(), list[int]()
    first = pool.submit(lambda: (under_way.set(), let_go.wait(LONGEST)))
    waits = pool.submit(begun.append, 1)
    assert under_way.wait(LONGEST)
    pool.shutdown(wait=False)
    with pytest.raises(CancelledError):
        waits.result(LONGEST)
    let_go.set()
    assert first.result(LONGEST) == (None, True)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(begun.append, 2)
    pool.shutdown(wait=True)
    assert begun == []


def test_a_thread_that_is_free_is_used_again(pool: Pool) -> None:
    """Nobody waits for a second one to begin."""
    pool.grow()
    names = set()
    for _ in range(5):
        names.add(pool.submit(lambda: threading.current_thread().name).result(LONGEST))
        assert pool._idle.acquire(timeout=LONGEST)  # once it has nothing more to do with that
        pool._idle.release()
    assert names == {"some_0"}


def test_what_is_not_taken_for_want_of_a_thread_is_not_begun_by_a_later_one(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    begun: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError, match="gives no thread"):
            pool.submit(begun.append, 1)
    pool.submit(begun.append, 2).result(LONGEST)
    assert begun == [2]


def test_what_fails_is_raised_where_its_result_is_asked_for(pool: Pool) -> None:
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 // 0).result(LONGEST)
    assert pool.submit(int).result(LONGEST) == 0


def test_a_pool_that_grows_while_something_waits_has_a_thread_more(pool: Pool) -> None:
    """A thread that goes on with what waited is not free: what comes then would wait for it, beside room for more."""
    begun, let_go = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]
    for started, held in zip(begun, let_go, strict=True):
        pool.submit(lambda started=started, held=held: (started.set(), held.wait(LONGEST)))
    assert begun[0].wait(LONGEST)
    let_go[0].set()
    assert begun[1].wait(LONGEST)
    pool.grow()
    try:
        assert pool.submit(threading.get_ident).result(LONGEST / 4) != 0
    finally:
        let_go[1].set()
