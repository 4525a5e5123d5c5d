"""How much memory and work a network may ask for, and the sum that is kept of both.

A model file of a few hundred bytes can ask for any amount of either: a border of 2^24 values, one
layer's weights used by ten thousand layers. So what a network would take is added up from the
shapes alone, and compared with these two limits before anything is allocated or computed.
"""

from __future__ import annotations

# Bytes: 64 times the RAM of the largest board (8 MiB), and what one seat of a shared hub can spare.
MEMORY = 2**29
# Multiplications for one input, in some ten seconds here: MobileNetV2 takes a tenth of them.
WORK = 2**35
# What other work counts: one value that is computed without a matrix product, one call of NumPy.
VALUE, CALL = 64, 2**14


def require(who, wanted):
    """Raise ValueError where `who`, such as "Operator 3 (CONV_2D)", would take too many bytes."""
    if wanted > MEMORY:
        raise ValueError(
            f"{who} would take {wanted:,} bytes of memory, and a network may take {MEMORY:,}: the "
            "file is damaged, or made for a larger machine."
        )


class Budget:
    """What one network takes, added up operator by operator before any of it is spent."""

    def __init__(self):
        self.kept = 0  # bytes that the network keeps as long as it is there
        self.values = 0  # bytes of one input's activations
        self.at_once = 0  # bytes that the greediest operator has beside these, for one input
        self.work = 0

    def take(self, who, kept=0, values=0, at_once=0, work=0):
        """Add an operator's part; raises ValueError where the network takes too much with it."""
        self.kept, self.values, self.work = self.kept + kept, self.values + values, self.work + work
        self.at_once = max(self.at_once, at_once)
        require(f"The network, up to {who},", self.kept + self.values + at_once)
        if self.work > WORK:
            raise ValueError(
                f"The network, up to {who}, would take as long as {self.work:,} multiplications "
                f"for one input, and may take {WORK:,}: the file is damaged, or made for a larger "
                "machine."
            )

    @property
    def inputs(self):
        """How many inputs at a time the memory that is left has room for, 1 at least."""
        return max(1, (MEMORY - self.kept) // max(1, self.values + self.at_once))
