"""What a stack was given, and what each call opens with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import evolve, field

from flowplan.api.given import flag
from flowplan.api.hearing import Hearing
from flowplan.classes import frozen
from flowplan.cloud.http.redaction import Hidden, forms_in
from flowplan.config import Source
from flowplan.exact import exactly
from flowplan.operations.opening.interaction import Listener
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings


@frozen
class Opening:
    """`sources`: the tasks, as paths or read already. `note` hears what flowplan remarks; None: nobody does."""

    sources: tuple[str | Source, ...]
    settings: Settings
    note: Callable[[str], None] | None = field(repr=False)

    @contextmanager
    def session(self, hearing: Hearing | None = None) -> Iterator[Session]:
        """The session of one call; closed after it. `hearing` may interrupt it, and does where `note` fails."""
        hearing = hearing or Hearing()
        session = Session(self.settings, self.listener(hearing), hearing, paths=self.sources)
        with exactly(), hearing.ended(), session:
            yield session

    def listener(self, hearing: Hearing) -> Listener:
        """What it hears, hides and masks is its own: a secret that one call has read."""
        hidden, known = Hidden(), forms_in(self.settings.environ)
        hidden.hide(lambda: known)
        listener = Listener(hide=hidden.hide, secretless=hidden.secretless)
        if (note := self.note) is not None:
            listener = evolve(listener, note=lambda said: hearing.tell(note, hidden.secretless(said)))
            listener = evolve(listener, warn=listener.note)
        return listener

    def parted(self) -> tuple[Opening, Opening]:
        """For a call of the program that is two of ours: what `note` hears in the first, it does not hear again in the
        second."""
        note, heard = self.note, set[str]()
        if note is None:
            return self, self

        def hear(said: str) -> None:
            heard.add(said)
            note(said)

        def hear_new(said: str) -> None:
            if said not in heard:
                note(said)

        return evolve(self, note=hear), evolve(self, note=hear_new)

    def runs(self, hooks: bool) -> bool:
        """Whether a call that is given `hooks` runs commands of the stack file. Raises UsageProblem."""
        return flag(hooks, "hooks") and self.settings.runs_hooks
