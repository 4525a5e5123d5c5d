"""Inputs in LiteRT: many are answered as each alone is, whatever a file holds of its batch."""

import numpy as np
import pytest
from tflite_tools import Writer, pack, unpack

from course_utils import env
from course_utils.engines import tflite_file
from course_utils.machines import evaluation, litert, micro, process

KERNELS = pytest.mark.parametrize("kernels", evaluation.KERNELS)


def dense(shape, classes=3, reshape_to=None, seed=0):
    """A float network: x, reshaped first if asked, times a matrix. Returns (file, its function)."""
    rng, writer = np.random.default_rng(seed), Writer()
    x = h = writer.tensor(shape, "float32")
    width = int(np.prod(shape[1:]))
    if reshape_to:
        to = writer.constant(reshape_to, "int32")
        h = writer.operator("RESHAPE", [x, to], writer.tensor(reshape_to, "float32"),
                            newShape=np.int32(reshape_to))  # fmt: skip
    weights = rng.normal(size=(classes, width)).astype(np.float32)
    w = writer.constant(weights, "float32")
    y = writer.tensor([shape[0], classes], "float32")
    writer.operator("FULLY_CONNECTED", [h, w, -1], y, fusedActivationFunction="NONE")
    return writer.bytes([x], [y]), lambda x: x.reshape(len(x), -1) @ weights.T


@KERNELS
@pytest.mark.parametrize("n", [1, 3, 600])
def test_a_batch_that_a_reshape_fixes_is_run_one_by_one(kernels, n):
    tflite, right = dense((1, 4, 6), reshape_to=(1, 24))
    machine = litert.interpreter(tflite, "reference")
    machine.resize_tensor_input(machine.get_input_details()[0]["index"], (3, 4, 6))
    with pytest.raises(RuntimeError, match="RESHAPE"):  # what a batch gets of LiteRT
        machine.allocate_tensors()
    x = np.random.default_rng(1).normal(size=(n, 4, 6)).astype(np.float32)
    heard = []
    found = evaluation.run(tflite, x, kernels, lambda *told: heard.append(told))
    assert found.shape == (n, 3)
    assert np.allclose(found, right(x), atol=1e-5)
    assert heard[-1] == (n, n)
    assert heard == sorted(heard)


def mixed():
    """A network whose output, run on a batch, holds the means over that batch."""
    writer = Writer()
    x, y = (writer.tensor([1, 5], "float32") for _ in range(2))
    writer.operator("MEAN", [x, writer.constant([0], "int32")], y, keepDims=True)
    return writer.bytes([x], [y])


@KERNELS
def test_inputs_that_a_batch_would_mix_up_are_answered_each_for_itself(kernels):
    x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    assert np.array_equal(evaluation.run(mixed(), x, kernels), x)


def test_progress_never_goes_back_where_a_later_batch_is_mixed_up():
    writer = Writer()
    x, mean, y = (writer.tensor([1, 5], "float32") for _ in range(3))
    writer.operator("MEAN", [x, writer.constant([0], "int32")], mean, keepDims=True)
    writer.operator("ADD", [x, mean], y, fusedActivationFunction="NONE")
    tflite = writer.bytes([x], [y])
    litert.vouch(tflite)  # else it runs in another process, which reports less often
    x = np.ones((600, 5), np.float32)  # the mean over the first batch is each of its inputs
    x[300:] = np.random.default_rng(0).normal(size=(300, 5))
    heard = []
    found = evaluation.run(tflite, x, progress=lambda *told: heard.append(told))
    assert np.array_equal(found, 2 * x)
    assert heard[0] == (litert.BATCH, 600)
    assert heard[-1] == (600, 600)
    assert heard == sorted(set(heard))


@KERNELS
@pytest.mark.parametrize("n", [1, 4, 6, 41])
def test_a_file_of_four_at_once_takes_any_number_of_rows(kernels, n):
    tflite, right = dense((4, 8))
    x = np.random.default_rng(2).normal(size=(n, 8)).astype(np.float32)
    found = evaluation.run(tflite, x, kernels)
    assert found.shape == (n, 3)
    assert np.allclose(found, right(x), atol=1e-5)
    labels = right(x).argmax(axis=1)
    assert evaluation.accuracy(tflite, x, labels, kernels).value == 1
    whole = np.stack([x[:1].repeat(4, axis=0)] * 2)
    assert evaluation.run(tflite, whole, kernels).shape == (2, 4, 3)


def test_rows_that_depend_on_each_other_are_no_inputs():
    writer = Writer()
    x, mean, y = (writer.tensor(s, "float32") for s in ([4, 5], [1, 5], [4, 5]))
    writer.operator("MEAN", [x, writer.constant([0], "int32")], mean, keepDims=True)
    writer.operator("ADD", [x, mean], y, fusedActivationFunction="NONE")
    tflite = writer.bytes([x], [y])
    rows = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    with pytest.raises(ValueError, match=r"one of its 4 rows depends on the others: .*\(n, 4, "):
        evaluation.run(tflite, rows)
    groups = rows.reshape(2, 4, 5)
    found = evaluation.run(tflite, groups)
    assert np.allclose(found, groups + groups.mean(axis=1, keepdims=True), atol=1e-6)


# --- several inputs, several outputs, other axes --------------------------------------------------


def two_and_two():
    """(a, b) -> (a + b, of the shape (1, 6)), (c: a's 6 values as (2, 3))"""
    writer = Writer()
    a, b = (writer.tensor([1, 6], "float32") for _ in range(2))
    total, turned = writer.tensor([1, 6], "float32"), writer.tensor([2, 3], "float32")
    writer.operator("ADD", [a, b], total, fusedActivationFunction="NONE")
    to = writer.constant([2, 3], "int32")
    writer.operator("RESHAPE", [a, to], turned, newShape=np.int32([2, 3]))
    return writer.bytes([a, b], [total, turned])


RUNS = [lambda *given: evaluation.run(*given, "reference"), lambda *given: evaluation.run(*given)]
if not micro.missing():
    RUNS.append(micro.run)


@pytest.mark.parametrize("run", RUNS)
def test_every_input_is_given_each_time_and_every_value_comes_back(run):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(5, 6)).astype(np.float32) for _ in range(2))
    for given in ((a, b), [a, b]):
        total, turned = run(two_and_two(), given)
        assert np.array_equal(total, a + b)
        assert np.array_equal(turned, a.reshape(5, 2, 3))
    for wrong, message in [
        (a, r"takes 2 inputs \(0 't0' float32 \(1, 6\), 1 't1' .*and x holds 1: pass a tuple"),
        ((a,), "x holds 1: pass a tuple"),
        ((a, b[:, :5]), r"x has the shape \(5, 5\); the model's input 1 't1' takes \(n, 6\)"),
        ((a, b[:3]), "x holds 5 and 3 of the model's inputs"),
        ((a[0], b[0]), r"x has the shape \(6,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            run(two_and_two(), wrong)
    with pytest.raises(TypeError):
        run(two_and_two(), (a, b.astype(np.int32)))


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (1, 2, 3)])
def test_a_model_without_a_batch_takes_whole_inputs(run, shape):
    writer = Writer()
    x, y = (writer.tensor(shape, "float32") for _ in range(2))
    writer.operator("ADD", [x, x], y, fusedActivationFunction="NONE")
    tflite = writer.bytes([x], [y])
    each = shape[1:] if shape[:1] == (1,) else shape
    x = np.random.default_rng(0).normal(size=(7, *each)).astype(np.float32)
    assert np.array_equal(run(tflite, x), 2 * x)


# --- states ---------------------------------------------------------------------------------------


def svdf():
    """A filter over time: its state holds the last three inputs, so an answer depends on them."""
    writer = Writer()
    x = writer.tensor([1, 2], "float32")
    feature = writer.constant([[1.0, 0.0]], "float32")
    time = writer.constant([[1.0, 10.0, 100.0]], "float32")
    state, y = writer.tensor([1, 3], "float32"), writer.tensor([1, 1], "float32")
    writer.graph.tensors[state].isVariable = True
    bias = writer.constant([0.0], "float32")  # TFLM dies where it is left out
    reads = [x, feature, time, bias, state]
    writer.operator("SVDF", reads, y, rank=1, fusedActivationFunction="NONE")
    return writer.bytes([x], [y])


@KERNELS
def test_litert_answers_each_input_from_the_first_state(kernels):
    x = np.array([[1, 0], [2, 0], [3, 0]] * 30, np.float32)
    assert np.array_equal(evaluation.run(svdf(), x, kernels)[:, 0], 100 * x[:, 0])


@pytest.mark.skipif(bool(micro.missing()), reason="tflite-micro has wheels for Linux x86-64 only")
def test_in_tflm_inputs_are_steps_in_time_and_the_next_run_starts_anew():
    x = np.array([[1, 0], [2, 0], [3, 0]], np.float32)
    for _ in range(2):
        assert micro.run(svdf(), x)[:, 0].tolist() == [100, 210, 321]
    arena = micro.arena(svdf())
    assert arena.variables >= 3 * 4  # the state
    assert micro.smallest_arena(svdf()) >= arena.total
    assert micro.smallest_arena(two_and_two()) >= micro.arena(two_and_two()).total


# --- codes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_name", ["int8", "uint8", "int16"])
def test_real_numbers_become_the_codes_of_every_integer_type(type_name):
    writer = Writer()
    zero_point = {"int8": -3, "uint8": 128, "int16": 0}[type_name]
    x, y = (writer.tensor([1, 4], type_name, scale=0.25, zero_point=zero_point) for _ in range(2))
    writer.operator("RESHAPE", [x], y, newShape=np.int32([1, 4]))
    tflite = writer.bytes([x], [y])
    real = np.array([[-1.0, 0.0, 0.3, 1e6]], np.float32)
    largest = np.iinfo(type_name).max
    codes = np.array([[zero_point - 4, zero_point, zero_point + 1, largest]], type_name)
    found = evaluation.to_input(real, tflite)
    assert found.dtype == type_name
    assert np.array_equal(found, codes)
    for run in RUNS:
        assert np.array_equal(run(tflite, codes), codes)


# --- what ends a process --------------------------------------------------------------------------


def softmax(n, type_name="int8"):
    writer = Writer()
    x = writer.tensor([1, n], type_name, scale=0.1)
    zero_point = -128 if type_name == "int8" else 0
    y = writer.tensor([1, n], type_name, scale=1 / 256, zero_point=zero_point)
    writer.operator("SOFTMAX", [x], y, beta=1.0)
    return writer.bytes([x], [y])


@pytest.mark.parametrize("type_name", ["int8", "uint8"])
def test_a_softmax_that_ends_the_program_is_named_and_ends_only_its_own(type_name):
    equal = np.zeros((2, 512), type_name)
    one = equal.copy()
    one[:, 7] = 100
    died, has = r"died on this model \(SIGABRT\)\. ", r"Operator 0 \(SOFTMAX\) has 512 values"
    on = "It ran in a process of its own, and the notebook goes on. "
    with pytest.raises(ValueError, match="^LiteRT itself " + died + on + has):
        evaluation.run(softmax(512, type_name), equal, "reference")
    found = evaluation.run(softmax(512, type_name), one, "reference")
    assert (found.argmax(axis=1) == 7).all()
    assert evaluation.run(softmax(512, type_name), equal).shape == (2, 512)
    assert len(set(evaluation.run(softmax(511, type_name), equal[:, 1:], "reference").ravel())) == 1
    if not micro.missing() and type_name == "int8":
        with pytest.raises(micro.Refused, match="TFLM process " + died + has):
            micro.run(softmax(512), equal)
        assert (micro.run(softmax(512), one).argmax(axis=1) == 7).all()
    assert process.suspect(tflite_file.read(softmax(511, type_name))) == ""


def test_a_refusal_in_the_other_process_reads_as_one_in_this():
    """Its process did not die of the softmax, so nothing is said about that."""
    model = unpack(softmax(512))
    model.subgraphs[0].tensors[0].shape = np.int32([512])
    model.subgraphs[0].tensors[0].type = 2  # int32, which no softmax takes
    with pytest.raises(ValueError, match="^LiteRT does not run this model: ") as caught:
        evaluation.run(pack(model), np.zeros((1, 512), np.int32), "reference")
    assert str(caught.value).count("LiteRT does not run this model") == 1
    assert "SOFTMAX) has 512 values" not in str(caught.value)


def test_a_process_that_was_stopped_is_not_blamed_on_the_softmax(monkeypatch):
    def slow(*_):
        raise process.Refused("LiteRT was not done after 1 s; its process was stopped.")

    monkeypatch.setattr(process, "call", slow)
    with pytest.raises(ValueError, match=r"its process was stopped\.$"):
        evaluation.run(softmax(512), np.zeros((1, 512), np.int8), "reference")


@pytest.mark.parametrize("outputs", [[], [0]])
def test_a_softmax_with_no_output_or_a_single_number_is_no_suspect(outputs):
    model = unpack(softmax(512))
    model.subgraphs[0].operators[0].outputs = np.int32(outputs)
    model.subgraphs[0].tensors[0].shape = np.int32([])
    assert process.suspect(tflite_file.read(pack(model))) == ""


# --- what Keras makes of its layers --------------------------------------------------------------


def layers(name):
    """Layers whose files hold the batch in a shape, or a state: ([input shapes], the model)."""
    keras = env.keras()
    env.seed(1)
    layer = keras.layers
    series, answer = (12, 3), layer.Dense(3, activation="softmax")
    if name == "two inputs, two outputs":
        a, b = keras.Input((8,)), keras.Input((4,))
        hidden = layer.Dense(6, activation="relu")(layer.Concatenate()([a, layer.Dense(3)(b)]))
        model = keras.Model([a, b], [answer(hidden), layer.Dense(2)(hidden)])
        return [(8,), (4,)], model
    body = {
        "Conv1D": [layer.Conv1D(4, 3, activation="relu"), layer.Flatten()],
        "SeparableConv1D": [layer.SeparableConv1D(4, 3), layer.GlobalAveragePooling1D()],
        "LSTM": [layer.LSTM(4)],
        "GRU": [layer.GRU(4, unroll=True)],
        "Reshape": [layer.Reshape((6, 6, 1)), layer.Conv2D(2, 3), layer.Flatten()],
    }[name]
    return [series], keras.Sequential([layer.InputLayer(series), *body, answer])


def converted(model, shapes, batch):
    tf = env.tensorflow()
    function = tf.function(lambda *x: model(list(x) if len(x) > 1 else x[0], training=False))
    specs = [tf.TensorSpec((batch, *shape), tf.float32) for shape in shapes]
    concrete = function.get_concrete_function(*specs)
    with env.captured_stderr():
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], model).convert())


@pytest.mark.parametrize(
    ("name", "batch"),
    [("Conv1D", 1), ("SeparableConv1D", 1), ("LSTM", 1), ("GRU", 1), ("Reshape", 1),
     ("two inputs, two outputs", 1), ("Conv1D", 4)],
)  # fmt: skip
def test_a_file_answers_as_its_keras_model_does(name, batch):
    shapes, model = layers(name)
    tflite = converted(model, shapes, batch)
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(270, *shape)).astype(np.float32) for shape in shapes]
    expected = model(x if len(x) > 1 else x[0], training=False)
    expected = expected if isinstance(expected, (tuple, list)) else [expected]
    graph = tflite_file.read(tflite)  # the converter may order its inputs otherwise
    x = [next(a for a in x if a.shape[1:] == graph.tensors[i].shape[1:]) for i in graph.inputs]
    for kernels in evaluation.KERNELS:
        found = evaluation.run(tflite, tuple(x) if len(x) > 1 else x[0], kernels)
        found = found if isinstance(found, tuple) else (found,)
        for right in map(np.asarray, expected):
            (ours,) = (array for array in found if array.shape == right.shape)
            assert np.abs(ours - right).max() < 1e-5
    labels = np.asarray(expected[0]).argmax(axis=1)
    which = {} if len(expected) == 1 else {"output": [a.shape[1] for a in found].index(3)}
    assert evaluation.accuracy(tflite, tuple(x) if len(x) > 1 else x[0], labels, **which).value == 1
