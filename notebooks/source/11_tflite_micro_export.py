# %% [markdown]
# # 11 · TFLite Micro export: take it to the microcontroller
#
# **After this notebook you will be able to** say before you try whether a network runs in
# TensorFlow Lite Micro (TFLM), find out how much flash and RAM it takes and which boards have
# them, test that its answers are still the same, export a project that a board can be flashed
# with, break it, and mend it.
#
# About 100 minutes, in two sessions: 60 until the break before *Take it away*, 40 from there on.
# Every arena was measured in the real TFLM interpreter; what is an estimate says so.

# %%
from course_utils import env
env.check_kernel("ai-edge-litert", "tflite-micro")

# %% [markdown]
# ## Predict
#
# TFLM runs a network on a microcontroller. The network's file lies in flash, which keeps its
# contents; whatever changes while the network runs lies in RAM.
#
# The Watch network recognizes seven shoulder exercises from the accelerometer and gyroscope of a
# smartwatch. Its int8 file has 14,536 bytes. "The Arduino Nano 33 BLE only has 256KB of RAM
# (memory) and 1MB of Flash (storage)", says the lecture.

# %%
from course_utils.machines import data, micro
from course_utils.views import checks
from course_utils.labs.tflite_micro_export import explorers, lecture, own_file, project, scenes

# %%
parts = scenes.record("watch_cnn", "int8")["arena"]

# %%
checks.predict(
    "11.arena",
    "How much RAM does TFLM need to run the Watch network in int8, in bytes?",
    {
        "less than 2,048, all that the Uno has": (0, 2_048),
        "2,048 to 8,000": (2_048, 8_000),
        "8,000 to 20,000: about the size of the file": (8_000, 20_000),
        "more than 20,000": (20_000, 1e9),
    },
    unit="bytes",
    reveal=scenes.record("watch_cnn", "int8")["smallest_arena"],
    because="The file's size says nothing about it: the weights stay in flash. RAM holds the "
    f"activations that are needed at one time, at most {parts['head']:,} bytes here, and "
    f"{parts['tail']:,} more for what the interpreter keeps for good.",
)

# %% [markdown]
# ## Explore
#
# TFLM asks for one array in RAM, the **arena**, and plans everything in it. At one end, the
# *head*, are the activations, which come and go. At the other, the *tail*, is what stays for good:
# records of tensors and operators, and numbers that the kernels have prepared.
#
# Pick a board, a network and a mode. Does it fit, by how much, and if not, what should shrink?

# %%
checks.after("11.arena", explorers.budget)

# %% [markdown]
# Three things to look for:
#
# - the Uno, the lecture's 8-bit board: which of its memories is too small, and would a smaller
#   network help?
# - a network for which the flash is too small while the RAM stays nearly empty;
# - a file that would fit easily and does not run.
#
# ## Will it run?
#
# ### Explain
#
# TFLM is LiteRT (TensorFlow Lite's name today) with everything left out that a microcontroller
# can't afford. Each operator that a file uses must be there, with a *kernel*, the code that computes
# it, for just these types. Both can be read from the file, before anything runs.

# %%
watch = data.model("watch_cnn", "int8")
print(micro.compatibility(watch))

# %% [markdown]
# Here are five files of the Fashion-MNIST network, made as in notebook 08. TensorFlow starts for
# the conversion.

# %%
from course_utils.machines import conversion, models
from course_utils.views import widgets

images = data.load("fashion_mnist")
network = data.checkpoint("fashion_cnn")
model = models.set_weights(models.build("fashion_cnn"), network.weights)

files = {}
for mode in widgets.progress(conversion.MODES, "Converting"):
    calibration = images.x_train[:500] if mode in conversion.CALIBRATED else None
    files[mode] = conversion.convert(model, mode, calibration)

# %%
scenes.reports(files)

# %% [markdown]
# ### Measure
#
# A report is a prediction, too. So each file is tried in the TFLM interpreter, in a process of its
# own: TFLM stops the whole process where it meets what it does not expect.

# %% tags=["nbval-ignore-output"]
from course_utils.machines import evaluation

scenes.tried(files, images.x_test[:5])

# %% [markdown]
# One thing before it confuses you. The laboratory ships an int8 file of each network, and the one
# that was converted above is a little larger:

# %%
scenes.two_files("fashion_cnn", files["int8"])

# %% [markdown]
# They hold the same numbers. Nearly all of the difference is in the names of the tensors, which begin
# with the model's name; TFLM does not need them. Notebook 08 speaks of files like the one converted here. **From
# here on, an int8 file is the shipped one**, `data/models/NAME_int8.tflite`: for it every arena was
# measured.
#
# Which file would you flash? Flash is scarce: take the smallest of the five that will do. Answer
# with its mode, such as `"float32"`.

# %%
scenes.file_table("watch_cnn")

# %%
sent = "int8"  # SOLUTION

checks.check("11.send", sent, files=scenes.files("watch_cnn"))

# %% [markdown]
# ## Does it fit?
#
# ### Explain: RAM
#
# First the units. A datasheet's "256KB" of RAM: how many bytes is that?

# %%
nano_ram = 256 * 1024  # SOLUTION

checks.check("11.kib", nano_ram, kib=256)

# %% [markdown]
# Now the arena's head. An activation is needed from the operator that writes it to the last one that reads it. After
# that its bytes are free for others. Move through the operators:

# %%
explorers.lifetimes(scenes.NETWORKS[1:])

# %% [markdown]
# Write the function that finds the peak: the most bytes that are needed at one operator. It gets
# three lists of the same length. `sizes[i]` are the bytes of tensor `i`; it is needed at every
# operator from `first[i]` to `last[i]`, both included. Operators are numbered from 0, and there may
# be more or fewer of them than tensors. Return one number.

# %%


def peak_bytes(sizes, first, last):
    # BEGIN SOLUTION
    alive = [0] * (max(last) + 1)
    for size, start, end in zip(sizes, first, last, strict=True):
        for operator in range(start, end + 1):
            alive[operator] += size
    return max(alive)
    # END SOLUTION


checks.check("11.peak", peak_bytes)

# %% [markdown]
# TFLM does the same, and rounds each tensor up to 16 bytes. Now your function on four real networks,
# beside what TFLM's recording allocator measured as its head:

# %%
peak = checks.yours("11.peak", peak_bytes, scenes.peak_bytes)
checks.after("11.arena", lambda: scenes.heads_table(peak))

# %% [markdown]
# ### Measure: the arena
#
# How large must the arena be? Not by guessing: `smallest_arena` gives the interpreter less and
# less, until it refuses.

# %%
windows = evaluation.to_input(data.load("watch").x_test[:20], watch)


def smallest():
    if micro.missing():
        print(micro.missing(), "Recorded:", scenes.record("watch_cnn", "int8")["smallest_arena"])
        return
    size = micro.smallest_arena(watch)
    answers = micro.run(watch, windows, size)
    print(f"In {size:,} bytes it runs; {len(answers)} windows answered.")
    try:
        micro.run(watch, windows, int(0.95 * size))
    except micro.Refused as refused:
        print("In 5 % less:", refused)


checks.after("11.arena", smallest)

# %% [markdown]
# Where do these bytes go? And how many would it be on the board? Here pointers have 64 bits, there
# 32. Activations and prepared numbers are as large there; the other records are mostly pointers,
# and are counted half. That is an **estimate**. A board's own kernels (CMSIS-NN on Arm) may ask for
# more. So an export takes the arena measured here, with a margin on top.

# %%
if micro.missing():
    arena = micro.Arena(**scenes.record("watch_cnn", "int8")["arena"])
else:
    arena = micro.arena(watch)

checks.after("11.arena", lambda: scenes.arena_table(arena))

# %% [markdown]
# ### Measure: flash
#
# Flash holds the file as it is, and TFLM's code: a core that every program links, and the kernels
# of just the operators that the file uses. There are two sets of kernels: TFLM's own, the reference,
# and CMSIS-NN, which Arm wrote for its processors and which the Arduino library has. Those are
# larger, and for integers faster. The code's bytes were read from the linker's maps of programs for
# a Cortex-M4F, operator by operator. Another compiler, processor or revision makes other code: for
# your board this is an **estimate**. The C library (newlib-nano) is named apart, as the rest of your
# program uses it, too.

# %%
flash = micro.flash(watch)
scenes.flash_table(flash, micro.flash(watch, "reference"))

# %% [markdown]
# For a network this small, the runtime is larger than the model. Now the sum: how much flash and
# how much RAM is left on a board? All sizes are in bytes. `flash` and `ram` are what the board has.
# (Of its flash the part that programs may use: some boards keep a bootloader in the rest.) Return two
# numbers, the flash that is left and then the RAM that is left. Where something is missing the
# number is negative.

# %%


def memory_left(model, code, arena, flash, ram):
    # BEGIN SOLUTION
    return flash - model - code, ram - arena
    # END SOLUTION


checks.check("11.left", memory_left)

# %%
needs = scenes.record("watch_cnn", "int8")["smallest_arena"]
left = checks.yours("11.left", memory_left, scenes.memory_left)
checks.after("11.arena", lambda: scenes.boards_table(flash.total, needs, left))

# %% [markdown]
# And all networks in all modes, with the laboratory's own sum:

# %%
checks.after("11.arena", explorers.fits)

# %% [markdown]
# What is left must also hold your own program, its stack, and the board's libraries.
#
# ### Your own file
#
# Now a `.tflite` file of yours. Choose one of up to 8 MB, or drop it on the list of files at the left
# and press *Look again*. It is sent to nobody: this notebook's kernel reads it.

# %%
own_file.page()

# %% [markdown]
# ## Same answers?
#
# ### Predict
#
# In int8, TFLM and LiteRT's fast kernels (XNNPACK) do not always give the same codes: they round at
# other places (notebook 07). In float32 nothing is rounded to codes.

# %%
checks.predict(
    "11.float32",
    "The Watch network in float32 answers 1,546 test windows in TFLM and in LiteRT with XNNPACK. "
    "Of 10,822 output values, how many differ?",
    {
        "none": (0, 1),
        "1 to 100": (1, 101),
        "101 to 1,000": (101, 1_001),
        "more than 1,000": (1_001, 10_823),
    },
    unit="values",
    reveal=lambda: scenes.compared("watch_cnn", "float32")["LiteRT XNNPACK"]["differing"],
    because="A float32 sum is rounded after each addition, and XNNPACK adds in another order than "
    "TFLM, so that the last bits differ. LiteRT's reference kernels add in TFLM's order, and agree "
    "with it to the last bit.",
)

# %% [markdown]
# ### Measure
#
# TFLM against the others, on whole test sets. For int8, "integer engine" is notebook 07's.

# %%
checks.after("11.float32", lambda: scenes.answers("watch_cnn"))

# %%
checks.after("11.float32", scenes.other_answers)

# %% [markdown]
# In int8, our integer engine agrees with TFLM everywhere; LiteRT's reference kernels differ in a
# few values: in dense layers they round once, TFLM twice (notebook 07). In int16x8 no answer
# changes, but values differ. Where does that come from? Each operator gets the codes that reach it
# in TFLM, 500 inputs of each network. The number of values that differ, and by how many codes:

# %%
scenes.int16x8_table()

# %% [markdown]
# The convolutions agree to the last bit, and so do the poolings. The dense layers differ, by one
# code of 65,536. A sum of products of integers is exact, so it must be the rescaling of the sum
# that the two round differently. (LeNet's softmax does, too, in three values.)
#
# The windows that you have here, now in TFLM and in the integer engine:

# %%
from course_utils.engines import integer_engine

exercises = data.load("watch")
codes = evaluation.to_input(exercises.x_test, watch)
ours = integer_engine.IntegerModel(watch).run(codes)
right = int((ours.argmax(axis=1) == exercises.y_test).sum())
if micro.missing():
    print(micro.missing())
else:
    differing = int((micro.run(watch, codes) != ours).sum())
    print(f"{differing} of {ours.size:,} values differ.")
print(f"{right:,} of {len(ours):,} windows of people it never saw are right.")

# %% [markdown]
# ### The first line of the program
#
# All this is lost if the program hands over wrong codes. A sensor gives a real number `x`; the file
# says which `scale` and `zero_point` its int8 input has. A cast in C cuts off the fraction, towards
# zero. Write it right, for numbers below zero, too, and for those beyond what int8 can hold. x is
# one number; return one integer. (`math.floor` is there; on a tie either neighbour is right.)

# %%
import math


def input_code(x, scale, zero_point):
    # BEGIN SOLUTION
    code = math.floor(x / scale + zero_point + 0.5)
    return min(max(code, -128), 127)
    # END SOLUTION


checks.check("11.input", input_code)

# %% [markdown]
# What does the first line cost? The Watch network gets the same test windows three times: with codes
# from your function, with a cast that cuts off, and with a scale twice too large, as if it were
# another sensor's.

# %%
first_line = checks.yours("11.input", input_code, scenes.input_code)
scenes.first_lines({
    "yours, or the laboratory's": first_line,
    "a cast": scenes.cut_off,
    "twice the scale": lambda x, scale, zero_point: scenes.input_code(x, 2 * scale, zero_point),
})

# %% [markdown]
# Count both columns. A wrong code need not turn an answer over, so that **a program may look fine
# and be wrong in half of its inputs**: the cast gets half of its codes wrong, and no fewer answers
# right. That is why a project needs a test that compares numbers, not
# answers.
#
# ## Take it away
#
# **A break here.** In a new session run the cells above first; answers stay.
#
# ### To which library?
#
# TFLM has no version numbers: each library has taken it over on some day. The converter gives a
# dense layer one scale for each output channel (notebook 06), and TFLM reads these since 27
# September 2024. The library for Arduino boards is older. What would it do with this file?

# %%
print(micro.compatibility(watch, "Chirale_TensorFlowLite"))

# %% [markdown]
# It starts, and it answers. It takes the first scale for all outputs and says nothing. Its kernels
# are otherwise the same, so the integer engine can say what it answers: give it that one scale, and
# count right answers on the test sets. The last column is the verdict of the project's self-test.

# %%
scenes.dense_scales()

# %% [markdown]
# So what leaves here has one scale for each dense layer, which every library reads. The converter
# makes such a file from the Keras model, `dense_per_channel=False`; `micro.one_scale` makes one of
# a file. Some weights get other codes, so that a few answers change, to the better or to the worse;
# the table has both. Without such a file, `project.export` refuses.

# %%
to_flash = micro.one_scale(watch)
print(micro.compatibility(to_flash, "Chirale_TensorFlowLite"))

# %% [markdown]
# ### The project
#
# `project.export` writes a complete C++ project: the model as an array, a resolver with just the
# operators that it uses, the arena with a margin, the two functions for inputs and outputs, and a
# self-test. The self-test has *golden vectors*: real inputs, and the outputs that TFLM gave for them
# here.
#
# The project goes to the folder `exports/watch` beside this notebook. Choose another board if you
# have one. When you run the cell again, the folder is written anew; if you have changed a file in
# it, your version is moved aside first.

# %% tags=["nbval-ignore-output"]
from pathlib import Path

folder, board = Path("exports") / "watch", "Arduino Nano 33 BLE"
project.export(to_flash, folder, board=board, name="watch")

# %% [markdown]
# Its README says how to build it and which revision of TFLM it was made for. The operators, in
# `network.cpp`:

# %%
project.excerpt(folder, "network.cpp", "using Operators", 9)

# %% [markdown]
# ### Find the arena
#
# How many bytes of RAM does this program reserve for the arena? Open `exports/watch/watch/network.h`
# (in the file browser on the left, or from the link above) and read it there. The lines above the
# constant say what it is made of.

# %%
arena_bytes = project.arena_in(folder)["arena"]  # SOLUTION

checks.check("11.header", arena_bytes, folder=folder)

# %% [markdown]
# ### Run the self-test
#
# On a board the self-test writes to the serial monitor. It can also run here: the project's C++ is
# compiled for this computer. TFLM's sources are not in this laboratory, so small stand-in headers
# declare what the project uses of them, and each time the program runs the network, the TFLM
# interpreter that is installed here answers.

# %% tags=["nbval-ignore-output"]
project.self_test(folder, to_flash)

# %% [markdown]
# ### Break it
#
# Open `exports/watch/watch/quantization.h` and find the function `Quantize`: it is the first line of
# the program, in C++. Change it so that it still compiles and makes wrong codes: take the rounding
# out, say, or the limits, or the zero point. Save the file and run the cell.
#
# `project.change(folder, file, old, new)` does the same from here: it puts the text `new` in the
# place of `old`.

# %% tags=["nbval-ignore-output"]
old = "roundf("  # SOLUTION
new = "("  # SOLUTION
project.change(folder, "quantization.h", old, new)
(broken := project.self_test(folder, to_flash))

# %%
checks.check("11.fault", broken)

# %% [markdown]
# With the rounding taken out, the self-test does not say that *outputs* differ. It says that the
# codes are wrong, before the network has run: look at `quantization.h`, not at the network, and not
# at your sensor.
#
# ### Mend it
#
# Put back what was there, save, and test again.

# %% tags=["nbval-ignore-output"]
old = "= (x"  # SOLUTION
new = "= roundf(x"  # SOLUTION
project.change(folder, "quantization.h", old, new)
(mended := project.self_test(folder, to_flash))

# %%
checks.check("11.mend", mended, broken=broken)

# %% [markdown]
# On the board it is the same: if the serial monitor says FAIL, do not look at your sensor, look at
# the build. The same numbers went in.
#
# ## How long does it take?
#
# Flash and RAM can be read from files; time has to be run. Here is no board, but an emulator, which
# executes a processor's instructions one by one and counts them. **Instructions are not cycles**: a
# real Cortex-M takes one cycle for most of them and several for some, and waits for its flash. So
# the counts below compare programs on one processor; they are not times.
#
# ### Predict
#
# Two processors. A Cortex-M3 has no floating-point unit: an addition of two real numbers is a
# function of some tens of instructions. A Cortex-M4F has such a unit, and besides that instructions
# that multiply two pairs of small integers at once (SIMD).

# %%
from course_utils.labs.tflite_micro_export import chips

# %%
checks.predict(
    "11.no_unit",
    "The Watch network on the Cortex-M3, written in the same plain loops twice. How many times as "
    "many instructions does it take in float32 as in int8?",
    {
        "fewer than in int8": (0, 0.95),
        "about as many": (0.95, 1.05),
        "1 to 5 times as many": (1.05, 5),
        "5 to 20 times": (5, 20),
        "more than 20 times": (20, 1e3),
    },
    unit="times",
    reveal=lambda: chips.times_as_many("cortex-m3"),
    because="Without the unit each float multiplication and each addition is a subroutine.",
)

# %%
checks.predict(
    "11.unit",
    "And on the Cortex-M4F, which has the unit?",
    {
        "fewer than in int8": (0, 0.95),
        "about as many": (0.95, 1.05),
        "1 to 5 times as many": (1.05, 5),
        "5 to 20 times": (5, 20),
        "more than 20 times": (20, 1e3),
    },
    unit="times",
    reveal=lambda: chips.times_as_many("cortex-m4f"),
    because="In plain loops both fetch two numbers, multiply and add. int8 also takes off the zero "
    "point each time, and rescales each sum; a float needs neither.",
)

# %% [markdown]
# ### The network in C
#
# TFLM's kernels are made for every case and read like it. `micro.export_c` writes one network as
# plain C, with no library: `kernels.c` has the arithmetic of notebook 07, and the bits of TFLM. It
# is for reading, and for chips that TFLM does not reach; **for a product take the TFLM project**
# above, which others maintain and test on boards.

# %% tags=["nbval-ignore-output"]
c_folder = Path("exports") / "watch_c"
chips.export(watch, c_folder)

# %% [markdown]
# The line where the time goes:

# %%
project.excerpt(c_folder, "kernels.c", "static inline int32_t dot(", 9)

# %% [markdown]
# ### Measure
#
# This cell compiles the C for three processors and runs two windows on each. The outputs are
# compared with the integer engine's.

# %% tags=["nbval-ignore-output"]
checks.after(
    ("11.no_unit", "11.unit"), lambda: chips.on_chips(c_folder, codes[:2], ours[:2])
)

# %% [markdown]
# And all networks, with a float32 twin of each, in the same loops. TFLM's own plain kernels take
# more instructions than these loops, and Arm's kernels with the SIMD instructions (there are none for
# float32) as many as ours or up to two fifths fewer.

# %%
checks.after(("11.no_unit", "11.unit"), chips.float_and_int)

# %% [markdown]
# So int8 saves instructions many times over where there is no floating-point unit. Where there is
# one, plain loops take more of them in int8, and kernels that use the SIMD instructions fewer. (In
# time int8 stands better: by Arm's manual a Cortex-M4 takes three cycles for a float multiplication
# with its addition, and one in integers.) Whatever the
# processor, weights and activations take a quarter of the memory in int8.
#
# ### Which layer?
#
# The dearest layer is where shrinking pays. Its name in the C, such as `"conv_2d 0"`:

# %%
chips.by_layer()

# %%
dearest = chips.dearest_layer()  # SOLUTION

checks.check("11.dearest", dearest)

# %% [markdown]
# Take half of its channels out (notebook 03). The layer behind it then has half of its inputs left,
# and becomes cheaper, too. Nothing is trained on here: the last column says what that would have to
# win back.

# %% tags=["nbval-ignore-output"]
chips.halve(dearest)

# %% [markdown]
# ### Break the rounding
#
# Open `exports/watch_c/kernels.c` and find the function `round_shift`. Change it so that it rounds
# in another way, down for instance; save the file and run the cell, or give the texts here. Does one
# code matter?

# %% tags=["nbval-ignore-output"]
old = " + ((x & mask) > (mask >> 1) + (x < 0))"  # SOLUTION
new = " + 0"  # SOLUTION
project.change(c_folder, "kernels.c", old, new)
(rounded := chips.self_test(c_folder))

# %%
checks.check("11.rounding", rounded)

# %% [markdown]
# Put it back:

# %% tags=["nbval-ignore-output"]
project.change(c_folder, "kernels.c", new, old)
chips.self_test(c_folder)

# %% [markdown]
# (Or write the C anew, with the cell above: yours is then kept in a folder beside it.)
#
# ### The lecture's 8-bit AVR
#
# The ATmega328P has 2 kB of RAM, no floating-point unit, and multiplies 8 bits by 8. The Watch
# network does not fit (notebook 05). Several smaller ones that fit were trained for it, and the best
# on validation windows was taken. A window has 100 × 6 values, in int8 600 bytes. For this chip the
# emulator counts **cycles**, and 16 million of them are a second.

# %%
checks.predict(
    "11.avr",
    f"It takes {chips.multiplications():,} multiplications a window. How long does a window take in "
    "int8, at 16 MHz?",
    {
        "less than 10 ms": (0, 10),
        "10 to 50 ms": (10, 50),
        "50 to 250 ms": (50, 250),
        "more than 250 ms": (250, 1e5),
    },
    unit="ms",
    reveal=chips.milliseconds,
    because="Each multiplication with its addition takes some thirty cycles: the processor adds 8 "
    "bits at a time, and a sum has 32. And what stands around a sum, rescaling most of all, takes "
    "about a thousand.",
)

# %%
checks.after("11.avr", chips.on_the_avr)

# %% [markdown]
# A window comes once a second, since they overlap by half: the chip has time left. In float32 the
# window alone has 2,400 bytes. That is the lecture's slide, measured: for this network on this chip
# int8 is not an optimization, it is what makes it possible at all.
#
# ## Framework differences
#
# The lecture compares three frameworks. Which operators do they have? TensorFlow's and LiteRT's
# are counted in the installed packages. TFLM's were tried, one by one: the interpreter is given a
# model with the operator, and complains if it does not know it.

# %% tags=["nbval-ignore-output"]
if not micro.missing():
    print(f"TFLM knows {len(micro.operators())} of the {len(micro.builtin_operators())} operators "
          "that a .tflite file can name.")
checks.beside_lecture(lecture.rows(), lecture.CAPTION)

# %% [markdown]
# The other rows of the lecture's table, and the size of each runtime. The time is that of one
# window in float32, on this computer's processor, one at a time as on a device. TensorFlow and
# LiteRT are whole installed packages, with code for training, converting and many processors.
# TFLM is its library for Python, and, in brackets, the code that a board would link for one network,
# by the estimate above.

# %% tags=["nbval-ignore-output"]
float_watch = models.set_weights(models.build("watch_cnn"), data.checkpoint("watch_cnn").weights)
times = scenes.framework_times(
    float_watch, conversion.convert(float_watch, "float32"), exercises.x_test
)
scenes.framework_table(times)

# %% [markdown]
# TensorFlow, called as here from Python, usually needs the longest for one window. XNNPACK's kernels
# are written for this computer's processor, TFLM's plain ones for any; **which of the two is faster
# here says nothing about a board**, where LiteRT does not fit at all.
#
# The lecture says that TensorFlow has no native quantization tooling and that the other two have.
# In the packages of this laboratory the converter is part of TensorFlow, and neither runtime brings
# one. So a network is trained and converted in the first, tried in the second, and run in the
# third.

# %% [markdown]
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - David et al., *TensorFlow Lite Micro: Embedded Machine Learning on TinyML Systems*
#   (arXiv:2010.08678): the interpreter, the arena's two ends, and why there is no malloc.
# - Gholami et al., *A Survey of Quantization Methods for Efficient Neural Network Inference*
#   (arXiv:2103.13630), the lecture's first paper for discussion: section V, on hardware.
# - The datasheet of your board: flash and RAM stand on its first page.
