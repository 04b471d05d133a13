"""A plan -> what the policies say no to. Pure.

What removes, pauses or lowers is held to `protected` alone: nobody who wants to stop paying is held up by a rule on
prices, places or hours. What cannot be judged is refused, and says so. What stays as it is is not judged; what is
replaced does not stay: it is placed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from fnmatch import fnmatchcase

import attrs
from attrs import field

from flowplan.classes import frozen
from flowplan.diagnostics import Diagnostic, Position, candidates
from flowplan.model.address import Address, in_order
from flowplan.model.catalogue import Catalogue, InstanceType, Named
from flowplan.model.lifecycle import Lifetime
from flowplan.model.live import Live
from flowplan.model.policy import ANYTHING, Allowed, Cap, Hours, MaxPrice, Policies
from flowplan.model.resources import Bid, Volume
from flowplan.model.selection import is_wild, matching
from flowplan.model.type_names import find_types, has_word, read_type_name
from flowplan.patterns import regex
from flowplan.planning.actions import Change, Create, Delete, Replace, Update
from flowplan.planning.plan import Plan
from flowplan.planning.project_costs import Hourly
from flowplan.planning.raising import cannot_raise_cost
from flowplan.pricing.units import CENT, beside_cents, usd

_GENERATION = regex(r"-g[0-9]+$")


@frozen
class Circumstances:
    """What plans are judged by: `moments`, the time of now by time zone, by each clock that counts (the API's
    first), all of which have to allow what is placed; `paid`, dollars per instance-hour that a bid
    would pay now, None where that is unknown."""

    catalogue: Catalogue
    live: Live
    project: Named
    moments: Mapping[str, Sequence[datetime]] = field(factory=dict)
    paid: Mapping[Address, Decimal | None] = field(factory=dict)


def refused(plan: Plan, policies: Iterable[Policies], seen: Circumstances) -> tuple[Diagnostic, ...]:
    """What the rules of `policies` refuse of `plan`, each with the rule's own figures and its place."""
    if plan.mode == "refresh-only":
        return ()
    return tuple(one for rules in policies for one in _refused(plan, rules, seen))


def unused(policies: Iterable[Policies], catalogue: Catalogue, project: Named) -> tuple[Diagnostic, ...]:
    """A warning for each type that has a price in a policy and is not listed, and for budgets of which none is for
    `project`: a slip of the pen would limit nothing."""
    policies = tuple(policies)
    caps = [cap for rules in policies if rules.max_price is not None for cap in rules.max_price.caps]
    strange = [
        _unused(
            cap, f"the price of {cap.name}, and there is no such instance type", (one.name for one in catalogue.types)
        )
        for cap in caps
        if cap.name != ANYTHING and catalogue.types and not any(_means(cap.name, one) for one in catalogue.types)
    ]
    others = [rules.budgets for rules in policies if rules.budgets and not _caps_of(project, rules.budgets)]
    what = f"what other projects cost, and has no budget for {project.name}"
    return (*strange, *(_unused(caps[0], what, (), f"add {project.name}, or '*' for any other") for caps in others))


def protecting_nothing(policies: Iterable[Policies], known: Collection[Address]) -> tuple[Diagnostic, ...]:
    """A warning for each address that is protected and means none of `known`: a slip of the pen would protect nothing.
    One with wildcards may be meant for what comes."""
    rules = [one.protected for one in policies if one.protected is not None]
    named = [(pattern, rule.at(pattern)) for rule in rules for pattern in rule.values if not is_wild(pattern)]
    return tuple(
        Diagnostic(
            "policy-unused",
            f"the policy protects {pattern}, which is neither configured nor in the state",
            candidates(pattern, _names(pattern, known)),
            severity="warning",
            position=position,
        )
        for pattern, position in named
        if not matching(pattern, known)
    )


def protecting_from_the_end(
    policies: Iterable[Policies], lifetimes: Mapping[Address, Lifetime]
) -> tuple[Diagnostic, ...]:
    """A warning for each address that is protected and means tasks with one of `lifetimes`, which end nothing then."""
    found = []
    for rule in (one.protected for one in policies if one.protected is not None):
        for pattern in rule.values:
            met = sorted(matching(pattern, lifetimes), key=in_order)
            if met:
                names = ", ".join(map(str, met[:6])) + (" and others" if len(met) > 6 else "")
                summary = f"the policy that protects {pattern} keeps the lifetime from ending {names}"
                also = ((f"the lifetime of {met[0]} is here", lifetimes[met[0]].source),)
                hint = "keep one of the two; a bid past its lifetime runs on and costs money until it is cancelled"
                warning = Diagnostic("lifetime-prevented", summary, hint, severity="warning", also=also)
                found.append(attrs.evolve(warning, position=rule.at(pattern)))
    return tuple(found)


def _names(pattern: str, known: Iterable[Address]) -> Iterator[str]:
    """How `known` are called, of the kind that `pattern` is of."""
    kind = pattern.partition(".")[0]
    return (f"{kind}.{one.name}" for one in known if one.kind == {"task": "bid"}.get(kind, kind))


def _unused(cap: Cap, what: str, known: Iterable[str], hint: str | None = None) -> Diagnostic:
    hint = hint or candidates(cap.name, known)
    return Diagnostic("policy-unused", f"the policy limits {what}", hint, severity="warning", position=cap.position)


def _refused(plan: Plan, rules: Policies, seen: Circumstances) -> Iterator[Diagnostic]:
    if rules.protected is not None:
        yield from _destroyed(plan, rules.protected)
    placed = [one for one in plan.changes if _is_placed(one)]
    for change in placed:
        yield from _placed(change, rules, seen)
    if rules.names is not None:
        yield from _misnamed(plan, rules.names)
    if placed and rules.hours is not None:
        yield from _at_this_hour(placed, rules.hours, seen)
    raises = any(not cannot_raise_cost(one) for one in plan.changes)
    for cap in _caps_of(seen.project, rules.budgets) if raises else ():
        yield from _over(plan, cap, seen)


def _is_placed(change: Change) -> bool:
    """Whether something is placed, or more of it is to be paid. A replacement is placed, unless it only lowers."""
    if not cannot_raise_cost(change):
        return True
    before, after = change.before, change.after
    if not isinstance(change, Replace):
        return False
    if isinstance(before, Bid) and isinstance(after, Bid):
        falls = after.worst is not None and before.worst is not None and after.worst < before.worst
        return not after.paused and not falls
    return isinstance(before, Volume) and isinstance(after, Volume) and before.region != after.region


def _placed(change: Change, rules: Policies, seen: Circumstances) -> Iterator[Diagnostic]:
    """What speaks against one bid or volume that is placed, or of which more is to be paid."""
    after = change.after
    if rules.regions is not None and isinstance(after, (Bid, Volume)):
        yield from _elsewhere(change, after.region, rules.regions)
    if isinstance(after, Bid) and rules.types is not None:
        yield from _of_another_type(change, after, rules.types, seen)
    if isinstance(after, Bid) and rules.max_price is not None:
        yield from _too_expensive(change, after, rules.max_price, seen)


def _said(change: Change, position: Position, summary: str, hint: str) -> Diagnostic:
    """A refusal of one resource, at the place of the rule."""
    also = ((f"{change.address} is here", change.position),) if change.position is not None else ()
    return Diagnostic(
        "policy", f"{change.address}: {summary}", hint, position=position, also=also, about=str(change.address)
    )


# ---- what goes --------------------------------------------------------------------------------------------------


def _destroyed(plan: Plan, rule: Allowed) -> Iterator[Diagnostic]:
    for change in plan.changes:
        if change.address.kind == "ports" or change.address.is_earlier:
            continue
        known = {change.address, *([change.previous_address] if change.previous_address else [])}
        pattern = next((one for one in rule.values if matching(one, known)), None)
        if pattern is None:
            continue
        if not isinstance(change, (Delete, Replace)):
            yield from _renamed(change, pattern, rule)
        else:
            how = "replaced" if isinstance(change, Replace) else "destroyed"
            summary = f"it would be {how}, and the policy protects {pattern}"
            hint = f"to keep it: --exclude '{change.address}'; to allow it, take {pattern} out of protected"
            yield _said(change, rule.at(pattern), summary, hint)


def _renamed(change: Change, pattern: str, rule: Allowed) -> Iterator[Diagnostic]:
    """An address that nothing protects, for what is protected: the next plan could destroy it."""
    if not any(matching(one, {change.address}) for one in rule.values):
        summary = f"it is {change.previous_address} now, which the policy protects ({pattern}), and not this address"
        yield _said(change, rule.at(pattern), summary, f"add {change.address} to protected first")


# ---- places, types, names ---------------------------------------------------------------------------------------


def _elsewhere(change: Change, region: str | None, rule: Allowed) -> Iterator[Diagnostic]:
    if region is None:
        summary = f"its region is unknown, so the policy cannot be checked; it allows {rule}"
        yield _said(change, rule.position, summary, f"give a region: {rule}")
    elif not any(fnmatchcase(region, one) for one in rule.values):
        summary = f"the region {region} is not one of those that the policy allows: {rule}"
        yield _said(change, rule.position, summary, "choose one of them, or change allowed_regions")


def _misnamed(plan: Plan, rule: Allowed) -> Iterator[Diagnostic]:
    for change in plan.changes:
        before, after = change.before, change.after
        if not isinstance(change, (Create, Update, Replace)) or not isinstance(after, (Bid, Volume)):
            continue
        own = _GENERATION.sub("", after.name)  # a successor has the name of its bid, and a number
        had = isinstance(before, (Bid, Volume)) and _GENERATION.sub("", before.name) == own
        if had and (isinstance(change, Update) or not _is_placed(change)):
            continue
        if not any(fnmatchcase(one, pattern) for one in (after.name, own) for pattern in rule.values):
            summary = f"the name {after.name} is not like {rule}, which the policy requires"
            yield _said(change, rule.position, summary, "rename it (name), or set name_prefix in the stack")


def _called(bid: Bid) -> str:
    """The type of a bid by its name, where that is known."""
    return bid.instance_type_name or bid.instance_type


def _of_another_type(change: Change, bid: Bid, rule: Allowed, seen: Circumstances) -> Iterator[Diagnostic]:
    kind = _kind_of(bid, seen.catalogue)
    if kind is None:
        summary = f"nothing is known of the instance type {_called(bid)}, so the policy cannot be checked"
        yield _said(change, rule.position, summary, f"use a type that is listed: {rule}")
    elif not any(_means(one, kind) for one in rule.values):
        summary = f"the instance type {kind.name} is not one of those that the policy allows: {rule}"
        yield _said(change, rule.position, summary, "choose one of them, or change allowed_types")


def _kind_of(bid: Bid, catalogue: Catalogue) -> InstanceType | None:
    """Its type as it is listed, else what its name tells; None: nothing is known of it."""
    listed = catalogue.type(bid.instance_type)
    if listed is not None or not bid.instance_type_name:
        return listed
    try:
        name = read_type_name(bid.instance_type_name)
    except ValueError:
        return None
    gpus = bid.gpus if bid.gpus is not None else name.gpus
    if name.gpu is None or gpus is None:
        return None
    return InstanceType(bid.instance_type, name.text, name.gpu, gpus, name.memory_gb or 0, name.socket or "")


def _means(text: str, kind: InstanceType) -> bool:
    """Whether `text` names `kind`, as a task file does, or its GPU."""
    return bool(find_types(read_type_name(text), [kind])) or has_word(kind.gpu_type, text)


# ---- prices -----------------------------------------------------------------------------------------------------


def _too_expensive(change: Change, bid: Bid, rule: MaxPrice, seen: Circumstances) -> Iterator[Diagnostic]:
    """By the strictest of the amounts whose names mean its type; by that of ANYTHING where none does."""
    kind = _kind_of(bid, seen.catalogue)
    if kind is None:
        strictest = min(rule.caps, key=lambda one: one.amount)
        summary = f"nothing is known of the instance type {_called(bid)}, so the policy cannot be checked"
        yield _said(change, strictest.position, summary, "use a type that is listed")
        return
    cap, gpus = _cap_of(rule, kind), max(kind.gpus, 1)
    if cap is None:
        return
    price = bid.limit_price if rule.basis == "limit" else seen.paid.get(change.address)
    whose = "" if cap.name == ANYTHING else f" for {cap.name}"
    if price is None:
        summary = (
            f"its price now is unknown, so the policy (at most {usd(cap.amount)} per GPU-hour{whose}) cannot be checked"
        )
        yield _said(change, cap.position, summary, "plan again once prices can be fetched, or set price_basis: limit")
    elif price > cap.amount * gpus:
        yield _said(change, cap.position, _costs(rule, price, gpus, cap, whose), _lower(rule, cap, gpus))


def _cap_of(rule: MaxPrice, kind: InstanceType) -> Cap | None:
    """The amount that `kind` is held to; None: none is."""
    named = [one for one in rule.caps if one.name != ANYTHING and _means(one.name, kind)]
    caps = named or [one for one in rule.caps if one.name == ANYTHING]
    return min(caps, key=lambda one: one.amount, default=None)


def highest_limit(policies: Iterable[Policies], bid: Bid, catalogue: Catalogue) -> Decimal | None:
    """The highest limit price that `policies` allow the bid, in dollars per instance-hour, in whole cents; None: they
    do not say."""
    kind = _kind_of(bid, catalogue)
    rules = [one.max_price for one in policies if one.max_price is not None and one.max_price.basis == "limit"]
    caps = [cap for rule in rules if kind is not None and (cap := _cap_of(rule, kind)) is not None]
    gpus = Decimal(max(kind.gpus, 1) if kind is not None else 1)
    return min(((cap.amount * gpus).quantize(CENT, ROUND_FLOOR) for cap in caps), default=None)


def _costs(rule: MaxPrice, price: Decimal, gpus: int, cap: Cap, whose: str) -> str:
    what = "its limit is" if rule.basis == "limit" else "it would pay"
    per = f"{usd(price)} per instance-hour ({beside_cents(price / gpus)} per GPU-hour)"
    return f"{what} {per}; the policy allows at most {usd(cap.amount)} per GPU-hour{whose}"


def _lower(rule: MaxPrice, cap: Cap, gpus: int) -> str:
    if rule.basis == "now":
        return "choose another type or region, or wait until the price has come down"
    most = (cap.amount * gpus).quantize(CENT, ROUND_FLOOR)
    return f"at most utility_threshold_price_per_gpu: {cap.amount:.2f} (utility_threshold_price: {most:.2f})"


# ---- hours ------------------------------------------------------------------------------------------------------


def _at_this_hour(raising: list[Change], rule: Hours, seen: Circumstances) -> Iterator[Diagnostic]:
    moments = seen.moments.get(rule.zone, ())
    if moments and all(map(rule.allow, moments)):
        return
    names = [str(one.address) for one in raising]
    many = f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
    summary = (
        f"the policy allows placing and raising from {rule}; {_there(*moments)}, and this would place or raise {many}"
    )
    hint = "apply within these hours; what removes, pauses or lowers is never held up"
    yield Diagnostic("policy", summary, hint, position=rule.position)


def _there(api: datetime | None = None, here: datetime | None = None) -> str:
    """What time it is there by the API's clock and, where that is another, by this machine's."""
    if api is None:
        return "the time there is unknown"
    besides = "" if here is None else f" by the API's clock, {here:%a %H:%M} by this machine's"
    return f"it is {api:%a %H:%M} there{besides}"


# ---- the project ------------------------------------------------------------------------------------------------


def _caps_of(project: Named, caps: Iterable[Cap]) -> list[Cap]:
    """Those for this project, else those for any."""
    caps = list(caps)
    own = [one for one in caps if one.name != ANYTHING and project.is_called(one.name)]
    return own or [one for one in caps if one.name == ANYTHING]


def _over(plan: Plan, cap: Cap, seen: Circumstances) -> Iterator[Diagnostic]:
    found = Hourly.of(plan, seen.live)
    name = seen.project.name
    allowed = f"the policy allows {usd(cap.amount)}"
    if found.unknown:
        why = f"what project {name} costs an hour is unknown ({found.unknown})"
        summary = f"{why}, so the policy cannot be checked; {allowed}"
        yield Diagnostic("policy", summary, "plan again once it is known", position=cap.position)
    elif found.after > cap.amount and found.after > found.before:
        summary = (
            f"project {name} would cost up to {usd(found.after)} an hour, every limit paid, bids and volumes of others"
            f" included; {allowed} (before: {usd(found.before)})"
        )
        hint = "lower limits, ask for fewer instances, or first end what runs in the project"
        yield Diagnostic("policy", summary, hint, position=cap.position)
