"""A stack, and what can be done to what its state says: nothing that is live is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from flowplan.api.given import address_text, text
from flowplan.api.hearing import Hearing
from flowplan.api.looking import Looking
from flowplan.api.opening import Opening
from flowplan.api.thread import Stop, in_a_thread
from flowplan.model.address import Address

if TYPE_CHECKING:
    from flowplan.operations.opening.session import Session
    from flowplan.state.state import Binding

T = TypeVar("T")


class Mending(Looking):
    """Tasks and what is live of them."""

    __slots__ = ()
    _opening: Opening

    def import_(
        self, address: str | Address, id: str, *, lineage: str | None = None, stop: Stop | None = None
    ) -> Address:
        """Take the live bid or volume `id` into the state as `address`, which is returned; the object itself is not
        touched. The next apply of the task that `address` names changes it to what that task says; until one names it,
        flowplan leaves it alone. `lineage`: the stack that released it, where that is another one. `stop`: as in
        `apply`. Raises UsageProblem where the address or the object is in the state already, FlowplanError where there
        is no such object, or it has ended or is in doubt, GuardRefused for one of another stack, and CloudError,
        StateError, Locked, Interrupted."""
        from flowplan.operations.import_ import take_in

        wanted, given = address_text(address, "address"), text(id, "id")
        of = None if lineage is None else text(lineage, "lineage")

        return self._mend(lambda session: take_in(session, wanted, given, of), stop)

    def move(self, old: str | Address, new: str | Address, *, stop: Stop | None = None) -> dict[Address, Address]:
        """Give a resource another address in the state; the object itself and its name in the cloud stay as they are.
        Returns what moved where: the ports of a bid move with it. Give the task or the volume its new name, too,
        before the next apply. `stop`: as in `apply`. Raises UsageProblem for an address that cannot be, or is taken,
        FlowplanError for one that is not in the state, or in doubt, and StateError, Locked, Interrupted. The API is not
        asked."""
        from flowplan.operations.state import move

        before, after = address_text(old, "old"), address_text(new, "new")

        return self._mend(lambda session: move(session, before, after), stop)

    def release(self, address: str | Address, *, stop: Stop | None = None) -> Binding:
        """Take a resource, and the ports of a bid, out of the state, and return what that held; the object itself is
        not touched, and still costs money while it exists. `import_` takes it back. `stop`: as in `apply`. Raises what
        `move` raises. The API is not asked."""
        from flowplan.operations.state import release

        wanted = address_text(address, "address")

        return self._mend(lambda session: release(session, wanted), stop)

    def _mend(self, mend: Callable[[Session], T], stop: Stop | None) -> T:
        """What `mend` returns, in a session of its own, and in a thread that no KeyboardInterrupt tears."""

        def run(event: Hearing) -> T:
            with self._opening.session(event) as session:
                return mend(session)

        return in_a_thread(run, stop=stop)
