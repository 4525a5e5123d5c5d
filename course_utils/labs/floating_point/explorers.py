"""A float32 bit by bit, the gaps between floats, and networks rounded to them (notebook 05)."""

from __future__ import annotations

import html
import math

import ipywidgets
import numpy as np
import traitlets

from course_utils.labs.floating_point import figures, scenes
from course_utils.machines import data
from course_utils.numbers import floats, soft_float
from course_utils.views import style, tables, widgets
from course_utils.views.checks import exercises as checks

FIELD_OF = ["sign"] + ["exponent"] * 8 + ["fraction"] * 23  # of each bit, bit 31 first

PRESETS = {
    "1": 1.0,
    "0.1": 0.1,
    "−0": -0.0,
    "π": math.pi,
    "smallest subnormal": floats.FORMATS["float32"].smallest,
    "smallest normal": floats.FORMATS["float32"].smallest_normal,
    "largest": floats.FORMATS["float32"].largest,
    "infinity": math.inf,
    "NaN": math.nan,
}

# Colour and pattern of each field, the same as in the figure; a 1 is dark, a 0 is light.
_CSS = """
.lab-bits button {padding: 0; margin: 0 0 0 -1px; border: 1px solid #777; min-width: 0;
  font: 600 14px/1 monospace; color: #222; background: white}
.lab-bits button.mod-active {color: white; background: #333; box-shadow: none !important}
.lab-bits button:focus-visible {position: relative; z-index: 1}
.lab-bits .lab-field {padding: 0 0 10px 1px; margin: 0 0 8px; overflow: visible;
  background-repeat: no-repeat;
  background-position: bottom; background-size: 100% 7px}
.lab-field-sign {background-image: linear-gradient(#CB202D, #CB202D)}
.lab-field-exponent {background-image:
  repeating-linear-gradient(-45deg, #006395 0 3px, white 3px 7px)}
.lab-field-fraction {background-image:
  repeating-linear-gradient(90deg, #008F45 0 2px, white 2px 6px)}
"""

# A toggle button of ipywidgets has no accessible name but its "0" or "1", and no pressed state.
_NAME_BITS = """
const name = tries => {
  const root = this.closest('.lab-bits');
  const buttons = root ? [...root.querySelectorAll('button')] : [];
  if (buttons.length < 32) { if (tries) setTimeout(() => name(tries - 1), 100); return; }
  for (const button of buttons) {
    const say = () => {
      button.setAttribute('aria-label', button.title);
      button.setAttribute('aria-pressed', button.classList.contains('mod-active'));
    };
    new MutationObserver(say).observe(button, {attributeFilter: ['class', 'title']});
    say();
  }
};
name(50);
"""


class BitField(ipywidgets.VBox):
    """32 toggle buttons and a text field that hold one float32, as one control of an Explorer.

    value: the bits as an integer from 0 to 2^32 - 1. A click on a bit flips it; a decimal number
    in the text field sets all of them, to the nearest float32.
    """

    value = traitlets.Int()
    description = traitlets.Unicode()
    min, max = 0, 2**32 - 1

    def __init__(self, value: int = 0, description: str = "Bits"):
        self._busy = False
        self.bits = [
            ipywidgets.ToggleButton(
                description="0",
                tooltip=f"bit {31 - i}, {field}",
                layout={"width": "26px", "height": "30px"},
            )
            for i, field in enumerate(FIELD_OF)
        ]
        self.text = ipywidgets.Text(
            description="A number:",
            continuous_update=False,
            layout={"width": "20em"},
            style={"description_width": "initial"},
        )
        self.note = ipywidgets.HTML(layout={"margin": "0"})
        self.note.add_class("lab-live")
        groups = [self._group(field) for field in ("sign", "exponent", "fraction")]
        super().__init__(
            [
                ipywidgets.HBox([self.text, self.note], layout={"align_items": "center"}),
                ipywidgets.HBox(groups, layout={"flex_flow": "row wrap", "grid_gap": "4px 8px"}),
                widgets.in_page(_CSS, _NAME_BITS),
            ],
            description=description,
        )
        self.add_class("lab-bits")
        for button in self.bits:
            button.observe(self._clicked, "value")
        self.text.observe(self._typed, "value")
        self.observe(self._show, "value")
        self.value = value
        self._show()

    def _group(self, field):
        buttons = [bit for bit, of in zip(self.bits, FIELD_OF, strict=True) if of == field]
        count = len(buttons)
        words = field if count == 1 else f"{field}, {count} bits"
        row = ipywidgets.HBox(buttons)
        row.add_class("lab-field")
        row.add_class(f"lab-field-{field}")
        return ipywidgets.VBox([ipywidgets.HTML(words, layout={"margin": "0"}), row])

    @traitlets.validate("value")
    def _check(self, proposal):
        if not self.min <= proposal.value <= self.max:
            raise traitlets.TraitError(f"32 bits hold 0 to {self.max}, not {proposal.value}.")
        return proposal.value

    def _clicked(self, _change):
        if not self._busy:
            self.value = int("".join(str(int(bit.value)) for bit in self.bits), 2)

    def _typed(self, change):
        if self._busy:
            return
        try:
            typed = float(change.new.replace("−", "-").replace("∞", "inf"))
        except ValueError:
            self.note.value = (
                '<span class="lab-error">Type a decimal number such as 0.1 or -2.5e-3, inf or nan; '
                f"{html.escape(repr(change.new))} is none.</span>"
            )
            return
        code = bits_of(typed)
        if code == self.value:
            self._show()
        self.value = code
        held = floats.from_bits(code).value
        if math.isinf(held) and not math.isinf(typed):
            self.note.value = "too large for a float32: infinity"
        elif held == 0 and typed != 0:
            self.note.value = "too small for a float32: zero"

    def _show(self, _change=None):
        """Make buttons and text say what the bits are."""
        self._busy = True
        try:
            for bit, digit in zip(self.bits, f"{self.value:032b}", strict=True):
                bit.value, bit.description = digit == "1", digit
            shown = str(np.float32(floats.from_bits(self.value).value))
            self.text.value = shown.removesuffix(".0")
            self.note.value = ""
        finally:
            self._busy = False


def bits_of(value: float) -> int:
    """The 32 bits of the nearest float32, as an integer."""
    return int(floats.decompose(value, "float32").bits.replace(" ", ""), 2)


def float_bits() -> widgets.Explorer:
    """Click on the 32 bits of a float32, or type a number, and see what they mean."""
    return widgets.Explorer(
        lambda bits: scenes.number(bits),
        figures.draw_number,
        {"bits": BitField(bits_of(0.1))},
        description="The 32 bits of a float32",
        alt=figures.alt_number,
        presets={name: {"bits": bits_of(value)} for name, value in PRESETS.items()},
        readout=lambda _: "",
    )


def gaps(network="fashion_cnn") -> style.Picture:
    """Show how far apart the numbers of each format are."""
    state = scenes.gaps(network)
    return style.Picture(figures.draw_gaps(state), figures.alt_gaps(state))


def weights(network="fashion_cnn") -> widgets.Sweeps:
    """Move from format to format; choose the layer whose weights are rounded."""
    layers = scenes.layers(network)

    def of(layer):
        states = scenes.weights(network, layer)
        return widgets.Sweep(
            figures.draw_weights,
            states,
            [figures.NAMES[state.fmt] for state in states],
            description=f"Weights of {network} among the numbers of a format",
            slider="Format",
            alt=figures.alt_weights,
            index=len(states) - 2,
        )

    makers = {layer: lambda layer=layer: of(layer) for layer in layers}
    return widgets.Sweeps("Look at layer", makers, first=layers[-2])


def reduced_float() -> widgets.Sweep:
    """Show what every format costs every network; the slider looks into one of them."""
    states = scenes.reduced()
    return widgets.Sweep(
        figures.draw_reduced,
        states,
        [state.chosen for state in states],
        description="Networks with weights in fewer bits",
        slider="Network",
        alt=figures.alt_reduced,
    )


# --- tables ---------------------------------------------------------------------------------


def formats() -> tables.Table:
    """Show five formats: their fields, and what follows from them."""
    rows = [
        (
            figures.NAMES[name],
            form.bits,
            form.exponent_bits,
            form.bias,
            form.fraction_bits,
            f"{form.largest:.5g}",
            f"{form.smallest_normal:.2g}",
            f"{floats.gap(1.0, name):.2g}",
        )
        for name, form in floats.FORMATS.items()
    ]
    head = ("format", "bits", "exponent bits", "bias", "fraction bits", "largest",
            "smallest normal", "gap at 1")  # fmt: skip
    return tables.Table("Five formats", head, rows)


def largest_numbers(largest) -> tables.Table:
    """Show what a rule says is each format's largest number, beside the format's own.

    largest: a function as in exercise 05.largest.
    """
    rows = []
    for name, form in floats.FORMATS.items():
        ruled = float(largest(form.exponent_bits, form.fraction_bits))
        verdict = "as the rule says" if math.isclose(ruled, form.largest) else "breaks the rule"
        rows.append((figures.NAMES[name], f"{ruled:.6g}", f"{form.largest:.6g}", verdict))
    return tables.Table(
        "The largest finite number", ("format", "by the rule", "of the format", ""), rows
    )


def rounded_networks(to_bfloat16, network="fashion_cnn") -> tables.Table:
    """Show what a rounding of the weights does to a network, beside the laboratory's and cutting.

    to_bfloat16: a function as in exercise 05.round.
    """
    ways = [
        ("float32", None),
        ("rounded by yours", to_bfloat16),
        ("rounded by the laboratory's", scenes.nearest_bfloat16),
        ("cut off", scenes.cut_to_bfloat16),
    ]
    if to_bfloat16 is scenes.nearest_bfloat16:
        del ways[1]
    rows = []
    for name, function in ways:
        try:
            found = scenes.rounded_network(function, network)
        except ValueError as error:
            rows.append((name, str(error), "", "", "", ""))
            continue
        rows.append(
            (
                name,
                str(found.accuracy),
                found.newly_wrong,
                found.newly_right,
                f"{100 * found.mean_change:+.3f} %" if function else "",
                f"{100 * found.largest_change:.3f} %" if function else "",
            )
        )
    caption = f"{network}, weights in bfloat16, on all {found.total:,} test inputs"
    head = ("weights", "test accuracy", "newly wrong", "newly right",
            "size of a weight changes on average by", "at most by")  # fmt: skip
    return tables.Table(caption, head, rows)


def half_the_bytes(networks) -> tables.Table:
    """Show the bytes of networks' weights in float32 and in float16."""
    rows = []
    for name in networks:
        arrays = data.checkpoint(name).weights.values()
        sizes = [sum(w.astype(kind).nbytes for w in arrays) for kind in (np.float32, np.float16)]
        rows.append((name, *(f"{size:,}" for size in sizes)))
    return tables.Table("Bytes of all weights", ("network", "float32", "float16"), rows)


def operations(a, b, products=None) -> tables.Table:
    """Show the 8-bit operations of a float32 product beside those of an int8 step.

    products: the student's answer to 05.products. Until it is right, that row waits for it.
    """
    product, step = soft_float.multiply(a, b), soft_float.multiply_accumulate_int8(26, -100, 0)
    answer = checks.verdict("05.products", products, significand_bits=24, word_bits=8)
    known, others = answer.state == "passed", product.operations - product.counts["multiply"]
    rows = [
        (
            name,
            count if known or name != "multiply" else "your count, once it is right",
            step.counts[name],
        )
        for name, count in product.counts.items()
    ]
    rows.append(
        (
            "together",
            product.operations if known else f"{others} and the products",
            step.operations,
        )
    )
    caption = f"8-bit operations: {a} * {b} = {product.value:.9g} in float32, and one int8 step"
    head = ("operation", "float32 product", "int8 multiply-accumulate")
    return tables.Table(caption, head, rows)


def on_the_avr(network, board) -> tables.Table:
    """Show what a network needs in float32, float16 and int8 beside what a board has.

    board: a row of the lecture's table of boards.
    """
    name, _, megahertz, flash, ram = board[:5]
    ways = (("float32", 4, soft_float.multiply(0.1, -2.5).operations),
            ("float16", 2, None),
            ("int8", 1, soft_float.multiply_accumulate_int8(26, -100, 0).operations))  # fmt: skip
    rows = []
    for fmt, size, count in ways:
        need = scenes.needs(network, size, count or 0, megahertz)
        seconds = f"{need.seconds:.2f} or more" if count else "not counted"
        sizes = need.input_bytes, need.busiest_bytes, need.parameter_bytes
        rows.append((fmt, *(f"{size:,}" for size in sizes), seconds))
    rows.append((f"the {name} has", f"{ram:,}", f"{ram:,}", f"{flash:,}", ""))
    head = ("every number in", "input, bytes of RAM",
            f"busiest step ({need.busiest}: input and output), bytes of RAM",
            "parameters, bytes of flash", f"seconds at {megahertz:g} MHz")  # fmt: skip
    return tables.Table(f"{network} on the {name}", head, rows)
