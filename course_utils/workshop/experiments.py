"""The experiments whose results ship with the suite: one function each, one command each.

    python -m course_utils.workshop record pruning_sweep

evaluates and writes `data/results/pruning_sweep.json` (and .npz), with the versions, the git
revision, the time it took and the checksums of the checkpoints and data it was computed from.
`data.result("pruning_sweep")` reads it. Where random numbers are drawn, the record has the seed.
A lab names its own in its `experiments` module; `machines.recording` writes them down.

Two splits are always counted: choose on "validation", report on "test".
"""

import argparse
import sys

from course_utils import labs
from course_utils.machines import recording

EXPERIMENTS = {
    function.__name__: function
    for module in labs.modules("experiments")
    for function in module.EXPERIMENTS
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.workshop record", description=__doc__.split("\n")[0]
    )
    parser.add_argument("name", choices=list(EXPERIMENTS))
    try:
        recording.run(EXPERIMENTS[parser.parse_args(arguments).name])
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
