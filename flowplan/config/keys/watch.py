"""Every key of `watch` in a stack file. Pure."""

from __future__ import annotations

from flowplan.config.keys.kinds import AMOUNT, FLAG, Key, Keys, one_of
from flowplan.model.watch import ON_PREEMPTED

WATCH = Keys(
    {
        "on_preempted": Key(
            one_of(*ON_PREEMPTED),
            "rebid: a bid that the cloud has ended, and no person, is placed again. report: flowplan only says so.",
            "report",
        ),
        "raise_limit_up_to": Key(
            AMOUNT,
            "How far the limit price of a bid that waits is raised so that it wins: dollars per instance-hour, "
            "one amount for instances of all sizes. max_price_per_gpu_hour of a policy bounds that of a GPU.",
        ),
        "switch_region": Key(
            FLAG, "Whether a bid that waits and holds nothing is placed again where it is much better.", False
        ),
        "max_hourly_cost": Key(
            AMOUNT, "What the stack may cost an hour, every limit price paid, by what the watch does, in dollars."
        ),
        "enforce_lifetime": Key(FLAG, "Whether a bid is cancelled once its lifetime is over.", True),
    },
    "watch: {on_preempted: rebid, raise_limit_up_to: 25, max_hourly_cost: 60}",
    {
        "on_preempt": "write on_preempted",
        "rebid": "write on_preempted: rebid",
        "raise_limit": "write raise_limit_up_to",
        "max_limit_price": "write raise_limit_up_to",
        "switch_regions": "write switch_region",
        "enforce_lifetimes": "write enforce_lifetime",
        "max_cost": "write max_hourly_cost",
        "every": "write it on the command line: flowplan watch --every 5m",
        "interval": "write it on the command line: flowplan watch --every 5m",
    },
)
