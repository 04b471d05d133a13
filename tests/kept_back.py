"""Price streams of many kinds that no figure of the forecasts was chosen on, drawn from fixed seeds: ten weeks each.

`kept_back("choose")` and `kept_back("report")` are halves with other seeds: what is chosen on the first is reported on
the second. The kinds have what spot prices were seen to do: levels that change and return, surges that end at once or
in steps, days and weeks, prices drawn again and again within a band, walks, markets of two states, prices that seldom
change, and trends; half of them with a reserve that binds. `kept_back("beyond")` has two kinds that go on to prices
which no past has: markets that fall for weeks, with rises in between, and their mirror image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random
from statistics import median
from typing import Literal, TypeAlias

Half: TypeAlias = Literal["choose", "report", "beyond"]
SEEDS: dict[Half, tuple[int, ...]] = {"choose": (1, 2), "report": (3, 4), "beyond": (1, 2)}
_STEP = 1 / 6  # hours
_STEPS = 70 * 24 * 6
Logs: TypeAlias = list[float]  # the logarithm of the price, step by step


def _mean_reverting(random: Random, spread: float, hours: float) -> Logs:
    kept, at = math.exp(-_STEP / hours), random.gauss(0, spread)
    moved = spread * math.sqrt(1 - kept * kept)
    return [at := kept * at + random.gauss(0, moved) for _ in range(_STEPS)]


def _held(random: Random, logs: Logs, an_hour: float) -> Logs:
    """Changes come at random moments, so many an hour."""
    found, at = [], logs[0]
    for one in logs:
        at = one if random.random() < an_hour * _STEP else at
        found.append(at)
    return found


def _surges(random: Random, a_day: float, tail: float, hours: float, *, in_steps: bool) -> Logs:
    found, at = [0.0] * _STEPS, 0.0
    while (first := int((at := at + random.expovariate(a_day / 24)) / _STEP)) < _STEPS:
        long = max(1, int(hours * random.lognormvariate(0, 1) / _STEP))
        height = math.log(min(0.2 + random.paretovariate(tail), 30))
        for step in range(min(3 * long if in_steps else long, _STEPS - first)):
            now = height * math.exp(-step / long) if in_steps else height
            found[first + step] = max(found[first + step], now)
    return found


def _states(random: Random, levels: Callable[[], float], hours: Callable[[float], float]) -> Logs:
    found: Logs = []
    while len(found) < _STEPS:
        level = levels()
        found += [level] * max(1, int(random.expovariate(1 / hours(level)) / _STEP))
    return found[:_STEPS]


def _add(*parts: Logs) -> Logs:
    return [math.fsum(row) for row in zip(*parts, strict=True)]


def _levels(random: Random) -> Logs:
    spread, dwell = random.uniform(0.2, 0.7), random.uniform(24, 120)
    among = [random.gauss(0, spread) for _ in range(random.randint(3, 5))]
    noise = _mean_reverting(random, random.uniform(0.03, 0.2), random.uniform(2, 12))
    return _held(random, _add(_states(random, lambda: random.choice(among), lambda level: dwell), noise), 3)


def _spikes(random: Random) -> Logs:
    calm = _held(random, _mean_reverting(random, random.uniform(0.01, 0.08), 12), random.uniform(0.3, 4))
    return _add(calm, _surges(random, random.uniform(0.3, 2), random.uniform(0.8, 1.5), 1.5, in_steps=False))


def _decays(random: Random) -> Logs:
    calm = _mean_reverting(random, random.uniform(0.02, 0.15), 12)
    surges = _surges(random, random.uniform(0.3, 1.5), random.uniform(0.8, 1.5), 2, in_steps=True)
    return _held(random, _add(calm, surges), random.uniform(2, 6))


def _cycle(random: Random) -> Logs:
    swing, peak, weekend = random.uniform(0.1, 0.6), random.uniform(0, 24), random.uniform(0, 0.3)
    days = [
        swing * math.cos(2 * math.pi * (step * _STEP - peak) / 24) - weekend * (step * _STEP // 24 % 7 >= 5)
        for step in range(_STEPS)
    ]
    return _held(random, _add(days, _mean_reverting(random, random.uniform(0.05, 0.3), 6)), random.uniform(1, 6))


def _band(random: Random) -> Logs:
    width, dwell = random.uniform(0.05, 0.5), 24 * random.uniform(2, 10)
    bands = _states(random, lambda: random.gauss(0, 0.4), lambda level: dwell)
    return _held(random, [at + width * random.random() for at in bands], random.uniform(0.3, 3))


def _walk(random: Random) -> Logs:
    return _held(random, _mean_reverting(random, random.uniform(0.3, 0.7), random.uniform(48, 150)), 3)


def _two(random: Random) -> Logs:
    high, low_hours, high_hours = math.log(random.uniform(3, 12)), random.uniform(12, 72), random.uniform(3, 20)
    turns = _turns(high)
    states = _states(random, lambda: next(turns), lambda level: high_hours if level else low_hours)
    return _held(random, _add(states, _mean_reverting(random, random.uniform(0.05, 0.25), 5)), random.uniform(1, 4))


def _turns(high: float) -> Iterator[float]:
    while True:
        yield 0.0
        yield high


def _rare(random: Random) -> Logs:
    slow = _mean_reverting(random, random.uniform(0.05, 0.4), random.uniform(24, 96))
    return _held(random, slow, random.uniform(0.02, 0.2))


def _trend(random: Random) -> Logs:
    points = [random.gauss(0, 0.4) for _ in range(8)]
    place = [step / _STEPS * 7 for step in range(_STEPS)]
    trend = [points[int(at)] + (points[int(at) + 1] - points[int(at)]) * (at % 1) for at in place]
    noise = _mean_reverting(random, random.uniform(0.05, 0.2), 6)
    return _held(random, _add(trend, noise, _surges(random, 0.4, 1.2, 1.5, in_steps=False)), random.uniform(1, 6))


def _falling(random: Random) -> Logs:
    at, an_hour, apart, often = 0.0, random.uniform(0.0005, 0.004), random.uniform(60, 300), random.uniform(0.2, 3)
    found: Logs = []
    for _ in range(_STEPS):
        at -= an_hour * _STEP
        if random.random() < _STEP / apart:
            at += random.expovariate(4)
        found.append(at)
    return _held(random, found, often)


def _climbing(random: Random) -> Logs:
    return [-one for one in _falling(random)]


BEYOND: dict[str, Callable[[Random], Logs]] = {"falling": _falling, "climbing": _climbing}
KINDS: dict[str, Callable[[Random], Logs]] = {
    "levels": _levels,
    "spikes": _spikes,
    "decays": _decays,
    "cycle": _cycle,
    "band": _band,
    "walk": _walk,
    "two": _two,
    "rare": _rare,
    "trend": _trend,
}


def kept_back(half: Half) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """(name, its changes: hours since it began, dollars per instance-hour), two of each kind."""
    for kind, make in (BEYOND if half == "beyond" else KINDS).items():
        for seed in SEEDS[half]:
            random = Random(f"kept back:{kind}:{seed}")
            logs = make(random)
            middle = median(logs)
            least = random.uniform(0.4, 0.9) if random.random() < 0.5 else 0.001
            changes: list[tuple[float, float]] = []
            for step, one in enumerate(logs):
                price = max(round(math.exp(one - middle), 3), round(least, 3))
                if not changes or price != changes[-1][1]:
                    changes.append((step * _STEP, price))
            yield f"{kind}-{seed}", changes
