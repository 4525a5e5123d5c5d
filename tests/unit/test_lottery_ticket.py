"""Notebook 04: the loop trains as it says, masks hold, records fit, pictures say what they show."""

import numpy as np
import pytest

from course_utils.engines import float_engine
from course_utils.labs.lottery_ticket import (
    book,
    experiments,
    explorers,
    figures,
    lecture,
    live,
    scenes,
    tickets,
)
from course_utils.machines import data, numpy_training, training
from course_utils.machines.numpy_training import initial_weights
from course_utils.numbers import intervals
from course_utils.views import style

NETWORKS = ("lenet_300_100", "fashion_cnn")


@pytest.fixture(scope="module")
def images():
    return data.load("fashion_mnist")


# ------------------------------------------------------------------ the loop


@pytest.mark.parametrize("network", NETWORKS)
def test_the_loop_answers_as_the_float_engine(network, images):
    shipped = data.checkpoint(network)
    x, y = images.x_test[:500], images.y_test[:500]
    expected = int((float_engine.predict(shipped.layers, shipped.weights, x) == y).sum())
    assert numpy_training.right(network, shipped.weights, x, y) == expected


@pytest.mark.parametrize("network", NETWORKS)
def test_the_gradient_is_that_of_the_loss(network, images):
    x, y = images.x_train[:20], images.y_train[:20]
    net = numpy_training.Network(network, initial_weights(network, 2), {})
    net._backward(net._forward(x, keep=True), y)
    gradient = net.gradient.copy()
    for i in np.argsort(-np.abs(gradient))[: len(gradient) // 100 : len(gradient) // 1000]:
        before, losses = net.flat[i], []
        for change in (0.01, -0.01):
            net.flat[i] = before + np.float32(change)
            losses.append(net.measure(x, y)[0])
        net.flat[i] = before
        assert gradient[i] == pytest.approx((losses[0] - losses[1]) / 0.02, rel=0.1, abs=2e-4)


def test_a_step_is_adams(images):
    """Against Keras's formula, in float64."""
    x, y = images.x_train[:60], images.y_train[:60]
    net = numpy_training.Network("lenet_300_100", initial_weights("lenet_300_100", 1), {})
    m = v = np.zeros(net.flat.size)
    for step in (1, 2, 3):
        net._backward(net._forward(x, keep=True), y)
        g, w = net.gradient.astype(float), net.flat.astype(float)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        change = 1e-3 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-7)
        net.step(x, y, step, 1e-3)
        assert np.allclose(net.flat, w - change, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("left", [0.7, 0.1])  # masked, and compact
def test_pruned_weights_stay_zero_and_the_others_move(network, left, images):
    initial = initial_weights(network, 3)
    rng = np.random.default_rng(3)
    masks = {name: rng.random(m.shape) < left for name, m in tickets.whole(initial).items()}
    run = numpy_training.train(network, initial, images, masks=masks, steps=5, every=5)
    for name, mask in masks.items():
        assert not run.last[name][~mask].any()
        assert (run.last[name][mask] != initial[name][mask]).mean() > 0.2


def test_masked_and_compact_adam_train_alike(images, monkeypatch):
    initial = initial_weights("lenet_300_100", 3)
    rng = np.random.default_rng(3)
    masks = {name: rng.random(m.shape) < 0.3 for name, m in tickets.whole(initial).items()}
    runs = []
    for below in (0.0, 1.0):
        monkeypatch.setattr(numpy_training, "COMPACT", below)
        runs.append(numpy_training.train("lenet_300_100", initial, images, masks=masks, steps=3))
    for name in initial:
        assert np.allclose(runs[0].last[name], runs[1].last[name], atol=1e-5)


def test_the_same_seed_gives_the_same_run_and_late_runs_see_the_same_images(images):
    initial = initial_weights("lenet_300_100", 1)
    network = "lenet_300_100"
    one, other = (
        numpy_training.train(network, initial, images, steps=4, every=2) for _ in "ab"
    )
    assert np.array_equal(one.losses, other.losses)
    assert one.stop in one.steps
    assert one.losses.min() == one.losses[list(one.steps).index(one.stop)]
    batches = numpy_training._batches(images, 60, 1)
    first = [next(batches) for _ in range(3)]
    assert len(set(np.concatenate(first))) == 180
    late = numpy_training._batches(images, 60, 1)
    next(late)
    assert np.array_equal(next(late), first[1])


def test_an_interruption_keeps_the_run_so_far(images):
    initial = initial_weights("lenet_300_100", 1)

    def stop_after_four(step, steps):
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(training.Interrupted, match="after 4 of 9 steps") as stopped:
        numpy_training.train(
            "lenet_300_100", initial, images, steps=9, every=2, progress=stop_after_four
        )
    whole = numpy_training.train("lenet_300_100", initial, images, steps=4, every=2)
    kept = stopped.value.trained
    assert kept.steps.tolist() == [2, 4]
    assert np.array_equal(kept.losses, whole.losses)
    for name, value in whole.last.items():
        assert np.array_equal(kept.last[name], value), name


def test_an_interruption_before_the_first_look_looks_once(images, monkeypatch):
    taken, step = [], numpy_training.Network.step

    def stop_at_three(net, *told):
        if len(taken) == 2:
            raise KeyboardInterrupt
        taken.append(step(net, *told))

    monkeypatch.setattr(numpy_training.Network, "step", stop_at_three)
    initial = initial_weights("lenet_300_100", 1)
    with pytest.raises(training.Interrupted, match="after 3 of 9 steps") as stopped:
        numpy_training.train("lenet_300_100", initial, images, steps=9)
    assert len(stopped.value.trained.losses) == 1


def test_the_shipped_initial_weights_are_seed_1():
    shipped = data.checkpoint("lenet_300_100_init").weights
    for name, w in initial_weights("lenet_300_100", 1).items():
        assert np.array_equal(w, shipped[name])
    for w in initial_weights("fashion_cnn", 1).values():
        assert w.dtype == np.float32


@pytest.mark.parametrize("change", ["unknown", "shape", "batch"])
def test_what_cannot_be_trained_is_said(change, images):
    initial, more = initial_weights("lenet_300_100", 1), {}
    if change == "unknown":
        more = {"masks": {"dense9/kernel": np.ones((2, 2), bool)}}
    elif change == "shape":
        more = {"masks": {"dense1/kernel": np.ones((2, 2), bool)}}
    else:
        more = {"batch_size": 7001}
    with pytest.raises(ValueError, match="doesn't fit|don't fill"):
        numpy_training.train("lenet_300_100", initial, images, steps=1, **more)


# ------------------------------------------------------------------ masks


def test_rounds_take_the_papers_rates():
    weights = {name: w.copy() for name, w in initial_weights("lenet_300_100", 1).items()}
    masks = tickets.whole(weights)
    for number in range(1, 4):
        before, masks = masks, tickets.next_masks(weights, masks)
        for name in masks:
            rate = 0.1 if name == "dense3/kernel" else 0.2
            assert masks[name].mean() == pytest.approx((1 - rate) ** number, abs=1e-3)
            assert not (masks[name] & ~before[name]).any()


def test_controls_keep_the_sizes():
    weights = initial_weights("lenet_300_100", 1)
    masks = tickets.next_masks(weights, tickets.whole(weights))
    drawn = tickets.controls(masks, 1, 4)
    for way in (*drawn.values(), tickets.one_shot(weights, masks)):
        for name in masks:
            assert way[name].sum() == masks[name].sum()
    for name, mask in masks.items():
        assert np.array_equal(drawn["same_inputs"][name].sum(axis=1), mask.sum(axis=1))
        assert not np.array_equal(drawn["same_inputs"][name], mask)
    again = tickets.controls(masks, 1, 4)["random"]
    assert all(np.array_equal(again[name], drawn["random"][name]) for name in masks)


def test_packed_masks_come_back():
    weights = initial_weights("fashion_cnn", 2)
    chain = [tickets.whole(weights)]
    for _ in range(3):
        chain.append(tickets.next_masks(weights, chain[-1], 0.6, 0.3))
    stored = tickets.pack_all(chain)
    for old, new in zip(chain, tickets.unpack_all(chain[0], stored), strict=True):
        assert all(np.array_equal(old[name], new[name]) for name in old)
    with pytest.raises(ValueError, match="don't hold"):
        tickets.unpack(chain[0], stored[:10])


# ------------------------------------------------------------------ the records


def test_the_records_reach_their_bounds():
    own = data.result("lottery_ticket").record
    sparse = {row["method"] for row in own["rows"]} - {"dense"}
    for method in ("ticket", "random", "reinitialized", "one_shot"):
        assert method in sparse
        for seed in own["seed"]:
            rounds = {r["round"] for r in own["rows"] if (r["method"], r["seed"]) == (method, seed)}
            assert len(rounds) >= 12
    assert len(own["seed"]) >= 5
    assert len(data.result("lottery_rewinding").record["seed"]) >= 3
    files = data.manifest()["files"]
    stored = sum(files[name]["bytes"] for name in files if name.startswith("results/lottery"))
    assert stored <= 3e6


def test_recorded_masks_are_those_of_the_rows():
    for seed in scenes.seeds():
        for number, masks in enumerate(scenes.masks_of_rounds(seed)):
            method = "ticket" if number else "dense"
            left = scenes.rows()[method, number, seed]["left"]
            assert tickets.left(masks) == pytest.approx(left, abs=1e-5)
    for number, masks in scenes.one_shot_masks().items():
        assert tickets.left(masks) == pytest.approx(scenes.left(number), abs=1e-4)
    first = scenes.masks_of_rounds()[1]
    assert all(np.array_equal(first[name], m) for name, m in scenes.one_shot_masks()[1].items())


def test_recorded_curves_have_the_stops_of_the_rows():
    own = data.result("lottery_ticket")
    curves, every = own.arrays["curves"].astype(float), own.record["recipe"]["every"]
    assert len(curves) == len(own.record["rows"])
    for row, (losses, _) in zip(own.record["rows"], curves, strict=True):
        assert losses.min() == pytest.approx(row["loss"], abs=1e-3)
        assert losses[row["stop"] // every - 1] == pytest.approx(row["loss"], abs=1e-3)


def test_a_recorded_run_is_what_the_loop_gives(images):
    """The first ticket of seed 1, as far as its second look at the validation set."""
    masks = scenes.masks_of_rounds()[8]
    run = numpy_training.train(
        "lenet_300_100", initial_weights("lenet_300_100", 1), images, masks=masks, seed=1,
        **{**experiments.RECIPE, "steps": 100},
    )  # fmt: skip
    own = data.result("lottery_ticket")
    place = next(
        i for i, row in enumerate(own.record["rows"])
        if (row["method"], row["round"], row["seed"]) == ("ticket", 8, 1)
    )  # fmt: skip
    assert run.losses == pytest.approx(own.arrays["curves"][place, 0, :2].astype(float), rel=0.02)


def test_differences_are_paired_by_seed():
    rows = scenes.rows()
    by_hand = [
        (rows["ticket", 8, seed]["test"] - rows["random", 8, seed]["test"]) / 100
        for seed in scenes.seeds()
    ]
    found = scenes.ahead("ticket", "random", 8)
    assert found.value == pytest.approx(np.mean(by_hand))
    assert found.interval == pytest.approx(intervals.seeds_interval(by_hand))


def test_the_last_good_round_is_chosen_on_the_validation_set():
    last = scenes.last_round_as_good()
    dense = scenes.values("dense", 0, "validation").mean()
    later = [n for n in scenes.rounds() if n > last]
    assert scenes.values("ticket", last, "validation").mean() >= dense
    assert all(scenes.values("ticket", n, "validation").mean() < dense for n in later)


# ------------------------------------------------------------------ pictures, tables, live


def test_the_film_moves_as_it_is_drawn():
    states = scenes.film()
    assert len(states) == 21
    moved = figures.draw_film(states[0])
    figures.draw_film(states[12], moved)
    fresh = figures.draw_film(states[12])
    assert np.array_equal(moved.moving["mask"].get_array(), fresh.moving["mask"].get_array())
    kept = states[12].kept
    assert kept.sum() == scenes.masks_of_rounds()[12]["dense1/kernel"].sum()
    for name in ("stays", "goes"):
        segments = [figure.moving[name].get_segments() for figure in (moved, fresh)]
        assert np.array_equal(*segments)
    assert len(fresh.moving["goes"].get_segments()) == states[12].goes.sum()
    assert f"{states[12].left:.1%}" in figures.alt_film(states[12])


@pytest.mark.parametrize("method", list(explorers.FILMS.values()))
def test_every_film_can_be_drawn(method):
    states = scenes.film(method)
    assert states[-1].left == pytest.approx(0.012, abs=0.001)
    style.Picture(figures.draw_film(states[-1]), figures.alt_film(states[-1]))


@pytest.mark.parametrize("number", [1, 8, 20])
def test_methods_and_curves_say_what_the_rows_say(number):
    state = scenes.methods(number)
    figure = figures.draw_methods(state)
    for method, gain in state.ahead.items():
        assert figure.moving[f"{method} value"].get_xdata()[0] == pytest.approx(gain.value)
        assert f"{gain.value:+.2f}" in figures.alt_methods(state)
    state = scenes.curves(number)
    figure = figures.draw_curves(state)
    assert np.array_equal(figure.moving["ticket"].get_ydata(), state.losses["ticket"])


def test_a_control_that_was_not_run_at_a_size_says_so():
    for number, says in ((scenes.SMALL, ""), (scenes.SMALL + 2, "not run at this size")):
        figure = figures.draw_methods(scenes.methods(number))
        assert figure.moving["same_inputs missing"].get_text() == says


@pytest.mark.parametrize("entry", book.ENTRIES, ids=lambda entry: entry.id)
def test_the_books_claims_are_true_and_can_be_false(entry):
    scene = entry.scene()
    assert entry.claim(scene)
    if entry.id == "fig-lottery-mask":
        scene = scene._replace(kept=np.ones((28, 28)))
    elif entry.id == "fig-lottery-accuracy":
        scene = scene._replace(of_dense=scenes.mean([-3.0, -3.1]))
    else:
        scene = scene._replace(stops={**scene.stops, "ticket": scene.stops["random"]})
    assert not entry.claim(scene)


def test_every_table_has_rows():
    for table in (scenes.differences, scenes.speeds, scenes.doubts, scenes.mask_or_weights,
                  scenes.cost, scenes.int8):  # fmt: skip
        assert len(table().rows) >= 5


def test_an_interval_decides_what_is_shown():
    assert scenes.shown(scenes.mean([1.0, 1.1, 1.2])) == "yes, ahead"
    assert scenes.shown(scenes.mean([-1.0, -1.1, -1.2])) == "yes, behind"
    assert scenes.shown(scenes.mean([-1.0, 1.1, 0.2])) == "no"


def test_the_papers_claims_have_their_rows():
    found = {row.claim: row for row in lecture.rows()}
    assert len(found) == 7
    assert found["lottery_size"].number.value == pytest.approx(
        100 - found["lottery_reduction"].number.value
    )


@pytest.mark.parametrize("number", [0, 9, 2.5, True, None, "3"])
def test_a_number_of_rounds_that_cannot_be_is_said(number, capsys):
    assert live.rounds(None, None, None, number) is None
    assert "choose 1 to 8 rounds" in capsys.readouterr().out


@pytest.mark.parametrize(
    "functions",
    [
        (lambda *a: 3, live.rewind, live.early_stop),
        (lambda w, m, s: np.zeros_like(m), live.rewind, live.early_stop),
        (tickets.prune_round, lambda i, t, m: i[m], live.early_stop),
        (tickets.prune_round, lambda i, t, m: i * np.nan, live.early_stop),
    ],
)
def test_a_round_that_goes_wrong_says_so(functions, capsys, monkeypatch):
    monkeypatch.setattr(live, "STEPS", 50)
    assert live.rounds(*functions, 1) is None
    assert "Round 1 stopped" in capsys.readouterr().out


def test_rounds_live(monkeypatch):
    monkeypatch.setattr(live, "STEPS", 50)
    table = live.rounds(tickets.prune_round, live.rewind, lambda s, x: 7, 2)  # no such step
    assert [row[0] for row in table.rows] == ["dense", "ticket, round 1", "ticket, round 2",
                                              "random mask"]  # fmt: skip
    assert [row[1] for row in table.rows] == ["100.0%", "80.0%", "64.1%", "64.1%"]


def test_a_formula_that_gives_no_number_is_marked():
    shown = explorers.rounds_needed(lambda rounds, rate: "much")
    assert all(row[1] == row[3] == "?" for row in shown.rows)
