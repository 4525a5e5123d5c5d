"""Run an experiment by its name and record it."""

import argparse
import sys

from course_utils import experiments
from course_utils.experiments import (
    floats,
    integers,
    micro,
    pruning,
    quantization,
    recording,
    sparsity,
    sparsity_speed,
    techniques,
    training_aware,
)

EXPERIMENTS = {
    function.__name__: function
    for function in (
        pruning.pruning_sweep,
        pruning.pruning_sensitivity,
        pruning.pruning_grid,
        sparsity.pruning_fine_tuned,
        sparsity.two_by_four,
        sparsity.channel_removal,
        pruning.synapses_and_neurons,
        sparsity_speed.sparsity_speed,
        floats.reduced_float,
        quantization.quantization_sweep,
        quantization.calibration,
        integers.integer_equality,
        techniques.techniques,
        techniques.per_channel,
        training_aware.qat_bits,
        training_aware.ptq_vs_qat_8bit,
        micro.tflm_runtime,
        micro.tflm_networks,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.experiments", description=experiments.__doc__.split("\n")[0]
    )
    parser.add_argument("name", choices=list(EXPERIMENTS))
    try:
        recording.run(EXPERIMENTS[parser.parse_args().name])
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
