"""How far a count can be trusted: an interval for an accuracy, a test for two on the same data.

Both take counts, so that a recorded result is enough; both are exact enough for one wrong image.
"""

from __future__ import annotations

import math

Z95 = 1.959963984540054  # 97.5 % of a standard normal lies below it


def wilson(correct: int, n: int, z: float = Z95) -> tuple[float, float]:
    """95 % interval of an accuracy from `correct` of `n` independent answers (Wilson 1927).

    Unlike correct/n +- z*sqrt(p(1-p)/n) it stays within [0, 1] and works at 0 and n.
    Raises ValueError unless 0 <= correct <= n and n > 0.

    >>> low, high = wilson(9000, 10000)
    >>> round(low, 4), round(high, 4)
    (0.894, 0.9057)
    """
    if not (n > 0 and 0 <= correct <= n):
        raise ValueError(f"Not a count of right answers: {correct} of {n}.")
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At 0 and n the formula's two halves cancel exactly; rounding must not undo that.
    low = 0.0 if correct == 0 else centre - half
    high = 1.0 if correct == n else centre + half
    return low, high


def paired_p_value(newly_wrong: int, newly_right: int) -> float:
    """Exact two-sided McNemar test: could both models be equally good on the same inputs?

    Only inputs on which the two disagree tell anything. If the models are equally good, each of
    these falls on either side with probability 1/2 (binomial). Returns 1.0 if they never differ.
    Raises ValueError for negative counts.

    >>> paired_p_value(8, 2)
    0.109375
    """
    if min(newly_wrong, newly_right) < 0:
        raise ValueError("Counts can't be negative.")
    n, k = newly_wrong + newly_right, min(newly_wrong, newly_right)
    if n == 0:
        return 1.0
    # Logarithms, as binomial coefficients of thousands overflow a float.
    terms = (math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(k + 1))
    tail = sum(math.exp(term - n * math.log(2)) for term in terms)
    return min(1.0, round(2 * tail, 12))
