"""Price streams of many kinds that no figure of the forecasts was chosen on, drawn from fixed seeds: ten weeks each.

`kept_back("choose")` and `kept_back("report")` are halves with other seeds: what is chosen on the first is reported on
the second. The kinds have what spot prices were seen to do: levels that change and return, surges that end at once or
in steps, days and weeks, prices drawn again and again within a band, walks, markets of two states, prices that seldom
change, and trends; half of them with a reserve that binds. `kept_back("beyond")` has two kinds that go on to prices
which no past has: markets that fall for weeks, with rises in between, and their mirror image.

Each stream can also go on otherwise than it did, from any step, as its kind does: what may come, given all that is so
(`possible.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from random import Random
from statistics import median
from typing import Literal, NamedTuple, TypeAlias

Half: TypeAlias = Literal["choose", "report", "beyond"]
SEEDS: dict[Half, tuple[int, ...]] = {"choose": (1, 2), "report": (3, 4), "beyond": (1, 2)}
_STEP = 1 / 6  # hours
_STEPS = 70 * 24 * 6
Logs: TypeAlias = list[float]  # the logarithm of the price, step by step


class Part(NamedTuple):
    """What a stream is made of. `on(random, first, last)`: another course of the steps from `first` up to `last`, given
    all before."""

    logs: Logs
    on: Callable[[Random, int, int], Logs]


class Kept(NamedTuple):
    """A stream. `changes`: hours since it began, dollars per instance-hour."""

    name: str
    changes: list[tuple[float, float]]
    part: Part
    dollars: Callable[[float], float]

    def on(self, random: Random, now: float, hours: float) -> list[tuple[float, float]]:
        """(price, hours) of a course that it might take over `hours` from `now`."""
        step = int(now / _STEP)
        last = math.ceil((now + hours) / _STEP)
        logs = [self.part.logs[step], *self.part.on(random, step + 1, last)]
        ends = [*(at * _STEP for at in range(step + 1, last)), now + hours]
        return [(self.dollars(log), end - begin) for log, begin, end in zip(logs, [now, *ends[:-1]], ends, strict=True)]


def _each(random: Random, at: float, moved: Callable[[Random, float], float]) -> Part:
    """Each step depends on the one before alone."""

    def on(random: Random, at: float, steps: int) -> Logs:
        return [at := moved(random, at) for _ in range(steps)]

    logs = on(random, at, _STEPS)
    return Part(logs, lambda random, first, last: on(random, logs[first - 1], last - first))


def _mean_reverting(random: Random, spread: float, hours: float) -> Part:
    kept = math.exp(-_STEP / hours)
    moved = spread * math.sqrt(1 - kept * kept)
    return _each(random, random.gauss(0, spread), lambda random, at: kept * at + random.gauss(0, moved))


def _held(random: Random, part: Part, an_hour: float) -> Part:
    """Changes come at random moments, so many an hour. Of what it would change to no more is known than at the last."""

    def changing(random: Random) -> bool:
        return random.random() < an_hour * _STEP

    last_change = list(accumulate((step * changing(random) for step in range(_STEPS)), max))
    held = [part.logs[step] for step in last_change]

    def on(random: Random, first: int, last: int) -> Logs:
        known = last_change[first - 1] + 1
        at, hidden = held[first - 1], part.on(random, known, last)
        return [at := log if changing(random) else at for log in hidden[first - known :]]

    return Part(held, on)


def _surges(random: Random, a_day: float, tail: float, hours: float, *, in_steps: bool) -> Part:
    def length(random: Random) -> int:
        return max(1, int(hours * random.lognormvariate(0, 1) / _STEP))

    def come(random: Random, at: float, end: int) -> Iterator[tuple[int, int, float]]:
        """First step, length, height."""
        while (first := int((at := at + random.expovariate(a_day / 24)) / _STEP)) < end:
            yield first, length(random), math.log(min(0.2 + random.paretovariate(tail), 30))

    def logs(surges: Iterable[tuple[int, int, float]], begin: int, end: int) -> Logs:
        found = [0.0] * (end - begin)
        for first, long, height in surges:
            for step in range(max(first, begin), min(first + (3 * long if in_steps else long), end)):
                now = height * math.exp(-(step - first) / long) if in_steps else height
                found[step - begin] = max(found[step - begin], now)
        return found

    def still(random: Random, passed: int, long: int) -> int:
        """The length of one that began so many steps ago: how fast one falls in steps is seen, how long another lasts
        is not."""
        if in_steps or long < passed:
            return long
        while (other := length(random)) < passed:
            pass
        return other

    known = list(come(random, 0, _STEPS))

    def on(random: Random, begin: int, end: int) -> Logs:
        begun = [(first, still(random, begin - first, long), height) for first, long, height in known if first < begin]
        return logs([*begun, *come(random, begin * _STEP, end)], begin, end)

    return Part(logs(known, 0, _STEPS), on)


def _states(
    random: Random, following: Callable[[Random, float | None], float], hours: Callable[[float], float]
) -> Part:
    """One level `following` another, each for `hours` in the mean."""

    def stay(random: Random, level: float) -> int:
        return int(random.expovariate(1 / hours(level)) / _STEP)

    def on(random: Random, level: float | None, found: Logs, steps: int) -> Logs:
        while len(found) < steps:
            level = following(random, level)
            found += [level] * max(1, stay(random, level))
        return found[:steps]

    def later(random: Random, first: int, last: int) -> Logs:
        level = logs[first - 1]
        return on(random, level, [level] * stay(random, level), last - first)

    logs = on(random, None, [], _STEPS)
    return Part(logs, later)


def _sure(logs: Logs) -> Part:
    return Part(logs, lambda random, first, last: logs[first:last])


def _add(*parts: Part) -> Part:
    def added(rows: Iterable[Logs]) -> Logs:
        return [math.fsum(row) for row in zip(*rows, strict=True)]

    logs = added(part.logs for part in parts)
    return Part(logs, lambda random, first, last: added(part.on(random, first, last) for part in parts))


def _levels(random: Random) -> Part:
    spread, dwell = random.uniform(0.2, 0.7), random.uniform(24, 120)
    among = [random.gauss(0, spread) for _ in range(random.randint(3, 5))]
    noise = _mean_reverting(random, random.uniform(0.03, 0.2), random.uniform(2, 12))
    states = _states(random, lambda random, level: random.choice(among), lambda level: dwell)
    return _held(random, _add(states, noise), 3)


def _spikes(random: Random) -> Part:
    calm = _held(random, _mean_reverting(random, random.uniform(0.01, 0.08), 12), random.uniform(0.3, 4))
    return _add(calm, _surges(random, random.uniform(0.3, 2), random.uniform(0.8, 1.5), 1.5, in_steps=False))


def _decays(random: Random) -> Part:
    calm = _mean_reverting(random, random.uniform(0.02, 0.15), 12)
    surges = _surges(random, random.uniform(0.3, 1.5), random.uniform(0.8, 1.5), 2, in_steps=True)
    return _held(random, _add(calm, surges), random.uniform(2, 6))


def _cycle(random: Random) -> Part:
    swing, peak, weekend = random.uniform(0.1, 0.6), random.uniform(0, 24), random.uniform(0, 0.3)
    days = [
        swing * math.cos(2 * math.pi * (step * _STEP - peak) / 24) - weekend * (step * _STEP // 24 % 7 >= 5)
        for step in range(_STEPS)
    ]
    noise = _mean_reverting(random, random.uniform(0.05, 0.3), 6)
    return _held(random, _add(_sure(days), noise), random.uniform(1, 6))


def _band(random: Random) -> Part:
    width, dwell = random.uniform(0.05, 0.5), 24 * random.uniform(2, 10)
    bands = _states(random, lambda random, level: random.gauss(0, 0.4), lambda level: dwell)
    within = _each(random, 0, lambda random, at: width * random.random())
    return _held(random, _add(bands, within), random.uniform(0.3, 3))


def _walk(random: Random) -> Part:
    return _held(random, _mean_reverting(random, random.uniform(0.3, 0.7), random.uniform(48, 150)), 3)


def _two(random: Random) -> Part:
    high, low_hours, high_hours = math.log(random.uniform(3, 12)), random.uniform(12, 72), random.uniform(3, 20)
    states = _states(
        random,
        lambda random, level: high if level == 0 else 0.0,
        lambda level: high_hours if level else low_hours,
    )
    return _held(random, _add(states, _mean_reverting(random, random.uniform(0.05, 0.25), 5)), random.uniform(1, 4))


def _rare(random: Random) -> Part:
    slow = _mean_reverting(random, random.uniform(0.05, 0.4), random.uniform(24, 96))
    return _held(random, slow, random.uniform(0.02, 0.2))


def _trend(random: Random) -> Part:
    def lines(points: Sequence[float], first: int, last: int) -> Logs:
        places = (step / _STEPS * 7 for step in range(first, last))
        return [points[int(at)] + (points[int(at) + 1] - points[int(at)]) * (at % 1) for at in places]

    def on(random: Random, first: int, last: int) -> Logs:
        seen = int((first - 1) / _STEPS * 7) + 2  # where it is going to is seen by how it goes
        return lines([*points[:seen], *(random.gauss(0, 0.4) for _ in points[seen:])], first, last)

    points = [random.gauss(0, 0.4) for _ in range(8)]
    trend = Part(lines(points, 0, _STEPS), on)
    noise = _mean_reverting(random, random.uniform(0.05, 0.2), 6)
    return _held(random, _add(trend, noise, _surges(random, 0.4, 1.2, 1.5, in_steps=False)), random.uniform(1, 6))


def _falling(random: Random, sign: int = 1) -> Part:
    an_hour, apart, often = random.uniform(0.0005, 0.004), random.uniform(60, 300), random.uniform(0.2, 3)

    def moved(random: Random, at: float) -> float:
        at -= sign * an_hour * _STEP
        return at + sign * random.expovariate(4) if random.random() < _STEP / apart else at

    return _held(random, _each(random, 0.0, moved), often)


def _climbing(random: Random) -> Part:
    return _falling(random, -1)


BEYOND: dict[str, Callable[[Random], Part]] = {"falling": _falling, "climbing": _climbing}
KINDS: dict[str, Callable[[Random], Part]] = {
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


def kept_back(half: Half) -> Iterator[Kept]:
    """Two of each kind."""
    for kind, make in (BEYOND if half == "beyond" else KINDS).items():
        for seed in SEEDS[half]:
            random = Random(f"kept back:{kind}:{seed}")
            part = make(random)
            middle = median(part.logs)
            least = random.uniform(0.4, 0.9) if random.random() < 0.5 else 0.001

            def dollars(log: float, middle: float = middle, least: float = least) -> float:
                return max(round(math.exp(log - middle), 3), round(least, 3))

            changes: list[tuple[float, float]] = []
            for step, log in enumerate(part.logs):
                price = dollars(log)
                if not changes or price != changes[-1][1]:
                    changes.append((step * _STEP, price))
            yield Kept(f"{kind}-{seed}", changes, part, dollars)
