"""What is asked at one time, and what comes of it: said before it is asked, so that more may be asked beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from flowplan.classes import frozen
from flowplan.errors import CloudError, Unauthorized, Unreachable

NO_CALL = (Unauthorized, Unreachable)  # what means that no call can succeed at all
# The same for who stops what costs money: that a look refuses the credentials is no reason to pay on.
NO_CALL_STOPS = (Unreachable,)
S = TypeVar("S")
T = TypeVar("T")


@frozen
class Looks(Generic[T]):
    """Calls that do not depend on each other: those `of_all` need no project, those `of_project` are about the
    client's. `made` has what comes of their results, in this order."""

    made: Callable[[Sequence[Any]], T]
    of_all: Sequence[Callable[[], Any]]
    of_project: Sequence[Callable[[], Any]]

    @property
    def calls(self) -> list[Callable[[], Any]]:
        """All of them, in the order of their results."""
        return [*self.of_all, *self.of_project]

    def then(self, more: Callable[[T], S]) -> Looks[S]:
        """These, and `more` made of what comes of them."""
        return Looks(lambda found: more(self.made(found)), self.of_all, self.of_project)

    def or_error(self) -> Looks[T | CloudError]:
        """These; what comes of them is why the first that fails could not be made, where one does."""

        def made(found: Sequence[Any]) -> T | CloudError:
            failed = next((result for result in found if isinstance(result, CloudError)), None)
            return self.made(found) if failed is None else failed

        return Looks(made, [or_why(one, ()) for one in self.of_all], [or_why(one, ()) for one in self.of_project])

    def beside(self, others: Looks[S]) -> Looks[tuple[T, S]]:
        """These and `others`, and what comes of each."""
        first, whole = len(self.of_all), len(self.of_all) + len(others.of_all)
        last = whole + len(self.of_project)

        def made(found: Sequence[Any]) -> tuple[T, S]:
            mine = self.made([*found[:first], *found[whole:last]])
            return mine, others.made([*found[first:whole], *found[last:]])

        return Looks(made, [*self.of_all, *others.of_all], [*self.of_project, *others.of_project])


def single(call: Callable[[], T]) -> Looks[T]:
    """A single call of the project, and its result."""
    return Looks(_only, (), (call,))


def _only(found: Sequence[Any]) -> Any:
    return found[0]


def known(value: T) -> Looks[T]:
    """No call: `value` is known already, or is not needed."""
    return Looks(lambda _: value, (), ())


NOTHING: Looks[None] = known(None)


def or_why(call: Callable[[], T], raising: tuple[type[CloudError], ...] = NO_CALL) -> Callable[[], T | CloudError]:
    """`call`, with the reason in place of a result that could not be fetched. Raises those of `raising`."""

    def result() -> T | CloudError:
        try:
            return call()
        except raising:
            raise
        except CloudError as error:
            return error

    return result
