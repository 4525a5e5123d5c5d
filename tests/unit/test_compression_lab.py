"""Notebook 10: recorded files are the networks, bounds hold, pictures say what they show."""

import numpy as np
import pytest

from course_utils.labs.deep_compression import (
    book,
    experiments,
    explorers,
    figures,
    lecture,
    live,
    lut,
    scenes,
    stages,
)
from course_utils.machines import data, micro, numpy_training
from course_utils.numbers import compressed_network, huffman
from course_utils.views import style
from course_utils.views.checks import check, claims

ROWS = list(scenes.rows().values())
of_a_run = pytest.mark.parametrize(
    "row", ROWS, ids=[f"{row['network']}-{row['seed']}" for row in ROWS]
)


@pytest.fixture(scope="module")
def images():
    return data.load("fashion_mnist")


# --- the records --------------------------------------------------------------------------------


@of_a_run
def test_a_recorded_file_has_the_bytes_of_its_row_and_is_the_network(row):
    network, seed = row["network"], row["seed"]
    file = scenes.file(network, "coded", seed)
    shared = compressed_network.decode(file)
    assert len(file) == row["bytes"]["coded"]
    assert stages.encode(shared) == file
    assert len(stages.encode(shared, coded=False)) == row["bytes"]["shared"]
    dense = data.checkpoint(network).weights
    assert {name: np.shape(w) for name, w in stages.floats(shared).items()} == {
        name: w.shape for name, w in dense.items()
    }


@of_a_run
def test_a_kernel_has_as_many_values_and_weights_as_the_recipe_says(row):
    recipe = stages.RECIPES[row["network"]]
    shared = scenes.shared(row["network"], row["seed"])
    for name, keep in recipe.keep.items():
        tensor = shared[name]
        assert len(tensor.codebook) <= 2 ** recipe.bits[name]
        assert (tensor.indices > 0).mean() == pytest.approx(keep, abs=0.6 / tensor.indices.size)


@pytest.mark.parametrize("network", scenes.NETWORKS)
def test_the_decoded_network_answers_as_recorded(network, images):
    weights = stages.floats(scenes.shared(network))
    right = numpy_training.right(network, weights, images.x_test, images.y_test)
    assert right == scenes.rows()[network, 1]["test"]["coded"]


@of_a_run
def test_huffman_is_within_a_bit_of_the_entropy(row):
    for kernel in row["kernels"].values():
        for what in ("values", "gaps"):
            if what in kernel:
                assert 0 <= kernel[what]["huffman"] - kernel[what]["entropy"] <= 1


def test_lenet_is_thirty_times_smaller_and_loses_less_than_half_a_point():
    lenet = [row for row in ROWS if row["network"] == stages.LENET]
    assert len(lenet) == 5
    assert all(row["bytes"]["dense"] >= 30 * row["bytes"]["coded"] for row in lenet)
    assert scenes.lost(stages.LENET, "coded").high < 0.5


def test_the_same_answers_before_the_file_and_after():
    for row in [*ROWS, *scenes.fewer()]:
        assert row["test"]["shared"] == row["test"]["coded"]
        assert row["test_paired"]["shared"] == row["test_paired"]["coded"]


def test_tflm_gives_equal_outputs_on_the_whole_test_set():
    for network, rows in scenes.tflm_rows().items():
        assert rows["lut"]["differing"] == 0, network
        assert rows["lut"]["values"] == 100_000
        assert rows["lut"]["bytes"] < rows["shared"]["bytes"]


# --- the stages ---------------------------------------------------------------------------------


def test_masks_keep_the_largest():
    weights = {"a/kernel": np.array([[0.1, -3], [0.2, 2]]), "a/bias": np.zeros(2)}
    mask = stages.masks(weights, {"a/kernel": 0.5})
    assert mask["a/kernel"].tolist() == [[False, True], [False, True]]


def test_a_schedule_ends_at_its_share():
    found = stages.schedule(0.08, 6)
    assert found[-1] == pytest.approx(0.08)
    assert (np.diff(found) < 0).all()


def test_sharing_keeps_zeros_and_moves_each_weight_to_its_nearest_value():
    rng = np.random.default_rng(0)
    kernel = (rng.normal(size=(30, 20)) * (rng.random((30, 20)) < 0.3)).astype(np.float32)
    tensor = stages.share({"a/kernel": kernel}, {"a/kernel": 3})["a/kernel"]
    assert len(tensor.codebook) <= 8
    assert np.array_equal(tensor.indices == 0, kernel == 0)
    left = kernel[kernel != 0]
    moved = np.abs(compressed_network.weights_of(tensor)[kernel != 0] - left)
    least = np.abs(left[:, None] - tensor.codebook[1:]).min(axis=1)
    assert moved == pytest.approx(least, abs=1e-6)


def test_gap_widths_are_the_best_of_all():
    shared = dict(scenes.shared())
    best = len(stages.encode(shared))
    for name, bits in scenes.gaps().items():
        for other in range(9):
            own = {**scenes.gaps(), name: other}
            assert len(compressed_network.encode(shared, own)) >= best, (name, bits, other)


def test_a_short_run_of_all_stages(images):
    """So few steps that nothing is learned; the shapes and counts are those of a long one."""
    recipe = stages.RECIPES[stages.LENET]._replace(
        cut_steps=2, tune_steps=2, codebook_steps=2, every=2
    )
    weights = stages.prune(stages.LENET, images, recipe)
    for name, share in recipe.keep.items():
        assert (weights[name] != 0).mean() == pytest.approx(share, abs=0.001)
    shared = stages.tune(stages.LENET, stages.share(weights, recipe.bits), images, recipe)
    sizes = [len(file) for file in stages.files(stages.LENET, weights, shared).values()]
    assert sizes == sorted(sizes, reverse=True)


# --- TFLM ---------------------------------------------------------------------------------------

needs_tflm = pytest.mark.skipif(bool(micro.missing()), reason=micro.missing())


@needs_tflm
@pytest.mark.parametrize("network", scenes.NETWORKS)
def test_tflms_tool_makes_the_recorded_file_and_it_runs_equally(network, images):
    plain = scenes.tflm_file(network)
    compressed = lut.compress(plain)
    assert len(compressed) == scenes.tflm_rows()[network]["lut"]["bytes"]
    from course_utils.machines import litert

    codes = litert.to_input(images.x_test[:50], plain)
    assert np.array_equal(micro.run(plain, codes), micro.run(compressed, codes))


@needs_tflm
@pytest.mark.parametrize("method", ["huffman", "pruning"])
def test_what_tflm_does_not_compress_is_said_in_a_sentence(method):
    with pytest.raises(micro.Refused, match="^TFLM's compressor refuses: .*not yet implemented"):
        lut.compress(scenes.tflm_file(), method)


def test_without_tflm_the_record_speaks(monkeypatch, capsys):
    monkeypatch.setattr(micro, "missing", lambda: "It is not here.")
    assert scenes.look_up() is None
    assert "It is not here." in capsys.readouterr().out
    assert "recorded: " in repr(scenes.refusals())


def test_one_scale_a_layer_keeps_the_clusters():
    for network in scenes.NETWORKS:
        widths = lut.kernels(scenes.tflm_file(network)).values()
        assert sorted(widths) == sorted(stages.RECIPES[network].bits.values())


# --- what a student's functions do --------------------------------------------------------------


def test_the_shipped_functions_agree_with_tensorflow():
    table = repr(scenes.against_tfmot(scenes.nearest, scenes.codebook_gradient))
    assert " 0 differ" in table
    assert "the same to 5 digits" in table


def test_other_functions_do_not():
    def mean(gradient, indices, k):
        return scenes.codebook_gradient(gradient, indices, k) / 10

    table = repr(scenes.against_tfmot(lambda w, c: scenes.nearest(w, c) * 0, mean))
    assert " 0 differ" not in table
    assert "off" in table


@pytest.mark.parametrize("bits", [0, 9, 2.5, None, True, "4"])
def test_bits_that_cannot_be(bits, capsys):
    assert live.clusters(scenes.nearest, bits) is None
    assert "1 to 8 bits" in capsys.readouterr().out
    assert live.tuned(None, scenes.codebook_gradient) is None
    assert live.decoded_table(None) is None
    assert live.shared_table(None, None) is None


def test_a_nearest_that_answers_nonsense_is_not_followed():
    right = live.clusters(scenes.nearest, 2)
    for wrong in (lambda w, c: "text", lambda w, c: np.zeros(3), lambda w, c: np.full(w.shape, 99)):
        found = live.clusters(wrong, 2)
        assert np.array_equal(found[scenes.LAYER].indices, right[scenes.LAYER].indices)


def test_gaps_cost_what_they_cost_in_the_file():
    table = live.gap_widths(scenes.relative_index)
    rows = {int(row[0]): row for row in table.rows}
    for bits in (2, 5, 8):
        own = compressed_network.ledger({"w": scenes.shared()[scenes.LAYER]}, bits)["w"]
        coded = int(rows[bits][4].replace(",", ""))
        assert abs(coded - own["weights"] - own["indices"]) <= 1


def test_gaps_of_another_way_are_followed_if_they_find_every_weight():
    def eager(kept, index_bits):
        """A filler at every place: more entries, and right."""
        return np.zeros(len(kept), int)

    (left, *_, last) = live.gap_widths(eager).rows
    size = scenes.shared()[scenes.LAYER].indices.size
    assert [row[2] for row in (left, last)] == [f"{size:,}"] * 2
    ours = live.gap_widths(scenes.relative_index).rows
    for wrong in (lambda *_: np.zeros(3, int), lambda kept, bits: [2**bits], lambda *_: "x"):
        assert live.gap_widths(wrong).rows == ours


def test_joining_the_two_rarest_costs_what_the_code_lengths_say():
    rng = np.random.default_rng(3)
    for _ in range(20):
        counts = rng.integers(0, 50, 9)
        counts[:2] += 1
        groups, bits = sorted(count for count in counts if count > 0), 0
        while len(groups) > 1:
            joined = groups[0] + groups[1]
            bits += joined
            groups = sorted([*groups[2:], joined])
        assert bits == counts @ huffman.code_lengths(counts)


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_a_mean_is_told_so_where_an_empty_cluster_has_none():
    def means(gradient, indices, k):
        return np.array([gradient[indices == j].mean() for j in range(k)])

    assert "You average" in repr(check("10.gradient", means))


# --- what moves ---------------------------------------------------------------------------------


def test_every_state_of_the_ledger_adds_up():
    head = scenes.grid().record
    for keep in head["keep"]:
        for gap in head["gaps"]:
            state = scenes.ledger(keep, 2, 3, 6, gap)
            rows = [state.coded[part] for part in figures.PARTS]
            kernels = [sum(row.values()) for row in state.kernels.values()]
            assert sum(rows) == sum(kernels) + sum(head["other_bytes"].values())
            assert state.fixed["code tables"] == 0 < state.coded["code tables"]
            assert state.coded["weights"] <= state.fixed["weights"] + 3
    n = head["n"]["test"]
    changed = scenes.grid().arrays["changed"][1]
    right = head["dense"]["test"] + changed[1].astype(int) - changed[0]
    assert 0 <= right.min() <= right.max() <= n


@pytest.mark.parametrize(("bits", "gap"), [((4, 3, 5), 6), ((2, 6, 2), 0)])
def test_a_recorded_state_is_that_of_the_network(bits, gap, images):
    head = scenes.grid().record
    weights = stages.floats(compressed_network.decode(scenes.grid().arrays["last"].tobytes()))
    shared = stages.share(weights, dict(zip(head["kernels"], bits, strict=True)))
    state = scenes.ledger(head["keep"][-1], *bits, gap)
    assert figures.total(state.coded) == len(compressed_network.encode(shared, gap))
    assert figures.total(state.fixed) == len(compressed_network.encode(shared, gap, coded=False))
    right = numpy_training.right(stages.LENET, stages.floats(shared), images.x_test, images.y_test)
    lost = 100 * (head["dense"]["test"] - right) / head["n"]["test"]
    assert state.loss.value == pytest.approx(lost)


def test_the_ledger_starts_near_the_recorded_runs():
    """Another training and k-means alone, but the same sparsity and bits."""
    state = scenes.ledger()
    expected = scenes.bytes_of(stages.LENET, "coded").mean()
    assert figures.total(state.coded) == pytest.approx(expected, rel=0.05)


def test_the_explorer_moves_bars_and_points():
    explorer = explorers.ledger()
    before = figures.total(explorer.result.coded)
    explorer.set(keep=0.02)
    assert figures.total(explorer.result.coded) < before
    bar = explorer.figure.moving["1 weights"]
    assert bar.get_width() == pytest.approx(explorer.result.coded["weights"] / 1000)
    assert explorer.figure.moving["loss"].get_ydata()[0] == explorer.result.loss.value
    explorer.set(bits1=2, bits2=2, bits3=2)
    assert explorer.result.loss.value > 5


def test_a_moved_ledger_is_the_picture_drawn_there_and_nothing_else_is_drawn_again(monkeypatch):
    explorer = explorers.ledger()
    canvas, drawn = explorer.figure.canvas, []
    draw = canvas.draw
    monkeypatch.setattr(canvas, "draw", lambda: drawn.append(draw()))
    ends = set()
    for keep, gap in ((1.0, 0), (0.4, 4), (1.0, 8), (0.02, 5), (0.12, 0), (0.08, 5)):
        explorer.set(keep=keep, gap_bits=gap)
        ends.add(explorer.figure.axes[0].get_xlim()[1])
        assert not drawn, "the whole figure was drawn"
        painter = explorer._painter
        assert painter.axes[0]["scales"][0]["ends"] == list(explorer.figure.axes[0].get_xlim())
        moved, told = explorer._png, painter.axes
        painter._background = None  # all of it is drawn again
        assert painter(explorer.result) == moved
        assert painter.axes == told
        drawn.clear()
    assert len(ends) >= 3
    fresh = figures.draw_ledger(explorer.result)
    for name, artist in fresh.moving.items():
        if name.endswith(tuple(figures.PARTS)):
            own = explorer.figure.moving[name]
            assert own.get_bbox().bounds == artist.get_bbox().bounds
            assert own.get_hatch() == artist.get_hatch()


def test_a_strong_compressor_on_shared_weights_does_not_reach_the_file():
    for network in scenes.NETWORKS:
        rows = {row[0]: int(row[1].replace(",", "")) for row in scenes.baselines(network).rows}
        best = rows.pop("Deep Compression")
        assert best < min(rows.values()) < 1.2 * best


def test_centroids_walk_to_where_the_recorded_codebook_began():
    states = scenes.clusters("density")
    assert [state.round for state in states][:3] == [0, 1, 2]
    sweep = explorers.clusters()
    moved = sweep.choose("random")
    assert len(moved.frames) == len(scenes.clusters("random"))
    assert len(set(moved.frames)) == len(moved.frames)


def test_codes_are_those_of_the_file():
    for name, bits in scenes.gaps().items():
        state = scenes.codes(name, bits)
        _, coded, _, gaps = figures.code_bits(state)
        row = compressed_network.ledger(dict(scenes.shared()), scenes.gaps())[name]
        assert (-(-coded // 8), -(-gaps // 8)) == (row["weights"], row["indices"])


@pytest.mark.parametrize("entry", book.ENTRIES, ids=lambda entry: entry.id)
def test_a_picture_is_drawn_and_described(entry):
    scene = entry.scene()
    picture = style.Picture(entry.draw(scene), entry.alt(scene))
    assert picture.png[:4] == b"\x89PNG"


def test_the_paper_is_beside_what_was_measured():
    states = {row.claim: row.state for row in lecture.rows()}
    assert states["compression_dense"] == "agrees"
    assert set(states) == {claim for claim in claims() if "compression_" in claim}


def test_all_experiments_are_recorded():
    for experiment in experiments.EXPERIMENTS:
        assert data.result(experiment.__name__).record["command"].endswith(experiment.__name__)
