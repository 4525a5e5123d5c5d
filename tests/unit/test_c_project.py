"""export_c: the C against the integer engine, which equals TFLM, bit for bit."""

import collections
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
import random_networks
from hypothesis import given
from hypothesis import strategies as st
from test_int8 import SHIPPED, model_and_inputs
from tflite_tools import Writer

from course_utils.engines import tflite_file
from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import conversion, data
from course_utils.machines.micro import c_project, memory
from course_utils.machines.micro.c_project import export, lowering, planning
from course_utils.numbers.quantization import quantize

# Random networks; the bound is 200.
NETWORKS = int(os.environ.get("LAB_RANDOM_NETWORKS", "200"))
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-g", "-O1"]
SANITIZED = [*STRICT, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def compiler(name="cc"):
    """The compiler, or skip; fail where LAB_REQUIRE_TOOLS=1 says that it must be there."""
    if shutil.which(name) is None:
        if os.environ.get("LAB_REQUIRE_TOOLS") == "1":
            pytest.fail(f"LAB_REQUIRE_TOOLS=1, but there is no {name} on the PATH")
        pytest.skip(f"2026-12-01: the C is compiled with {name}, which is not on the PATH")
    return name


def compiled(folder, sources, *flags, strict=SANITIZED):
    program = folder / "program"
    command = [compiler(), *strict, *flags, *sources, "-o", program]
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


# --- many networks in one program ---------------------------------------------------------------

MAIN = """#include <stdint.h>
#include <stdio.h>
@{declared}
static const struct { int8_t *(*in)(void); const int8_t *(*out)(void); void (*run)(void);
                      int inputs, outputs, count; } all[] = {
@{rows}
};
int main(void) {
  for (unsigned n = 0; n < sizeof(all) / sizeof(*all); ++n) {
    for (int i = 0; i < all[n].count; ++i) {
      if (fread(all[n].in(), 1, all[n].inputs, stdin) != (size_t)all[n].inputs) return 1;
      all[n].run();
      fwrite(all[n].out(), 1, all[n].outputs, stdout);
    }
  }
  return 0;
}
"""


def answers_in_c(folder, networks):
    """Outputs of int8 networks, [(tflite, x), ...], all compiled into one program."""
    declared, rows = [], []
    for n, (tflite, x) in enumerate(networks):
        graph = tflite_file.read(tflite)
        (folder / f"n{n}").mkdir()
        for name, text in export.network_files(graph, lowering.lower(graph), f"n{n}_").items():
            (folder / f"n{n}" / name).write_text(text)
        ends = [graph.tensors[i].size for i in (*graph.inputs, *graph.outputs)]
        declared.append(
            f"int8_t *n{n}_network_input(void); const int8_t *n{n}_network_output(void);\n"
            f"void n{n}_network_run(void);"
        )
        calls = ", ".join(f"n{n}_network_{end}" for end in ("input", "output", "run"))
        rows.append(f"  {{{calls}, {ends[0]}, {ends[1]}, {len(x)}}},")
    main = MAIN.replace("@{declared}", "\n".join(declared)).replace("@{rows}", "\n".join(rows))
    (folder / "main.c").write_text(main)
    template = export.TEMPLATE / "int8"
    sources = [folder / "main.c", template / "kernels.c", *sorted(folder.glob("n*/network.c"))]
    program = compiled(folder, sources, f"-I{template}")
    given_bytes = b"".join(x.tobytes() for _, x in networks)
    done = subprocess.run([program], input=given_bytes, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    codes, found = np.frombuffer(done.stdout, np.int8), []
    for tflite, x in networks:
        model = IntegerModel(tflite)
        size = len(x) * model.output.size
        found.append(codes[:size].reshape(len(x), *model.output.shape[1:]))
        codes = codes[size:]
    assert codes.size == 0
    return found


def test_random_networks_equal_the_engine(tmp_path, record_property):
    drawn = random_networks.plain_networks(NETWORKS, 17)
    count = collections.Counter(name for *_, names in drawn for name in names)
    assert set(count) == c_project.C_OPERATORS
    networks = [(tflite, x) for tflite, x, _ in drawn]
    values = differing = 0
    for (tflite, x), found in zip(networks, answers_in_c(tmp_path, networks), strict=True):
        expected = IntegerModel(tflite).run(x)
        values += expected.size
        differing += int((found != expected).sum())
    counted = f"{len(drawn)} networks, {values} values, {differing} differing; {dict(count)}"
    record_property("counted", counted)
    print(counted)
    assert len(drawn) >= NETWORKS
    assert differing == 0


def test_the_shipped_networks_equal_the_engine(tmp_path, record_property):
    networks = []
    for name in SHIPPED:
        tflite, x = model_and_inputs(name)
        networks.append((tflite, quantize(x[:100], IntegerModel(tflite).input.qparams)))
    for (tflite, x), found in zip(networks, answers_in_c(tmp_path, networks), strict=True):
        np.testing.assert_array_equal(found, IntegerModel(tflite).run(x))


# --- an export ----------------------------------------------------------------------------------


def self_test(directory, strict=SANITIZED):
    program = compiled(directory, sorted(directory.glob("*.c")), strict=strict)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    program.unlink()
    return done.returncode, done.stdout.splitlines()


def test_an_export_passes_its_own_test_and_fails_once_it_is_broken(tmp_path):
    directory = tmp_path / "watch"
    paths = c_project.export_c(data.model("watch_cnn"), directory)
    assert {path.name for path in paths} <= export.FILES
    code, lines = self_test(directory)
    assert (code, lines[-1]) == (0, "PASS")
    assert lines[0] == "golden input 0: 0 of 7 outputs differ, most by 0 (output 0)"
    kernels = directory / "kernels.c"
    text = kernels.read_text()
    halves = "(mask >> 1) + (x < 0)"
    assert halves in text
    kernels.write_text(text.replace(halves, "mask"))  # rounds down
    code, lines = self_test(directory)
    assert (code, lines[-1]) == (1, "FAIL")
    assert any(re.search(r"[1-7] of 7 outputs differ, most by [1-9]", line) for line in lines)


@pytest.mark.tensorflow
def test_the_float32_twin_passes_its_own_test(tmp_path):
    tflite = conversion.converted("watch_cnn", "float32")
    c_project.export_c(tflite, tmp_path / "watch")
    code, lines = self_test(tmp_path / "watch")
    assert (code, lines[-1]) == (0, "PASS")
    assert "typedef float Number;" in (tmp_path / "watch" / "network.h").read_text()


def test_the_int8_kernels_have_no_float_and_no_malloc():
    for name in export.KERNELS["int8"]:
        text = re.sub(r"/\*.*?\*/", "", (export.TEMPLATE / "int8" / name).read_text(), flags=re.S)
        assert not re.search(r"\b(float|double|malloc|calloc|alloca|free)\b", text)
        assert set(re.findall(r"#include [<\"](.*?)[>\"]", text)) <= {
            "stdint.h", "kernels.h", "dot_simd.h", "avr/pgmspace.h",
        }  # fmt: skip


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    tflite = data.model("watch_cnn")
    c_project.export_c(tflite, tmp_path / "c")
    with pytest.raises(FileExistsError, match="is not empty"):
        c_project.export_c(tflite, tmp_path / "c")
    c_project.export_c(tflite, tmp_path / "c", overwrite=True)
    (tmp_path / "c" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds notes.txt, which is not of an export"):
        c_project.export_c(tflite, tmp_path / "c", overwrite=True)


def one_operator(name, type_name="int8", shape=(1, 4, 4, 2), out=None, extra=(), **options):
    writer = Writer()
    x, y = (writer.tensor(s, type_name, 0.1, 3) for s in (shape, out or shape))
    constants = [writer.constant(values, "int32") for values in extra]
    writer.operator(name, [x, *constants], y, **options)
    return writer.bytes([x], [y])


@pytest.mark.parametrize(
    ("tflite", "said"),
    [
        (one_operator("RELU"), r"does not write Operator 0 \(RELU\); it writes CONV_2D"),
        (one_operator("RELU", "int16"), "both int8 or both float32; this has 1 and 1, in int16"),
        (
            one_operator("MEAN", out=(1, 4), extra=([1, 3],), keepDims=False),
            r"averages along the axes \[1, 3\]: export_c takes neighbouring ones",
        ),
    ],
)
def test_what_the_kernels_do_not_have_is_said_in_one_sentence(tmp_path, tflite, said):
    with pytest.raises(ValueError, match=said):
        c_project.export_c(tflite, tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("name", ["FULLY_CONNECTED", "DEPTHWISE_CONV_2D"])
def test_sums_that_an_int32_does_not_hold_are_refused(name):
    """In C they would be undefined; 255 * 127 * 66,311 is the last product sum that fits."""

    def network(depth, bias):
        writer = Writer()
        quantized = {"scale": 0.1, "zero_point": 0}
        if name == "FULLY_CONNECTED":
            x, shape, options = (1, depth), (1, depth), {}
        else:
            x, shape = (1, depth, 1, 1), (1, depth, 1, 1)
            options = {"padding": "VALID", "strideH": 1, "strideW": 1, "depthMultiplier": 1}
        start = writer.tensor(x, "int8", **quantized)
        weights = writer.constant(np.full(shape, -127), "int8", **quantized)
        biases = writer.constant(np.array([bias]), "int32", scale=0.01, zero_point=0)
        end = writer.tensor((1, 1) if len(x) == 2 else (1, 1, 1, 1), "int8", 1e6, 0)
        writer.operator(name, [start, weights, biases], end, **options)
        return tflite_file.read(writer.bytes([start], [end]))

    room = 2**31 - 1 - 255 * 127 * 66_311
    lowering.lower(network(66_311, room))
    for depth, bias in ((66_311, room + 1), (66_312, 0)):
        with pytest.raises(ValueError, match=r"a sum of 2,147,\d{3},\d{3}, which no int32"):
            lowering.lower(network(depth, bias))


def in_float32(name, *others, y, x=(1, 4, 4, 2), **options):
    """One operator; others: constants of these shapes, None for an input that is left out."""
    writer = Writer()
    start, end = (writer.tensor(shape, "float32") for shape in (x, y))
    inputs = [-1 if shape is None else writer.constant(np.ones(shape), "float32")
              for shape in others]  # fmt: skip
    writer.operator(name, [start, *inputs], end, **options)
    return writer.bytes([start], [end])


STEP = {"padding": "SAME", "strideH": 1, "strideW": 1}


@pytest.mark.parametrize(
    ("tflite", "said"),
    [
        (in_float32("CONV_2D", y=(1, 4, 4, 3), **STEP), "lacks a second input"),
        (in_float32("CONV_2D", None, y=(1, 4, 4, 3), **STEP), "lacks a second input"),
        (in_float32("CONV_2D", (6,), y=(1, 4, 4, 3), **STEP), "a second input of 1 axes"),
        (
            in_float32("CONV_2D", (3, 3, 3, 2), x=(1, 32), y=(1, 4, 4, 3), **STEP),
            "an input of 2 axes where it takes 4",
        ),
        (
            in_float32("CONV_2D", (3, 3, 3, 2), y=(1, 4, 4, 3), **STEP | {"strideH": 0}),
            "a stride, a dilation or a window below 1",
        ),
        (in_float32("FULLY_CONNECTED", (3, 5), y=(1, 3)), "weights for 5 inputs, and an input of"),
        (in_float32("FULLY_CONNECTED", (3, 32), y=(1, 9)), "writes 9 numbers where 3 follow"),
        (in_float32("MEAN", y=(1, 2), keepDims=False), "lacks a second input"),
        (one_operator("MEAN", "float32", out=(1, 2), extra=([7],)), "an axis that its input has"),
        (one_operator("MEAN", "float32", out=(1, 9), extra=([1, 2],)), "writes 9 numbers where 2"),
        (in_float32("SOFTMAX", y=(1, 4, 4, 3), beta=1.0), "writes 48 numbers where 32 follow"),
        (in_float32("RESHAPE", y=(1, 5)), "writes 5 numbers where 32 follow"),
    ],
)
def test_an_unsound_network_in_float32_is_refused_before_anything_is_written(tflite, said):
    """Its C would read or write beyond its arrays."""
    with pytest.raises(ValueError, match=said) as raised:
        lowering.lower(tflite_file.read(tflite))
    assert "\n" not in str(raised.value)


# --- memory -------------------------------------------------------------------------------------

parts = st.lists(
    st.builds(
        lambda size, first, longer: memory.Activation("a", size, first, first + longer),
        st.integers(1, 100), st.integers(0, 9), st.integers(0, 4),
    ),
    max_size=12,
)  # fmt: skip


@given(parts, st.sampled_from([memory.ALIGNMENT, planning.ALIGNMENT]))
def test_what_lives_at_the_same_time_shares_no_byte(activations, alignment):
    placed = memory.places(activations, alignment)
    assert [place.activation for place in placed] == activations
    for n, one in enumerate(placed):
        assert one.offset % alignment == 0
        for two in placed[:n]:
            a, b = one.activation, two.activation
            at_once = a.first <= b.last and b.first <= a.last
            assert not at_once or one.offset >= two.end or two.offset >= one.end


@pytest.mark.parametrize("name", SHIPPED)
def test_the_arena_is_no_larger_than_what_lives_at_once(name):
    """In chains of layers nothing is lost between activations."""
    graph = tflite_file.read(model_and_inputs(name)[0])
    plan = planning.plan(graph, lowering.aliases(graph))
    assert max(place.end for place in plan.values()) <= max(memory.alive(memory.activations(graph)))


def test_the_self_test_on_this_computer(tmp_path):
    compiler()
    directory = tmp_path / "watch"
    with pytest.raises(FileNotFoundError, match="no exported C project"):
        c_project.self_test_c(directory)
    c_project.export_c(data.model("watch_cnn"), directory)
    found = c_project.self_test_c(directory)
    assert (found.passed, found.lines[-1]) == (True, "PASS")
    kernels = directory / "kernels.c"
    kernels.write_text(kernels.read_text().replace("(mask >> 1)", "mask"))
    found = c_project.self_test_c(directory)
    assert (found.passed, found.lines[-1], found.compiled) == (False, "FAIL", True)
    kernels.write_text("oops")
    found = c_project.self_test_c(directory)
    assert not found.compiled
    assert found.lines[0].startswith("kernels.c:1:1: error")


ROUNDED = "return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0));"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("for (volatile int k = 0;;) k = 1; return 0;", "not done after 1 s"),
        ('extern int puts(const char *); for (;;) puts("x");', "printed more than 100,000 bytes"),
        ("volatile int zero = 0; return x / zero;", "It crashed and gave no verdict"),
        ("return no_such_function(x);", "undefined reference to .no_such_function"),
    ],
)
def test_a_program_that_ends_otherwise_is_stopped_and_named(tmp_path, monkeypatch, statement, said):
    compiler()
    monkeypatch.setattr(c_project.host, "RUN_TIMEOUT", 1)
    c_project.export_c(data.model("watch_cnn"), tmp_path / "watch")
    kernels = tmp_path / "watch" / "kernels.c"
    assert ROUNDED in kernels.read_text()
    kernels.write_text(kernels.read_text().replace(ROUNDED, statement))
    found = c_project.self_test_c(tmp_path / "watch")
    assert not found.passed
    assert re.search(said, found.lines[-1])
    assert found.compiled == ("reference" not in said)


def test_a_file_that_is_gone_or_not_utf_8_is_named(tmp_path, monkeypatch):
    compiler()
    c_project.export_c(data.model("watch_cnn"), tmp_path / "watch")
    kernels = tmp_path / "watch" / "kernels.c"
    kernels.write_bytes(kernels.read_bytes() + "\nint \xfc = ;".encode("latin-1"))
    found = c_project.self_test_c(tmp_path / "watch")
    assert not found.compiled
    assert found.lines[0].startswith("kernels.c:")
    (tmp_path / "watch" / "kernels.h").unlink()
    with pytest.raises(FileNotFoundError, match=r"kernels\.h is missing in .*: write the C again"):
        c_project.self_test_c(tmp_path / "watch")
