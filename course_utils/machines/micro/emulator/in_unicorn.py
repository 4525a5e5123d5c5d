"""A process of its own: a Cortex-M program in the emulator of the package `unicorn`.

    python in_unicorn.py PROGRAM.elf CPU COUNT INPUT_BYTES OUTPUT_BYTES LAYERS LIMIT

Calls the network's functions one after another and prints what the harness prints in QEMU
(`template/cortex_m.c`), with instructions in place of ticks. Instructions are counted block by
block: what is translated at once also runs at once. Needs `unicorn` and nothing of the course.
"""

from __future__ import annotations

import contextlib
import struct
import sys
from pathlib import Path

with contextlib.suppress(ImportError):  # not in the lock: missing where this is only looked at
    import unicorn
    from unicorn import arm_const as arm

MODELS = {
    "cortex-m4f": "UC_CPU_ARM_CORTEX_M4",
    "cortex-m3": "UC_CPU_ARM_CORTEX_M3",
    "cortex-m0": "UC_CPU_ARM_CORTEX_M0",
}
RAM, MEGABYTES = 0x20000000, 4
RETURN = 0x003FFFF0  # where functions return to: nothing is there
PAINT = struct.pack("<I", 0x5AFE57AC)
WRONG_ACCESS, NO_MEMORY, NO_INSTRUCTION, NOT_ALIGNED = 0x02, 0x8200, 0x10000, 0x01000000  # CFSR


def read_elf(path):
    """([(address, bytes), ...] to load, {symbol: address}) of an ELF file."""
    data = Path(path).read_bytes()
    programs, at = struct.unpack_from("<2I", data, 28)
    size, count, row, rows = struct.unpack_from("<4H", data, 42)
    parts = [struct.unpack_from("<5I", data, programs + n * size) for n in range(count)]
    loaded = [(place, data[o : o + stored]) for kind, o, _, place, stored in parts if kind == 1]
    sections = [struct.unpack_from("<10I", data, at + n * row) for n in range(rows)]
    symbols = {}
    for section in (s for s in sections if s[1] == 2):  # SHT_SYMTAB
        names = sections[section[6]][4]
        for n in range(section[4], section[4] + section[5], 16):
            name, value = struct.unpack_from("<2I", data, n)
            end = data.index(b"\0", names + name)
            symbols[data[names + name : end].decode()] = value
    return loaded, symbols


class Stopped(Exception):
    """Something that the harness would print, and then end."""


class Chip:
    """A processor with a program in its memory."""

    def __init__(self, path, cpu, limit):
        loaded, self.symbols = read_elf(path)
        mode = unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS
        self.engine = unicorn.Uc(unicorn.UC_ARCH_ARM, mode)
        self.engine.ctl_set_cpu_model(getattr(arm, MODELS[cpu]))
        self.stack = self.symbols["stack_begin"], self.symbols["stack_end"]
        self.engine.mem_map(0, MEGABYTES << 20)
        begin = self.stack[0] & ~0xFFF  # below it there is no memory: the guard
        self.engine.mem_map(begin, (MEGABYTES << 20) - (begin - RAM))
        for address, content in loaded:
            if content:
                self.engine.mem_write(address, content)
        size = self.symbols["data_end"] - self.symbols["data_begin"]
        if size:
            copy = bytes(self.engine.mem_read(self.symbols["data_in_flash"], size))
            self.engine.mem_write(self.symbols["data_begin"], copy)
        self.total, self.limit, self.fault, self.known = 0, limit, None, {}
        self.engine.hook_add(unicorn.UC_HOOK_BLOCK, self._block)
        self.engine.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._invalid)

    def _block(self, engine, address, size, _):
        count = self.known.get((address, size))
        if count is None:
            code = struct.unpack(f"<{size // 2}H", engine.mem_read(address, size))
            count = self.known[address, size] = instructions(code)
        self.total += count
        if self.total > self.limit:
            engine.emu_stop()

    def _invalid(self, engine, access, address, size, value, _):
        below = self.stack[0] - 0x10000 <= address < self.stack[0]
        self.fault = (WRONG_ACCESS if below else NO_MEMORY), address
        return False

    def call(self, function, argument=0):
        """Run a function; return (what it returns, how many instructions it took)."""
        registers = (
            (arm.UC_ARM_REG_SP, self.stack[1]), (arm.UC_ARM_REG_LR, RETURN | 1),
            (arm.UC_ARM_REG_R0, argument),
        )  # fmt: skip
        for register, value in registers:
            self.engine.reg_write(register, value)
        before = self.total
        try:
            self.engine.emu_start(self.symbols[function] | 1, RETURN)
        except unicorn.UcError:
            status, address = self.fault or (NO_INSTRUCTION, 0)
            raise Stopped(f"F {status:08x}\nA {address:08x}\nH 00000000") from None
        if self.total > self.limit:
            raise Stopped("L 00000000")
        return self.engine.reg_read(arm.UC_ARM_REG_R0), self.total - before

    def paint(self):
        begin, end = self.stack
        self.engine.mem_write(begin, PAINT * ((end - begin) // 4))

    def depth(self):
        begin, end = self.stack
        words = bytes(self.engine.mem_read(begin, end - begin))
        at = 0
        while words[at : at + 4] == PAINT:
            at += 4
        return end - begin - at


def instructions(code):
    """How many Thumb instructions halfwords hold: one or two each.

    >>> instructions([0xBF00, 0xF04F, 0x0001, 0x4770])      # nop; mov.w r0, #1; bx lr
    3
    """
    count = at = 0
    while at < len(code):
        at += 2 if code[at] >> 11 in (0b11101, 0b11110, 0b11111) else 1
        count += 1
    return count


def main(path, cpu, count, input_bytes, output_bytes, layers, limit):
    chip = Chip(path, cpu, limit)
    inputs = chip.symbols["harness_bytes"]

    def write_input(n):
        place = chip.call("network_input")[0]
        content = chip.engine.mem_read(inputs + n * input_bytes, input_bytes)
        chip.engine.mem_write(place, bytes(content))

    try:
        for n in range(count):
            write_input(n)
            chip.paint()
            taken = chip.call("network_run")[1]
            depth = chip.depth()
            place = chip.call("network_output")[0]
            print("O", bytes(chip.engine.mem_read(place, output_bytes)).hex())
            print(f"T {taken:08x}\nS {depth:08x}")
        write_input(0)
        for number in range(layers):
            print(f"Y {chip.call('network_layer', number)[1]:08x}")
    except Stopped as said:
        print(said)


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
