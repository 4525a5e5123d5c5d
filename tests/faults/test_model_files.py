"""A model file may hold anything: it is read and run, or refused in a sentence, in bounded memory.

The files here are made to ask for much with few bytes, one kind each; then hundreds of damaged
copies of sound files go through everything that reads one.
"""

import importlib
import itertools
import random
import re
import tracemalloc

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from operator_cases import CASES, Case
from test_integer_engine import mutations
from tflite_tools import Writer, pack, unpack

from course_utils.engines import float_engine, limits, tflite_file
from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import (
    batches,
    conversion,
    data,
    evaluation,
    file_size,
    litert,
    micro,
    models,
    operators,
    process,
)
from course_utils.machines.micro import memory
from course_utils.machines.micro.c_project import lowering

runtimes = importlib.import_module("course_utils.machines.micro.runtimes")

MB = 2**20
POOL = {"fusedActivationFunction": "NONE", "strideW": 1, "strideH": 1}


def one(name, shape, written, *constants, type_name="int8", **options):
    """A file of one operator, from an input of this shape to an output of that."""
    writer = Writer()
    first, last = (writer.tensor(s, type_name, 0.1) for s in (shape, written))
    inputs = [writer.constant(np.ones(s), "int8", scale=0.1) for s in constants]
    writer.operator(name, [first, *inputs], last, **options)
    return writer.bytes([first], [last])


def chain(name, count, shape, type_name="int8", scale=0.1, weights=None, **options):
    """A file of the same operator, again and again; weights are those of all of them."""
    writer = Writer()
    first = last = writer.tensor(shape, type_name, scale)
    shared = [] if weights is None else [writer.constant(weights, "int8", scale=0.1)]
    for _ in range(count):
        before, last = last, writer.tensor(shape, type_name, scale)
        writer.operator(name, [before, *shared], last, **options)
    return writer.bytes([first], [last])


def transposed_convolution():
    writer = Writer()
    first, last = writer.tensor((1, 999, 999, 1), scale=0.1), writer.tensor((1, 8, 8, 1), scale=0.1)
    shape = writer.constant([1, 8, 8, 1], "int32")
    filters = writer.constant(np.ones((1, 2, 2, 1)), "int8", scale=0.1)
    strides = {"padding": "VALID", "strideW": 1000, "strideH": 1000}
    writer.operator("TRANSPOSE_CONV", [shape, filters, first], last, **strides)
    return writer.bytes([first], [last])


def variables():
    writer = Writer()
    first, last = writer.tensor((1, 4), scale=0.1), writer.tensor((1, 4), scale=0.1)
    writer.operator("RELU", [first], last)
    for _ in range(100):
        writer.operator("VAR_HANDLE", [], writer.tensor((2**23,), "resource"))
    return writer.bytes([first], [last])


def heads():
    writer = Writer()
    first = writer.tensor((1, 2**17), scale=0.1)
    last = [writer.tensor((1, 2**17), scale=0.1) for _ in range(600)]
    for each in last:
        writer.operator("RELU", [first], each)
    return writer.bytes([first], last)


GREEDY = {
    "the border of a largest pool": lambda: one(
        "MAX_POOL_2D", (1, 2, 2, 1), (1, 2, 2, 1), padding="SAME",
        filterWidth=2**14 - 1, filterHeight=2**14 - 1, **POOL,
    ),
    "the border of an average pool": lambda: one(
        "AVERAGE_POOL_2D", (1, 2, 2, 1), (1, 2, 2, 1), padding="SAME",
        filterWidth=1, filterHeight=2**22 - 1, **POOL,
    ),
    "a window of a million rows": lambda: one(
        "MAX_POOL_2D", (1, 2**22, 1, 1), (1, 1, 1, 1), padding="VALID",
        filterWidth=1, filterHeight=2**22, **POOL,
    ),
    "2,048 filters for one channel": lambda: one(
        "DEPTHWISE_CONV_2D", (1, 2048, 2048, 1), (1, 1, 1, 2048), (1, 1, 1, 2048), padding="SAME",
        strideW=2048, strideH=2048, depthMultiplier=2048, fusedActivationFunction="NONE",
    ),
    "patches of a large kernel": lambda: one(
        "CONV_2D", (1, 256, 256, 1), (1, 256, 256, 4), (4, 64, 64, 1), padding="SAME", **POOL
    ),
    "two vectors that make a matrix": lambda: one(
        "ADD", (1, 4096, 1), (1, 4096, 4096), (1, 1, 4096), fusedActivationFunction="NONE"
    ),
    "hundreds of RELUs on a large tensor": lambda: chain("RELU", 300, (1, 2**19)),
    "hundreds of tables of 65,536 codes": lambda: chain("TANH", 300, (1, 4), "int16", 2**-15),
    "one layer's weights in hundreds of layers": lambda: chain(
        "FULLY_CONNECTED", 100, (1, 500), weights=np.ones((500, 500)),
        fusedActivationFunction="NONE",
    ),
    "strides of a transposed convolution": transposed_convolution,
    "a hundred large variables": variables,
    "hundreds of outputs": heads,
}  # fmt: skip


def peak(function):
    """Bytes that were allocated at most while the function ran, and the ValueError's text."""
    tracemalloc.start()
    try:
        function()
        said = ""
    except ValueError as error:
        said = str(error)
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most, said


@pytest.mark.parametrize("name", GREEDY)
def test_what_asks_for_too_much_is_refused_before_it_gets_anything(name, monkeypatch):
    monkeypatch.setattr(limits, "MEMORY", 2**27)  # a quarter, so that it takes fewer operators
    tflite = GREEDY[name]()
    most, said = peak(lambda: IntegerModel(tflite))
    asked = r"The network, up to .*, would take .* may take \d[\d,]+: the file"
    assert re.match(asked, said), said
    assert most < 2**27
    # What only looks at the file does so within its size.
    for look in (
        lambda g: memory.alive(memory.activations(g)),
        micro.compatibility,
        file_size.size,
    ):
        assert peak(lambda look=look: look(tflite))[0] < 60 * MB


def test_a_limit_that_is_met_exactly_is_kept(monkeypatch):
    """The sum that is compared is that of the shapes: one byte less, and the file is refused."""
    tflite = chain("RELU", 3, (1, 1000))
    # Both ends, what three operators write, two tables; the third operator in int64, eight times.
    wanted = 2 * 1000 + 3 * 1000 + 2 * 8 * 256 + 64 * 1000
    monkeypatch.setattr(limits, "MEMORY", wanted)
    IntegerModel(tflite)
    monkeypatch.setattr(limits, "MEMORY", wanted - 1)
    with pytest.raises(
        ValueError, match=rf"up to Operator 2 \(RELU\), would take {wanted:,} bytes"
    ):
        IntegerModel(tflite)


def test_so_many_inputs_run_at_once_as_there_is_memory_for(monkeypatch):
    """A chain of small tensors makes a batch as large as its sum, not as its largest tensor."""
    monkeypatch.setattr(limits, "MEMORY", 40 * MB)
    model = IntegerModel(chain("RELU", 500, (1, 64)))
    most, said = peak(lambda: model.run(np.zeros((16_000, 64), np.int8)))
    assert not said
    assert most < 60 * MB, most  # all at once are 500 * 64 * 16,000 bytes


def shared_lists(scales=0, names=0, ends=0):
    """A file whose tensors share one list of scales, its operators one list of inputs, or its
    signatures one list of names."""
    builder = flatbuffers.Builder(0)

    def vector(offset, count):
        builder.StartVector(4, count, 4)
        for _ in range(count):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()

    def table(kind, *fields):
        getattr(schema, f"{kind}Start")(builder)
        for name, value in fields:
            getattr(schema, f"{kind}Add{name}")(builder, value)
        return getattr(schema, f"{kind}End")(builder)

    quantization = table("QuantizationParameters", (
        "Scale", builder.CreateNumpyVector(np.ones(max(1, scales), np.float32))
    ))  # fmt: skip
    tensors = vector(table("Tensor", ("Quantization", quantization)), max(1, scales))
    inputs = builder.CreateNumpyVector(np.zeros(max(1, ends), np.int32))
    operator = vector(table("Operator", ("Inputs", inputs)), ends)
    code = vector(table("OperatorCode", ("DeprecatedBuiltinCode", 127), ("BuiltinCode", 19)), 1)
    buffers = vector(table("Buffer"), 1)
    graph = vector(table("SubGraph", ("Tensors", tensors), ("Operators", operator)), 1)
    signature = table("SignatureDef", ("Inputs", vector(table("TensorMap"), names)))
    signatures = vector(signature, names)
    model = table(
        "Model", ("Version", 3), ("Subgraphs", graph), ("OperatorCodes", code),
        ("Buffers", buffers), ("SignatureDefs", signatures),
    )  # fmt: skip
    builder.Finish(model, b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize(
    ("lists", "read"),
    [
        ({"scales": 20_000}, tflite_file.read),
        ({"ends": 20_000}, tflite_file.read),
        ({"ends": 20_000}, file_size.size),
        ({"names": 20_000}, operators.unpacked),
    ],
)
def test_tables_that_share_a_list_are_counted_each_time(lists, read):
    """20,000 times 20,000 entries are 1.6 GB, in a file of 200 kB."""
    tflite = shared_lists(**lists)
    assert len(tflite) < 400_000
    most, said = peak(lambda: read(tflite))
    assert "damaged or truncated" in said
    assert most < 60 * MB


def test_few_that_share_a_list_are_read():
    assert len(tflite_file.read(shared_lists(scales=100, ends=20)).tensors) == 100


# --- engines and plans that are not given a file ----------------------------------------------


@pytest.mark.parametrize("op", ["max_pool2d", "average_pool2d"])
def test_the_border_of_a_float_pool_is_counted(op):
    layer = {"op": op, "name": "p", "kernel": (2**15, 2**15), "strides": (1, 1), "padding": "same"}
    most, said = peak(lambda: float_engine.forward([layer], {}, np.ones((1, 4, 4, 1), np.float32)))
    assert said.startswith("The border of a 32768 x 32768 window around (1, 4, 4, 1) would take 4,")
    assert most < MB


def test_a_float_convolution_that_sees_much_takes_its_inputs_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(5, 6, 6, 2)), rng.normal(size=(3, 3, 2, 4))
    whole = float_engine.conv2d(x, kernel)
    monkeypatch.setattr(limits, "MEMORY", 2 * 16 * 18 * 8)  # the patches of two inputs
    np.testing.assert_allclose(float_engine.conv2d(x, kernel), whole, rtol=1e-12)
    monkeypatch.setattr(limits, "MEMORY", 16 * 18 * 8 - 1)
    with pytest.raises(ValueError, match=r"a kernel \(3, 3, 2, 4\) sees of an input would take"):
        float_engine.conv2d(x, kernel)


def test_bytes_alive_are_those_of_the_definition():
    rng = np.random.default_rng(3)
    for _ in range(50):
        parts = [
            memory.Activation("", int(size), int(first), int(first + life))
            for size, first, life in rng.integers(0, 40, (rng.integers(1, 20), 3))
        ]
        expected = [
            sum(-(-p.bytes // 16) * 16 for p in parts if p.first <= at <= p.last)
            for at in range(max(p.last for p in parts) + 1)
        ]
        assert memory.alive(parts) == expected


def test_a_plan_of_too_many_activations_is_refused():
    parts = [memory.Activation("", 4, i, i) for i in range(memory.MOST_ACTIVATIONS + 1)]
    with pytest.raises(ValueError, match="1,025 activations, and 1,024 are placed at most"):
        memory.places(parts)


def test_inputs_that_no_memory_holds_are_not_drawn():
    tflite = one("RELU", (1, 2**24), (1, 2**24))
    most, said = peak(lambda: memory._some_inputs(tflite_file.read(tflite)))
    assert said.startswith("What the model takes as its inputs would take 1,073,741,824 bytes")
    assert most < MB


# --- damaged files ----------------------------------------------------------------------------


def looks(tflite):
    """All that is done with a model file, each with what it is called."""
    yield "size", lambda: file_size.size(tflite)
    yield "read", lambda: tflite_file.read(tflite, allow_sparse=True)
    try:
        graph = tflite_file.read(tflite, allow_sparse=True)
    except ValueError:
        return
    yield "run", lambda: _run(graph)
    yield "lifetimes", lambda: memory.places(memory.activations(graph))
    yield "arena", lambda: memory.alive(memory.activations(graph))
    yield "estimated arena", lambda: memory.estimated_arena(graph)
    yield "inputs", lambda: memory._some_inputs(graph)
    yield "compatibility", lambda: str(micro.compatibility(graph))
    yield "on a runtime", lambda: str(micro.compatibility(graph, "Chirale_TensorFlowLite"))
    yield "as a runtime reads it", lambda: micro.as_read(graph, "Chirale_TensorFlowLite")
    yield "one scale", lambda: micro.one_scale(graph)
    yield "flash", lambda: micro.flash(graph)
    yield "layers in C", lambda: lowering.lower(graph)
    yield "integers", lambda: evaluation._only_integers(graph)
    yield "words", lambda: batches.describe(graph, (*graph.inputs, *graph.outputs))
    yield "scales", lambda: [tensor.qparams for tensor in graph.tensors]


def _run(graph):
    model = IntegerModel(graph)
    x = tuple(np.zeros((1, *tensor.shape[1:]), tensor.type) for tensor in model.inputs)
    x = x if len(x) > 1 else x[0]
    model.run(x)
    list(model.trace(x))


ENDS = [0, 1, -1, 2, 3, -2, 7, 127, 128, 255, -128, 2**15, 2**20, 2**24, 2**31 - 1, -(2**31)]
REALS = [0.0, -1.0, 1e-38, 1e38, float("inf"), float("nan"), 1e-7]


def sound_but_strange(tflite, rng, count):
    """Yield copies that are whole FlatBuffers, with one value changed to something strange."""
    while count:
        model = unpack(tflite)
        table = rng.choice(tables(model))
        key = rng.choice(list(vars(table)))
        setattr(table, key, strange(getattr(table, key), rng))
        try:
            yield pack(model)
        except Exception:  # what the schema itself refuses to write
            continue
        count -= 1


def tables(table):
    """The table and all below it."""
    below = [
        v for value in vars(table).values() for v in (value if isinstance(value, list) else [value])
    ]
    return [table, *(t for v in below if hasattr(v, "__dict__") for t in tables(v))]


def strange(value, rng):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice([*ENDS, value + 1, value - 1])
    if isinstance(value, float):
        return rng.choice(REALS)
    if isinstance(value, np.ndarray) and value.size:
        value = value.copy()
        if rng.random() < 0.4:
            return rng.choice([value[: value.size // 2], np.concatenate([value, value])])
        ends = REALS if value.dtype.kind == "f" else ENDS
        with np.errstate(over="ignore"):
            value.flat[rng.randrange(value.size)] = np.array(rng.choice(ends)).astype(value.dtype)
        return value
    if isinstance(value, list) and value:
        return rng.choice([value[1:], [*value, value[0]], value[::-1]])
    return None


def of_every_kind():
    """Small files: every operator in int8, some in int16, a float network, one that ships."""
    for number, (name, draw) in enumerate(CASES.items()):
        case = Case([5, number])
        yield name, case.bytes(draw(case))
    for name in ("ADD", "TANH", "SOFTMAX", "TRANSPOSE_CONV"):
        case = Case([6, *name.encode()], "int16")
        yield f"{name} int16", case.bytes(CASES[name](case))
    yield "watch_cnn", data.model("watch_cnn", "int8")
    yield "float", float_network()


def float_network():
    writer = Writer()
    x, y, z = (writer.tensor(s, "float32") for s in ((1, 4, 4, 2), (1, 32), (1, 3)))
    weights = writer.constant(np.ones((3, 32)), "float32")
    writer.operator("RESHAPE", [x, writer.constant([1, 32], "int32")], y)
    writer.operator("FULLY_CONNECTED", [y, weights], z, fusedActivationFunction="NONE")
    return writer.bytes([x], [z])


@pytest.mark.parametrize("way", [mutations, sound_but_strange])
def test_a_damaged_file_is_refused_in_a_sentence_wherever_it_goes(way, record_property):
    rng, outcome = random.Random(2027), {"refused": 0, "done": 0}
    for kind, tflite in of_every_kind():
        for number, damaged in enumerate(itertools.islice(way(tflite, rng, 5), 5)):
            for name, look in looks(damaged):
                try:
                    look()
                except ValueError:
                    outcome["refused"] += 1
                except Exception as error:
                    pytest.fail(f"{kind}, copy {number}: {name} gave {error!r}")
                else:
                    outcome["done"] += 1
    record_property("outcome", str(outcome))
    assert min(outcome.values()) > 100


def test_a_graph_without_tensors_is_given_one_scale():
    """LiteRT's schema has None for a list that is left out."""
    model = unpack(float_network())
    other = schema.SubGraphT()
    model.subgraphs.append(other)
    assert tflite_file.read(micro.one_scale(pack(model))).others


def test_an_output_that_is_a_variable_is_refused():
    writer = Writer()
    x, y = writer.tensor((1, 4), scale=0.1), writer.tensor((1, 4), scale=0.1)
    held = writer.tensor((1, 4), scale=0.1, variable=True)
    writer.operator("RELU", [x], y)
    with pytest.raises(ValueError, match="output is a variable that no operator writes"):
        IntegerModel(writer.bytes([x], [held]))


def test_a_variable_is_no_ordinary_input():
    writer = Writer()
    x, y = writer.tensor((1, 4), scale=0.1), writer.tensor((1, 4), scale=0.1)
    held = writer.tensor((1, 4), scale=0.1, variable=True)
    writer.operator("ADD", [x, held], y, fusedActivationFunction="NONE")
    with pytest.raises(ValueError, match=r"Operator 0 \(ADD\) reads tensor 2, a variable"):
        IntegerModel(writer.bytes([x], [y]))


@pytest.mark.parametrize("shape", [(), (1, 0)])
def test_a_float_operator_without_values_is_no_layer(shape):
    writer = Writer()
    x, y = writer.tensor(shape, "float32"), writer.tensor(shape, "float32")
    writer.operator("SOFTMAX", [x], y, beta=1.0)
    with pytest.raises(ValueError, match="without values, or without axes"):
        lowering.lower(tflite_file.read(writer.bytes([x], [y])))


def test_a_float_operator_without_inputs_is_no_layer():
    writer = Writer()
    x, y = writer.tensor((1, 4), "float32"), writer.tensor((1, 4), "float32")
    writer.operator("SOFTMAX", [], y, beta=1.0)
    with pytest.raises(ValueError, match="lacks its input or its output"):
        lowering.lower(tflite_file.read(writer.bytes([x], [y])))


# --- LiteRT ----------------------------------------------------------------------------------


def with_beta(beta):
    """A network that ships, with another factor in its softmax."""
    model = unpack(data.model("watch_cnn", "int8"))
    softmax = next(o for o in model.subgraphs[0].operators if hasattr(o.builtinOptions, "beta"))
    softmax.builtinOptions.beta = beta
    model.description = "changed"
    return pack(model)


@pytest.fixture
def calls(monkeypatch):
    """What is called in the other process."""
    made, call = [], process.call
    monkeypatch.setattr(litert, "_vouched", set())
    monkeypatch.setattr(process, "call", lambda *told: made.append(told[2]) or call(*told))
    return made


X = np.zeros((3, 1, 100, 6), np.float32)


def test_a_file_that_ends_litert_is_named_and_ends_nothing_else():
    kernels = "reference"  # XNNPACK lives on with this softmax
    died = (
        r"^LiteRT itself died on this model \(SIG\w+\).* process of its own, and the notebook goes"
    )
    with pytest.raises(ValueError, match=died):
        evaluation.run(with_beta(1e-38), X, kernels)
    with pytest.raises(ValueError, match=died):
        evaluation.latency({"sound": data.model("watch_cnn"), "bad": with_beta(1e-38)}, kernels)
    with pytest.raises(ValueError, match=died):
        evaluation.interpreter(with_beta(1e-38), kernels)
    assert "LiteRT itself died" in evaluation.runtimes(with_beta(1e-38), X)["LiteRT reference"].said


def test_files_of_ours_run_here_and_others_in_a_process_of_their_own(calls):
    ours, other = data.model("watch_cnn", "int8"), with_beta(1.0)
    here = evaluation.run(ours, X)
    evaluation.latency({"ours": ours}, seconds=0.05)
    evaluation.interpreter(ours)
    assert not calls
    assert np.array_equal(evaluation.run(other, X), here)
    assert len(calls) == 1
    litert.vouch(other)
    assert np.array_equal(evaluation.run(other, X), here)
    assert len(calls) == 1


def test_one_scale_of_a_file_of_ours_is_ours():
    shipped = data.model("fashion_cnn", "int8")
    assert litert.is_ours(micro.one_scale(shipped))
    assert not litert.is_ours(micro.one_scale(with_beta(0.5)))


@pytest.mark.tensorflow
def test_what_is_converted_here_is_ours(calls):
    network = data.checkpoint("watch_cnn")
    model = models.set_weights(models.build("watch_cnn"), network.weights)
    tflite = conversion.convert(model, "float32")
    evaluation.run(tflite, X)
    assert not calls


def test_a_file_in_a_process_of_its_own_tells_how_far_it_is(calls, monkeypatch):
    monkeypatch.setattr(litert, "GUARDED", 4)
    x, heard = np.random.default_rng(1).normal(size=(10, 1, 100, 6)).astype(np.float32), []
    found = evaluation.run(with_beta(1.0), x, progress=lambda *told: heard.append(told))
    assert heard == [(4, 10), (8, 10), (10, 10)]
    assert np.array_equal(found, evaluation.run(data.model("watch_cnn"), x))


def test_without_a_manifest_no_file_is_ours(monkeypatch, tmp_path):
    shipped = data.model("watch_cnn")
    assert litert.is_ours(shipped)
    monkeypatch.setattr(data, "DIRECTORY", tmp_path)
    assert not litert.is_ours(shipped)


def test_litert_is_not_asked_for_more_than_the_limit():
    tflite = chain("RELU", 40, (1, 2**24))
    with pytest.raises(ValueError, match="activations, all together, would take 687,865,856 bytes"):
        evaluation.interpreter(tflite)
