"""Every key of a file of cases, which `flowplan test` runs: what it is for, and what it takes. Pure."""

from __future__ import annotations

from flowplan.config.keys.kinds import (
    AMOUNT,
    ANY,
    MAPPING,
    NAMES,
    TEXT,
    Key,
    Keys,
    ListOf,
    Named,
    Within,
    one_of,
    whole,
)
from flowplan.model.bases import BASES

ACTIONS = ("create", "update", "replace", "delete", "no-op", "read", "forget", "import")
MODES = ("apply", "destroy")

PRICE = Keys(
    {
        "instance_type": Key(TEXT, "The instance type, by the API's name or id."),
        "region": Key(TEXT, "The region."),
        "price": Key(AMOUNT, "What it costs there now, in dollars per instance-hour."),
    },
    "prices: [{instance_type: h100-80gb.sxm.8x, region: us-central1-b, price: 12.00}]",
)
VOLUME = Keys(
    {
        "name": Key(TEXT, "The name of a volume that exists already."),
        "size_gb": Key(whole(1, 32_768), "Its size."),
        "interface": Key(one_of("Block", "File"), "Its interface.", "Block"),
        "region": Key(TEXT, "Its region."),
    },
    "volumes: [{name: data, size_gb: 100, interface: File, region: us-central1-b}]",
)
GIVEN = Keys(
    {
        "variables": Key(MAPPING, "Values of variables, as --var takes them."),
        "environ": Key(MAPPING, "Variables of the environment; there are no others."),
        "prices": Key(ListOf(Within(PRICE)), "Prices of the market."),
        "volumes": Key(ListOf(Within(VOLUME)), "Volumes that exist, and that the stack attaches."),
        "applied": Key(
            ANY, "true: the stack has been applied already; or the files that were, beside the file of cases."
        ),
        "hours": Key(
            AMOUNT, "How long ago that was, for lifetimes and preemptions; the prices given are those of now."
        ),
    },
    "given: {variables: {size: 100}, applied: true}",
    {"market": "write prices", "state": "write applied: true, or applied: old.yaml"},
)
COST = Keys(
    {
        "max_hourly_cost": Key(AMOUNT, "What the stack may cost, in dollars per hour."),
        "min_hourly_cost": Key(AMOUNT, "The least that the stack may cost, in dollars per hour."),
        "budget_basis": Key(one_of(*BASES), "Which cost is meant.", "worst"),
    },
    "cost: {max_hourly_cost: 20}",
)
EXPECT = Keys(
    {
        "resource_changes": Key(Named("", one_of(*ACTIONS)), "Addresses, and what happens to each."),
        "summary": Key(Named("", whole(0, 1_000_000)), "How many of each action there are."),
        "cost": Key(Within(COST), "Bounds on what the stack costs after the plan."),
        "refused": Key(NAMES, "What refuses the plan, in the words of its diagnostics. Default: nothing does."),
        "problems": Key(NAMES, "Codes of problems in the configuration. Default: there are none."),
    },
    "expect: {resource_changes: {bid.train: create}}",
    {"changes": "write resource_changes", "actions": "write resource_changes", "guards": "write refused"},
)
CASE = Keys(
    {
        "given": Key(Within(GIVEN), "What exists before the plan."),
        "mode": Key(one_of(*MODES), "The plan: what apply would do, or destroy.", "apply"),
        "allow_volume_destroy": Key(NAMES, "Volumes whose data may be destroyed, by name or address."),
        "expect": Key(Within(EXPECT), "What the plan says."),
    },
    "the first apply: {expect: {resource_changes: {bid.train: create}}}",
)
FILE = Keys({"cases": Key(Named("", Within(CASE)), "The cases, by name.")}, f"cases: {{{CASE.example}}}")
