"""One bid as it is now, and the proof that something is gone: for what lists do not show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowplan.clock import Moment
from flowplan.cloud import fields
from flowplan.cloud import rows as reading
from flowplan.cloud.http.request import segment
from flowplan.cloud.observing import Observing
from flowplan.errors import CloudError, NotFound, Refused
from flowplan.model.live import SHOWS_WITHIN, Live, LiveBid, is_new


class Proving(Observing):
    """Looks at single objects."""

    def bid(self, id: str, by: float | None = None) -> LiveBid:
        """One bid as it is now, by `names`. Raises NotFound. `by`: as in `Transport.call`."""
        return self._bid(id, by)[0]

    def bid_here(self, id: str, by: float | None = None) -> LiveBid:
        """The same; raises Refused for one of another project, which no list of ours would have."""
        found, row = self._bid(id, by)
        if self.project and row.get("project", self.project) != self.project:
            raise Refused(f"{id} belongs to another project", hint="give --project if you mean that one")
        return found

    def _bid(self, id: str, by: float | None) -> tuple[LiveBid, Mapping[str, Any]]:
        path = f"/v2/spot/bids/{segment(id)}"
        row = self.object_of("GET", path, by)
        with fields.answer_of(path):
            reading.hold_about(row, id)
            found = reading.live_bid(row, self.names, self.key_names())
        self.note_unfit([found])
        return found, row

    def look_again(self, live: Live, bids: Iterable[str], volumes: Iterable[str], by: float | None = None) -> Live:
        """`live`, which was listed in full, with certainty about objects it should hold and does not.

        A bid is gone when two looks of different kinds agree: a list that does not have it, of a project that the
        credentials are seen to see, and the API's own 404 to its id; unless that bid may be so new that both lag. A
        volume is gone when it is among the deleted ones. `by`: as in `Transport.call`, of bids.
        Raises CloudError for what is neither there nor proved gone.
        """
        return self._looked_again(live, bids, volumes, by)

    def _looked_again(
        self,
        live: Live,
        bids: Iterable[str],
        volumes: Iterable[str],
        by: float | None = None,
        *,
        asked: bool = False,
    ) -> Live:
        """The same. `asked`: as of `is_gone`."""
        found = dict(live.bids)
        gone: set[str] = set(live.gone)
        unclear: list[str] = []
        for id in bids:
            if id in found or id in gone:
                continue
            try:
                found[id] = self.bid(id, by)
            except NotFound as error:
                if not asked and (placed := self.placed.get(id)) and is_new(placed, now := self.moment()):
                    raise _may_be_new(id, placed, now) from error
                (gone.add if self._sees_its_project(live) else unclear.append)(id)
        missing = [id for id in volumes if id not in live.volumes and id not in gone]
        if missing:
            gone |= self.deleted_volumes()
        unclear += [id for id in missing if id not in gone]
        if unclear:
            raise CloudError(
                f"{', '.join(unclear)}: in the state, but the API lists it neither as live nor as ended; nothing "
                "proves that it is gone",
                hint="lists may lag: run the same command again a little later. Check the API's URL, the project and "
                "the console; if it is gone for good, `flowplan state rm ADDRESS` releases it",
            )
        return Live(live.volumes, found, frozenset(gone), live.unlisted, live.unread)

    def deleted_volumes(self) -> frozenset[str]:
        """The ids of the volumes that are listed with the moment of their deletion: one list."""
        rows = self._all_volumes()
        with fields.answer_of("/v2/volumes"):
            return frozenset(fields.text(row, "fid") for row in rows if reading.is_over(row, "deleted_at"))

    def listed_volumes(self) -> frozenset[str]:
        """The ids of all volumes that are listed, deleted or not: one list."""
        rows = self._all_volumes()
        with fields.answer_of("/v2/volumes"):
            return frozenset(fields.text(row, "fid") for row in rows)

    def _all_volumes(self) -> list[Mapping[str, Any]]:
        return self.list_of("/v2/volumes", project=self.project, include_deleted="true")

    def _sees_its_project(self, live: Live) -> bool:
        """Whether these credentials are seen to see the project: otherwise an empty list and a 404 prove nothing."""
        return self.project in self.seen_projects or bool(live.bids or live.volumes)

    def is_gone(self, kind: str, id: str, *, asked: bool = True) -> bool:
        """Whether what the API does not find is over, by a second look of another kind: a list shows it as over, or,
        for a bid, does not show it at all (see `look_again`). `asked`: its removal was answered with success, so it is
        not so new that the API does not know it. Raises CloudError when that look fails, or is unclear."""
        live = self.live()
        if kind == "volume":
            return id not in live.volumes and id in self.look_again(live, [], [id]).gone
        live = self._looked_again(live, [id], [], asked=asked)
        return id in live.gone or live.bids[id].ended


def _may_be_new(id: str, placed: Moment, now: Moment) -> CloudError:
    hint = f"run the same command again in {SHOWS_WITHIN:.0f} s"
    if placed.is_ahead_of(now):
        hint = "a clock was set back since, so flowplan cannot tell for how long it has been there; look for it in the "
        hint += "console: if it is gone for good, `flowplan state rm ADDRESS` releases it"
    return CloudError(
        f"flowplan knows {id}, but the API does not show it; it may have been placed in the last "
        f"{SHOWS_WITHIN:.0f} s, and then the API may not show it yet, so nothing proves that it is gone",
        hint=hint,
    )
