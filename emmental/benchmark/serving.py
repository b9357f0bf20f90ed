"""How many texts a second a contender serves while its passes stay within a time."""

from dataclasses import dataclass

from emmental.benchmark.contenders import Contender
from emmental.benchmark.timing import Timing, random_texts, timed

LARGEST = 256  # texts of a pass
SECONDS = 3.0  # of one number of texts; after them no further round begins


@dataclass(frozen=True)
class Served:
    """Texts per second in passes of so many texts."""

    per_second: float
    texts: int


def sweep(
    ways: list[Contender], tokens: int, vocabulary: int, known: dict[int, dict[str, Timing]], latency: float
) -> dict[int, dict[str, Timing]]:
    """Timings of passes of 1, 2, 4, … texts of so many tokens, of each contender until one is not within the latency.
    known: those that need not be measured."""
    found, texts = {}, 1
    while ways and texts <= LARGEST:
        inputs = random_texts([tokens] * texts, vocabulary)
        found[texts] = known[texts] if texts in known else timed(ways, inputs, SECONDS)[0]
        ways = [way for way in ways if is_within(found[texts][way.name], latency)]
        texts *= 2
    return found


def is_within(timing: Timing, latency: float) -> bool:
    """Whether three passes in four take no longer."""
    return timing.high <= latency


def best(passes: dict[int, dict[str, Timing]], latency: float) -> dict[str, Served]:
    """The most texts per second of each contender that has passes within the latency. passes: timings by the number of
    texts."""
    found = {}
    for texts, timings in passes.items():
        for name, timing in timings.items():
            served = Served(texts / timing.median, texts)
            if is_within(timing, latency) and (name not in found or served.per_second > found[name].per_second):
                found[name] = served
    return found
