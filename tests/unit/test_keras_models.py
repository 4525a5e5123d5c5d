"""Your own Keras network is what is described, trained and converted, or it is refused."""

import warnings

import numpy as np
import pytest

from course_utils import env
from course_utils.engines import float_engine, tflite_file
from course_utils.engines import simulated_quantization as simulated
from course_utils.machines import (
    conversion,
    fine_tuning,
    keras_models,
    models,
    quantization_aware,
    training,
)

pytestmark = pytest.mark.tensorflow

RNG = np.random.default_rng(0)
X = RNG.random((40, 8, 8, 1)).astype(np.float32)


def sequential(*layers, shape=(8, 8, 1)):
    keras = env.keras()
    return keras.Sequential([keras.layers.InputLayer(input_shape=shape), *layers])


def classifier(*last):
    kl = env.keras().layers
    return sequential(kl.Conv2D(4, 3, activation="relu"), kl.Flatten(), kl.Dense(10), *last)


def test_a_chain_of_ordinary_layers_becomes_its_description():
    kl, tf = env.keras().layers, env.tensorflow()
    inner = sequential(kl.DepthwiseConv2D(3, padding="same", use_bias=False),
                       kl.BatchNormalization(scale=False, center=False), kl.ReLU(6.0),
                       shape=(6, 6, 4))  # fmt: skip
    model = sequential(
        kl.Conv2D(4, 3, name="a/b"), kl.Activation("relu"), inner, kl.MaxPooling2D(),
        kl.Dropout(0.5), kl.AveragePooling2D(2, 1, "same"), kl.Flatten(),
        kl.Dense(6, tf.nn.relu6), kl.Dense(3, "softmax", kernel_regularizer="l2"),
    )  # fmt: skip
    for variable in model.variables:
        variable.assign(RNG.random(variable.shape) + 0.1)
    with pytest.warns(UserWarning, match=r"Left out.*\(Dropout\).*\(kernel_regularizer\)"):
        layers, weights, shape = keras_models.describe(model)
    assert [layer["op"] for layer in layers] == [
        "conv2d", "relu", "depthwise_conv2d", "batch_norm", "relu6", "max_pool2d",
        "average_pool2d", "flatten", "dense", "dense"]  # fmt: skip
    assert layers[0]["name"] == "a_b"
    assert shape == (8, 8, 1)
    ours = float_engine.forward(layers, weights, X)
    np.testing.assert_allclose(ours, model(X, training=False).numpy(), atol=1e-5)
    again = models.set_weights(models.build(layers, shape), weights)  # relu6 in a layer, too
    np.testing.assert_allclose(ours, again(X, training=False).numpy(), atol=1e-5)


def test_what_a_description_can_not_say_is_named():
    keras = env.keras()
    kl = keras.layers
    end, one = keras.Input((8, 8, 2)), kl.Conv2D(2, 1)
    joined = keras.Model(end, kl.Add()([one(end), end]))
    two = keras.Model([end, keras.Input((8, 8, 2))], end)
    for model, message in [
        (sequential(kl.Conv2D(4, 3, dilation_rate=2)), r"can't say dilation_rate=\(2, 2\)"),
        (sequential(kl.Conv2D(4, 3, groups=2), shape=(8, 8, 2)), "can't say groups=2"),
        (
            sequential(kl.MaxPooling2D(1, data_format="channels_first")),
            "data_format='channels_first'",
        ),
        (sequential(kl.DepthwiseConv2D(3, depth_multiplier=2)), "can't say depth_multiplier=2"),
        (sequential(kl.BatchNormalization(axis=1), shape=(8, 8, 1)), "not along the last axis"),
        (sequential(kl.ReLU(negative_slope=0.1)), "can't say negative_slope"),
        (sequential(kl.ReLU(1.0)), "can't say max_value="),
        (sequential(kl.Softmax(axis=1)), "can't say axis=1"),
        (sequential(kl.Dense(2, "gelu"), shape=(4,)), "doesn't know the activation gelu"),
        (sequential(kl.Conv1D(2, 3, padding="causal"), shape=(8, 2)), "is a Conv1D"),
        (sequential(kl.Rescaling(1 / 255)), "is a Rescaling, which a description doesn't know"),
        (sequential(kl.LSTM(2), shape=(8, 2)), "is a LSTM"),
        (sequential(kl.Dense(2)), "dense layer needs a flat input"),
        (joined, "joins 2 tensors"),
        (two, "has 2 inputs"),
        (keras.Sequential([kl.Dense(2)]), "not built"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            keras_models.describe(model)
        assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match="Expected a tf_keras model, not dict"):
        keras_models.describe({})


def test_a_layer_that_says_less_than_it_does_is_found_out():
    class Doubled(type(env.keras().layers.Dense(1))):
        pass

    model = classifier()
    model.layers[-1].call, call = lambda x: 2 * call(x), model.layers[-1].call
    with pytest.raises(ValueError, match="gives other answers than the model"):
        keras_models.describe(model)
    with pytest.raises(ValueError, match="is a Doubled"):
        keras_models.describe(sequential(Doubled(2), shape=(4,)))


def test_weights_of_models_inside_models_are_not_lost():
    kl = env.keras().layers
    nested = sequential(classifier(kl.Dense(3)))
    with pytest.raises(ValueError, match="all but one would be lost"):
        models.get_weights(nested)
    separable = models.get_weights(sequential(kl.SeparableConv2D(2, 3)))
    assert [name.split("/")[1] for name in separable] == [
        "depthwise_kernel", "pointwise_kernel", "bias"]  # fmt: skip
    with pytest.raises(ValueError, match="has no weights yet"):
        models.get_weights(env.keras().Sequential([kl.Dense(2)]))


# --- the loss that belongs to the last layer ---------------------------------------------------


@pytest.mark.parametrize("tune", ["prune", "quantize"])
def test_logits_train_as_their_softmax_does(tune):
    """The same network with and without its last softmax: the same gradients, the same weights."""
    kl = env.keras().layers
    layers, weights, shape = keras_models.describe(classifier(kl.Softmax()))
    y, how = RNG.integers(0, 10, len(X)), {"epochs": 2, "batch_size": 8}
    trained = []
    for part in (layers, layers[:-1]):
        if tune == "prune":
            trained.append(fine_tuning.fine_tune(part, weights, X, y, "dense", **how).weights)
        else:
            folded = simulated.fold_batch_norm(part, weights)
            trained.append(quantization_aware.fine_tune(*folded, X, y, **how).weights)
    for name, value in trained[0].items():
        np.testing.assert_allclose(trained[1][name], value, atol=1e-4, err_msg=name)
        assert np.abs(value - weights[name]).max() > 1e-3


@pytest.mark.parametrize("last", ["logit", "sigmoid", "sigmoid inside"])
def test_one_output_learns_two_classes(last):
    env.keras().utils.set_random_seed(1)
    kl = env.keras().layers
    inside = {"activation": "sigmoid"} if last == "sigmoid inside" else {}
    apart = [kl.Activation("sigmoid")] if last == "sigmoid" else []
    model = sequential(kl.Flatten(), kl.Dense(1, **inside), *apart)
    layers, weights, _ = keras_models.describe(model)
    y = (X.mean(axis=(1, 2, 3)) > np.median(X.mean(axis=(1, 2, 3)))).astype(int)
    centred = 4 * (X - X.mean())
    how = {"epochs": 16, "batch_size": 8, "learning_rate": 2e-2}
    tuned = fine_tuning.fine_tune(layers, weights, centred, y, "dense", **how).weights
    assert (float_engine.predict(layers, tuned, centred) == y).all()
    folded = simulated.fold_batch_norm(layers, weights)
    ranges = quantization_aware.calibrated_ranges(*folded, centred)
    aware = quantization_aware.fine_tune(*folded, centred, y, ranges=ranges, **how)
    answers = quantization_aware.predict(folded[0], aware.weights, centred, ranges=aware.ranges)
    assert (answers == y).all()
    assert types_of_ends(conversion.convert(aware.model, "int8")) == ["int8", "int8"]


def types_of_ends(tflite):
    graph = tflite_file.read(tflite)
    return [graph.tensors[i].type for i in graph.inputs + graph.outputs]


def test_what_no_loss_can_be_chosen_for_is_refused():
    dense = {"op": "dense", "name": "d", "units": 3}
    y, ten = np.array([0, 1, 2]), np.array([0, 1, 10])

    def end(units, activation=None):
        return [{**dense, "units": units, "activation": activation}]

    for layers, labels, message in [
        (end(3, "relu"), y, "nobody can tell whether that is a probability or a logit"),
        (end(1, "softmax"), y, "softmax over one output is always 1"),
        (end(3, "sigmoid"), y, "3 sigmoids may be one answer or 3 independent ones"),
        (end(3), np.eye(3), r"of shape \(3, 3\). For one-hot labels take y.argmax"),
        (end(3), y + 0.5, "are no classes, pass the loss"),
        (end(3), np.array([0, 1, np.nan]), "are no classes, pass the loss"),
        (end(3), ten, "go from 0 to 10; this network tells the classes 0 to 2 apart"),
        (end(1), y, "go from 0 to 2; this network tells the classes 0 to 1 apart"),
        (end(3), y - 1, "go from -1 to 1"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            training.loss_for(layers, (4,), labels)
        assert "\n" not in str(caught.value)
    assert training.loss_for(end(3, "softmax"), (4,), y) == "sparse_categorical_crossentropy"


def test_regression_takes_the_loss_that_it_is_given():
    layers, weights, _ = keras_models.describe(sequential(env.keras().layers.Dense(1), shape=(3,)))
    x = RNG.normal(size=(64, 3)).astype(np.float32)
    y = x @ np.float32([1, -2, 3]) + 0.5
    with pytest.raises(ValueError, match='such as loss="mse"'):
        fine_tuning.fine_tune(layers, weights, x, y, "dense")
    how = {"epochs": 25, "batch_size": 8, "learning_rate": 0.1, "loss": "mse"}
    tuned = fine_tuning.fine_tune(layers, weights, x, y[:, None], "dense", **how).weights
    np.testing.assert_allclose(float_engine.forward(layers, tuned, x)[:, 0], y, atol=0.05)


def test_training_that_can_not_end_well_is_stopped():
    layers, weights, _ = keras_models.describe(classifier())
    y = RNG.integers(0, 10, len(X))
    for x, how, message in [
        (np.where(X > 0.9, np.nan, X), {}, "training inputs hold NaN"),
        (X, {"learning_rate": 1e30}, "training diverged: after .* smaller learning rate"),
        (X, {"loss": "mse", "learning_rate": 1e30}, "training diverged"),
    ]:
        with pytest.raises(ValueError, match=message):
            fine_tuning.fine_tune(layers, weights, x, y, "dense", **{"epochs": 9, **how})
    fewer = {name: value for name, value in weights.items() if "bias" not in name}
    with pytest.raises(ValueError, match="don't belong to these layers; they differ in: conv2d"):
        quantization_aware.build(layers, fewer, (8, 8, 1))
    with pytest.raises(ValueError, match=r"from `simulated_quantization.fold_batch_norm"):
        quantization_aware.build([{"op": "batch_norm", "name": "b"}], {}, (8, 8, 1))


def test_a_layer_without_bias_stays_without_one():
    layers, weights, _ = keras_models.describe(
        sequential(env.keras().layers.Dense(3, use_bias=False), shape=(4,))
    )
    x, y = RNG.random((8, 4)).astype(np.float32), RNG.integers(0, 3, 8)
    trained = quantization_aware.fine_tune(layers, weights, x, y)
    assert list(trained.weights) == list(weights)
    assert float_engine.forward(layers, trained.weights, x).shape == (8, 3)


# --- conversion --------------------------------------------------------------------------------


def convert(model, mode="int8", x=X, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return conversion.convert(model, mode, x if mode in conversion.CALIBRATED else None, **how)


@pytest.mark.parametrize("nested", [False, True])
def test_the_wrappers_of_pruning_are_taken_off_with_the_masks_applied(nested):
    env.keras()  # first: it sets what tfmot reads
    from tensorflow_model_optimization.sparsity import keras as tfmot

    plain = classifier()
    plain.set_weights([w + 0.01 for w in plain.get_weights()])  # zeros alone are stored once
    wrapped = tfmot.prune_low_magnitude(
        classifier(), pruning_schedule=tfmot.ConstantSparsity(0.8, 0, frequency=1)
    )
    wrapped.compile("sgd", "mse")
    wrapped.fit(X, RNG.random((40, 10)), epochs=1, verbose=0,
                callbacks=[tfmot.UpdatePruningStep()])  # fmt: skip
    model = sequential(wrapped) if nested else wrapped
    like = sequential(plain) if nested else plain
    for mode in ("float32", "int8"):
        assert stored(convert(model, mode)) == stored(convert(like, mode))
    kernel = next(tensor.data for tensor in tflite_file.read(convert(model)).tensors
                  if tensor.data is not None and tensor.shape == (10, 144))  # fmt: skip
    assert (kernel == 0).mean() >= 0.8
    weights = keras_models.describe(model).weights
    dense = next(value for value in weights.values() if value.shape == (144, 10))
    assert (dense == 0).mean() == pytest.approx(0.8, abs=0.01)


def stored(tflite):
    """The operators, and the bytes that their constants take: all but names."""
    graph = tflite_file.read(tflite)
    constants = sum(tensor.data.nbytes for tensor in graph.tensors if tensor.data is not None)
    return [op.name for op in graph.operators], constants


def test_the_wrappers_of_clustering_are_taken_off():
    env.keras()  # first: it sets what tfmot reads
    from tensorflow_model_optimization.clustering import keras as tfmot

    clustered = tfmot.cluster_weights(
        classifier(), 4, tfmot.CentroidInitialization.KMEANS_PLUS_PLUS
    )
    file = convert(clustered, "float32")
    assert stored(file) == stored(convert(classifier(), "float32"))
    kernels = [t.data for t in tflite_file.read(file).tensors
               if t.data is not None and len(t.shape) >= 2 and t.type == "float32"]  # fmt: skip
    assert [len(np.unique(kernel)) for kernel in kernels] == [4, 4]


def test_a_quantization_aware_model_is_one_inside_another_one_too():
    env.keras()  # first: it sets what tfmot reads
    from tensorflow_model_optimization.quantization import keras as tfmot

    kl = env.keras().layers
    aware = tfmot.quantize_model(classifier())
    aware.compile("sgd", "mse")
    aware.fit(X, RNG.random((40, 10)), verbose=0)
    inside = sequential(aware, kl.Softmax())
    assert types_of_ends(conversion.convert(inside, "int8")) == ["int8", "int8"]
    for mode in ("dynamic", "float16", "int16x8"):
        with pytest.raises(ValueError, match='brings ranges for 8 bits: convert it in mode "int8"'):
            convert(inside, mode)
    with pytest.raises(ValueError, match="Not every layer .* pass calibration data"):
        conversion.convert(sequential(aware, kl.Dense(2)), "int8")
    erf = env.tensorflow().math.erf
    with pytest.raises(ValueError, match="no operator for TensorFlow's Erf"):  # with ranges or not
        conversion.convert(sequential(aware, kl.Lambda(erf)), "int8")
    annotated = tfmot.quantize_annotate_model(classifier())
    assert not quantization_aware.is_quantization_aware(annotated)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_other_precisions_are_named(policy):
    precision = env.keras().mixed_precision
    precision.set_global_policy(policy)
    try:
        model = classifier()
    finally:
        precision.set_global_policy("float32")
    for mode in ("float32", "int8"):
        with pytest.raises(ValueError, match=r"conv2d.* computes in b?float.*, not float32"):
            convert(model, mode)


def test_the_scale_is_judged_behind_the_models_own_scaling():
    def judge(model, x):
        conversion._samples(model, "int8", x, keras_models.inputs(model)[1], True)

    keras, images = env.keras(), np.round(X * 255)
    kl = keras.layers
    normalization = kl.Normalization()
    normalization.adapt(images)
    end = keras.Input((8, 8, 1))
    efficient = sequential(sequential(kl.Rescaling(1 / 255.0), kl.Conv2D(2, 3)))
    preprocessed = keras.Model(end, kl.Conv2D(2, 3)(end / 127.5 - 1))
    for model in (sequential(kl.Rescaling(1 / 255.0), kl.Conv2D(2, 3)), efficient, preprocessed,
                  sequential(normalization, kl.Conv2D(2, 3))):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            judge(model, images)
            judge(model, images.astype(np.uint8))
        with pytest.warns(UserWarning, match="behind the model's own scaling. Is it scaled"):
            judge(model, images / 255 / 30)
    with pytest.warns(UserWarning, match="reaches 25.* Is it scaled as the training data was"):
        conversion.convert(sequential(kl.Conv2D(2, 3)), "int8", (x for x in images))


def test_several_inputs_and_outputs_keep_their_order():
    keras = env.keras()
    kl = keras.layers
    first, second = keras.Input((4,), name="zeta"), keras.Input((3,), name="alpha")
    outputs = [kl.Dense(n)(kl.Concatenate()([first, second])) for n in (5, 2, 7)]
    model = keras.Model([first, second], outputs)
    x = [RNG.random((20, n)).astype(np.float32) for n in (4, 3)]
    for mode in ("float32", "int8"):
        graph = tflite_file.read(convert(model, mode, x))
        shapes = [[graph.tensors[i].shape for i in ends] for ends in (graph.inputs, graph.outputs)]
        assert shapes == [[(1, 4), (1, 3)], [(1, 5), (1, 2), (1, 7)]]
    scales = [graph.tensors[i].scale[0] for i in graph.inputs]
    assert scales == pytest.approx([part.max() / 255 for part in x], rel=0.02)


def test_integer_inputs_are_converted_or_named():
    keras = env.keras()
    kl = keras.layers
    words, pixels = keras.Input((5,), dtype="int32"), keras.Input((8, 8, 1), dtype="uint8")
    model = keras.Model(words, kl.Dense(2)(kl.Flatten()(kl.Embedding(20, 4)(words))))
    assert types_of_ends(convert(model, x=RNG.integers(0, 20, (9, 5)))) == ["int32", "int8"]
    model = keras.Model(pixels, kl.Conv2D(2, 3)(kl.Rescaling(1 / 255.0)(pixels)))
    with pytest.raises(ValueError, match="CAST, where numbers change their type.*float32 before"):
        convert(model, x=RNG.integers(0, 255, (9, 8, 8, 1)).astype(np.uint8))


def test_a_subclassed_model_is_converted_once_it_was_called():
    keras = env.keras()

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    model, x = Own(), RNG.random((9, 4)).astype(np.float32)
    with pytest.raises(ValueError, match="not built, .* or call it once with a batch"):
        convert(model, x=x)
    model(x)
    assert types_of_ends(convert(model, x=x)) == ["int8", "int8"]
    with pytest.raises(ValueError, match="not a chain of layers"):
        keras_models.describe(model)
