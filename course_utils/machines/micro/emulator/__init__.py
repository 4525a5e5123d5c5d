"""A microcontroller in the notebook: an exported C project compiled for a chip, and run there.

The chip is emulated, a Cortex-M by QEMU, an AVR by simavr. QEMU counts instructions, not cycles;
simavr counts cycles. Where GCC for Arm or QEMU is missing, the Python packages ziglang and unicorn
stand in, if they are installed: other compilers make other instructions, other emulators count the
same. `running` compiles and runs, `template/` is what surrounds the network on the chip,
`in_unicorn` is the process for that emulator, `elf` reads sizes, `measuring` makes rows of a table
of any model, and finds those on record.
"""

from course_utils.machines.micro.emulator.measuring import (
    COUNT,
    PROBE,
    count_of,
    measure_on_cpus,
    recorded,
    tool_versions,
)
from course_utils.machines.micro.emulator.running import CPUS, Cpu, Fault, Run, missing_tool, run

__all__ = [
    "COUNT",
    "CPUS",
    "PROBE",
    "Cpu",
    "Fault",
    "Run",
    "count_of",
    "measure_on_cpus",
    "missing_tool",
    "recorded",
    "run",
    "tool_versions",
]
