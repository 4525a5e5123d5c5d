"""How sure a measured accuracy is: an interval for one network, a test for two.

n test images are a sample. The same network on another n would score a little differently, so a
bare "0.91" says too little, and "0.91 beats 0.90" may say nothing at all.
"""

import math
from statistics import NormalDist, fmean, stdev


def wilson(correct, n, confidence=0.95):
    """Interval (low, high) for a network's accuracy, from `correct` right answers out of `n`.

    With p = correct / n and z the normal quantile (1.96 for 95 %), the interval holds every true
    accuracy q for which p lies within z standard errors of q: |p - q| <= z * sqrt(q(1 - q) / n).
    Solved for q it is centre -+ half width, where

        centre = (p + z^2 / 2n) / (1 + z^2 / n)
        half   = z * sqrt(p(1 - p) / n + z^2 / 4n^2) / (1 + z^2 / n)

    Unlike p -+ z * sqrt(p(1 - p) / n) it never leaves [0, 1] and does not shrink to nothing when
    every answer is right. Both ends are shares between 0 and 1.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927), 209-212.
    Raises ValueError unless 0 <= correct <= n, n > 0 and 0 < confidence < 1.

    >>> low, high = wilson(98, 100)                # "98 %" on 100 images ...
    >>> f"{low:.3f} to {high:.3f}"
    '0.930 to 0.994'
    >>> low, high = wilson(9800, 10_000)           # ... and on 10,000
    >>> f"{low:.3f} to {high:.3f}"
    '0.977 to 0.983'
    """
    if n <= 0 or not 0 <= correct <= n:
        raise ValueError(f"correct answers must be between 0 and n > 0, not {correct} of {n}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95, not {confidence}.")
    p = correct / n
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    # At p = 0 and p = 1 one end is exact, and rounding must not push it past the edge.
    low = 0.0 if correct == 0 else centre - half
    high = 1.0 if correct == n else centre + half
    return low, high


def mcnemar_exact(newly_wrong, newly_right):
    """p-value: could two equally good networks differ like this on the same test images?

    Only the images on which the two networks disagree count: `newly_wrong` were right before (say,
    before pruning) and are wrong now, `newly_right` the other way round. If neither network is
    better, each of these m images is a fair coin, so the smaller count k is Binomial(m, 1/2) and

        p = min(1, 2 * P(X <= k)) = min(1, 2 * sum_{i <= k} C(m, i) / 2^m)

    It is paired, so it sees a loss that two separate intervals would hide. A small p (below 0.05,
    say) is evidence of a difference; a large one is no proof of equality.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12 (1947), 153-157; here with the binomial
    probabilities themselves and not their chi-squared approximation.
    Raises ValueError unless both counts are whole numbers >= 0.

    >>> mcnemar_exact(newly_wrong=2, newly_right=1)      # "99 beats 98 of 100"? Not shown.
    1.0
    >>> round(mcnemar_exact(newly_wrong=30, newly_right=10), 4)
    0.0022
    """
    for count in (newly_wrong, newly_right):
        if count != int(count) or count < 0:
            raise ValueError(f"counts of images are whole numbers >= 0, not {count}.")
    m, k = int(newly_wrong + newly_right), int(min(newly_wrong, newly_right))
    ways, total = 1, 1  # C(m, 0) and the running sum; whole numbers, so nothing is rounded
    for i in range(1, k + 1):
        ways = ways * (m - i + 1) // i
        total += ways
    return min(1.0, 2 * total / 2**m)


def paired_difference(newly_wrong, newly_right, n, confidence=0.95):
    """Interval (low, high) for the accuracy lost between two networks on the same n images.

    The loss is d = (b - c) / n with b images newly wrong and c newly right; the images on which
    both agree leave it alone. After half an image is added to each of the four cells (so that
    b = c = 0 does not claim certainty), with b' = b + 1/2, c' = c + 1/2, n' = n + 2,

        d' -+ z * sqrt(b' + c' - (b' - c')^2 / n') / n'        d' = (b' - c') / n'

    Both ends are shares between -1 and 1; positive is a loss.

    Source: A. Agresti and Y. Min, "Simple improved confidence intervals for comparing matched
    proportions", Statistics in Medicine 24 (2005), 729-740.
    Raises ValueError unless both counts are >= 0, together at most n, and 0 < confidence < 1.

    >>> low, high = paired_difference(newly_wrong=120, newly_right=40, n=10_000)
    >>> f"{low:.4f} to {high:.4f}"
    '0.0055 to 0.0105'
    """
    if min(newly_wrong, newly_right) < 0 or newly_wrong + newly_right > n or n <= 0:
        raise ValueError(
            f"newly wrong ({newly_wrong}) and newly right ({newly_right}) images must be counts "
            f"that together are at most n ({n})."
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95, not {confidence}.")
    b, c, total = newly_wrong + 0.5, newly_right + 0.5, n + 2
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    half = z * math.sqrt(b + c - (b - c) ** 2 / total) / total
    return max(-1.0, (b - c) / total - half), min(1.0, (b - c) / total + half)


# 97.5 % quantiles of Student's t distribution for 1 to 9 degrees of freedom.
_T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def seeds_interval(values):
    """95 % interval (low, high) for the mean of what several seeds gave, 2 to 10 of them.

    With mean m and standard deviation s (divisor k - 1) of k values, and t the quantile of
    Student's distribution with k - 1 degrees of freedom (2.776 for five seeds),

        m -+ t * s / sqrt(k)

    It says how much the luck of training matters; that the test images are a sample, too, it
    leaves out (`wilson`, `paired_difference`).

    Source: Student, "The probable error of a mean", Biometrika 6 (1908), 1-25.
    Raises ValueError for fewer than 2 or more than 10 values.

    >>> low, high = seeds_interval([0.90, 0.91, 0.89, 0.90, 0.90])
    >>> f"{low:.4f} to {high:.4f}"
    '0.8912 to 0.9088'
    """
    values = [float(value) for value in values]
    if not 2 <= len(values) <= 10:
        raise ValueError(f"An interval over seeds takes 2 to 10 values, not {len(values)}.")
    half = _T_975[len(values) - 2] * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def unpaired_difference(correct_before, correct_after, n, confidence=0.95):
    """Interval (low, high) for the accuracy lost, where only two totals are known.

    Like `paired_difference`, but for tables that do not tell which images changed, each total out
    of n. It is wider: it must allow for two different samples. With the accuracies p, q and their
    `wilson` intervals (l1, u1) and (l2, u2),

        p - q - sqrt((p - l1)^2 + (u2 - q)^2)    to    p - q + sqrt((u1 - p)^2 + (q - l2)^2)

    Source: R. G. Newcombe, "Interval estimation for the difference between independent
    proportions", Statistics in Medicine 17 (1998), 873-890, method 10.
    Raises ValueError as `wilson` does.

    >>> low, high = unpaired_difference(35_385, 35_005, n=50_000)      # 70.77 % and 70.01 %
    >>> f"{low:.4f} to {high:.4f}"
    '0.0019 to 0.0133'
    """
    p, q = correct_before / n, correct_after / n
    low_p, high_p = wilson(correct_before, n, confidence)
    low_q, high_q = wilson(correct_after, n, confidence)
    return p - q - math.hypot(p - low_p, high_q - q), p - q + math.hypot(high_p - p, q - low_q)
