"""Networks pruned by magnitude: at every s, layer by layer, in every combination (notebook 02)."""

from __future__ import annotations

import time
from functools import cache
from itertools import combinations
from numbers import Real
from typing import NamedTuple

import numpy as np

from course_utils.engines import float_engine, layer_specs
from course_utils.labs.magnitude_pruning import experiments
from course_utils.labs.magnitude_pruning.figures import Budget, Pruned, Sensitivity
from course_utils.machines import data, models
from course_utils.numbers import coding, intervals, pruning
from course_utils.views import checks, garments

GRID_NETWORK = "fashion_cnn"  # the network of which every combination was measured


class Sweep(NamedTuple):
    """A network pruned with the same s in every layer, at every position of the slider."""

    network: data.Checkpoint
    s: np.ndarray  # (positions,)
    sparsity: dict[str, np.ndarray]  # kernel -> share removed
    overall: np.ndarray  # share removed of all kernels together
    correct: np.ndarray  # test inputs right
    newly_wrong: np.ndarray  # right when dense, wrong now
    newly_right: np.ndarray
    total: int  # test inputs

    def loss(self, position) -> checks.Measured:
        """Points of test accuracy lost at a position, paired image by image."""
        wrong, right = int(self.newly_wrong[position]), int(self.newly_right[position])
        low, high = intervals.paired_difference(wrong, right, self.total)
        value = (wrong - right) / self.total
        return checks.Measured(100 * value, 100 * low, 100 * high, "points", self.total)

    def nearest(self, sparsity: float) -> int:
        """Return the position whose overall sparsity is nearest."""
        return int(np.abs(self.overall - sparsity).argmin())

    def loss_at_half(self) -> checks.Measured:
        return self.loss(self.nearest(0.5))


def pruning_sweep(network, track=iter) -> Sweep:
    """Return the recorded sweep of a shipped network, or measure one of the student's.

    network: a name, or a `data.Checkpoint`, for example from `training.train`.
    track:   wraps the positions of s while a network is measured, to show the progress.
    """
    if isinstance(network, str):
        record = data.result("pruning_sweep").record
        if network not in record["networks"]:
            raise ValueError(
                f"No recorded sweep of {network!r}; there are {', '.join(record['networks'])}. "
                "Give a checkpoint to measure it now."
            )
        return _sweep(data.checkpoint(network), record["s"], record["networks"][network])
    dataset = data.load(models.DATASETS[network.record["architecture"]])
    kernels = layer_specs.kernel_names(network.layers)
    positions = track(experiments.S)
    measured = experiments.sweep(network, dataset, kernels, positions, splits=("test",))
    return _sweep(network, experiments.S, measured)


def _sweep(network, s, measured):
    return Sweep(
        network,
        np.asarray(s),
        {kernel: np.asarray(shares) for kernel, shares in measured["sparsity"].items()},
        np.asarray(measured["overall_sparsity"]),
        *(np.asarray(measured[key]["test"]) for key in ("correct", "newly_wrong", "newly_right")),
        measured["n"]["test"],
    )


def pruned_states(sweep: Sweep, layer: str) -> list[Pruned]:
    """The drawing data of every position of the slider, looking at one layer."""
    weights = sweep.network.weights
    sigma = float(np.std(weights[f"{layer}/kernel"], dtype=np.float64))
    accuracy = sweep.correct / sweep.total
    return [
        Pruned(
            network=sweep.network.name,
            layer=layer,
            weights=weights[f"{layer}/kernel"],
            s=float(s),
            threshold=float(s) * sigma,
            sparsity={
                **{layer_specs.layer_of(k): float(share[i]) for k, share in sweep.sparsity.items()},
                "all": float(sweep.overall[i]),
            },
            correct=int(sweep.correct[i]),
            total=sweep.total,
            interval=intervals.wilson(int(sweep.correct[i]), sweep.total),
            bytes=ledger(weights, dict.fromkeys(sweep.sparsity, float(s))),
            curve_s=sweep.s,
            curve_accuracy=accuracy,
        )
        for i, s in enumerate(sweep.s)
    ]


def pruned(network: str, layer: str, s: float) -> Pruned:
    """The drawing data of one recorded position of the slider, looking at one layer."""
    sweep = pruning_sweep(network)
    return pruned_states(sweep, layer)[int(np.abs(sweep.s - s).argmin())]


_LEDGERS: dict = {}


def ledger(weights, s) -> dict[str, int]:
    """Bytes of a network's kernels in each format, each kernel pruned with its own s.

    Encoding is the slow part of a frame, and sliders come back to the same places: the sizes of
    each kernel at each s are kept.
    """
    sizes = dict.fromkeys(("dense", "gzip", "bitmap", "gaps"), 0)
    for kernel, value in s.items():
        key = (id(weights[kernel]), value)
        if key not in _LEDGERS:  # the array is kept too, so that its id stays its own
            pruned = pruning.prune(weights[kernel], value)
            _LEDGERS[key] = (weights[kernel], coding.ledger(pruned))
        for name, size in _LEDGERS[key][1].items():
            sizes[name] += size
    return sizes


def sensitivity(network: str, split="validation") -> Sensitivity:
    """The recorded accuracies of a network with one layer pruned and the others dense."""
    networks = data.result("pruning_sensitivity").record["networks"]
    if network not in networks:
        raise ValueError(
            f"No recorded sensitivity of {network!r}; there are {', '.join(networks)}."
        )
    record = networks[network]
    sparsity, accuracy, low, high = {}, {}, {}, {}
    for kernel, rows in record.items():
        layer, total = layer_specs.layer_of(kernel), rows["n"][split]
        bounds = [intervals.wilson(correct, total) for correct in rows["correct"][split]]
        sparsity[layer] = np.array(rows["sparsity"])
        accuracy[layer] = np.array(rows["correct"][split]) / total
        low[layer], high[layer] = np.array(bounds).T
    return Sensitivity(network, total, split, sparsity, accuracy, low, high)


def lost_alone(layer: str, sparsity: float = 0.8) -> float:
    """Points of validation accuracy that the grid's network loses with one layer pruned so far."""
    state = sensitivity(GRID_NETWORK)
    return 100 * float(state.accuracy[layer][0] - state.at(sparsity)[layer])


PRUNED_ALONE = (  # the choices of prediction 02.sensitive
    "the network without 40,960 weights of dense1",
    "the network without 512 weights of dense2",
    "both about the same, within 5 points",
)


def which_loses_more() -> str:
    """Which of PRUNED_ALONE is so."""
    first, second = lost_alone("dense1"), lost_alone("dense2")
    if abs(first - second) < 5:
        return PRUNED_ALONE[2]
    return PRUNED_ALONE[0] if first > second else PRUNED_ALONE[1]


def why_the_ends_suffer() -> str:
    """The explanation of the same, with the numbers measured."""
    return (
        f"Without 512 weights of dense2 it loses {lost_alone('dense2'):.0f} points, without 40,960 "
        f"of dense1 {lost_alone('dense1'):.0f}. The two ends suffer most: the last and the first "
        "layer have few weights, 640 and 144, and no other layer can make up for them. The large "
        "layers between have some to spare."
    )


TARGET = 0.75  # share of the weights to remove, in exercise 02.budget
WITHIN = 0.05  # how far below the best choice's accuracy still passes


class Better(NamedTuple):
    """A choice that reaches the target and differs from another one in one layer, or in two."""

    s: dict[str, float]
    sparsity: float
    accuracy: float


class Choice(NamedTuple):
    """What one choice of s per layer gives on the validation set; all shares."""

    sparsity: float
    accuracy: float
    best_accuracy: float  # of all measured choices that are at least as sparse as the target
    best: dict[str, float]  # that choice
    layer_sparsity: dict[str, float]
    better: Better | None  # the best that moves one s, or two where no one helps; None: is best


@cache
def _grid():
    result = data.result("pruning_grid")
    kernels = result.record["kernels"]
    sizes = np.array([data.checkpoint(GRID_NETWORK).weights[k].size for k in kernels])
    removed = result.arrays["sparsity"] * sizes[:, None]
    every = sum(
        removed[m].reshape([-1 if axis == m else 1 for axis in range(len(kernels))])
        for m in range(len(kernels))
    )
    return result, kernels, every / sizes.sum()


@cache
def _reaching(target):
    """Right answers of each choice that reaches the target, -1 of the others."""
    result, _, every = _grid()
    return np.where(every >= target, result.arrays["validation"], -1)


def _position(s: dict[str, float]) -> tuple[int, ...]:
    """Return the grid's index of a choice, or raise ValueError saying what is wrong with it."""
    result, kernels, _ = _grid()
    layers = [layer_specs.layer_of(kernel) for kernel in kernels]
    if not isinstance(s, dict) or set(s) != set(layers):
        raise ValueError(f"give one s for each of {', '.join(layers)}")
    steps = result.arrays["s"]
    for layer, value in s.items():
        is_number = isinstance(value, Real) and 0 <= value <= float(steps[-1])
        if not is_number or not np.isclose(steps, float(value)).any():
            raise ValueError(
                f"s = {value!s:.20} of {layer} was not measured: take steps of {steps[1]:g} "
                f"from {steps[0]:g} to {steps[-1]:g}"
            )
    return tuple(int(np.abs(steps - s[layer]).argmin()) for layer in layers)


def budget_layers() -> list[str]:
    """The layers whose s can be chosen, from input to output."""
    return [layer_specs.layer_of(kernel) for kernel in _grid()[1]]


def grid_steps() -> list[float]:
    """The positions of s that were measured in every combination."""
    return [float(s) for s in _grid()[0].arrays["s"]]


def evaluate_budget(s: dict[str, float], target: float = TARGET) -> Choice:
    """Look up what a choice of s per layer gives on the validation set.

    Raises ValueError if a layer is missing or an s was not measured.
    """
    result, kernels, every = _grid()
    position, counts = _position(s), _reaching(target)
    total = result.record["n"]["validation"]
    best = np.unravel_index(counts.argmax(), counts.shape)
    better = _better(position, target)
    return Choice(
        float(every[position]),
        result.arrays["validation"][position] / total,
        counts[best] / total,
        _choice(best),
        {layer_specs.layer_of(k): float(result.arrays["sparsity"][m, position[m]])
         for m, k in enumerate(kernels)},
        better and Better(_choice(better), float(every[better]), counts[better] / total),
    )  # fmt: skip


def _choice(position):
    steps = _grid()[0].arrays["s"]
    return {layer: float(steps[i]) for layer, i in zip(budget_layers(), position, strict=True)}


def _better(position, target):
    """The best position that moves one s, or two where no one wins half a point; None if none."""
    counts = _reaching(target)
    now = max(counts[position], 0)
    for moved in (1, 2):
        found = []
        for axes in combinations(range(counts.ndim), moved):
            plane = tuple(slice(None) if m in axes else i for m, i in enumerate(position))
            place = np.unravel_index(counts[plane].argmax(), counts[plane].shape)
            to = list(position)
            for axis, i in zip(axes, place, strict=True):
                to[axis] = int(i)
            found.append((counts[plane][place], tuple(to)))
        right, to = max(found)
        # Below the target every accuracy counts; else less than half a point is not worth a move.
        if right > now + (0 if counts[position] < 0 else 0.005 * _total()):
            return to
    return to if right > now else None


def _total():
    return _grid()[0].record["n"]["validation"]


def budget(**s: float) -> Budget:
    """The drawing data of one choice of s per layer, among all that were measured."""
    result, kernels, every = _grid()
    position = _position(s)
    weights = data.checkpoint(GRID_NETWORK).weights
    kernel_of = {layer_specs.layer_of(kernel): kernel for kernel in kernels}
    correct = int(result.arrays["validation"][position])
    total = result.record["n"]["validation"]
    choice = evaluate_budget(s)
    return Budget(
        network=GRID_NETWORK,
        s=s,
        weights={layer: weights[kernel] for layer, kernel in kernel_of.items()},
        thresholds={
            layer: pruning.magnitude_threshold(weights[kernel], s[layer])
            for layer, kernel in kernel_of.items()
        },
        sparsity={**choice.layer_sparsity, "all": choice.sparsity},
        correct=correct,
        total=total,
        interval=intervals.wilson(correct, total),
        bytes=ledger(weights, {kernel: s[layer] for layer, kernel in kernel_of.items()}),
        every_sparsity=every.ravel(),
        every_accuracy=(result.arrays["validation"] / total).ravel(),
        target=TARGET,
        enough=choice.best_accuracy - WITHIN,
    )


def answered(network, states) -> list[garments.Answered]:
    """The first ten test images, and what a network answers in some states.

    network: a `data.Checkpoint`.   states: (what the state is called, its weights) pairs.
    """
    dataset = data.load(models.DATASETS[network.record["architecture"]])
    images, truth = dataset.x_test[:10], dataset.y_test[:10]
    return [
        garments.Answered(
            images[..., 0], truth, float_engine.predict(network.layers, weights, images),
            dataset.class_names, name,
        )
        for name, weights in states
    ]  # fmt: skip


def pruned_weights(network, s, prune=pruning.prune) -> dict[str, np.ndarray]:
    """All weights of a network, its kernels pruned with the same s: prune(kernel, s)."""
    kernels = set(layer_specs.kernel_names(network.layers))
    return {n: prune(w, s) if n in kernels else w for n, w in network.weights.items()}


class PrunedBy(NamedTuple):
    """What somebody's pruning did to a network, beside what was recorded of the lab's own."""

    s: float
    removed: float  # share of all kernels' weights
    accuracy: checks.Measured
    recorded_removed: float
    recorded: checks.Measured


def accuracy_with(prune, s: float, network="fashion_cnn") -> PrunedBy:
    """Prune every kernel by prune(weights, s), and count on the whole test set."""
    sweep = pruning_sweep(network)
    weights = pruned_weights(sweep.network, s, prune)
    kernels = [weights[name] for name in sweep.sparsity]
    right = right_of_test(sweep.network, weights)
    position = int(np.abs(sweep.s - s).argmin())
    return PrunedBy(
        s,
        sum(int((w == 0).sum()) for w in kernels) / sum(w.size for w in kernels),
        accuracy_percent(int(right.sum()), len(right)),
        float(sweep.overall[position]),
        accuracy_percent(int(sweep.correct[position]), sweep.total),
    )


def choice_on_test(s: dict[str, float]) -> dict[str, checks.Measured]:
    """Test accuracy, in percent, of the dense network and of a choice of s per layer.

    Nothing was recorded of test images, which are not to choose by: both networks run here.
    Raises ValueError for what could not be chosen either.
    """
    _position(s)
    network = data.checkpoint(GRID_NETWORK)
    pruned = dict(network.weights)
    for layer, value in s.items():
        kernel = f"{layer}/kernel"
        pruned[kernel] = pruning.prune(pruned[kernel], float(value))
    return {
        name: accuracy_percent(int(right.sum()), len(right))
        for name, right in (
            ("dense", right_of_test(network, network.weights)),
            ("your choice", right_of_test(network, pruned)),
        )
    }


def right_of_test(network, weights) -> np.ndarray:
    """Is each test image's answer right, with these weights in the network?"""
    images = data.load(models.DATASETS[network.record["architecture"]])
    return float_engine.predict(network.layers, weights, images.x_test) == images.y_test


def accuracy_percent(correct: int, total: int) -> checks.Measured:
    """A measured accuracy in percent with its 95 % interval."""
    low, high = intervals.wilson(correct, total)
    return checks.Measured(100 * correct / total, 100 * low, 100 * high, "%", total)


class Timing(NamedTuple):
    """Median seconds of the same matrix product with a dense and with a pruned matrix."""

    dense: float
    pruned: float
    sparsity: float

    @property
    def ratio(self):
        return self.pruned / self.dense

    def __str__(self):
        told = (
            f"dense {self.dense * 1e6:.0f} µs, with {self.sparsity:.0%} zeros "
            f"{self.pruned * 1e6:.0f} µs: {self.ratio:.2f} times as long"
        )
        if 0.8 < self.ratio < 1.25:
            return told
        return (
            f"{told}\nSomething else may have kept this machine busy meanwhile: run the cell again."
        )


def time_of_largest(network, s: float) -> Timing:
    """The times of a product with a network's largest kernel, dense and pruned."""
    kernels = [network.weights[name] for name in layer_specs.kernel_names(network.layers)]
    return dense_product_times(max(kernels, key=np.size), s)


def dense_product_times(weights, s, repeats=101, batch=256) -> Timing:
    """Time x @ weights before and after pruning, taking turns so that noise hits both alike."""
    weights = weights.reshape(-1, weights.shape[-1])  # a convolution's kernel is one matrix too
    pruned = pruning.prune(weights, s)
    x = np.random.default_rng(0).random((batch, weights.shape[0]), dtype=np.float32)
    seconds = {"dense": [], "pruned": []}
    for _ in range(repeats):
        for name, matrix in (("dense", weights), ("pruned", pruned)):
            start = time.perf_counter()
            x @ matrix
            seconds[name].append(time.perf_counter() - start)
    return Timing(
        float(np.median(seconds["dense"])),
        float(np.median(seconds["pruned"])),
        float(np.mean(pruned == 0)),
    )
