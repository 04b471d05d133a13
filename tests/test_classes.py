"""flowplan's classes behave as those of attrs do, although what is alike in all of them is written once."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan import classes

Decorator = Callable[..., Any]


def _made(frozen: Decorator, define: Decorator) -> dict[str, type]:
    """The same classes by either pair of decorators."""

    @frozen
    class Point:
        x: Any
        y: Any = 0
        said: str = attrs.field(default="", eq=False)
        secret: str = attrs.field(default="", repr=False)

    @frozen
    class Further(Point):
        z: int = 0

    @frozen
    class Alone:
        x: Any

    @frozen
    class Empty:
        pass

    @define
    class Box:
        held: Any
        late: int = attrs.field(init=False, eq=False)

    @define(eq=False)
    class Door:
        name: str

    @frozen(order=True)
    class Ranked:
        x: int

    @frozen(cache_hash=True)
    class Kept:
        x: int

    @frozen
    class Own:
        x: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "its own"

    @define
    class Wrong(Exception):
        what: str

    return {name: one for name, one in locals().items() if isinstance(one, type)}


OURS, THEIRS = _made(classes.frozen, classes.define), _made(attrs.frozen, attrs.define)
VALUES = st.one_of(st.integers(0, 2), st.sampled_from(["", "a"]), st.none(), st.tuples(st.integers(0, 1)))


def _objects(found: dict[str, type], x: Any, y: Any, said: str) -> list[Any]:
    later = found["Box"](x)
    later.late = 1
    return [
        *(found[name](x) for name in ("Point", "Further", "Alone", "Box", "Door", "Ranked", "Kept", "Own", "Wrong")),
        *(found[name](x, y, said, said) for name in ("Point", "Further")),
        found["Empty"](),
        later,
    ]


def _hashed(one: Any) -> int | str:
    try:
        return hash(one)
    except TypeError as error:
        return str(error)


@given(VALUES, VALUES, VALUES, VALUES, st.sampled_from(["", "b"]))
def test_they_are_equal_and_shown_as_those_of_attrs(x: Any, y: Any, u: Any, v: Any, said: str) -> None:
    """Each pair of objects of ours against the same pair of theirs: `==`, `!=`, and the hash of what is equal."""
    ours = _objects(OURS, x, y, said) + _objects(OURS, u, v, "")
    theirs = _objects(THEIRS, x, y, said) + _objects(THEIRS, u, v, "")
    assert list(map(repr, ours)) == list(map(repr, theirs))
    for one, as_theirs in zip(ours, theirs, strict=True):
        assert [one == other for other in ours] == [as_theirs == other for other in theirs]
        assert [one != other for other in ours] == [as_theirs != other for other in theirs]
        assert isinstance(_hashed(one), str) == isinstance(_hashed(as_theirs), str)
        alike = [other for other in ours if type(other) is type(one) and one == other]
        assert isinstance(one, Exception) or {_hashed(one)} == {_hashed(other) for other in alike}
        assert type(one).__name__ == "Own" or (one != 1 and one != as_theirs)


def test_one_that_holds_itself_is_shown() -> None:
    box = OURS["Box"](None)
    box.held = [box]
    assert repr(box) == "Box(held=[...], late=NOTHING)"


def test_a_frozen_one_is_never_changed_and_has_slots() -> None:
    one = OURS["Point"](1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.x = 2
    assert not hasattr(one, "__dict__")
    assert attrs.evolve(one, x=2) == OURS["Point"](2)
    assert copy.deepcopy(one) == one == copy.copy(one)


@classes.frozen
class Sent:
    x: int
    y: tuple[int, ...] = ()


def test_one_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Sent(1, (2,)))) == Sent(1, (2,))


@pytest.mark.parametrize("name", ["Point", "Box", "Alone", "Empty", "Further"])
def test_nothing_is_compiled_that_is_written_once(name: str) -> None:
    """attrs compiles the source of what it writes: of these classes that is `__init__`, and what freezes them."""
    for method in ("__eq__", "__hash__", "__repr__"):
        code = getattr(getattr(OURS[name], method), "__code__", None)
        assert code is None or code.co_filename.endswith(("flowplan/classes.py", "reprlib.py")), method
