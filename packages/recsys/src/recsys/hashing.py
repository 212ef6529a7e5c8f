"""A hash that numpy and Spark compute alike: SplitMix64's output function.

z = key + start(seed); then z = (z ^ (z >> shift)) · factor for both of MIXING, and z ^ (z >> LAST);
all modulo 2⁶⁴ and without a sign. Imports the standard library only, as `recsys.fields` does.

Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

MIXING = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
"""Shifts and factors."""

LAST = 31
"""The last shift."""

_GOLDEN = 0x9E3779B97F4A7C15  # 2⁶⁴ divided by the golden ratio


def start(seed: int) -> int:
    """What is added to a key, 0 … 2⁶⁴ − 1."""
    return (seed + 1) * _GOLDEN % (1 << 64)
