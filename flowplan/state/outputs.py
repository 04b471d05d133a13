"""Outputs in the state: each with what it was made of, so that it can be asked for again without the files. Pure.

A sensitive one is kept as no more than that: neither its value nor its text.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, TypedDict

import attrs

from flowplan.model.address import Address
from flowplan.model.outputs import Output, Thing, readdressed, references, value_of
from flowplan.state.state import State


class Kept(TypedDict, total=False):
    """One output, in the state."""

    value: Any
    template: str
    sensitive: bool


def kept(templates: Mapping[str, str | None], state: State, none_of: Container[Address]) -> dict[str, Kept]:
    """What the state holds of outputs: `templates` by name, None of a sensitive one. `none_of`: as in `planned`."""
    things = things_of(state, {})
    return {
        name: {"sensitive": True}
        if template is None
        else {"value": value_of(template, things, none_of), "template": template}
        for name, template in templates.items()
    }


def templates_of(state: State) -> dict[str, str | None]:
    """The templates that the state holds; what an earlier flowplan, or somebody, put there otherwise is left out."""
    found: dict[str, str | None] = {}
    for name, one in state.outputs.items():
        if isinstance(one, dict) and (one.get("sensitive") is True or isinstance(one.get("template"), str)):
            found[name] = None if one.get("sensitive") is True else one["template"]
    return found


def empty(state: State) -> frozenset[Address]:
    """What outputs of `state` name that had an empty for_each when they were kept: they came to nothing, not to what is
    unknown."""
    found = (template for name, template in templates_of(state).items() if state.outputs[name].get("value") == {})
    return frozenset(one.address for template in found if template is not None for one in references(template))


def with_addresses(state: State, new: Callable[[Address], Address]) -> State:
    """`state` whose outputs name, for each address, the one that `new` gives for it."""
    outputs = dict(state.outputs)
    for name, template in templates_of(state).items():
        if template is not None and (made := readdressed(template, new)) != template:
            outputs[name] = {**outputs[name], "template": made}
    return state if outputs == state.outputs else attrs.evolve(state, outputs=outputs)


def asks_for_instances(state: State) -> bool:
    """Whether some output names what only a running instance has."""
    templates = (one for one in templates_of(state).values() if one is not None)
    return any(reference.attribute == "ssh" for one in templates for reference in references(one))


def evaluated(state: State, ssh: Mapping[str, str]) -> dict[str, Output]:
    """The outputs of `state`, by name. `ssh`: id of a bid -> where to log in."""
    return planned(templates_of(state), things_of(state, ssh), empty(state))


def planned(
    outputs: Mapping[str, str | None], things: Mapping[Address, Thing], none_of: Container[Address]
) -> dict[str, Output]:
    """The outputs of templates (None: sensitive), of what there will be. `none_of`: what has an empty for_each."""
    return {
        name: Output(None, sensitive=True) if template is None else Output(value_of(template, things, none_of))
        for name, template in sorted(outputs.items())
    }


def things_of(state: State, ssh: Mapping[str, str]) -> dict[Address, Thing]:
    """What outputs may name."""
    return {
        address: Thing(binding.applied, binding.id, ssh.get(binding.id))
        for address, binding in state.bindings.items()
        if address.kind != "ports"
    }
