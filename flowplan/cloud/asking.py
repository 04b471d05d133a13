"""What all calls to FCP's API share: the transport, the project, the names, and what the user is to hear of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

import attrs

from flowplan.clock import Clock, Moment, ahead
from flowplan.cloud import fields
from flowplan.cloud.http.transport import Transport
from flowplan.cloud.looks import Looks
from flowplan.cloud.together import Together
from flowplan.errors import CloudError
from flowplan.model.catalogue import Catalogue
from flowplan.printable import shown

T = TypeVar("T")
PAGE = 100  # rows a page: the most the API gives


class Asking:
    """A client of the API: `parallelism` calls at a time. `note` takes a sentence for the user, each only once.

    `project`: the id of the project that lists and creates are of; empty until `enter`. `ended`: the ids
    of what this stack has ended. `placed`: when bids were placed, by their ids: those of
    the state, what this client places, and what it is told of besides. One may be so new that the API does not show it
    yet, neither in a list nor by its id. `seen_projects`: those that were listed, id -> name. `names`: the catalogue
    that was listed last; the type and the keys of a bid that is read have their names from it, and are called by their
    ids where it does not have them.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        parallelism: int = 8,
        note: Callable[[str], object] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        self.http = transport
        self.project = ""
        self.names = Catalogue((), ())
        self.ended: Collection[str] = ()
        self.placed: dict[str, Moment] = {}
        self.seen_projects: Mapping[str, str] = {}
        self._note = note
        self._clock = clock or Clock()
        self._noted: set[str] = set()
        self._doubted = False  # whether it was said that a clock is wrong
        self._together = Together(parallelism)

    def close(self) -> None:
        """Release the connections, unless a call that nobody waits for any more is under way on them."""
        if self._together.close():
            self.http.close()

    def enter(
        self, project: str, *, ended: Collection[str] = (), placed: Mapping[str, Moment] = MappingProxyType({})
    ) -> None:
        """Make `project` (an id) the one that is asked about. `ended`: the ids of what this stack has ended; lists may
        still show it, and it is left out of them. `placed`: as of the class."""
        self.project, self.ended, self.placed = project, ended, dict(placed)

    def note(self, sentence: str) -> None:
        """Tell the user, once, of something in the answers that was left out or counts as unknown."""
        if sentence not in self._noted:
            self._noted.add(sentence)
            self._note(sentence)

    def omit(self, what: str, row: Mapping[str, Any], why: str) -> None:
        """Tell the user that a row is left out."""
        named = [value for value in (row.get("fid"), row.get("name")) if type(value) is str]
        self.note(f"{what} is left out{f' ({shown(named[0])})' if named else ''}: {shown(why, 200)}")

    def now(self) -> datetime | None:
        """The server's clock, as its answers have it; None: no answer had one."""
        return self.http.server_time

    def moment(self) -> Moment:
        """This moment, by every clock that counts: with a simulator, whose time leaps, no boot's."""
        at = self.recorded(self._clock.moment(self.now()))
        return attrs.evolve(at, boot_id="") if self.http.clocks.leaps and at.server is not None else at

    def recorded(self, at: Moment) -> Moment:
        """`at` as it is kept: with a simulator, whose time is nobody else's, its clock stands for this machine's."""
        return attrs.evolve(at, wall=at.server) if self.http.clocks.leaps and at.server is not None else at

    def now_placed(self, id: str) -> None:
        """The bid `id` is placed at this moment: the API may not show it yet."""
        self.placed[id] = self.recorded(self._clock.moment(self.now()))

    def soon(self) -> float:
        """As `Transport.soon`: until when calls are worth waiting for that hold up who stops what costs money."""
        return self.http.soon()

    def time(self) -> datetime:
        """What time it is: by the server's clock, or by this machine's where its answers have no `Date`. What decides
        by it that spending ends goes on without a `Date`, and the user is told whose clock it went by."""
        if self.http.server_time is None and self.http.has_answered:
            self.note("the API's answers have no Date header: what depends on the time goes by this machine's clock")
        return self.http.server_time or self.http.clocks.here()

    def doubted_by(self) -> datetime | None:
        """This machine's clock, where it and `time` cannot both be right; None: nothing is against `time`. What must
        not happen by one clock that is wrong is held to both, and the user is told."""
        here = self.http.clocks.doubted_by()
        if here is not None and not self._doubted:
            self._doubted = True
            how = f"this machine's clock is {ahead(here, self.time())} the API's"
            self.note(f"{how}; flowplan does what depends on the time only if both allow it")
        return here

    def side_by_side(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """The results of `calls` in their order; with a parallelism of 1 (in the process itself there is
        nothing to wait for) without threads. Raises what the first of them raises that fails."""
        return self._together(calls)

    def read(self, looks: Looks[T]) -> T:
        """What comes of `looks`, whose calls are made now, side by side."""
        return looks.made(self.side_by_side(looks.calls))

    def list_of(self, path: str, **query: Any) -> list[Mapping[str, Any]]:
        """A list that comes as one page: JSON objects, as they are. Raises CloudError for anything else."""
        rows = self.http.call("GET", path, query=query or None).data
        if not isinstance(rows, list) or not {dict}.issuperset(map(type, rows)):
            raise CloudError(f"GET {path}: expected a list of objects")
        return rows

    def rows_of(self, path: str, read: Callable[[Mapping[str, Any]], T], **query: Any) -> tuple[T, ...]:
        """A list that comes as one page, each row read by `read`; what is listed twice counts once. A row that does not
        fit is left out, and noted: of what is offered to everybody nothing is ours."""
        found = []
        for row in self.list_of(path, **query):
            try:
                found.append(read(row))
            except fields.Unfit as error:
                self.omit(f"a row of {path}", row, str(error))
        return tuple(dict.fromkeys(found))

    def object_of(self, method: str, path: str, by: float | None = None) -> Mapping[str, Any]:
        """One JSON object, as it is. Raises CloudError for anything else. `by`: as in `Transport.call`."""
        return fields.mapping(self.http.call(method, path, by=by).data, path)
