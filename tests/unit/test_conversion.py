"""conversion.py: what each mode gives, the same bytes each time, and what is refused."""

import numpy as np
import pytest
from tflite_tools import unpack

from course_utils import conversion, data, env, models, tflite_file


@pytest.fixture(scope="module")
def network():
    tf_keras = env.keras()
    tf_keras.utils.set_random_seed(1)
    layers = tf_keras.layers
    return tf_keras.Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=(6, 6, 2)),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(3),
        ]
    )


SAMPLES = np.random.default_rng(0).normal(size=(20, 6, 6, 2)).astype(np.float32)
EDGES = {"float32": "float32", "float16": "float32", "dynamic": "float32", "int8": "int8"}


def converted(network, mode, **options):
    samples = SAMPLES if mode in conversion.CALIBRATED else None
    return conversion.convert(network, mode, samples, **options)


@pytest.mark.parametrize("mode", conversion.MODES)
def test_each_mode_has_its_edges_static_shapes_and_the_same_bytes_twice(network, mode):
    tflite = converted(network, mode)
    assert isinstance(tflite, bytes)
    assert tflite == converted(network, mode)
    graph = tflite_file.read(tflite)
    first, last = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    assert (first.shape, last.shape) == ((1, 6, 6, 2), (1, 3))
    assert first.type == last.type == EDGES.get(mode, "int16")
    names = {op.name for op in graph.operators}
    assert not names & {"SHAPE", "STRIDED_SLICE", "PACK"}
    assert all(-1 not in (t.shapeSignature if t.shapeSignature is not None else [])
               for t in unpack(tflite).subgraphs[0].tensors)  # fmt: skip


def test_sizes_follow_the_modes(network):
    sizes = {mode: len(converted(network, mode)) for mode in conversion.MODES}
    assert sizes["float32"] > sizes["float16"] > sizes["int8"]


def test_per_channel_reaches_dense_layers_and_can_be_turned_off(network):
    for per_channel, most in ((True, 64), (False, 1)):
        graph = tflite_file.read(converted(network, "int8", per_channel=per_channel))
        weights = [graph.tensors[op.inputs[1]] for op in graph.operators
                   if op.name in ("CONV_2D", "FULLY_CONNECTED")]  # fmt: skip
        assert [w.scale.size for w in weights] == [4, 64, 3] if per_channel else [1, 1, 1]
        assert max(w.scale.size for w in weights) == most


def test_the_converter_is_silent(network, capfd):
    converted(network, "int8")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("mode", "calibration", "message"),
    [
        ("int4", None, "no mode 'int4'; there are float32"),
        ("int8", None, "needs calibration data"),
        ("int16x8", None, "needs calibration data"),
        ("float32", SAMPLES, "leave calibration out"),
        ("int8", SAMPLES[:0], "is empty"),
        ("int8", SAMPLES[0], r"shape \(6, 6, 2\); the model takes \(n, 6, 6, 2\)"),
        ("int8", SAMPLES[:, :5], "a batch of inputs"),
        ("int8", np.where(SAMPLES > 2, np.nan, SAMPLES), "NaN or infinity"),
    ],
)
def test_bad_modes_and_calibration_are_refused(network, mode, calibration, message):
    with pytest.raises(ValueError, match=message):
        conversion.convert(network, mode, calibration)


def test_models_of_another_keras_are_turned_away_with_the_line_that_helps():
    import keras

    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(TypeError, match=r"Keras 3 model.*tf_keras = env.keras\(\)"):
        conversion.convert(other, "float32")
    with pytest.raises(TypeError, match="not str"):
        conversion.convert("model.h5", "float32")
    with pytest.raises(ValueError, match="must be built"):
        conversion.convert(env.keras().Sequential([env.keras().layers.Dense(2)]), "float32")


def test_a_shipped_model_is_what_its_command_writes():
    record = data.manifest()["files"]["models/watch_cnn_int8.tflite"]
    assert record["command"] == "python -m course_utils.conversion watch_cnn"
    assert record["checkpoint"] == "checkpoints/watch_cnn.npz"
    checkpoint = data.checkpoint("watch_cnn")
    model = models.build(checkpoint.layers, checkpoint.input_shape)
    models.set_weights(model, checkpoint.weights)
    samples = data.load("watch").x_train[: conversion.CALIBRATION_SAMPLES]
    if record["versions"] == current_versions():
        assert conversion.convert(model, "int8", samples) == data.model("watch_cnn")


def current_versions():
    from course_utils import training

    return training.versions()
