"""Ctrl-C while a text is written: at whichever call of Python it comes."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from flowplan.cli.writer import Writer
from tests.processes import LONGEST

MODULES = ("flowplan.cli.writer", "threading")


class Slow(io.StringIO):
    """Takes long enough that whoever writes has to wait."""

    def write(self, text: str) -> int:
        time.sleep(0.002)
        return super().write(text)


def interrupted() -> Iterator[tuple[int, Slow, Writer, BaseException | None]]:
    """A writer whose second text is cut off where this thread makes its n-th call, or comes back from it, for each n:
    there the interpreter looks for signals. And what `put` raised."""
    for at in range(1_000):
        stream, passed = Slow(), 0
        writer = Writer(stream)
        writer.put("first\n")

        def traced(frame: FrameType, event: str, argument: object, at: int = at) -> Any:
            nonlocal passed
            if frame.f_globals.get("__name__") not in MODULES:
                return None
            if event in ("call", "return"):
                passed += 1
                if passed == at + 1:
                    raise KeyboardInterrupt
            return traced

        raised: BaseException | None = None
        before = sys.gettrace()
        sys.settrace(traced)
        try:
            writer.put("second\n")
        except BaseException as error:  # noqa: BLE001 - what it is, is what is asked
            raised = error
        finally:
            sys.settrace(before)
        if passed <= at:
            assert at > 3
            return
        yield at, stream, writer, raised


def test_ctrl_c_is_what_is_raised_wherever_it_comes() -> None:
    """A condition of `threading` that it cuts off raises RuntimeError in its stead."""
    found = [(writer, raised) for _, _, writer, raised in interrupted()]
    assert {type(raised) for _, raised in found} == {KeyboardInterrupt}
    for writer, _ in found:
        writer.close()


def test_after_it_every_thread_can_write() -> None:
    """What was cut off is written whole, or not at all; nothing stays locked."""
    for at, stream, writer, _ in interrupted():
        other = threading.Thread(target=writer.put, args=("third\n",), daemon=True)
        other.start()
        other.join(LONGEST)
        assert not other.is_alive(), at
        writer.close()
        assert stream.getvalue() in ("first\nsecond\nthird\n", "first\nthird\n"), at
