"""From a Keras model to a `.tflite` file: the only place that touches a converter.

    mode       weights   activations      inputs, outputs   calibration
    float32    float32   float32          float32           none
    float16    float16   float32          float32           none
    dynamic    int8      float32 (*)      float32           none
    int8       int8      int8             int8              needed
    int16x8    int8      int16            int16             needed

(*) dynamic range quantizes activations to int8 on the fly, inside each operator ("hybrid").

Every file is made for a batch of one, with all shapes fixed: what a microcontroller runs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import logging
import re
import warnings

import numpy as np

from course_utils import env
from course_utils.engines import tflite_file
from course_utils.machines import calibration as calibration_inputs
from course_utils.machines import (
    data,
    keras_models,
    litert,
    models,
    quantization_aware,
    training,
)

MODES = ("float32", "float16", "dynamic", "int8", "int16x8")
CALIBRATED = ("int8", "int16x8")
CALIBRATION_SAMPLES = 500  # training inputs, for the shipped networks


def convert(
    keras_model, mode, calibration=None, per_channel=True, sparse=False, dense_per_channel=True
):
    """Return the bytes of a `.tflite` file.

    The same model and data give a file that computes the same; of this suite's networks, a file of
    the same bytes. The converter does not promise that: it has been seen to order the operators of
    an unrolled LSTM differently.

    keras_model: a built tf_keras model that computes in float32 (`models.build`). Several inputs
                 and outputs keep the model's order; wrappers of pruning and clustering are taken
                 off.
    mode:        one of MODES, see the table above.
    calibration: inputs as in training, for "int8" and "int16x8": the ranges of the activations
                 are measured on them. An array (n, *input shape), n >= 1, a tf.data.Dataset, a
                 generator, a representative dataset, ...: see `machines.calibration`. A few
                 hundred typical samples will do. A model trained with quantization in the loop
                 brings its ranges along and needs none for "int8".
    per_channel: False gives every weight tensor a single scale, to see what that costs.
    sparse:      True stores kernels that are at least 30 % zeros without the zeros (TensorFlow's
                 EXPERIMENTAL_SPARSITY), for "float32" only. LiteRT runs such a file, TFLM and the
                 integer engine do not.
    dense_per_channel: False gives dense layers a single scale and leaves convolutions theirs:
                 what a TFLM from before 27 September 2024 needs, and so the Arduino libraries
                 (see `micro.compatibility`). It changes what dense layers round to.
    Raises TypeError for a model that is not tf_keras; ValueError for an unknown mode, for
    calibration data that is missing, not wanted, empty, of another shape, NaN or infinite, for
    NaN in the weights, weights that are not float32, shapes that are not fixed, loops, and
    operators that the mode has no kernel for. Warns (UserWarning) where the calibration data,
    behind the model's own Rescaling or Normalization, does not look as inputs usually do.
    """
    if mode not in MODES:
        raise ValueError(f"There is no mode {mode!r}; there are {', '.join(MODES)}.")
    if sparse and mode != "float32":
        raise ValueError(f'Sparse storage is for mode "float32"; leave sparse out for {mode!r}.')
    tf = env.tensorflow()
    keras_models.require_tf_keras(keras_model)
    structure, inputs = keras_models.inputs(keras_model)
    keras_models.require_float32(keras_model)
    keras_model = keras_models.stripped(keras_model)
    _check_weights(keras_model)
    samples = _samples(keras_model, mode, calibration, inputs, per_channel)

    uncalibrated = mode in CALIBRATED and samples is None
    with _silence():
        concrete = _concrete(keras_model, structure, inputs)
        _check_no_loops(concrete.graph)
        # Given the model, the converter shuffles several inputs and outputs (by a hash of names).
        alone = len(inputs) == len(concrete.outputs) == 1
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [concrete], keras_model if alone else None
        )
        if mode != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if sparse:
            converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
        if mode == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if mode in CALIBRATED:
            ops, integer = {
                "int8": (tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.int8),
                "int16x8": (
                    tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
                    tf.int16,
                ),
            }[mode]
            converter.inference_input_type = converter.inference_output_type = integer
            if samples is not None:  # else the ranges are in the graph, and it wants no ops named
                converter.target_spec.supported_ops = [ops]
                converter.representative_dataset = lambda: (
                    [x[None] for x in sample] for sample in zip(*samples, strict=True)
                )
        # The converter's own default keeps one scale per dense layer.
        converter._experimental_disable_per_channel = not per_channel
        converter._experimental_disable_per_channel_quantization_for_dense_layers = not (
            per_channel and dense_per_channel
        )
        try:
            tflite = bytes(converter.convert())
        except Exception as error:  # the converter raises many types, all with pages of MLIR
            raise ValueError(_readable(str(error), mode, uncalibrated)) from None
    culprit = _float_operator(tflite) if mode in CALIBRATED else None
    if culprit:
        raise ValueError(_NO_RANGES if uncalibrated else _no_kernel(culprit, mode))
    litert.vouch(tflite)
    return tflite


def _concrete(model, structure, inputs):
    """The model as a TensorFlow function of a batch of one, its inputs in the model's order."""
    tf = env.tensorflow()
    names = ["input"] if len(inputs) == 1 else [re.sub(r"\W", "_", one.name) for one in inputs]
    specs = [tf.TensorSpec((1, *one.shape), one.dtype, name)
             for name, one in zip(names, inputs, strict=True)]  # fmt: skip

    def call(*tensors):
        return model(tf.nest.pack_sequence_as(structure, tensors), training=False)

    return tf.function(call).get_concrete_function(*specs)


def _check_weights(model):
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            raise ValueError(
                f"{weight.name} holds NaN or infinity: the training diverged. Train again, with a "
                "smaller learning rate."
            )


def _check_no_loops(graph):
    """The converter can crash on a recurrent layer's loop, and takes Python along."""
    definition = graph.as_graph_def()
    functions = [function.node_def for function in definition.library.function]
    for node in itertools.chain(definition.node, *functions):
        if node.op in ("While", "StatelessWhile", "If", "StatelessIf"):
            raise ValueError(
                f"The model holds a loop or a branch ({node.name}), which the suite's models can't "
                "have: give a recurrent layer unroll=True, or use convolutions."
            )


def _readable(message, mode, uncalibrated):
    """One sentence out of the converter's message: which operator, and what to do.

    uncalibrated: the model brings its own ranges. If no operator is to blame, some are missing.
    """
    found = re.search(r"'tf\.(\w+)' op is neither", message)
    if found:
        return (
            f"LiteRT has no operator for TensorFlow's {found[1]}: replace the layer that computes "
            "it by others."
        )
    found = re.search(r"not yet supported for op: '(\w+)'", message)
    if found:
        return _no_kernel(found[1], mode)
    if uncalibrated:
        return _NO_RANGES
    return f"The converter refuses this model: {message.strip().splitlines()[0][:200]}"


def _float_operator(tflite):
    """The first operator that works in floats; the converter puts it there without saying so."""
    graph = tflite_file.read(tflite)
    for op in graph.operators:
        for index in op.outputs:
            if graph.tensors[index].type == "float32":
                following = [o.name for o in graph.operators if index in o.inputs]
                return following[0] if op.name == "DEQUANTIZE" and following else op.name
    return None


_NO_RANGES = (
    "Not every layer of this model was trained with quantization in the loop: pass calibration "
    "data for the ranges of the others."
)


def _no_kernel(op, mode):
    if op == "CAST":
        return (
            f"There is no {mode} kernel for CAST, where numbers change their type: give the input "
            'the type that the first layer computes with, InputLayer(dtype="int32") before an '
            "Embedding, float32 before Rescaling or a convolution."
        )
    return (
        f"There is no {mode} kernel for {op}, so the file would hold float operators that integer "
        "hardware can't run: replace the layer (ReLU instead of ELU, say), or choose a mode with "
        "float activations."
    )


@contextlib.contextmanager
def _silence():
    """Nothing of what the converter says: it logs from C++, through absl, and as warnings."""
    with (
        env.captured_stderr(),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)


def _samples(model, mode, given, inputs, per_channel):
    """One array (n, *shape) for each input, or None where the mode or the model needs none."""
    aware = quantization_aware.is_quantization_aware(model)
    if aware and mode not in ("float32", "int8"):
        raise ValueError(
            f"This model was trained with quantization in the loop and brings ranges for 8 bits: "
            f'convert it in mode "int8", not {mode!r}.'
        )
    if mode not in CALIBRATED:
        if given is not None:
            raise ValueError(f"Mode {mode!r} measures no activations: leave calibration out.")
        return None
    if given is None:
        if per_channel and aware:
            return None
        raise ValueError(
            f"Mode {mode!r} needs calibration data to measure the activations' ranges: pass a few "
            "hundred training inputs, e.g. calibration=x_train[:200]."
        )
    samples = calibration_inputs.draw(given, inputs)
    _warn_of_scale(model, samples, np.asarray(given).dtype if hasattr(given, "__array__") else None)
    return samples


def _warn_of_scale(model, samples, dtype):
    """Warn where what reaches the first layer with a kernel is not scaled as inputs usually are.

    The model's own Rescaling or Normalization comes first: before it 0 to 255 may be right.
    """
    if len(samples) > 1 or samples[0].dtype.kind in "iu":
        return  # which layer is first can't be told; or the numbers are names, not amounts
    x = samples[0]
    seen = keras_models.entering(model, x)
    if seen is None:
        return
    # A constant that is added, as in x / 127.5 - 1, hides how small x is: there the spread counts.
    largest = float(np.abs(seen).max() if seen is x else np.ptp(seen))
    unscaled = dtype is not None and dtype.kind in "iu" and seen is x
    if unscaled or not 0.1 <= largest <= 50:
        behind = "" if seen is x else f", and spans {largest:.3g} behind the model's own scaling"
        warnings.warn(
            f"The calibration data is {dtype or x.dtype} and reaches {np.abs(x).max():.3g}"
            f"{behind}. Is it scaled as the training data was (images divided by 255, say)? If "
            "not, all activations get wrong ranges, and the model answers badly without any error.",
            stacklevel=4,
        )


def converted(name, mode, per_channel=True, dense_per_channel=True):
    """A shipped network as a .tflite file's bytes."""
    checkpoint, dataset = data.checkpoint(name), data.load(models.DATASETS[name])
    model = models.set_weights(models.build(name), checkpoint.weights)
    inputs = dataset.x_train[:CALIBRATION_SAMPLES] if mode in CALIBRATED else None
    return convert(model, mode, inputs, per_channel, dense_per_channel=dense_per_channel)


def ship(name):
    """Write data/models/NAME_int8.tflite from the shipped checkpoint and register it."""
    checkpoint = data.checkpoint(name)
    model = models.build(checkpoint.layers, checkpoint.input_shape)
    models.set_weights(model, checkpoint.weights)
    dataset = models.DATASETS[checkpoint.record["architecture"]]
    tflite = convert(model, "int8", data.load(dataset).x_train[:CALIBRATION_SAMPLES])
    path = f"models/{name}_int8.tflite"
    data.write_bytes(
        path,
        tflite,
        checkpoint=f"checkpoints/{name}.npz",
        mode="int8",
        calibration=f"the first {CALIBRATION_SAMPLES} training inputs of {dataset}",
        versions=training.versions(),
        command=f"python -m course_utils.machines.conversion {name}",
    )
    return path, len(tflite)


def ship_quantization_aware(name="fashion_dscnn", seed=1):
    """Train the shipped checkpoint on with 8-bit rounding; write data/models/NAME_qat_int8.tflite.

    The run of that seed of the experiment "ptq_vs_qat_8bit".
    """
    trained, _, recipe = quantization_aware.train_for_rounding(name, seed, 8, per_channel=True)
    tflite = convert(trained.model, "int8")
    path = f"models/{name}_qat_int8.tflite"
    data.write_bytes(
        path,
        tflite,
        checkpoint=f"checkpoints/{name}.npz",
        mode="int8",
        training={**recipe, "weight_bits": 8, "seed": seed},
        calibration="none: the ranges were observed while training",
        versions=training.versions(),
        command=f"python -m course_utils.machines.conversion {name}_qat",
    )
    return path, len(tflite)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.machines.conversion",
        description="Convert shipped checkpoints to int8 and write them to data/models/. "
        "fashion_dscnn_qat is first trained on with rounding.",
    )
    parser.add_argument("name", nargs="*", default=list(models.DATASETS), metavar="NAME")
    for name in parser.parse_args(arguments).name:
        if name == "fashion_dscnn_qat":
            path, size = ship_quantization_aware()
        else:
            path, size = ship(name)
        print(f"data/{path}  {size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
