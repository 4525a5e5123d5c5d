"""The experiments whose results ship with the suite: one function each, one command each.

    python -m course_utils.workshop record pruning_sweep
    python -m course_utils.workshop record 04               # all of a notebook's

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

OF_A_LAB = {
    lab.number: module.EXPERIMENTS
    for lab in labs.found()
    if (module := lab.module("experiments"))
}
EXPERIMENTS = {function.__name__: function for own in OF_A_LAB.values() for function in own}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.workshop record", description=__doc__.split("\n")[0]
    )
    parser.add_argument("name", choices=[*EXPERIMENTS, *OF_A_LAB])
    name = parser.parse_args(arguments).name
    try:
        for experiment in OF_A_LAB[name] if name in OF_A_LAB else [EXPERIMENTS[name]]:
            recording.run(experiment)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "Stopped; no result was written. The same command goes on behind the parts of a long "
            "experiment that are complete.",
            file=sys.stderr,
        )
        return 130
    return 0
