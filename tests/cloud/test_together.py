"""Calls side by side: in order, never too many at a time, and nobody waits for one that is given up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from flowplan.cloud.http.throttle import Gate
from flowplan.cloud.together import NAMED, Together


@pytest.fixture
def together() -> Iterator[Together]:
    made = Together(4)
    yield made
    assert made.close()
    assert not [one for one in threading.enumerate() if one.name.startswith(NAMED)]


def test_results_come_in_the_order_of_the_calls_whichever_ends_first(together: Together) -> None:
    last = threading.Event()

    def first() -> int:
        assert last.wait(30)
        return 1

    def second() -> int:
        last.set()
        return 2

    assert together([first, second]) == [1, 2]


def test_the_first_in_order_that_fails_is_raised_once_all_under_way_have_ended(together: Together) -> None:
    late, ended = threading.Event(), list[str]()

    def slow() -> None:
        assert late.wait(30)
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


def test_what_interrupts_waits_for_no_call_and_begins_no_other() -> None:
    """As Ctrl-C does in the thread that waits."""
    begun, let_go, calls = threading.Event(), threading.Event(), list[int]()

    def held(number: int) -> None:
        calls.append(number)
        if len(calls) == 2:
            begun.set()
        let_go.wait(5)

    def interrupted() -> None:
        raise KeyboardInterrupt

    class Results(Together):
        """Its wait for the first result is what the interruption comes in."""

        def _submitted(self, given: object) -> list[object]:  # type: ignore[override]
            futures: list[object] = list(super()._submitted(given))  # type: ignore[arg-type]
            assert begun.wait(30)
            futures[0].result = interrupted  # type: ignore[attr-defined]
            return futures

    together = Results(2)
    with pytest.raises(KeyboardInterrupt):
        together([partial(held, number) for number in range(6)])
    assert together.close() is False  # two are under way, and nobody waits for them
    left = [one for one in threading.enumerate() if one.name.startswith(NAMED)]
    assert len(left) == 2
    let_go.set()
    for thread in left:
        thread.join(30)
    assert sorted(calls) == [0, 1]


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
            assert leave.acquire(timeout=30)
            inside.pop()

    threads = [threading.Thread(target=passes) for _ in range(most + 4)]
    for one in threads:
        one.start()
    assert all(enter.acquire(timeout=30) for _ in range(most))
    seen: list[int] = []
    for _ in threads:
        seen.append(len(inside))
        leave.release()
    for one in threads:
        one.join(30)
    assert max(seen) == most


def test_a_call_may_take_its_time_and_another_is_made_meanwhile(together: Together) -> None:
    both = threading.Barrier(2, timeout=30)
    calls: list[Callable[[], object]] = [both.wait, both.wait]
    assert sorted(map(int, together(calls))) == [0, 1]
