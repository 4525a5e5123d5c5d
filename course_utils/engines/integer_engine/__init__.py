"""Run an int8 or int16x8 `.tflite` file with integers, in NumPy, equal to TFLM bit for bit.

On a microcontroller the network of the paper's equation (Jacob et al. 2018, equation 4)

    S3 (q3 - Z3) = sum_k S1 (q1 - Z1) * S2 (q2 - Z2)

is computed without a single real number. The sum runs over int8 x int8 products in an int32, and
the real factor M = S1 S2 / S3 becomes a multiplier and a shift, both integers:

    q3 = Z3 + round(M * (sum_k q1 q2 - Z1 sum_k q2))        M ~ multiplier * 2^(shift - 31)

Weights are symmetric (Z2 = 0), and Z1 sum_k q2 is known before any input is: it goes into the
bias. `arithmetic` has these few lines, as in the kernels of TFLM and LiteRT; start there.
`IntegerModel` (`model`) runs a whole network with them, many inputs at a time. `kernels` lists
the operators, each a function in the file of its family: `layers` with weights, `activations`,
`elementwise`, `products`, `pooling`, `shapes`, `resizing`, `recurrent`, and `softmax`, which
computes with exponentials in fixed point (`fixed_point`). `state` is what a network remembers from
one input to the next, `constants` what is computed once, at loading.

Where the engine is quick it is so without being approximate: int8 products are added up by the
matrix multiplication of floating point, whose sums are exact as long as no partial sum needs
more bits than the format has (24 in float32, 53 in float64), which is proven for every layer
from its weights when the model is loaded.
"""

from course_utils.engines.integer_engine.arithmetic import (
    activation_range,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    quantize_multipliers,
    requantize,
    rounding_divide_by_power_of_two,
    rounding_doubling_high_multiply,
)
from course_utils.engines.integer_engine.model import IntegerModel, Step
from course_utils.engines.integer_engine.softmax import softmax_table

__all__ = [
    "IntegerModel",
    "Step",
    "activation_range",
    "multiply_by_quantized_multiplier",
    "quantize_multiplier",
    "quantize_multipliers",
    "requantize",
    "rounding_divide_by_power_of_two",
    "rounding_doubling_high_multiply",
    "softmax_table",
]
