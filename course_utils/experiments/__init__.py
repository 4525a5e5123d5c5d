"""The experiments whose results ship with the suite: one function each, one command each.

    python -m course_utils.experiments pruning_sweep

evaluates and writes `data/results/pruning_sweep.json` (and .npz), with the versions, the git
revision, the time it took and the checksums of the checkpoints and data it was computed from.
`data.result("pruning_sweep")` reads it. Where random numbers are drawn, the record has the seed.
One module for each subject; `__main__` names the experiments, `recording` writes them down.

Two splits are always counted: choose on "validation", report on "test".
"""
