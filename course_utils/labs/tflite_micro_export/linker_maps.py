"""TFLM's code on a microcontroller, read from linker maps: what each operator brings (notebook 11).

The linker keeps what the program refers to, and what that refers to in turn. So what it keeps for
two operators is the union of what it keeps for each: one program an operator tells the size of
every combination.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from course_utils.machines import micro
from course_utils.machines.micro.project import export

NONE = "none"  # the program without an operator
CUSTOM = {  # Add... function -> the name that a file has for it
    "CircularBuffer": "CIRCULAR_BUFFER",
    "Decode": "TFLM_DECODE",
    "DetectionPostprocess": "TFLite_Detection_PostProcess",
}

# --- the programs -------------------------------------------------------------------------------


def functions() -> dict[str, str]:
    """{operator's name in a file: its Add... function in TFLM}, of all that can be linked."""
    names = {name.replace("_", ""): name for name in micro.builtin_operators()}
    return {names[function.upper()]: function for function in sorted(export.ADD_FUNCTIONS)} | {
        name: function for function, name in CUSTOM.items()
    }


def make_programs(project: Path) -> None:
    """Change an exported project so that CMake links a program for each operator, and their maps.

    project: an exported project of any network. Built as before, `build/` then also holds NONE.map
    and a NAME.map for each operator of `functions`. Which operator a program adds, the linker is
    told: everything is compiled once.
    Raises ValueError where the project's files are not as expected.
    """
    (source,) = project.glob("*/network.cpp")
    source.write_text(_with_a_choice(source.read_text("utf-8")), "utf-8")
    lists = project / "CMakeLists.txt"
    names = " ".join([NONE, *functions()])
    lists.write_text(lists.read_text("utf-8") + PROGRAMS.replace("@NAMES@", names), "utf-8")


PROGRAMS = """
# --- a program and a linker map for each operator -------------------------------------------------
get_target_property(PROJECT_SOURCES self_test SOURCES)
add_library(project OBJECT ${PROJECT_SOURCES})
target_link_libraries(project PRIVATE tflm)
target_compile_definitions(project PRIVATE $<TARGET_PROPERTY:self_test,COMPILE_DEFINITIONS>)
target_link_options(self_test PRIVATE "LINKER:--defsym=AddChosen=Add_none")
get_target_property(PROJECT_LIBRARIES self_test LINK_LIBRARIES)
foreach(OPERATOR @NAMES@)
  add_executable(program_${OPERATOR} $<TARGET_OBJECTS:project>)
  target_link_libraries(program_${OPERATOR} PRIVATE ${PROJECT_LIBRARIES})
  target_link_options(program_${OPERATOR} PRIVATE
    "LINKER:--defsym=AddChosen=Add_${OPERATOR},-Map=${OPERATOR}.map")
endforeach()
"""


def _with_a_choice(text: str) -> str:
    """A project's network.cpp that adds one operator, or none: which, the linker is told."""
    resolver = re.search(r"MicroMutableOpResolver<\d+>", text)
    start = re.search(r"^namespace \w+_network \{$", text, re.MULTILINE)
    text, lists = re.subn(
        r"return operators\.Add[^;]*;", "return chosen::AddChosen(operators);", text
    )
    if resolver is None or start is None or lists != 1:
        raise ValueError("network.cpp of this project does not list its operators as expected.")
    added = {NONE: "true"} | {
        name: f"operators.Add{function}() == kTfLiteOk" for name, function in functions().items()
    }
    choices = (
        f'extern "C" bool Add_{name}(Operators& operators) {{ return {condition}; }}\n'
        for name, condition in added.items()
    )
    before = f"""namespace chosen {{
using namespace tflite;
using namespace tflite::micro;
using Operators = {resolver[0]};
extern "C" bool AddChosen(Operators& operators);
{"".join(choices)}}}  // namespace chosen

"""
    return text[: start.start()] + before + text[start.start() :]


# --- a map --------------------------------------------------------------------------------------

# Output sections that lie in flash; .data is copied from there.
IN_FLASH = re.compile(
    r"\.(text|rodata|data|init|fini|init_array|fini_array|eh_frame|ARM\.exidx|ARM\.extab)\b"
)
OUTPUT = re.compile(r"^(\.\S+)", re.MULTILINE)
INPUT = re.compile(r"^ (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(\S.*)$", re.MULTILINE)
LIBRARY = re.compile(r"lib(tflm|cmsis[-_]nn)\.a\(")  # TFLM's and Arm's kernels
# The exported project's files, and how its output leaves the board: through a debugger or not.
OWN = re.compile(r"\.cpp\.o(bj)?$|lib(rdimon|nosys)\S*\.a\(")


class Section(NamedTuple):
    """A piece of a program that the linker keeps or leaves out as a whole."""

    owner: str  # "TFLM", "C library" or "project"
    name: str
    file: str  # the object file, "" where any of several may have brought it


def sections(text: str) -> dict[Section, int]:
    """What a GNU linker's map (`-Wl,-Map=...`) says lies in flash. -> {section: bytes}

    Raises ValueError for a text that is no such map.
    """
    _, found, text = text.partition("Linker script and memory map")
    if not found:
        raise ValueError("This is no map of the GNU linker: link with -Wl,-Map=FILE.")
    starts = [(match.start(), match[1]) for match in OUTPUT.finditer(text)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    sizes: dict[Section, int] = {}
    for (start, output), end in zip(starts, ends, strict=True):
        if IN_FLASH.match(output):
            for name, size, file in INPUT.findall(text, start, end):
                section = _section(name, file)
                sizes[section] = sizes.get(section, 0) + int(size, 16)
    return {section: size for section, size in sizes.items() if size}


def _section(name, file):
    mangled = re.search(r"\b_Z|\._Z", name)
    own = OWN.search(file)
    if own and "MicroMutableOpResolver" not in name:
        owner = "project"
    else:
        owner = "TFLM" if own or LIBRARY.search(file) else "C library"
    # An inline function or a template is in every object file that calls it, and the linker keeps
    # the first. What is local to a file has a name that others may have, too.
    anywhere = mangled and "_GLOBAL__N_" not in name and not re.search(r"\.\d+$|\.cold$", name)
    name = re.sub(r"(MicroMutableOpResolverILj)\d+", r"\1", name)  # for so many operators
    return Section(owner, name, "" if anywhere else Path(file.replace("(", "/")).name.rstrip(")"))


def bytes_of(sizes: Mapping[Section, int], owner: str) -> int:
    """The bytes of one owner's sections."""
    return sum(size for section, size in sizes.items() if section.owner == owner)


# --- all maps -----------------------------------------------------------------------------------


def parts(base: Mapping[Section, int], maps: Mapping[str, Mapping[Section, int]]) -> list[dict]:
    """What operators bring beyond the base, each byte once. -> [{"operators", owner: bytes, ...}]

    base: the sections of the program without operators; maps: {operator: sections of its program}.
    A part is what the same operators need: {"operators": [...], "code": TFLM's bytes,
    "c_library": the C library's}. The size of a network's code is the sum of the parts that one
    of its operators needs.
    """
    needed_by: dict[Section, set[str]] = {}
    sizes: dict[Section, int] = {}
    for operator, found in maps.items():
        for section in found.keys() - base.keys():
            if section.owner != "project":
                needed_by.setdefault(section, set()).add(operator)
                sizes[section] = max(found[section], sizes.get(section, 0))
    grouped: dict[tuple, dict[str, int]] = {}
    for section, operators in needed_by.items():
        part = grouped.setdefault(tuple(sorted(operators)), {"TFLM": 0, "C library": 0})
        part[section.owner] += sizes[section]
    return [
        {"operators": list(operators), "code": part["TFLM"], "c_library": part["C library"]}
        for operators, part in sorted(grouped.items())
    ]


def read(folder: Path) -> dict[str, dict[Section, int]]:
    """The maps of a folder. -> {what stands before ".map": sections}

    Raises FileNotFoundError where there is none.
    """
    found = {path.stem: sections(path.read_text("utf-8")) for path in sorted(folder.glob("*.map"))}
    if not found:
        raise FileNotFoundError(f"{folder} holds no linker maps (NAME.map).")
    return found


def missing(maps: Iterable[str]) -> list[str]:
    """The operators of `functions` that have no map."""
    return sorted(functions().keys() - set(maps))
