"""What may not be destroyed: `prevent_destroy`, as the files have it or as it was applied. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import attrs

from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address
from flowplan.model.lifecycle import Lifecycle
from flowplan.model.resources import Volume
from flowplan.model.selection import is_wild, matching
from flowplan.planning.actions import Change, Delete, Replace, refusal
from flowplan.planning.desired import Desired
from flowplan.planning.plan import EVERYTHING, Unread, Wishes
from flowplan.pricing.units import gigabytes
from flowplan.printable import shown
from flowplan.state.state import Binding

if TYPE_CHECKING:
    from flowplan.model.policy import Policies

Outside: TypeAlias = Mapping[Address, frozenset[str]]  # which fields of it were changed outside of flowplan

_CODE = "prevent-destroy"
_VALIDATE = "`flowplan validate` says what is wrong with it"
KEEP_VOLUMES = "--keep-volumes, which cancels the bids and forgets the volumes"


def protected(address: Address, binding: Binding | None, lifecycle: Lifecycle, desired: Desired, wishes: Wishes) -> str:
    """Where the prevent_destroy of `address` is written, as `Binding.protected` has it; "": nothing protects it.

    What the files say nothing of is protected as it was when it was applied: a file that was moved, or that cannot be
    read, lifts nothing. A `removed` block that destroys it does."""
    if lifecycle.prevent_destroy:
        at = lifecycle.source
        return f"{wishes.files.kept(at.file)}:{at.line}:{at.column}" if at is not None else "?"
    declared = address in desired.resources or address in wishes.declared
    if binding is None or declared or _is_given_up(address, desired, wishes):
        return ""
    if binding.protected and _is_lifted_of_all(address, desired, wishes):
        return ""
    return binding.protected


def protecting(policies: Iterable[Policies], *known: Address | None) -> str:
    """Which address in `protected` of `policies` means one of the addresses `known`; "": none."""
    found = {one for one in known if one is not None and not one.is_earlier}  # that such a one goes was allowed
    rules = (one.protected for one in policies if one.protected is not None)
    return next((pattern for rule in rules for pattern in rule.values if matching(pattern, found)), "")


def _is_given_up(address: Address, desired: Desired, wishes: Wishes) -> bool:
    """Whether a `removed` block has it destroyed: it, or every instance of its for_each."""
    named = (address, Address(address.kind, address.base))
    return any(one in wishes.given_up or desired.removed.get(one, False) for one in named)


def _is_lifted_of_all(address: Address, desired: Desired, wishes: Wishes) -> bool:
    """Whether the files have a for_each of this name, and protect none of its instances: one of them may have been
    moved to the name alone, and what the files say of the task is said of it too."""
    everything = {*desired.resources, *wishes.declared}
    instances = [
        one for one in everything if one.key is not None and (one.kind, one.base) == (address.kind, address.name)
    ]
    lifecycles = {**wishes.lifecycles, **desired.lifecycles}
    return bool(instances) and not any(lifecycles[one].prevent_destroy for one in instances if one in lifecycles)


def prevented(changes: Iterable[Change], wishes: Wishes, outside: Outside) -> Iterable[Diagnostic]:
    """What would go and may not. No option lifts it, but for what a file that cannot be read may say of a bid."""
    for change in changes:
        if not isinstance(change, (Replace, Delete)):
            continue
        if change.lifecycle.prevent_destroy:
            yield _by_the_files(change, wishes, outside)
        elif change.protected:
            yield _as_applied(change, wishes)
        elif wishes.unread is not None and (found := _perhaps(change, wishes.unread, wishes)) is not None:
            yield found


def _by_the_files(change: Replace | Delete, wishes: Wishes, outside: Outside) -> Diagnostic:
    """That the files protect it."""
    found = refusal(
        _CODE,
        change,
        f"{change.address} has prevent_destroy, and {_loss(change)}",
        f"{to_spare_it(change, wishes, outside)}; to allow it, set prevent_destroy: false here",
    )
    return attrs.evolve(found, position=change.lifecycle.source or change.position)


def _as_applied(change: Replace | Delete, wishes: Wishes) -> Diagnostic:
    """That it was protected when it was applied, and no file says otherwise."""
    file, *place = change.protected.rsplit(":", 2)
    where = ":".join((wishes.files.for_people(file), *place))
    why = "no file given here names it" if wishes.unread is None else "the file given here cannot be read"
    lift = f"prevent_destroy: false in a file that names it, or `removed: [{{address: {change.address}}}]`"
    return refusal(
        _CODE,
        change,
        f"{change.address} was applied with prevent_destroy ({where}), and {why}; {_loss(change)}",
        f"to keep it: {_to_keep_what_was_applied(change, wishes)}; to allow it: {lift}; `flowplan state rm "
        f"'{change.address}'` releases it, and it keeps costing money",
    )


def _to_keep_what_was_applied(change: Replace | Delete, wishes: Wishes) -> str:
    if wishes.mode == "destroy":
        return KEEP_VOLUMES if change.address.kind == "volume" else f"--exclude '{change.address}'"
    return "name it in a file again"


def _perhaps(change: Replace | Delete, unread: Unread, wishes: Wishes) -> Diagnostic | None:
    """That a file which cannot be read may say that it is to stay; None: nothing in its text looks like that. A bid
    that is named with --target may go: somebody is to stop paying."""
    if isinstance(change.before, Volume):
        if not (unread.word or unread.locked):
            return None
        what = f"a file mentions {unread.word}, but cannot be read"
        if unread.locked:
            what = f"{unread.locked[0].summary}, and it may say that {change.address} is to stay"
        hint = f"{_VALIDATE}; --keep-volumes cancels the bids, and leaves volumes"
        return refusal(_CODE, change, f"{what}; {_loss(change)}", hint)
    address = change.address
    if address.kind != "bid" or address.is_earlier or unread.kept.isdisjoint((address.base, EVERYTHING)):
        return None
    named = (pattern for pattern in wishes.patterns.targets if not is_wild(pattern))
    if any(address in matching(pattern, (address,)) for pattern in named):
        return None
    summary = f"a file that cannot be read may say in `removed` that {address} is to stay; {_loss(change)}"
    return refusal(_CODE, change, summary, f"{_VALIDATE}; if it is to end anyway: --target '{address}'")


def _loss(change: Replace | Delete) -> str:
    """What `change` would do to what there is, for people."""
    how = "replacing" if isinstance(change, Replace) else "deleting"
    if isinstance(change.before, Volume):
        return f"{how} it destroys the data on volume {change.before.name} ({gigabytes(change.before.held_gb)})"
    return f"{how} it cancels {change.id}: its instances end"


def _as_written(key: str, value: object) -> str:
    """What a file says with `key`; the plan itself shows what is no single value."""
    return f"`{key}: {shown(str(value))}`" if isinstance(value, str | int) else key


def to_spare_it(change: Replace | Delete, wishes: Wishes, outside: Outside) -> str:
    """What to do if it is to stay. Who edited no file finds no change in one to undo."""
    forcing = [one for one in change.fields if one.forces]
    if forcing:
        from flowplan.config.positions import key_of

        elsewhere = outside.get(change.address, frozenset())
        keys = {one.name: key_of(change.address.kind, one.name) for one in forcing}
        edited = dict.fromkeys(keys[one.name] for one in forcing if one.name not in elsewhere)
        live = dict.fromkeys(_as_written(keys[one.name], one.before) for one in forcing if one.name in elsewhere)
        ways = [f"undo the change of {', '.join(edited)}"] * bool(edited)
        ways += [f"write into the file what is live since a change outside of flowplan: {', '.join(live)}"] * bool(live)
        return f"to keep it, {', and '.join(ways)}"
    if wishes.mode == "destroy":
        if change.address.kind == "volume":
            return f"to keep it: {KEEP_VOLUMES}"
        return "to keep it and destroy the rest, take the rest out of the files, and apply"
    return f"to keep it, undo what replaces it ({change.note or 'you asked for it'})"
