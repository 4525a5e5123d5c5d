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
from course_utils.machines import data, models, quantization_aware, training

MODES = ("float32", "float16", "dynamic", "int8", "int16x8")
CALIBRATED = ("int8", "int16x8")
CALIBRATION_SAMPLES = 500  # training inputs, for the shipped networks


def convert(keras_model, mode, calibration=None, per_channel=True, sparse=False):
    """Return the bytes of a `.tflite` file. The same model and data give the same bytes.

    keras_model: a built tf_keras model with one input (`models.build`).
    mode:        one of MODES, see the table above.
    calibration: inputs as in training, float array (n, *input shape), n >= 1, for "int8" and
                 "int16x8": the ranges of the activations are measured on them. A few hundred
                 typical samples will do. A model trained with quantization in the loop brings
                 its ranges along and needs none for "int8".
    per_channel: False gives every weight tensor a single scale, to see what that costs.
    sparse:      True stores kernels that are at least 30 % zeros without the zeros (TensorFlow's
                 EXPERIMENTAL_SPARSITY), for "float32" only. LiteRT runs such a file, TFLM and the
                 integer engine do not.
    Raises TypeError for a model that is not tf_keras; ValueError for an unknown mode, for
    calibration data that is missing, not wanted, empty, of another shape, NaN or infinite, for
    NaN in the weights, shapes that are not fixed, loops, and operators that the mode has no
    kernel for. Warns (UserWarning) where the calibration data does not look as inputs usually do.
    """
    if mode not in MODES:
        raise ValueError(f"There is no mode {mode!r}; there are {', '.join(MODES)}.")
    if sparse and mode != "float32":
        raise ValueError(f'Sparse storage is for mode "float32"; leave sparse out for {mode!r}.')
    tf = env.tensorflow()
    shape = _input_shape(keras_model)
    _check_weights(keras_model)
    samples = _samples(keras_model, mode, calibration, shape, per_channel)

    with _silence():
        function = tf.function(lambda x: keras_model(x, training=False))
        concrete = function.get_concrete_function(tf.TensorSpec((1, *shape), tf.float32, "input"))
        _check_no_loops(concrete.graph)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], keras_model)
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
                converter.representative_dataset = lambda: ([x[None]] for x in samples)
        # The converter's own default keeps one scale per dense layer.
        converter._experimental_disable_per_channel = not per_channel
        converter._experimental_disable_per_channel_quantization_for_dense_layers = not per_channel
        try:
            tflite = bytes(converter.convert())
        except Exception as error:  # the converter raises many types, all with pages of MLIR
            raise ValueError(_readable(str(error), mode)) from None
    if mode in CALIBRATED:
        _check_integer(tflite, mode)
    return tflite


def _input_shape(model):
    """Return the shape of one sample, after making sure that this is a built tf_keras model."""
    if not isinstance(model, env.keras().Model):
        if type(model).__module__.split(".")[0] == "keras":
            raise TypeError(
                "This is a Keras 3 model; the converter's quantization needs Keras 2. Build it "
                "with `tf_keras = env.keras()` instead of `keras` or `tf.keras`."
            )
        raise TypeError(f"Expected a tf_keras model, not {type(model).__name__}.")
    shape = getattr(model, "input_shape", None) if model.built else None
    if not isinstance(shape, tuple):
        raise ValueError(
            "The model must be built and have exactly one input: begin it with an InputLayer."
        )
    shape = tuple(shape[1:])
    if None in shape:
        raise ValueError(
            f"The input shape {shape} is not fixed, and a microcontroller plans its memory ahead: "
            "give every dimension a size, e.g. InputLayer(input_shape=(28, 28, 1))."
        )
    return shape


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


def _readable(message, mode):
    """One sentence out of the converter's message: which operator, and what to do."""
    found = re.search(r"'tf\.(\w+)' op is neither", message)
    if found:
        return (
            f"LiteRT has no operator for TensorFlow's {found[1]}: replace the layer that computes "
            "it by others."
        )
    found = re.search(r"not yet supported for op: '(\w+)'", message)
    if found:
        return (
            f"There is no {mode} kernel for {found[1]}: replace the layer (ReLU instead of ELU, "
            "say), or choose a mode with float activations."
        )
    return f"The converter refuses this model: {message.strip().splitlines()[0][:200]}"


def _check_integer(tflite, mode):
    """Refuse floats between integers: the converter puts them there without saying so."""
    graph = tflite_file.read(tflite)
    for op in graph.operators:
        for index in op.outputs:
            if graph.tensors[index].type == "float32":
                following = [o.name for o in graph.operators if index in o.inputs]
                culprit = following[0] if op.name == "DEQUANTIZE" and following else op.name
                raise ValueError(
                    f"There is no {mode} kernel for {culprit}: the file would hold float operators "
                    "that integer hardware can't run. Replace the layer (ReLU instead of ELU, "
                    "say), or choose a mode with float activations."
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


def _samples(model, mode, calibration, shape, per_channel):
    if mode not in CALIBRATED:
        if calibration is not None:
            raise ValueError(f"Mode {mode!r} measures no activations: leave calibration out.")
        return None
    if calibration is None:
        if mode == "int8" and per_channel and quantization_aware.is_quantization_aware(model):
            return None
        raise ValueError(
            f"Mode {mode!r} needs calibration data to measure the activations' ranges: pass a few "
            "hundred training inputs, e.g. calibration=x_train[:200]."
        )
    given = np.asarray(calibration)
    if given.dtype.kind not in "fiub":
        raise ValueError(f"Calibration data must be real numbers, not {given.dtype}.")
    samples = given.astype(np.float32)
    if samples.ndim != len(shape) + 1 or samples.shape[1:] != shape:
        raise ValueError(
            f"Calibration data has the shape {samples.shape}; the model takes (n, "
            f"{', '.join(map(str, shape))}): a batch of inputs."
        )
    if len(samples) == 0:
        raise ValueError("The calibration data is empty: pass at least one input.")
    if not np.isfinite(samples).all():
        raise ValueError("The calibration data holds NaN or infinity: clean it first.")
    largest = float(np.abs(samples).max())
    if given.dtype.kind in "iu" or not 0.1 <= largest <= 50:
        warnings.warn(
            f"The calibration data is {given.dtype} and reaches {largest:.3g}. Is it scaled as the "
            "training data was (images divided by 255, say)? If not, all activations get wrong "
            "ranges, and the model answers badly without any error.",
            stacklevel=3,
        )
    return samples


def converted(name, mode, per_channel=True):
    """A shipped network as a .tflite file's bytes."""
    checkpoint, dataset = data.checkpoint(name), data.load(models.DATASETS[name])
    model = models.set_weights(models.build(name), checkpoint.weights)
    calibration = dataset.x_train[:CALIBRATION_SAMPLES] if mode in CALIBRATED else None
    return convert(model, mode, calibration, per_channel)


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
    parser.add_argument("name", nargs="*", default=list(models.ARCHITECTURES), metavar="NAME")
    for name in parser.parse_args(arguments).name:
        if name == "fashion_dscnn_qat":
            path, size = ship_quantization_aware()
        else:
            path, size = ship(name)
        print(f"data/{path}  {size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
