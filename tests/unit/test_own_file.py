"""Notebook 11's page for a model file of one's own: every part, for files of every kind."""

import datetime
import html
import re
import sys
import warnings

import ipywidgets
import numpy as np
import pytest
from text_boxes import faults
from tflite_tools import Writer

from course_utils import env
from course_utils.labs.tflite_micro_export import figures, file_parts, own_file, scenes
from course_utils.machines import data, micro
from course_utils.machines.micro import boards, memory
from course_utils.machines.micro.project import contents

PARTS = ["Weights", "Mapping", "Lifetimes", "Memory", "Boards", "Refusals"]
EVIL = "<img src=x onerror=alert(1)> $\\frac{$ \u7db2\n"


@pytest.fixture
def own(tmp_path):
    return own_file.OwnFile(tmp_path)


def dense(x="int8", weights="int8", bias="int32", name=""):
    """A dense layer of two outputs and a softmax: a whole small model."""
    writer = Writer()
    quantized = {"scale": 0.5} if x != "float32" else {}
    kernel = {"scale": [0.25, 0.5]} if weights == "int8" else {}
    sums = {"scale": [0.125, 0.25]} if bias != "float32" else {}
    ends = [writer.tensor((1, 3), x, **quantized)]
    ends.append(writer.constant([[1, -2, 3], [4, 5, -128]], weights, **kernel))
    ends.append(writer.constant([8, -16], bias, **sums))
    middle = writer.operator("FULLY_CONNECTED", ends, writer.tensor((1, 2), x, **quantized))
    last = writer.tensor((1, 2), x, **quantized)
    writer.operator("SOFTMAX", [middle], last, beta=1.0)
    for tensor in writer.graph.tensors:
        tensor.name = name or tensor.name
    return writer.bytes(ends[:1], [last])


def text_of(widget):
    """All HTML of a widget and those in it; pictures without their bytes."""
    parts = [str(getattr(widget, "value", ""))] if isinstance(widget, ipywidgets.HTML) else []
    parts += [text_of(child) for child in getattr(widget, "children", ())]
    return re.sub(r'src="data:[^"]*"', "", "\n".join(parts))


def said(own):
    return html.unescape(re.sub(r"<[^>]+>", " ", text_of(own._page)))


def without_tflm(monkeypatch):
    why = "The TFLM interpreter is not installed: (said by a test)."
    for module in (micro, contents.interpreter):
        monkeypatch.setattr(module, "missing", lambda: why)


@pytest.mark.parametrize("name", scenes.NETWORKS)
def test_every_part_of_every_shipped_network(own, name, monkeypatch):
    without_tflm(monkeypatch)
    own.files.value = f"{name} (shipped)"
    found = {}
    for part in PARTS:
        own.parts.value = part
        found[part] = said(own)
        assert "can't be shown" not in found[part], part
    tflite, recorded = data.model(name), scenes.record(name, "int8")
    assert f"{len(tflite):,} bytes" in own._said.value
    peak = max(micro.alive(micro.activations(tflite)))
    assert f"The peak is {peak:,} bytes" in found["Lifetimes"]
    assert f"{micro.flash(tflite, 'reference').total:,}" in found["Memory"]
    assert f"{recorded['smallest_arena']:,}" in found["Memory"]
    assert "recorded by this laboratory" in found["Memory"]
    nano = micro.fit("Arduino Nano 33 BLE", micro.flash(tflite).total, recorded["smallest_arena"])
    assert re.search(rf"Nano 33 BLE\s+✓ it fits\s+{nano.flash_left:,}\s", found["Boards"])
    assert re.search(r"Arduino Uno R3\s+✗ does not fit: .* 8 bits; TFLM needs 32", found["Boards"])
    assert "✗ answers wrongly" in found["Refusals"]
    assert "Chirale_TensorFlowLite 2.0.0" in found["Refusals"]


def test_a_part_is_made_when_it_is_first_chosen_and_kept(own):
    assert list(own._made) == ["Weights"]
    own.choose("Refusals")
    first = own._made["Refusals"]
    own.choose("Weights")
    own.choose("Refusals")
    assert own._made["Refusals"] is first
    assert list(own._made) == ["Weights", "Refusals"]
    own.files.value = "fashion_cnn (shipped)"
    assert list(own._made) == ["Refusals"], "the chosen part of another file"


def test_real_values_are_scale_times_code():
    file = file_parts.read("dense", dense())
    values = file_parts.values(file, 1, 8)
    assert (values.low, values.high) == (-64.0, 2.5)
    assert sum(values.counts) == values.count == 6
    assert values.what == "real values"
    expected = np.array([0.25, -0.5, 0.75, 2, 2.5, -64])
    assert values.mean == pytest.approx(expected.mean())
    assert values.std == pytest.approx(expected.std())
    assert "from -64 to 2.5" in figures.alt_values(values)


def test_codes_of_one_channel_and_of_an_activation():
    file = file_parts.read("dense", dense())
    second = file_parts.mapped(file, 1, channel=1)
    assert figures.formula(second) == "real = 0.5 × code"
    assert (second.used, second.count, sum(second.counts)) == (3, 3, 3)
    assert second.counts[0] == second.counts[128 + 4] == second.counts[128 + 5] == 1
    assert "use 3 of 256 codes" in figures.alt_mapped(second)
    assert file_parts.mapped(file, 1, channel=99) == second, "a tensor of fewer channels"
    arrives = file_parts.mapped(file, 0)
    assert arrives.counts == ()
    assert "reach from -64 to 63.5. It is an activation" in figures.alt_mapped(arrives)


def test_the_formula_has_the_zero_point_with_its_sign():
    writer = Writer()
    tensors = [writer.tensor((4,), scale=0.5, zero_point=z) for z in (-128, 7)]
    writer.operator("RELU", tensors[:1], tensors[1])
    file = file_parts.read("relu", writer.bytes(tensors[:1], tensors[1:]))
    formulas = [figures.formula(file_parts.mapped(file, index)) for index in tensors]
    assert formulas == ["real = 0.5 × (code + 128)", "real = 0.5 × (code − 7)"]


def test_the_pictures_change_with_tensor_bars_and_channel(own):
    explorer = own._made["Weights"].explorer
    own.choose("Mapping")
    mapping = own._made["Mapping"]
    pictures = [explorer._png, mapping._png]
    for moved, change in [
        (explorer, {"bins": 72}), (explorer, {"tensor": 3}), (mapping, {"channel": 3}),
        (mapping, {"tensor": 3}),
    ]:  # fmt: skip
        moved.set(**change)
        assert moved._png not in pictures, change
        pictures.append(moved._png)


def test_a_float_file_says_that_nothing_is_quantized(own):
    own.offer("float.tflite", dense("float32", "float32", "float32"))
    assert "numbers (real values) from -128 to 5" in said(own)
    own.choose("Mapping")
    assert "Mapping can't be shown of this file: No tensor of this file is quantized" in said(own)
    own.choose("Lifetimes")
    assert "FULLY_CONNECTED 0, SOFTMAX 1 must be in RAM, 32 bytes" in said(own)


def test_an_int16x8_file(own):
    own.offer("int16.tflite", dense("int16", "int8", "int64"))
    assert "int64" in said(own)
    assert "-4 to 1" in said(own), "the range of the bias, whose codes have 64 bits"
    own.choose("Mapping")
    mapped = file_parts.mapped(own.file, 0)
    assert (mapped.qmin, mapped.qmax) == (-32768, 32767)
    own.choose("Refusals")
    assert "✓ Nothing speaks against it" in said(own)


def test_a_hybrid_file_has_room_on_boards_and_is_refused(own):
    own.offer("hybrid.tflite", dense("float32", "int8", "float32"))
    own.choose("Refusals")
    assert "✗ TFLM will not run this file: 1 of its 2 operators." in said(own)
    assert "FULLY_CONNECTED is hybrid: int8 weights, but float32 inputs." in said(own)
    own.choose("Boards")
    assert "✓" not in said(own)
    assert "✗ has room, but TFLM does not run it" in said(own)


def test_an_operator_without_a_size_is_said_and_the_rest_is_shown(own, monkeypatch):
    without_tflm(monkeypatch)
    writer = Writer()
    x, y = (writer.tensor((1, 4), "float32") for _ in range(2))
    writer.operator("SIGN", [x], y)
    own.offer("sign.tflite", writer.bytes([x], [y]))
    assert "The file holds no constants that can be read here" in said(own)
    assert "Its 2 tensors" in said(own)
    own.choose("Memory")
    assert "TFLM has no operator SIGN: its code has no size." in said(own)
    assert "the arena, estimated" in said(own)
    own.choose("Lifetimes")
    assert "while SIGN 0 runs, input, SIGN 0 must be in RAM" in text_of(own._page)


def test_a_file_of_two_graphs(own):
    writer = Writer()
    x, y = (writer.tensor((1, 4), scale=0.5) for _ in range(2))
    writer.operator("RELU", [x], y)
    writer.second_graph()
    own.offer("two.tflite", writer.bytes([x], [y]))
    assert "Further graphs in it: 1." in own._said.value
    for part in PARTS[1:]:
        own.choose(part)
        assert "can't be shown" not in said(own), part


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "This is not a .tflite file"),
        (b"PK\3\4 a zip of something", "This is not a .tflite file"),
        (data.model("watch_cnn")[:5000], "This .tflite file is damaged or truncated"),
    ],
)
def test_a_damaged_file_gets_a_sentence_and_another_can_be_chosen(own, content, told):
    own.choose("Refusals")
    own.offer("mine.tflite", content)
    assert f"mine.tflite can't be shown: {told}" in html.unescape(own._said.value)
    assert own.file is None
    assert own._page.children == ()
    assert own.parts.layout.display == "none", "buttons that would do nothing"
    assert own._repr_mimebundle_()[0]["image/png"], "the last picture stays"
    own.files.value = "watch_cnn (shipped)"
    assert own.parts.layout.display is None
    assert "✗ answers wrongly" in said(own)
    own.files.value = "mine.tflite (uploaded)"
    assert own.file is None, "it can be chosen again"
    assert told in own._said.value


def test_both_forms_of_an_upload(own):
    content = data.model("watch_avr")
    new = ({"name": "a.tflite", "type": "", "size": len(content), "content": memoryview(content)},)
    old = {"a.tflite": {"metadata": {"name": "a.tflite"}, "content": content}}
    assert own_file.uploaded(new) == own_file.uploaded(old) == ("a.tflite", content)
    assert own_file.uploaded(()) is own_file.uploaded({}) is None
    day = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
    own.upload.value = [{**new[0], "last_modified": day}]
    assert own.file.name == "a.tflite"
    assert own.file.graph.file == content
    assert own.files.value == "a.tflite (uploaded)"


def test_a_file_dropped_in_the_folder_is_found(own, tmp_path):
    (tmp_path / "mine.tflite").write_bytes(data.model("fashion_cnn"))
    (tmp_path / "folder.tflite").mkdir()
    own.again.click()
    assert "2 .tflite files in" in own._status.value
    assert own.file.name == "watch_cnn_int8.tflite", "the choice stays"
    own.files.value = "mine.tflite (in this folder)"
    assert own.file.graph.file == data.model("fashion_cnn")
    own.files.value = "folder.tflite (in this folder)"
    assert "is no file" in own._said.value
    (tmp_path / "mine.tflite").unlink()
    own.files.value = "mine.tflite (in this folder)"
    assert "is not there any more" in own._said.value
    own.again.click()
    assert own.file.name == "watch_cnn_int8.tflite", "what is chosen is there"


def test_a_huge_file_is_not_read(own, tmp_path):
    with (tmp_path / "huge.tflite").open("wb") as file:
        file.truncate(file_parts.LARGEST_FILE + 1)
    own.again.click()
    own.files.value = "huge.tflite (in this folder)"
    assert "files of up to 67,108,864 are read here" in own._said.value


def test_names_are_escaped_and_shortened(own):
    own.offer(EVIL * 9 + ".tflite", dense(name=EVIL * 20))
    for part in PARTS:
        own.choose(part)
        shown = text_of(own._page) + own._said.value + own._status.value
        # What begins a tag of its own, beside those of ours, is escaped wherever it stands.
        assert "<img src=x" not in shown, part
        assert "can't be shown" not in shown, part
        assert max(map(len, re.findall(r"onerror[^<>]*", shown)), default=0) < 1000, part
    assert own.file is not None


def test_what_is_drawn_can_be_read():
    """No text cut, none over another, for names that are formulas and letters of no font here."""
    file = file_parts.read("x", dense(name=EVIL * 20))
    drawn = [figures.draw_values(file_parts.values(file, 1, 64))]
    drawn += [figures.draw_mapped(file_parts.mapped(file, index)) for index in (0, 1)]
    shipped = file_parts.read("fashion_dscnn_int8.tflite", data.model("fashion_dscnn"))
    drawn += [
        figures.draw_lifetimes(states[0]) for states in file_parts.lifetimes(shipped).values()
    ]
    for figure in drawn:
        for artist in figure.moving.values():
            artist.set_animated(False)
        assert faults(figure) == []


def chain(length):
    """So many RELUs, one behind the other."""
    writer = Writer()
    last = first = writer.tensor((1, 4), scale=0.5)
    for _ in range(length):
        last = writer.operator("RELU", [last], writer.tensor((1, 4), scale=0.5))
    return writer.bytes([first], [last])


def test_many_operators_are_drawn_in_windows_of_about_the_same_length():
    windows = file_parts.lifetimes(file_parts.read("chain", chain(25)))
    assert list(windows) == ["operators 0 to 8", "operators 9 to 17", "operators 18 to 24"]
    middle = windows["operators 9 to 17"]
    assert middle[0].names[0] == "RELU 8", "what was written before and is still needed"
    assert (middle[0].first[0], middle[0].last[0]) == (0, 0)
    assert "The peak is 32 bytes, first at RELU 0" in figures.alt_lifetimes(middle[3])


def test_one_operator_is_a_still_picture(own):
    own.offer("one.tflite", chain(1))
    own.choose("Lifetimes")
    assert isinstance(own._page.children[0], ipywidgets.HTML)
    assert 'alt="one.tflite, all operators: while RELU 0 runs' in own._page.children[0].value


def test_too_many_operators_get_a_sentence(own, monkeypatch):
    monkeypatch.setattr(file_parts, "MOST_OPERATORS", 3)
    own.offer("long.tflite", chain(4))
    for part in PARTS[2:]:
        own.choose(part)
        assert "The file has 4 operators and 5 tensors; this is shown of files with up" in said(own)


def test_numbers_that_are_none_and_numbers_that_are_equal():
    writer = Writer()
    x = writer.tensor((1, 4), "float32")
    rows = [[np.nan, np.inf, 1, 3], [7, 7, 7, 7], [np.nan] * 4, [3e38, -3e38, 0, 1], [1e30] * 4]
    constants = [writer.constant([row], "float32") for row in rows]
    y = writer.operator("ADD", [x, constants[0]], writer.tensor((1, 4), "float32"))
    file = file_parts.read("odd", writer.bytes([x], [y]))
    odd, equal, _, wide, far = constants
    assert file_parts.values(file, odd, 8)[4:6] == (1.0, 3.0)
    assert "2 are no finite numbers" in figures.alt_values(file_parts.values(file, odd, 8))
    assert file_parts.values(file, equal, 8)[7] == 0.0
    with pytest.raises(ValueError, match="holds no finite number"):
        file_parts.values(file, constants[2], 8)
    for index in (odd, equal, wide, far):
        values = file_parts.values(file, index, 8)
        assert sum(values.counts) + values.not_finite == 4
        assert faults(figures.draw_values(values)) == []
    assert "nan" in repr(file_parts.tensors_table(file))


def test_scales_that_are_no_good_are_said():
    writer = Writer()
    x, y = (writer.tensor((1, 4), scale=s) for s in (0.5, 0.0))
    weights = writer.constant([[1, 2, 3, 4]], "int8", scale=-1.0)
    writer.operator("ADD", [x, weights], y, fusedActivationFunction="NONE")
    file = file_parts.read("bad", writer.bytes([x], [y]))
    with pytest.raises(ValueError, match="has a scale that is not a finite number above zero"):
        file_parts.mapped(file, y)
    assert file_parts.values(file, weights, 8).what.startswith("codes: the tensor has a scale")


@pytest.mark.parametrize("shape", [(), (0, 1, 1, 1), (4,)])
def test_a_convolution_whose_weights_have_no_sense(own, shape, monkeypatch):
    without_tflm(monkeypatch)
    writer = Writer()
    x, y = (writer.tensor((1, 2, 2, 1), scale=0.5) for _ in range(2))
    weights = writer.constant(np.ones(shape), "int8", scale=1.0)
    options = {"padding": "SAME", "strideW": 1, "strideH": 1}
    writer.operator("CONV_2D", [x, weights], y, **options)
    own.offer("odd.tflite", writer.bytes([x], [y]))
    for part in PARTS:
        own.choose(part)
    assert "it fits" in text_of(own._made["Boards"])


def test_a_huge_scale_gives_numbers_that_are_none():
    writer = Writer()
    x, y = (writer.tensor((1, 4), scale=0.5) for _ in range(2))
    weights = writer.constant([[0, 1, 2, 127]], "int8", scale=3e38)
    writer.operator("ADD", [x, weights], y, fusedActivationFunction="NONE")
    file = file_parts.read("huge", writer.bytes([x], [y]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert file_parts.values(file, weights, 8).not_finite == 2
        assert "inf" in repr(file_parts.tensors_table(file))


def test_the_measured_arena_stands_beside_the_estimate(own):
    if micro.missing():
        pytest.skip(f"2026-12-01: {micro.missing()}")
    need = file_parts.needs(own.file)
    assert need.smallest == scenes.record("watch_cnn", "int8")["smallest_arena"] == need.arena
    assert need.reserved == contents.arena_of(own.file.graph).size
    assert need.estimate == memory.estimated_arena(own.file.graph)
    hybrid = file_parts.needs(file_parts.read("hybrid", dense("float32", "int8", "float32")))
    assert (hybrid.smallest, hybrid.reserved) == (0, 0)
    assert hybrid.source.startswith("TFLM does not run this model")


def test_no_part_asks_for_litert_which_a_tab_has_not(own, monkeypatch):
    without_tflm(monkeypatch)
    monkeypatch.setattr(env, "IN_BROWSER", True)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)  # an import raises ImportError
    for content in (data.model("lenet_300_100"), dense(), dense("float32", "int8", "float32")):
        own.offer("mine.tflite", content)
        for part in PARTS:
            own.choose(part)
            assert "ai_edge" not in said(own), part
        assert "code estimated" in text_of(own._made["Boards"])


def test_the_still_picture_is_the_first_example():
    bundle, about = own_file.page()._repr_mimebundle_()
    assert bundle["text/plain"].startswith("The numbers of a constant tensor\nTensor ")
    assert "5,120 numbers (real values)" in about["image/png"]["alt"]


def test_boards_are_judged_by_flash_ram_and_bits(own, monkeypatch):
    without_tflm(monkeypatch)
    one = dict(boards.board("Arduino Nano 33 BLE"))
    flash = micro.flash(own.file.graph).total
    made = [
        {**one, "name": "enough", "usable_flash_bytes": flash, "ram_bytes": 10**6},
        {**one, "name": "little flash", "usable_flash_bytes": flash - 1},
        {**one, "name": "little RAM", "ram_bytes": 100},
    ]
    monkeypatch.setattr(data, "boards", lambda: made)
    rows = dict(row[:2] for row in file_parts.boards_table(own.file, own.needs()).rows)
    needed = scenes.record("watch_cnn", "int8")["smallest_arena"]
    assert rows == {
        "enough": "✓ it fits",
        "little flash": "✗ does not fit: 1 bytes of flash are missing",
        "little RAM": f"✗ does not fit: {needed - 100:,} bytes of RAM are missing",
    }
