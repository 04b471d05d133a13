"""Calls side by side: in order, never too many at a time, and nobody waits for one that is given up."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from functools import partial

import pytest

from flowplan.cloud.http.throttle import Gate
from flowplan.cloud.together import NAMED, Together
from flowplan.threads import Pool
from tests.processes import LONGEST


@pytest.fixture
def together() -> Iterator[Together]:
    made = Together(4)
    yield made
    assert made.close()
    assert not [one for one in threading.enumerate() if one.name.startswith(NAMED)]


def test_results_come_in_the_order_of_the_calls_whichever_ends_first(together: Together) -> None:
    last = threading.Event()

    def first() -> int:
        assert last.wait(LONGEST)
        return 1

    def second() -> int:
        last.set()
        return 2

    assert together([first, second]) == [1, 2]


def test_the_first_in_order_that_fails_is_raised_once_all_under_way_have_ended(together: Together) -> None:
    late, ended = threading.Event(), list[str]()

    def slow() -> None:
        assert late.wait(LONGEST)
        ended.append("slow")
        raise ValueError("the first")

    def quick() -> None:
        late.set()
        raise ValueError("the second")

    with pytest.raises(ValueError, match="the first"):
        together([slow, quick])
    assert ended == ["slow"]


def test_what_a_call_asks_for_itself_takes_no_second_thread(together: Together) -> None:
    """Threads that wait for threads of the same few would wait for ever."""

    def name() -> str:
        return threading.current_thread().name

    def inner() -> set[str]:
        return {name(), *together([name, name, name])}

    found = together([inner] * 8)
    assert all(len(names) == 1 for names in found)


def test_a_parallelism_of_one_has_no_threads() -> None:
    here = threading.current_thread()
    assert Together(1)([threading.current_thread] * 3) == [here] * 3


@pytest.mark.parametrize("comes", ["while they begin", "in the wait for one", "in the wait after one that failed"])
def test_what_interrupts_waits_for_no_call_and_begins_no_other(comes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ctrl-C does in the thread that waits, wherever it comes."""
    needed = 1 if comes == "in the wait after one that failed" else 2  # the one that fails takes the other thread
    under_way, let_go, calls = threading.Event(), threading.Event(), list[int]()
    submit = Pool.submit

    def held(number: int) -> None:
        calls.append(number)
        if len(calls) >= needed:
            under_way.set()
        assert let_go.wait(LONGEST)

    def fails() -> None:
        assert under_way.wait(LONGEST)
        raise ValueError

    def interrupted(*_: object) -> None:
        assert under_way.wait(LONGEST)
        monkeypatch.undo()
        raise KeyboardInterrupt

    def submitted(pool: Pool, call: Callable[[], object]) -> Future[object]:
        made = submit(pool, call)
        if len(begun := pool.__dict__.setdefault("begun", [])) == 1:
            interrupted()
        begun.append(made)
        return made

    together, first = Together(2), list[Callable[[], object]]()
    if comes == "while they begin":
        monkeypatch.setattr(Pool, "submit", submitted)
    else:  # for one of them, or, where one has failed, for all that have begun
        first = [fails] if comes == "in the wait after one that failed" else []
        many = bool(first)
        monkeypatch.setattr(
            "concurrent.futures.wait",
            lambda waited, *more: interrupted() if (len(waited) > 1) is many else wait(waited, *more),
        )
    with pytest.raises(KeyboardInterrupt):
        together([*first, *(partial(held, number) for number in range(6))])
    assert together.close() is False  # they are under way, and nobody waits for them
    left = [one for one in threading.enumerate() if one.name.startswith(NAMED)]
    assert left
    let_go.set()
    for thread in left:
        thread.join(LONGEST)
    assert len(calls) in {needed, 2}


def test_no_wait_is_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes right before a wait does not end it: the next begins soon."""
    longest = list[float | None]()

    def noted(begun: Sequence[Future[object]], timeout: float | None = None) -> object:
        longest.append(timeout)
        return wait(begun, timeout)

    def fails() -> None:
        raise ValueError

    monkeypatch.setattr("concurrent.futures.wait", noted)
    together = Together(2)
    assert together([int, int]) == [0, 0]
    with pytest.raises(ValueError):
        together([fails, int])
    assert together.close()
    assert len(longest) >= 4
    assert all(one is not None and one < 1 for one in longest)


def test_threads_that_nobody_ends_end_with_what_they_are_of() -> None:
    """As where another run of this process leaves a client open: each would leave its threads in it for good."""
    together = Together(2)
    both = threading.Barrier(2, timeout=LONGEST)
    together([both.wait, both.wait])
    threads = [one for one in threading.enumerate() if one.name.startswith(NAMED)]
    assert len(threads) == 2
    del together
    gc.collect()
    for one in threads:
        one.join(LONGEST)
        assert not one.is_alive()


@pytest.mark.parametrize("most", [1, 3])
def test_the_gate_lets_no_more_through_at_once_than_it_is_given(most: int) -> None:
    """Also after a 429, from which it opens little by little."""
    now = [0.0]
    gate = Gate(lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds), most)
    gate.close(1)
    for _ in range(100):
        with gate:
            pass
        gate.ease()
    inside, enter, leave = list[int](), threading.Semaphore(0), threading.Semaphore(0)

    def passes() -> None:
        with gate:
            inside.append(1)
            enter.release()
            assert leave.acquire(timeout=LONGEST)
            inside.pop()

    threads = [threading.Thread(target=passes) for _ in range(most + 4)]
    for one in threads:
        one.start()
    assert all(enter.acquire(timeout=LONGEST) for _ in range(most))
    seen: list[int] = []
    for _ in threads:
        seen.append(len(inside))
        leave.release()
    for one in threads:
        one.join(LONGEST)
    assert max(seen) == most


def test_a_call_may_take_its_time_and_another_is_made_meanwhile(together: Together) -> None:
    both = threading.Barrier(2, timeout=LONGEST)
    calls: list[Callable[[], object]] = [both.wait, both.wait]
    assert sorted(map(int, together(calls))) == [0, 1]
