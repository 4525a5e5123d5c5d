"""Exported C on emulated chips: the bits of TFLM, exact counts, and what is said of a fault."""

import os

import numpy as np
import pytest
import random_networks
from tflite_tools import Writer

from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import data, micro
from course_utils.machines.micro import c_project, emulator
from course_utils.machines.micro.emulator import elf, running
from course_utils.numbers.quantization import quantize

# The most instructions that an inference of Watch may take on a Cortex-M4F: as TFLM's reference
# kernels, and 1.2 times as many as CMSIS-NN.
BOUND, BOUND_SIMD = 3_150_000, 1_140_000
ON_CHIPS = 4  # random networks


def tools(cpu):
    """Skip where a chip's tools are missing; fail where LAB_REQUIRE_TOOLS=1 says otherwise."""
    if reason := emulator.missing_tool(cpu):
        if os.environ.get("LAB_REQUIRE_TOOLS") == "1":
            pytest.fail(f"LAB_REQUIRE_TOOLS=1, but {reason}")
        pytest.skip(f"2026-12-01: {reason}")


def small_network(kind="int8", rng_seed=3):
    """A network of all kinds of layers that fits an ATmega328P."""
    rng, writer = np.random.default_rng(rng_seed), Writer()

    def tensor(shape, scale, zero_point):
        return writer.tensor(shape, kind, scale if kind == "int8" else None, zero_point)

    def weights(shape, axis):
        values = rng.integers(-127, 128, shape)
        if kind == "float32":
            return writer.constant(values * 0.01, kind)
        return writer.constant(values, kind, scale=np.full(shape[axis], 0.01), axis=axis)

    def biases(units):
        values = rng.integers(-500, 500, units)
        if kind == "float32":
            return writer.constant(values * 0.0005, kind)
        return writer.constant(values, "int32", scale=np.full(units, 0.0005), axis=0)

    x = tensor((1, 1, 50, 3), 0.05, 3)
    a = tensor((1, 1, 25, 4), 0.06, -128)
    b, c = tensor((1, 1, 12, 4), 0.06, -128), tensor((1, 1, 12, 4), 0.05, -10)
    d, e, f = tensor((1, 4), 0.03, -10), tensor((1, 5), 0.05, -3), tensor((1, 5), 1 / 256, -128)
    writer.operator("CONV_2D", [x, weights((4, 1, 5, 3), 0), biases(4)], a, padding="SAME",
                    strideH=1, strideW=2, fusedActivationFunction="RELU")  # fmt: skip
    writer.operator("MAX_POOL_2D", [a], b, padding="VALID", strideH=1, strideW=2, filterHeight=1,
                    filterWidth=2)  # fmt: skip
    writer.operator("DEPTHWISE_CONV_2D", [b, weights((1, 1, 3, 4), 3), biases(4)], c,
                    padding="SAME", strideH=1, strideW=1, depthMultiplier=1)  # fmt: skip
    writer.operator("MEAN", [c, writer.constant([1, 2], "int32")], d, keepDims=False)
    writer.operator("FULLY_CONNECTED", [d, weights((5, 4), 0), biases(5)], e)
    writer.operator("SOFTMAX", [e], f, beta=1.0)
    return writer.bytes([x], [f])


def exported(directory, tflite, shape):
    samples = np.random.default_rng(1).normal(size=(2, *shape))
    c_project.export_c(tflite, directory, samples=samples)
    return directory


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An exported int8 network, inputs for it and what it must answer."""
    tflite = small_network()
    x = np.random.default_rng(5).integers(-128, 128, (3, 1, 50, 3)).astype(np.int8)
    directory = exported(tmp_path_factory.mktemp("small") / "c", tflite, (1, 50, 3))
    return directory, x, IntegerModel(tflite).run(x)


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    directory = tmp_path_factory.mktemp("watch") / "c"
    tflite = data.model("watch_cnn")
    c_project.export_c(tflite, directory)
    model = IntegerModel(tflite)
    x = quantize(data.load("watch").x_test[:3], model.input.qparams)
    return directory, x, model.run(x)


@pytest.mark.parametrize(
    ("cpu", "simd", "bound"),
    [
        ("cortex-m4f", False, BOUND),
        ("cortex-m4f", True, BOUND_SIMD),
        ("cortex-m3", False, BOUND),
        ("cortex-m0", False, 4_000_000),
    ],
)
def test_watch_equals_tflm_within_the_bounds(watch, cpu, simd, bound, record_property):
    tools(cpu)
    directory, x, expected = watch
    found = emulator.run(directory, x, cpu, simd)
    record_property("counted", f"{cpu} simd={simd}: {found}")
    np.testing.assert_array_equal(found.outputs, expected)
    assert found.unit == "instructions"
    assert 500_000 < min(found.counts) <= max(found.counts) <= bound
    assert found.ram == 2400  # the plan of network.c
    assert 10_000 < found.flash < 20_000
    assert 100 < found.stack < 500
    names, counts = zip(*found.layers, strict=True)
    assert names[:2] == ("conv_2d 0", "max_pool_2d 1")
    assert len(names) == 8
    assert abs(sum(counts) - found.counts[0]) < 20 * len(counts)  # the way from one to the next


@pytest.mark.parametrize("cpu", emulator.CPUS)
def test_the_small_network_equals_tflm(small, cpu):
    tools(cpu)
    directory, x, expected = small
    found = emulator.run(directory, x, cpu)
    np.testing.assert_array_equal(found.outputs, expected)
    assert found.unit == ("cycles" if cpu == "atmega328p" else "instructions")
    assert len(found.counts) == len(x)
    assert [name for name, _ in found.layers][-2:] == ["fully_connected 4", "softmax 5"]
    between = found.counts[0] - sum(count for _, count in found.layers)
    assert 0 <= between < 40 * len(found.layers)


@pytest.mark.skipif(bool(micro.missing()), reason="2026-12-01: TFLM answers for float32")
@pytest.mark.parametrize("cpu", emulator.CPUS)
def test_the_float32_twin_is_near_tflm(tmp_path, cpu):
    tools(cpu)
    tflite = small_network("float32")
    x = np.random.default_rng(5).normal(size=(2, 1, 50, 3)).astype(np.float32)
    found = emulator.run(exported(tmp_path / "c", tflite, (1, 50, 3)), x, cpu)
    np.testing.assert_allclose(found.outputs, micro.run(tflite, x), atol=1e-6)


def test_random_networks_equal_the_engine_on_all_chips(tmp_path, record_property):
    for cpu in emulator.CPUS:
        tools(cpu)
    drawn = random_networks.plain_networks(ON_CHIPS, 18)
    values = 0
    for number, (tflite, x, _) in enumerate(drawn):
        expected = IntegerModel(tflite).run(x).reshape(len(x), -1)
        directory = exported(tmp_path / f"c{number}", tflite, x.shape[1:])
        for cpu, simd in [*((cpu, False) for cpu in emulator.CPUS), ("cortex-m4f", True)]:
            np.testing.assert_array_equal(emulator.run(directory, x, cpu, simd).outputs, expected)
            values += expected.size
    record_property("counted", f"{len(drawn)} networks on all chips: {values} values, 0 differing")


# --- without GCC for Arm or QEMU: Python packages stand in, where they are installed


def without(monkeypatch, *tools):
    for tool in tools:
        name = running.PACKAGES[tool]
        pytest.importorskip(name, reason=f"2026-12-01: {name} is not in the lock: 56 or 411 MB")
    find = running.shutil.which
    monkeypatch.setattr(running.shutil, "which", lambda name: None if name in tools else find(name))


@pytest.mark.parametrize("simd", [False, True])
def test_unicorn_counts_what_qemu_counts(small, monkeypatch, simd):
    tools("cortex-m4f")
    directory, x, _ = small
    by_qemu = emulator.run(directory, x, "cortex-m4f", simd)
    without(monkeypatch, "qemu-system-arm")
    found = emulator.run(directory, x, "cortex-m4f", simd)
    np.testing.assert_array_equal(found.outputs, by_qemu.outputs)
    assert found.counts == by_qemu.counts
    assert found.layers == by_qemu.layers
    with pytest.raises(emulator.Fault, match="the stack of 128 bytes is too small"):
        emulator.run(directory, x, "cortex-m4f", stack=128)
    with pytest.raises(emulator.Fault, match="after 9,000 instructions"):
        emulator.run(directory, x, "cortex-m4f", limit=9000)


@pytest.mark.parametrize("cpu", ["cortex-m4f", "cortex-m3", "cortex-m0"])
def test_zig_compiles_the_same_network(small, monkeypatch, cpu):
    directory, x, expected = small
    without(monkeypatch, "arm-none-eabi-gcc", "qemu-system-arm")
    found = emulator.run(directory, x, cpu)
    np.testing.assert_array_equal(found.outputs, expected)


# --- exercises: what was changed ----------------------------------------------------------------

IN_MEAN = "  Mean l;\n  READ_LAYER(l, layer);\n"


def changed(small, directory, statement):
    """A copy of the small project that does something more in its mean."""
    text = (small[0] / "kernels.c").read_text()
    assert text.count(IN_MEAN) == 1
    directory.mkdir()
    for path in small[0].iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    (directory / "kernels.c").write_text(text.replace(IN_MEAN, f"{IN_MEAN}  {statement}\n"))
    return directory


@pytest.mark.parametrize("cpu", emulator.CPUS)
def test_the_count_is_exact(small, tmp_path, cpu):
    """A thousand instructions that do nothing, of one cycle each, are a thousand more."""
    tools(cpu)
    more = changed(small, tmp_path / "c", '__asm volatile(".rept 1000\\n nop\\n .endr");')
    none = changed(small, tmp_path / "d", '__asm volatile("");')
    _, x, expected = small
    plain, longer = emulator.run(none, x, cpu), emulator.run(more, x, cpu)
    assert [b - a for a, b in zip(plain.counts, longer.counts, strict=True)] == [1000] * len(x)
    assert longer.flash - plain.flash == 2000
    np.testing.assert_array_equal(longer.outputs, expected)


@pytest.mark.parametrize("cpu", ["cortex-m4f", "cortex-m3", "cortex-m0"])
def test_a_stack_that_is_too_small_is_named(small, cpu):
    tools(cpu)
    directory, x, expected = small
    enough = emulator.run(directory, x, cpu).stack + 64  # the harness has some, too
    found = emulator.run(directory, x, cpu, stack=enough)
    np.testing.assert_array_equal(found.outputs, expected)
    with pytest.raises(emulator.Fault, match=r"hard fault: the stack of 128 bytes is too small"):
        emulator.run(directory, x, cpu, stack=128)


UNALIGNED = ("int8_t *volatile p = (int8_t *)x + 1 - ((uintptr_t)x & 1); "
             "*(volatile uint64_t *)(void *)p += 1;")  # fmt: skip


@pytest.mark.parametrize(
    ("cpu", "statement", "said"),
    [
        ("cortex-m4f", UNALIGNED, "hard fault: an access to an address that is not aligned"),
        ("cortex-m0", UNALIGNED, "hard fault: an address that is not aligned, or where"),
        ("cortex-m3", "*(volatile int *)0x50000000 = 1;", "there is no memory at 0x50000000"),
        ("cortex-m3", "((void (*)(void))0x20000400)();", "is no instruction it knows"),
        ("cortex-m4f", "for (volatile int k = 0;;) k = 1;", "after 2,000,000 instructions"),
        ("cortex-m0", "for (volatile int k = 0;;) k = 1;", "after 2,000,000 instructions"),
        ("atmega328p", '__asm volatile("cli\\n sleep");', "answered 0 of 1 inputs and stopped"),
        (
            "atmega328p", "static volatile char big[1600]; for (int k = 0; k < 1600; ++k) "
            "big[k] = 0;", "stack has grown into its variables|does not fit",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_one_sentence(small, tmp_path, cpu, statement, said):
    tools(cpu)
    project = changed(small, tmp_path / "c", statement)
    with pytest.raises((emulator.Fault, ValueError), match=said) as raised:
        emulator.run(project, small[1][:1], cpu, limit=2_000_000)
    assert "\n" not in str(raised.value)


def test_what_does_not_compile_is_named(small, tmp_path):
    tools("cortex-m3")
    project = changed(small, tmp_path / "c", "oops;")
    with pytest.raises(ValueError, match=r"does not compile: kernels.c:\d+:\d+: error: .oops."):
        emulator.run(project, small[1], "cortex-m3")


@pytest.mark.parametrize("network", ["watch_cnn", "lenet_300_100", "fashion_dscnn"])
def test_what_does_not_fit_is_named(tmp_path, network):
    tools("atmega328p")
    tflite = data.model(network)
    c_project.export_c(tflite, tmp_path / "c")
    x = np.zeros((1, *IntegerModel(tflite).input.shape[1:]), np.int8)
    with pytest.raises(ValueError, match="does not fit the atmega328p"):
        emulator.run(tmp_path / "c", x, "atmega328p")


def test_wrong_calls_are_named(small, tmp_path, monkeypatch):
    directory, x, _ = small
    with pytest.raises(ValueError, match="There is no cpu 'z80'; there are cortex-m4f"):
        emulator.run(directory, x, "z80")
    monkeypatch.setattr(running.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(ValueError, match="cortex-m3 has no SIMD instructions"):
        emulator.run(directory, x, "cortex-m3", simd=True)
    with pytest.raises(FileNotFoundError, match="write one with export_c"):
        emulator.run(tmp_path, x)
    with pytest.raises(ValueError, match="the network takes int8, 150 numbers each"):
        emulator.run(directory, x.astype(np.float32))
    with pytest.raises(ValueError, match="150 numbers each"):
        emulator.run(directory, x.reshape(1, -1))
    for wrong in ({"stack": 0}, {"stack": -8}, {"limit": 0}):
        with pytest.raises(ValueError, match="it must be above 0"):
            emulator.run(directory, x, **wrong)
    with pytest.raises(ValueError, match="optimize='fast' is none of"):
        emulator.run(directory, x, optimize="fast")
    with pytest.raises(ValueError, match="There is no cpu"):
        emulator.run(directory, x, ["cortex-m3"])
    monkeypatch.setattr(running.shutil, "which", lambda name: None)
    with pytest.raises(OSError, match="simavr is not on the PATH|avr-gcc is not on the PATH"):
        emulator.run(directory, x, "atmega328p")


@pytest.mark.parametrize("name", ["kernels.c", "kernels.h", "network.h"])
def test_a_file_that_is_gone_is_named(small, tmp_path, name):
    tools("cortex-m3")
    project = changed(small, tmp_path / "c", ";")
    (project / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"^{name} is missing in .*: export again"):
        emulator.run(project, small[1], "cortex-m3")


def test_a_function_that_no_library_has_is_named(small, tmp_path):
    tools("cortex-m3")
    project = changed(small, tmp_path / "c", 'extern int puts(const char *); puts("here");')
    with pytest.raises(ValueError, match="does not compile: undefined reference to .puts"):
        emulator.run(project, small[1], "cortex-m3")


def test_a_file_that_is_no_program_is_named(tmp_path):
    (tmp_path / "a.elf").write_bytes(b"#!/bin/sh")
    with pytest.raises(ValueError, match="is no ELF file"):
        elf.sections(tmp_path / "a.elf")
