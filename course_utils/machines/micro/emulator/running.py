"""Compile an exported C project for a chip, run inputs through it there, and count."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils.machines.micro.c_project.export import fill
from course_utils.machines.micro.c_project.host import complaint, first_error
from course_utils.machines.micro.emulator.elf import sections
from course_utils.machines.micro.project.files import rows_of

TEMPLATE = Path(__file__).parent / "template"
LIMIT = 500_000_000  # instructions of one program
SLOWEST = 20e6  # instructions or cycles that an emulator does in a second, at least
NANOSECONDS = 256  # of QEMU's clock an instruction: its option shift=8
PROGRAM = "program.elf"
NEEDED = ("kernels.c", "kernels.h", "network.h")  # beside network.c
HARNESS_BYTES = 4096  # of flash, at most, that the harness takes
LEAST_STACK = 64  # bytes of an AVR's RAM
# What compilers and linkers say of what no memory of the chip holds.
TOO_LARGE = r"RAM is full|size of array .* is too large|not within region|relocation truncated"
NOT_COUNTED = ("harness", "vectors", "stack")  # what sections are called that only we need
COMMON = ("-std=gnu99", "-ffreestanding", "-ffunction-sections", "-fdata-sections")


class Fault(RuntimeError):
    """The chip stopped: a fault, a stack that is too small, a program that does not end."""


class Cpu(NamedTuple):
    """A chip that can be emulated."""

    compiler: str  # programs; PACKAGES may stand in for them
    emulator: str
    flags: tuple[str, ...]  # of the compiler
    zig: tuple[str, ...]  # of the compiler in the package ziglang
    machine: str  # the emulator's name of it
    flash: int  # bytes
    ram: int
    clock: float  # ticks per second of the harness's clock
    stack: int  # bytes, where nothing else is asked for
    unit: str  # what is counted


_ARM = ("arm-none-eabi-gcc", "qemu-system-arm")
_MPS2 = (2**22, 2**22, 25e6, 4096, "instructions")
CPUS: Mapping[str, Cpu] = {
    "cortex-m4f": Cpu(
        *_ARM, ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
        ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp"), "mps2-an386", *_MPS2
    ),
    "cortex-m3": Cpu(
        *_ARM, ("-mcpu=cortex-m3",), ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m3"),
        "mps2-an385", *_MPS2
    ),
    "cortex-m0": Cpu(
        *_ARM, ("-mcpu=cortex-m0", "-DMICROBIT"),
        ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0", "-DMICROBIT"), "microbit",
        2**18, 2**14, 16e6, 1024, "instructions",
    ),
    "atmega328p": Cpu(
        "avr-gcc", "simavr", ("-mmcu=atmega328p", "-DF_CPU=16000000UL"), (), "atmega328p",
        2**15, 2**11, 16e6, 0, "cycles",
    ),
}  # fmt: skip


class Run(NamedTuple):
    """What a network answered on a chip, and what it took."""

    outputs: np.ndarray  # (n, outputs), int8 or float32
    counts: tuple[int, ...]  # of each inference: instructions, on the AVR cycles
    unit: str  # "instructions" or "cycles"
    flash: int  # bytes of code and constants
    ram: int  # bytes of variables, without the stack
    stack: int  # bytes at the deepest
    layers: tuple[tuple[str, int], ...]  # of the first input: ("conv_2d 0", count), ...


def missing_tool(cpu: str = "cortex-m4f") -> str:
    """Which tool is not installed that a chip of CPUS needs, in one line; "" where all are."""
    for tool in (_cpu(cpu).compiler, _cpu(cpu).emulator):
        if shutil.which(tool) is None and not _stands_in(tool):
            or_else = f"; anywhere, pip install {PACKAGES[tool]}" if tool in PACKAGES else ""
            return (
                f"{tool} is not on the PATH, so nothing is run on the {cpu}: on Debian, apt-get "
                f"install {_DEBIAN[tool]}{or_else}."
            )
    return ""


def _stands_in(tool):
    """Whether the package that can take a program's place is installed."""
    return tool in PACKAGES and importlib.util.find_spec(PACKAGES[tool]) is not None


# Python packages that can stand in for a program where that is missing.
PACKAGES = {"arm-none-eabi-gcc": "ziglang", "qemu-system-arm": "unicorn"}
_DEBIAN = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi", "qemu-system-arm": "qemu-system-arm",
    "avr-gcc": "gcc-avr avr-libc", "simavr": "simavr",
}  # fmt: skip


def _cpu(name):
    if name not in tuple(CPUS):
        raise ValueError(f"There is no cpu {name!r}; there are {', '.join(CPUS)}.")
    return CPUS[name]


def run(
    project: str | os.PathLike,
    inputs: np.ndarray,
    cpu: str = "cortex-m4f",
    simd: bool = False,
    skip_zeros: bool = False,
    optimize: str = "-O2",
    stack: int | None = None,
    limit: int = LIMIT,
) -> Run:
    """Run inputs through an exported C project (`micro.export_c`) on an emulated chip.

    project:  the directory, as it is now: what was changed there is compiled.
    inputs:   array (n, *input shape) of the network's numbers, int8 codes or float32, n >= 1.
    cpu:      a name of CPUS: "cortex-m4f", "cortex-m3", "cortex-m0" or "atmega328p".
    simd:     the inner loop with the SIMD instructions that a Cortex-M4 has; int8 only.
    skip_zeros: the inner loop looks at each weight and does not multiply by 0; int8 only.
    optimize: the compiler's option, -O0 to -O3 or -Os.
    stack:    bytes of the stack on a Cortex-M; None: 4096, on the cortex-m0 1024. An AVR's stack
              is what is left of its RAM.
    limit:    instructions after which a program is stopped; it holds one input or several. An AVR's
              is stopped by its seconds alone, 5 and one for each 20 million.
    Returns a Run. Raises OSError where a tool is missing, FileNotFoundError where there is no
    project, ValueError for another cpu, inputs that do not fit, and what does not compile or does
    not fit the chip, Fault (a RuntimeError) where the program ends otherwise, each in one sentence.
    """
    chip = _cpu(cpu)
    if reason := missing_tool(cpu):
        raise OSError(reason)
    if simd and cpu != "cortex-m4f":
        raise ValueError(f'The {cpu} has no SIMD instructions: take cpu="cortex-m4f".')
    project = Path(project)
    if not (project / "network.c").is_file():
        raise FileNotFoundError(f"There is no C project in {project}: write one with export_c.")
    for name in NEEDED:
        if not (project / name).is_file():
            raise FileNotFoundError(f"{name} is missing in {project}: export again.")
    for name, number in (("stack", stack), ("limit", limit)):
        if number is not None and number < 1:
            raise ValueError(f"{name}={number}: it must be above 0.")
    if not str(optimize).startswith("-O"):
        raise ValueError(f"optimize={optimize!r} is none of -O0, -O1, -O2, -O3, -Os.")
    size, kind = _input_of(project)
    inputs = np.ascontiguousarray(inputs)
    fits = inputs.ndim > 1 and len(inputs) > 0 and inputs.size == len(inputs) * size
    if inputs.dtype != kind or not fits:
        raise ValueError(
            f"The inputs are {inputs.dtype} of shape {inputs.shape}; the network takes {kind}, "
            f"{size} numbers each, (n, ...) with n of 1 or more."
        )
    defined = [name for name, on in (("SIMD", simd), ("SKIP_ZEROS", skip_zeros)) if on]
    build = _Build(project, cpu, defined, optimize, stack or chip.stack, limit)
    rows = inputs.reshape(-1, size)
    flash, ram, found = first = _run_part(build, rows[:1])
    # The inputs lie in flash beside the network: as many at a time as there is room for.
    at_once = max(1, (chip.flash - flash - HARNESS_BYTES) // rows[0].nbytes)
    for start in range(1, len(rows), at_once):
        more = _run_part(build, rows[start : start + at_once])[2]
        found = _Said(*(one + two for one, two in zip(found, more, strict=True)))
    answers = [np.frombuffer(bytes.fromhex(text), kind) for text in found.outputs]
    return Run(
        np.stack(answers), tuple(found.counts), chip.unit, flash, ram, max(found.stacks),
        tuple(zip(_layer_names(project), first[2].layers, strict=False)),
    )  # fmt: skip


class _Build(NamedTuple):
    """What is compiled, and how."""

    project: Path
    cpu: str
    defined: list[str]
    optimize: str
    stack: int
    limit: int


class _Said(NamedTuple):
    """What the program said of each input."""

    outputs: list[str]  # bytes in hexadecimal digits
    counts: list[int]
    stacks: list[int]
    layers: list[int]  # of the first input


def _run_part(build, rows):
    """(bytes of flash, bytes of RAM, _Said) of some inputs, all stored in one program."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "inputs.h").write_text(_inputs_text(rows, build.cpu), "utf-8")
        if CPUS[build.cpu].emulator == "simavr":
            flash, ram = _compile_avr(build, folder)
            found = _in_simavr(build, folder)
        else:
            flash, ram = _compile_arm(build, folder)
            by_qemu = shutil.which(CPUS[build.cpu].emulator)
            found = _in_qemu(build, folder) if by_qemu else _in_unicorn(build, folder, rows)
    if not len(found.outputs) == len(found.counts) == len(rows):
        raise Fault(
            f"The {build.cpu} answered {len(found.outputs)} of {len(rows)} inputs and stopped: the "
            "program went astray (a stack or an array that was written beyond its end?)."
        )
    return flash, ram, found


def _input_of(project):
    """(numbers in an input, their NumPy type) of a project, from its network.h."""
    text = (project / "network.h").read_text("utf-8", errors="replace")
    size = re.search(r"#define INPUT_SIZE (\d+)", text)
    number = re.search(r"typedef (\w+) Number;", text)
    if not (size and number and number[1] in ("int8_t", "float")):
        raise ValueError(f"{project}/network.h is not as export_c wrote it: export again.")
    return int(size[1]), "int8" if number[1] == "int8_t" else "float32"


def _layer_names(project):
    text = (project / "network.c").read_text("utf-8", errors="replace")
    return [f"{name} {n}" for n, name in re.findall(r"case (\d+):\s+(\w+)\(", text)]


def _inputs_text(rows, cpu):
    """inputs.h: the inputs' bytes as they lie in memory, in a section of their own."""
    words = np.frombuffer(rows.tobytes(), np.uint8)
    where = "PROGMEM" if cpu == "atmega328p" else '__attribute__((section(".harness_inputs")))'
    include = "#include <avr/pgmspace.h>\n" if cpu == "atmega328p" else ""
    return (
        f'{include}#include "network.h"\n#define INPUT_COUNT {len(rows)}\n'
        f"static const union {{ unsigned char bytes[{words.size}]; float aligned; }}\n"
        f"harness_bytes {where} = {{{{\n{rows_of(map(str, words))}\n}}}};\n"
        "#define harness_inputs ((const Number *)harness_bytes.bytes)\n"
    )


def _compile_arm(build, folder):
    chip, program = CPUS[build.cpu], folder / PROGRAM
    ticks = min(2**32 - 1, round(build.limit * NANOSECONDS * 1e-9 * chip.clock))
    memory = fill(
        TEMPLATE / "cortex_m.ld",
        {
            "flash": chip.flash, "ram": chip.ram, "stack": -(-build.stack // 8) * 8,
            "guard": 4096 if chip.machine.startswith("mps2") else 0,
        },
    )  # fmt: skip
    (folder / "memory.ld").write_text(memory, "utf-8")
    sources = [build.project / "kernels.c", build.project / "network.c", TEMPLATE / "cortex_m.c"]
    library = ["-nostdlib", "-lgcc"] if shutil.which(chip.compiler) else []  # zig brings its own
    _compile(
        build, folder, "-mthumb", f"-DLIMIT_TICKS={ticks}u", "-Wl,--gc-sections",
        f"-Wl,-T,{folder / 'memory.ld'}", *sources, *library, "-o", program,
    )  # fmt: skip
    own = [s for s in sections(program) if not any(word in s.name for word in NOT_COUNTED)]
    return _flash_of(own), _ram_of(own)


def _compile_avr(build, folder):
    chip, program, harness = CPUS[build.cpu], folder / PROGRAM, folder / "harness.o"
    _compile(build, folder, "-c", TEMPLATE / "atmega328p.c", "-o", harness)
    linked = "-Wl,--gc-sections,-u,harness_told,--section-start=.mmcu=0x910000"
    sources = [build.project / "kernels.c", build.project / "network.c", harness]
    _compile(build, folder, linked, *sources, "-o", program)
    all_of_it, ours = (
        [s for s in sections(path) if s.name != ".mmcu"] for path in (program, harness)
    )
    flash, ram = _flash_of(all_of_it), _ram_of(all_of_it)
    # Its linker knows larger chips of the family, too, and does not say that this one is full.
    for what, bytes_, room in (("flash", flash, chip.flash), ("RAM", ram, chip.ram - LEAST_STACK)):
        if bytes_ > room:
            raise _too_small(build.cpu, what, room, bytes_ - room)
    return flash - _flash_of(ours), ram - _ram_of(ours)


def _flash_of(parts):
    return sum(part.bytes for part in parts if part.in_flash)


def _ram_of(parts):
    return sum(part.bytes for part in parts if part.name.startswith((".data", ".bss", ".noinit")))


def _compile(build, folder, *arguments):
    chip = CPUS[build.cpu]
    if shutil.which(chip.compiler):
        compiler = [chip.compiler, *chip.flags]
    else:
        compiler = [sys.executable, "-m", "ziglang", "cc", *chip.zig, "-fno-sanitize=undefined"]
    flags = [*COMMON, build.optimize, "-I", folder, "-I", build.project]
    command = [*compiler, *flags, *(f"-D{name}" for name in build.defined), *arguments]
    if said := complaint(command):
        _say_why(said, build)


def _too_small(cpu, what, room, missing):
    return ValueError(
        f"The network does not fit the {cpu}: the {room:,} bytes of {what} that it may take are "
        f"too few by {missing:,}."
    )


def _say_why(said, build):
    """Raise ValueError with the first error of compiler or linker."""
    chip = CPUS[build.cpu]
    if full := re.search(r"region `?(\w+)'? overflowed by (\d+) bytes", said):
        is_flash = full[1] in ("FLASH", "text")
        what, room = ("flash", chip.flash) if is_flash else ("RAM", chip.ram)
        raise _too_small(build.cpu, what, room, int(full[2]))
    if re.search(TOO_LARGE, said):
        raise ValueError(
            f"The network does not fit the {build.cpu}, which has {chip.flash:,} bytes of flash "
            f"and {chip.ram:,} of RAM."
        )
    raise ValueError(f"The C does not compile: {first_error(said, build.project)}")


def _emulate(command, folder, limit):
    seconds = round(5 + limit / SLOWEST)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds, cwd=folder,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Fault(f"The emulated chip was not done after {seconds} s and was stopped.") from None
    return done.stdout + done.stderr


def _in_qemu(build, folder):
    chip = CPUS[build.cpu]
    said = _emulate(
        [
            chip.emulator, "-machine", chip.machine, "-icount", "shift=8", "-display", "none",
            "-monitor", "none", "-serial", "none", "-semihosting-config",
            "enable=on,target=native", "-kernel", PROGRAM,
        ],
        folder, build.limit,
    )  # fmt: skip
    # The harness has taken its own return off.
    return _heard(said, build, lambda ticks: round(ticks / (NANOSECONDS * 1e-9 * chip.clock)) + 1)


def _in_unicorn(build, folder, rows):
    header = (build.project / "network.h").read_text("utf-8", errors="replace")
    names = ("OUTPUT_SIZE", "LAYER_COUNT")
    outputs, layers = (int(re.search(rf"#define {name} (\d+)", header)[1]) for name in names)
    program = Path(__file__).with_name("in_unicorn.py")
    numbers = len(rows), rows[0].nbytes, outputs * rows.itemsize, layers, build.limit
    command = [sys.executable, program, PROGRAM, build.cpu, *numbers]
    return _heard(_emulate(list(map(str, command)), folder, build.limit), build, int)


def _heard(said, build, instructions):
    """What the program on a Cortex-M said, as a _Said. instructions: of what it counted."""
    lines = re.findall(r"^([OTSYPFAHL]) ([0-9a-f]*)$", said, re.MULTILINE)
    by_kind = {kind: [text for k, text in lines if k == kind] for kind in "OTSYPFAHL"}
    if by_kind["L"]:
        raise Fault(
            f"The {build.cpu} was not done after {build.limit:,} instructions and was stopped."
        )
    if by_kind["H"] or "Lockup" in said:
        numbers = {kind: int(texts[0], 16) for kind, texts in by_kind.items() if texts and texts[0]}
        raise Fault(_fault_words(build, numbers))
    counts, layers = ([instructions(int(text, 16)) for text in by_kind[kind]] for kind in "TY")
    return _Said(by_kind["O"], counts, [int(text, 16) for text in by_kind["S"]], layers)


def _in_simavr(build, folder):
    said = _emulate(["simavr", PROGRAM], folder, build.limit)
    lines = re.findall(r"^O:([OSR]) ([0-9a-f]+)", said, re.MULTILINE)
    by_kind = {kind: [text for k, text in lines if k == kind] for kind in "OSR"}
    if any(int(text, 16) == 0 for text in by_kind["R"]):
        raise Fault(
            f"The {build.cpu}'s stack has grown into its variables: its RAM of "
            f"{CPUS[build.cpu].ram:,} bytes is too small."
        )
    record = folder / "times.vcd"
    times, layers = [], []
    if record.is_file():
        times, layers = _cycles(record.read_text("utf-8"), CPUS[build.cpu].clock)
    return _Said(by_kind["O"], times, [int(text, 16) for text in by_kind["S"]], layers)


def _cycles(record, hertz):
    """The cycles of each inference, and of each layer, from simavr's record of a register.

    The register is 2 while a function that does nothing runs, 1 while the network does, 3 while a
    layer does.

    >>> record = ["#100", "b10 !", "#150", "b0 !", "#200", "b1 !", "#6500", "b0 !"]
    >>> _cycles(chr(10).join(record), 16_000_000)
    ([1000], [])
    """
    events = [(int(at), int(value, 2)) for at, value in re.findall(r"#(\d+)\nb([01]+) !", record)]
    found, layers, nothing = [], [], 0
    for (begin, mark), (end, _) in zip(events, events[1:], strict=False):
        cycles = round((end - begin) * 1e-8 * hertz)  # its unit is 10 ns
        if mark == 2:
            nothing = cycles
        elif mark in (1, 3):
            (found if mark == 1 else layers).append(cycles - nothing)
    return found, layers


def _fault_words(build, numbers):
    """What a hard fault says, in one sentence."""
    cpu, stack = build.cpu, build.stack
    status, pointer, address = (numbers.get(kind, 0) for kind in "FPA")
    if status & 0x3A or 0 < pointer < 0x20000020:  # the guard below the stack, or nothing there
        return (
            f"The {cpu} stopped with a hard fault: the stack of {stack:,} bytes is too small, it "
            "overflowed."
        )
    if status & 0x01000000:
        return f"The {cpu} stopped with a hard fault: an access to an address that is not aligned."
    if status & 0x00030101:
        return f"The {cpu} stopped with a hard fault: what it jumped to is no instruction it knows."
    if status & 0x8200 == 0x8200:
        return f"The {cpu} stopped with a hard fault: there is no memory at 0x{address:08x}."
    if cpu == "cortex-m0":
        return (
            "The cortex-m0 stopped with a hard fault: an address that is not aligned, or where "
            "there is no memory (this processor does not tell which)."
        )
    return f"The {cpu} stopped with a hard fault (CFSR 0x{status:08x})."
