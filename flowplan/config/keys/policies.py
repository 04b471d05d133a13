"""Every key of `policies`, in a stack file or a file of its own. Pure."""

from __future__ import annotations

from flowplan.config.keys.kinds import AMOUNT, NAMES, TEXT, Either, Key, Keys, ListOf, Named, Within, one_of
from flowplan.model.policy import DAYS, PRICE_BASES

HOURS = Keys(
    {
        "from": Key(TEXT, "When it begins, such as '08:00'.", "00:00"),
        "to": Key(TEXT, "When it ends, such as '18:00'; earlier than `from`: on the next day.", "24:00"),
        "days": Key(ListOf(one_of(*DAYS), one=True), "The days on which it begins. Default: every day."),
        "time_zone": Key(TEXT, "Whose clocks count, such as Europe/Berlin or UTC."),
    },
    "hours: {from: '08:00', to: '18:00', days: [mon, tue, wed, thu, fri], time_zone: Europe/Berlin}",
    {"timezone": "write time_zone", "start": "write from", "end": "write to", "until": "write to"},
    required=("time_zone",),
)

POLICIES = Keys(
    {
        "max_price_per_gpu_hour": Key(
            Either((AMOUNT, Named(r".", AMOUNT))),
            "The most that a GPU-hour may cost, in dollars: of every type, or by type ('*': all others).",
        ),
        "price_basis": Key(one_of(*PRICE_BASES), "Which price that is: the limit, or what is paid now.", "limit"),
        "allowed_regions": Key(NAMES, "Where bids and volumes may be placed; * stands for any text."),
        "allowed_types": Key(NAMES, "Which instance types may be used, as task files name them."),
        "protected": Key(NAMES, "Addresses that nothing destroys or replaces, such as volume.data or bid.prod-*."),
        "required_names": Key(NAMES, "What the name of a new bid or volume must look like, such as team-*."),
        "hours": Key(Within(HOURS), "When bids and volumes may be placed, and limits raised."),
        "project_budgets": Key(
            Named(r".", AMOUNT),
            "By project: what all of its bids and volumes may cost an hour at most, in dollars ('*': any other).",
        ),
    },
    "policies: {max_price_per_gpu_hour: {h100: 3.00}, protected: [volume.data]}",
    {
        "max_price": "write max_price_per_gpu_hour",
        "max_price_per_hour": "write max_price_per_gpu_hour: dollars per GPU-hour",
        "regions": "write allowed_regions",
        "types": "write allowed_types",
        "names": "write required_names",
        "budget": "write project_budgets: {PROJECT: 120}; guards: {max_hourly_cost: 60} limits the stack",
        "budgets": "write project_budgets: {PROJECT: 120}",
        "max_hourly_cost": "it belongs in guards; project_budgets limits a whole project",
    },
)

POLICY_FILE = Keys(
    {"policies": Key(Within(POLICIES), "The rules that a plan is held to.")},
    "policies: {max_price_per_gpu_hour: {h100: 3.00}}",
    required=("policies",),
)
