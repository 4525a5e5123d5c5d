"""Pruned weights stay zero through training, whatever the method; an interruption loses nothing."""

import numpy as np
import pytest

from course_utils.engines import layer_specs
from course_utils.machines import data, fine_tuning
from course_utils.numbers import pruning

LAYERS = (
    {"op": "conv2d", "name": "conv", "filters": 8, "kernel": (3, 3), "strides": (2, 2)},
    {"op": "batch_norm", "name": "conv_bn"},
    {"op": "relu6", "name": "conv_relu6"},
    {"op": "depthwise_conv2d", "name": "depthwise", "kernel": (3, 3), "use_bias": False},
    {"op": "flatten", "name": "flatten"},
    {"op": "dense", "name": "dense", "units": 3},
    {"op": "softmax", "name": "softmax"},
)
KERNELS = ["conv/kernel", "dense/kernel"]


@pytest.fixture(scope="module")
def tiny():
    """(weights, x, y) of a network small enough to train in the blink of an eye."""
    rng = np.random.default_rng(0)
    weights = {
        name: (np.abs if "variance" in name else np.asarray)(rng.normal(size=shape)).astype(
            np.float32
        )
        for name, shape in layer_specs.weight_shapes(LAYERS, (9, 9, 4)).items()
    }
    return weights, rng.normal(size=(64, 9, 9, 4)).astype(np.float32), rng.integers(0, 3, 64)


def tune(tiny, method, sparsity=0.75, **how):
    weights, x, y = tiny
    how = {"epochs": 10, "batch_size": 16, "seed": 3, **how}
    return fine_tuning.fine_tune(LAYERS, weights, x, y, method, sparsity, **how)


@pytest.mark.tensorflow
@pytest.mark.parametrize("method", fine_tuning.METHODS)
def test_what_is_pruned_stays_zero_and_the_rest_learns(tiny, method):
    heard = []
    trained = tune(tiny, method, progress=lambda *told: heard.append(told))
    assert heard == [(i, 40) for i in range(1, 41)]
    assert (trained.steps, trained.of) == (40, 40)
    assert list(trained.masks) == fine_tuning.kernels_for(method, LAYERS, tiny[0])
    for name, mask in trained.masks.items():
        kernel = trained.weights[name]
        assert np.array_equal(kernel != 0, mask), name
        assert (np.abs(kernel - tiny[0][name])[mask] > 1e-4).mean() > 0.8, name
    for name in ("depthwise/kernel", "conv_bn/moving_mean", "dense/bias"):
        assert not np.array_equal(trained.weights[name], tiny[0][name]), name
    expected = {"dense": 0.0, "two_by_four": 0.5}.get(method, 0.75)
    # With a threshold in sigmas, weights that grow over it stay: only the start is known.
    assert trained.sparsity == pytest.approx(expected, abs=0.1 if method == "sigma" else 0.01)


@pytest.mark.tensorflow
def test_blocks_go_whole(tiny):
    mask = tune(tiny, "blocks").masks["dense/kernel"].reshape(-1, 4, 3)
    assert np.array_equal(mask.any(axis=1), mask.all(axis=1))
    kernel = {"dense/kernel": tiny[0]["dense/kernel"]}
    before = fine_tuning.masks_for("blocks", kernel, 0.5)["dense/kernel"]
    means = np.abs(kernel["dense/kernel"]).reshape(-1, 4, 3).mean(axis=1)
    assert means[before[::4]].min() > means[~before[::4]].max()


@pytest.mark.tensorflow
def test_two_by_four_lies_along_the_inputs(tiny):
    trained = tune(tiny, "two_by_four")
    for name in KERNELS:
        kernel = trained.weights[name]
        assert fine_tuning.is_two_by_four(kernel)
        assert np.array_equal(trained.masks[name], pruning.n_m_mask(tiny[0][name], axis=-2))
    # Along the outputs, the wrong axis, tfmot's verifier does not find the pattern.
    wrong = pruning.n_m_mask(tiny[0]["conv/kernel"], axis=-1)
    assert not fine_tuning.is_two_by_four(wrong.astype(np.float32))


@pytest.mark.tensorflow
def test_without_sparsity_every_method_is_the_dense_control(tiny):
    """The same batches in the same order, the same learning rates: a matched budget."""
    control = tune(tiny, "dense", epochs=2).weights
    for method in ("gradual", "random"):  # tfmot's way, and ours
        weights = tune(tiny, method, 0.0, epochs=2).weights
        for name, value in control.items():
            np.testing.assert_allclose(weights[name], value, atol=1e-6, err_msg=f"{method} {name}")


def stop_after_ten(done, total):
    if done == 10:
        raise KeyboardInterrupt


@pytest.mark.tensorflow
@pytest.mark.parametrize("method", ["gradual", "random"])  # tfmot's schedule, and ours
def test_an_interruption_keeps_what_was_trained_and_pruned_so_far(tiny, method):
    assert fine_tuning.pruning_steps(40) == (1, 20)
    with pytest.raises(fine_tuning.Interrupted, match="10 of 40 batches. Nothing is lost") as e:
        tune(tiny, method, progress=stop_after_ten)
    so_far = e.value.trained
    scheduled = pruning.polynomial_sparsity(10, 0, 0.75, 0, 20)
    assert so_far.sparsity == pytest.approx(scheduled, abs=0.01)
    for name, mask in so_far.masks.items():
        assert np.array_equal(so_far.weights[name] != 0, mask)


@pytest.mark.tensorflow
def test_in_a_notebook_an_interruption_gives_a_result_and_says_so():
    with pytest.warns(UserWarning, match="Stopped after 10 of 71 batches, .*nothing is lost"):
        trained = fine_tuning.live("watch_cnn", "gradual", 0.5, epochs=1, progress=stop_after_ten)
    assert (trained.steps, trained.of) == (10, 71)


def test_masks_prune_what_they_promise(tiny):
    kernels = {name: tiny[0][name] for name in KERNELS}
    small, large = (fine_tuning.masks_for("random", kernels, s, seed=1) for s in (0.5, 0.9))
    assert not any((large[name] & ~small[name]).any() for name in KERNELS)  # nested
    together = fine_tuning.masks_for("global", kernels, 0.6)
    kept = np.concatenate([np.abs(kernels[n][together[n]]) for n in KERNELS])
    gone = np.concatenate([np.abs(kernels[n][~together[n]]) for n in KERNELS])
    assert kept.min() >= gone.max()
    assert fine_tuning.sparsity_of(together) == pytest.approx(0.6, abs=0.002)
    sigmas = fine_tuning.masks_for("sigma", kernels, 0.6)
    # One s for all: the largest pruned weight and the smallest kept one, in sigmas, surround it.
    ratio = {n: np.abs(kernels[n]) / np.std(kernels[n]) for n in KERNELS}
    assert max(ratio[n][~sigmas[n]].max() for n in KERNELS) < min(
        ratio[n][sigmas[n]].min() for n in KERNELS
    )
    pruned = fine_tuning.apply_masks(tiny[0], sigmas)
    assert np.array_equal(pruned["conv/kernel"], kernels["conv/kernel"] * sigmas["conv/kernel"])
    assert pruned["conv/bias"] is tiny[0]["conv/bias"]


@pytest.mark.parametrize(
    ("method", "sparsity", "how", "message"),
    [
        ("magic", 0.5, {}, "no method 'magic'; there are dense, one_shot"),
        ("gradual", 1.0, {}, "sparsity is a share from 0 to below 1; got 1"),
        ("gradual", -0.1, {}, "sparsity must be a finite number"),
        ("random", 0.999, {}, "would leave no weight"),
        ("one_shot", 0.9999, {}, "one_shot pruning to 100.0% would leave no weight in conv/kernel"),
        ("gradual", 0.5, {"kernels": ["depthwise/kernel"]}, "no kernel to prune called depthwise"),
        ("gradual", 0.5, {"epochs": 0}, "nothing to train on: 64 inputs, 64 labels, 0 epochs"),
        ("gradual", 0.5, {"kernels": []}, "this network has conv/kernel, dense/kernel"),
    ],
)
def test_what_makes_no_sense_is_said_before_tensorflow_starts(tiny, method, sparsity, how, message):
    with pytest.raises(ValueError, match=message):
        tune(tiny, method, sparsity, **how)


def test_shared_weights_and_groups_that_do_not_fit_are_refused(tiny):
    weights, x, y = tiny
    with pytest.raises(ValueError, match="conv stands in the network more than once"):
        fine_tuning.fine_tune((LAYERS[0], *LAYERS), weights, x, y)
    cnn, kernels = data.checkpoint("fashion_cnn"), ["conv1/kernel"]
    with pytest.raises(ValueError, match="blocks of 4 inputs need a dense kernel"):
        fine_tuning.fine_tune(LAYERS, weights, x, y, "blocks", kernels=["conv/kernel"])
    with pytest.raises(ValueError, match="has length 1, which 4 does not divide"):
        fine_tuning.fine_tune(cnn.layers, cnn.weights, x, y, "two_by_four", kernels=kernels)
