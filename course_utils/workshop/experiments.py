"""Run an experiment by its name and record it."""

import argparse
import sys

from course_utils.labs.float_to_int8 import experiments as quantization
from course_utils.labs.floating_point import experiments as floats
from course_utils.labs.integer_arithmetic import experiments as integers
from course_utils.labs.magnitude_pruning import experiments as pruning
from course_utils.labs.post_training_quantization import experiments as techniques
from course_utils.labs.quantization_aware_training import experiments as training_aware
from course_utils.labs.structured_pruning import experiments as sparsity
from course_utils.labs.structured_pruning import sparsity_speed
from course_utils.labs.tflite_micro_export import experiments as micro
from course_utils.machines import recording
from course_utils.workshop import experiments

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
        prog="python -m course_utils.workshop.experiments", description=experiments.__doc__.split("\n")[0]
    )
    parser.add_argument("name", choices=list(EXPERIMENTS))
    try:
        recording.run(EXPERIMENTS[parser.parse_args().name])
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
