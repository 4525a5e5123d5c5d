"""Pruning that lasts: neurons, channels, patterns, fine-tuning, and what it buys (notebook 03)."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from course_utils.engines import float_engine, layer_specs
from course_utils.labs.structured_pruning import experiments
from course_utils.labs.structured_pruning.figures import (
    COMPARISONS,
    CRITERIA,
    FORMATS,
    PATTERNS,
    ChannelRun,
    Channels,
    Connections,
    FineTuned,
    Line,
    LossPoint,
    Own,
    Pattern,
    PatternCost,
    Speed,
    SpeedLine,
    Storage,
)
from course_utils.machines import data, models
from course_utils.machines.micro import emulator
from course_utils.numbers import channel_pruning, intervals, pruning
from course_utils.views import checks
from course_utils.views.tables import Table

# --- synapses and neurons -------------------------------------------------------------------

GRAPH_NETWORK = "lenet_300_100"
SHOWN = 9  # units drawn of each hidden layer


def connections() -> list[Connections]:
    """One state a fraction: a slice of the network with its synapses, or its neurons, pruned."""
    network = data.checkpoint(GRAPH_NETWORK)
    record = data.result("synapses_and_neurons").record
    kernels = layer_specs.kernel_names(network.layers)
    layers = [layer_specs.layer_of(kernel) for kernel in kernels]
    shown = [_spread(network.weights[kernel]) for kernel in kernels[:-1]]
    shown.append(np.arange(network.weights[kernels[-1]].shape[1]))
    units = [network.weights[kernel].shape[1] for kernel in kernels]
    ways = {"synapses": experiments.without_synapses, "neurons": experiments.without_neurons}
    total = record["n"]["test"]
    states = []
    for position, fraction in enumerate(record["fraction"]):
        kept, alive = {}, {}
        for what, prune_away in ways.items():
            pruned = prune_away(network, fraction)
            masks = [pruned[kernel] != 0 for kernel in kernels]
            kept[what] = _between(masks, shown)
            # A unit takes part if something reaches it, and something reads it.
            reached = [mask.any(axis=0) for mask in masks]
            read = [mask.any(axis=1) for mask in masks[1:]] + [np.True_]
            alive[what] = [a & b for a, b in zip(reached, read, strict=True)]
        states.append(
            Connections(
                network=GRAPH_NETWORK,
                fraction=fraction,
                layers=layers,
                units=units,
                weights=_between([network.weights[kernel] for kernel in kernels], shown),
                kept=kept,
                alive={what: [a[s] for a, s in zip(alive[what], shown, strict=True)]
                       for what in alive},
                dead={what: [int((~a).sum()) for a in alive[what]] for what in alive},
                left={what: record[what]["weights_left"][position] / record["weights"]
                      for what in ways},
                correct={what: record[what]["correct"]["test"][position] for what in ways},
                total=total,
                curve_fraction=np.array(record["fraction"]),
                curve={what: np.array(record[what]["correct"]["test"]) / total
                       for what in ways},
            )
        )  # fmt: skip
    return states


def _between(kernels, shown):
    """The parts that are drawn: kernel i + 1 leads from the units i to the units i + 1."""
    return [kernel[np.ix_(shown[i], shown[i + 1])] for i, kernel in enumerate(kernels[1:])]


def _spread(kernel):
    """Some of a layer's units, from the largest norm of incoming weights to the smallest."""
    order = np.argsort(-pruning.channel_norms(kernel, axis=-1), kind="stable")
    return order[np.linspace(0, len(order) - 1, SHOWN).round().astype(int)]


def lost(what: str, fraction: float = 0.5) -> checks.Measured:
    """Points of test accuracy lost with this fraction of the "synapses" or "neurons" pruned."""
    record = data.result("synapses_and_neurons").record
    position = int(np.abs(np.array(record["fraction"]) - fraction).argmin())
    return _points(record[what], position, record["n"]["test"])


def _points(counts, position, total):
    """Points of test accuracy lost, paired image by image."""
    wrong, right = (counts[key]["test"][position] for key in ("newly_wrong", "newly_right"))
    low, high = intervals.paired_difference(wrong, right, total)
    return checks.Measured(100 * (wrong - right) / total, 100 * low, 100 * high, "points", total)


# --- patterns -------------------------------------------------------------------------------

PATTERN_LAYERS = {
    "conv2 of fashion_cnn": ("fashion_cnn", "conv2"),
    "dense1 of fashion_cnn": ("fashion_cnn", "dense1"),
    "dense1 of lenet_300_100": ("lenet_300_100", "dense1"),
}
M = 4  # the patterns shown keep n of every 4
BLOCK = 16  # outputs and inputs drawn


def pattern(layer: str = "dense1 of fashion_cnn", n: int = 2, along: str = "inputs") -> Pattern:
    """n of every 4 weights kept along a layer's inputs, its outputs, or anywhere.

    along: "inputs", "outputs" (the wrong axis), or "anywhere": as many weights, the largest.
    Raises ValueError for a layer that is not shown or another `along`.
    """
    if layer not in PATTERN_LAYERS or along not in PATTERNS:
        raise ValueError(
            f"There is no pattern along {along!r} of {layer!r}: take one of {', '.join(PATTERNS)} "
            f"and of {', '.join(PATTERN_LAYERS)}."
        )
    network, name = PATTERN_LAYERS[layer]
    kernel = data.checkpoint(network).weights[f"{name}/kernel"]
    masks = pattern_masks(kernel, n)
    matrix, mask = output_rows(kernel), output_rows(masks[along])
    energy = {
        way: float((output_rows(kernel)[output_rows(other)].astype(np.float64) ** 2).sum())
        for way, other in masks.items()
    }
    total = float((matrix.astype(np.float64) ** 2).sum())
    # The corner that is drawn: inputs from the middle, since an image's first pixels are black.
    first = matrix.shape[1] // 2 // BLOCK * BLOCK
    corner = np.s_[:BLOCK, first : first + BLOCK]
    groups = mask.reshape(len(mask), -1, M).sum(axis=2)
    return Pattern(
        layer=layer, n=n, m=M, along=along, weights=matrix[corner], kept=mask[corner],
        first_input=first, groups=groups.size, broken=int((groups > n).sum()),
        energy={way: value / total for way, value in energy.items()},
    )  # fmt: skip


def pattern_masks(kernel, n: int) -> dict[str, np.ndarray]:
    """{"inputs", "outputs", "anywhere": mask} with n of 4 weights kept, by each way to choose."""
    anywhere = pruning.ThresholdIndex(kernel).threshold(1 - n / M)
    return {
        "inputs": pruning.n_m_mask(kernel, n, M, axis=-2),
        "outputs": pruning.n_m_mask(kernel, n, M, axis=-1),
        "anywhere": pruning.magnitude_mask(kernel, anywhere),
    }


def output_rows(kernel):
    """A kernel as a matrix as LiteRT stores it: one row for each output, its inputs in a line."""
    return kernel.reshape(-1, kernel.shape[-1]).T


def groups_beyond(mask, n: int = 2) -> int:
    """How many groups of four successive inputs of an output keep more than n, of a kernel's mask.

    >>> groups_beyond(np.array([[1, 1], [1, 0], [1, 0], [0, 1]], bool))
    1
    """
    return int((output_rows(mask).reshape(-1, M).sum(axis=1) > n).sum())


# --- bytes ----------------------------------------------------------------------------------


def storage(network: str = "lenet_300_100", pattern: str = "unstructured") -> list[Storage]:
    """One state a sparsity: the recorded bytes of a network's kernels in each format.

    pattern: "unstructured", or "blocks" of four inputs that go together.
    """
    record = data.result("sparsity_speed").record
    sizes = {name: np.array(record["bytes"][network][pattern][name]) for name in FORMATS}
    sparsity = np.array(record["sparsity"])
    return [
        Storage(network, pattern, int(sizes["dense"][0]) // 4, sparsity, sizes, i)
        for i in range(len(sparsity))
    ]


def storage_names() -> list[tuple[str, str]]:
    """(network, pattern) of all that was experiments."""
    record = data.result("sparsity_speed").record["bytes"]
    return [(network, pattern) for network, found in record.items() for pattern in found]


# --- the lecture's tables -------------------------------------------------------------------

OWN_WAYS = (
    ("lenet_300_100", "gradual"),
    ("lenet_300_100", "sigma"),
    ("fashion_cnn", "gradual"),
    ("fashion_cnn", "global"),
)
IMAGENET_IMAGES = 50_000  # the validation set behind the lecture's table of image classifiers


def lecture_points() -> list[LossPoint]:
    """The rows of the lecture's three tables as loss, relative to the dense score, by sparsity."""
    points = []
    for model, dense, sparse, percent in data.lecture_table("pruning_image_classification")["rows"]:
        correct = [round(value / 100 * IMAGENET_IMAGES) for value in (dense, sparse)]
        interval = intervals.unpaired_difference(*correct, IMAGENET_IMAGES)
        low, high = (100 * 100 * end / dense for end in interval)
        points.append(LossPoint("ImageNet accuracy", model, percent, _relative(dense, sparse),
                                low, high))  # fmt: skip
    for model, dense, sparse, percent in data.lecture_table("pruning_language_translation")["rows"]:
        points.append(LossPoint("translation BLEU", model, percent, _relative(dense, sparse)))
    for model, dense, pattern, random in data.lecture_table("pruning_keyword_spotting")["rows"]:
        for what, sparse in (("2 by 4", pattern), ("random", random)):
            points.append(LossPoint("keyword accuracy", f"{model}, {what}", 50,
                                    _relative(dense, sparse)))  # fmt: skip
    return points


def loss_points(own: Own | None = None) -> list[LossPoint]:
    """What was recorded here in OWN_WAYS, as loss relative to dense; and a run of one's own."""
    points = []
    for network, way in OWN_WAYS:
        record = data.result("pruning_fine_tuned").record["networks"][network]
        dense = 100 * record["dense"]["test"] / record["n"]["test"]
        for row in _rows(record, way):
            loss = _lost_over_seeds(row, record)
            points.append(LossPoint(
                "Fashion-MNIST accuracy", f"{network}, {way}", 100 * fmean(row["achieved"]),
                *(100 * value / dense for value in (loss.value, *loss.interval)),
            ))  # fmt: skip
    if own is not None:
        dense = 100 * own.dense_correct / own.total
        loss = 100 * (own.dense_correct - own.correct) / own.total
        points.append(LossPoint(
            "yours", f"{own.network}, {own.method}", 100 * own.sparsity,
            *(100 * value / dense for value in (loss, *own.loss_interval)),
        ))  # fmt: skip
    return points


def _relative(dense, sparse):
    return 100 * (dense - sparse) / dense


# --- pruned and trained on ------------------------------------------------------------------


def fine_tuned(network: str = "lenet_300_100", comparison: str = "trained on, or not",
               sparsity: float = 0.9, own: Own | None = None) -> FineTuned:  # fmt: skip
    """The recorded runs that answer one question, and a run of the student's own among them.

    comparison: one of COMPARISONS.   sparsity: the one to look at, as asked for.
    Raises ValueError for a network or a comparison that was not experiments.
    """
    found = data.result("pruning_fine_tuned").record["networks"]
    if network not in found or comparison not in COMPARISONS:
        raise ValueError(
            f"No recorded runs of {network!r} on {comparison!r}: there are "
            f"{', '.join(found)} and {', '.join(COMPARISONS)}."
        )
    record = found[network]
    lines, by_layer = {}, {}
    for key in COMPARISONS[comparison]:
        rows = _rows(record, key)
        if not rows:
            continue
        lines[key] = _line(rows, record["n"]["test"])
        for row in (row for row in rows if row["sparsity"] == sparsity):
            by_layer[key] = {layer_specs.layer_of(kernel): fmean(values)
                              for kernel, values in row["achieved_by_kernel"].items()}  # fmt: skip
    (control,) = _rows(record, "dense")
    accuracies = _accuracies(control, record["n"]["test"])
    return FineTuned(
        network, comparison, len(accuracies), record["n"]["test"],
        100 * record["dense"]["test"] / record["n"]["test"],
        (fmean(accuracies), *intervals.seeds_interval(accuracies)),
        lines, [layer_specs.layer_of(kernel) for kernel in record["kernels"]], sparsity, by_layer,
        own if own is not None and own.network == network else None,
    )  # fmt: skip


def networks() -> list[str]:
    """The networks that were pruned and trained on."""
    return list(data.result("pruning_fine_tuned").record["networks"])


def comparisons(network: str) -> list[str]:
    """The questions that a network's recorded runs answer."""
    record = data.result("pruning_fine_tuned").record["networks"][network]
    return [name for name, ways in COMPARISONS.items()
            if sum(bool(_rows(record, way)) for way in ways) > 1]  # fmt: skip


def sparsities(network: str) -> list[float]:
    """The sparsities to which a network was pruned, as asked for."""
    rows = _rows(data.result("pruning_fine_tuned").record["networks"][network], "gradual")
    return [row["sparsity"] for row in rows]


def gain(network: str, better: str, worse: str, sparsity: float = 0.9) -> checks.Measured:
    """Points of test accuracy by which one of WAYS is ahead of another, seed by seed.

    What no seed changes, as pruning by magnitude without training, stands against all seeds.
    """
    record = data.result("pruning_fine_tuned").record["networks"][network]
    return _ahead(record, better, worse, sparsity)


def _ahead(record, better, worse, sparsity):
    first, second = (_accuracies(_row(record, way, sparsity), record["n"]["test"])
                     for way in (better, worse))  # fmt: skip
    seeds = max(len(first), len(second))
    first, second = (own * seeds if len(own) == 1 else own for own in (first, second))
    pairs = [a - b for a, b in zip(first, second, strict=True)]
    return checks.Measured(fmean(pairs), *intervals.seeds_interval(pairs), "points", seeds,
                           "over seeds")  # fmt: skip


def lost_after(network: str, way: str = "gradual", sparsity: float = 0.9) -> checks.Measured:
    """Points of test accuracy lost against the shipped network, pruned in one of WAYS."""
    record = data.result("pruning_fine_tuned").record["networks"][network]
    return _lost_over_seeds(_row(record, way, sparsity), record)


def _lost_over_seeds(row, record, split="test"):
    """Mean and interval over the seeds; of a single run, over the images, paired."""
    wrong, right, total = row["newly_wrong"][split], row["newly_right"][split], record["n"][split]
    losses = [100 * (w - r) / total for w, r in zip(wrong, right, strict=True)]
    if len(losses) == 1:
        low, high = intervals.paired_difference(wrong[0], right[0], total)
        return checks.Measured(losses[0], 100 * low, 100 * high, "points", total, "one run")
    ends = intervals.seeds_interval(losses)
    return checks.Measured(fmean(losses), *ends, "points", len(losses), "over seeds")


def _rows(record, way):
    """The rows of one of WAYS, or of "dense", from the lowest sparsity to the highest."""
    method, tuned = way.removesuffix("_raw"), not way.endswith("_raw")
    rows = [row for row in record["rows"]
            if row["method"] == method and row["fine_tuned"] == tuned]  # fmt: skip
    return sorted(rows, key=lambda row: row["sparsity"])


def _row(record, way, sparsity):
    (row,) = (row for row in _rows(record, way) if row["sparsity"] == sparsity)
    return row


def _accuracies(row, total):
    return [100 * correct / total for correct in row["correct"]["test"]]


def _line(rows, total):
    values = [_accuracies(row, total) for row in rows]
    ends = [intervals.seeds_interval(v) if len(v) > 1 else (v[0], v[0]) for v in values]
    return Line(
        tuple(row["sparsity"] for row in rows),
        tuple(fmean(row["achieved"]) for row in rows),
        tuple(fmean(v) for v in values),
        tuple(low for low, _ in ends),
        tuple(high for _, high in ends),
    )


def own_run(network: str, method: str, trained) -> Own:
    """A run of the student's own, measured on the test set: for `fine_tuned` and `loss_points`.

    trained: what `fine_tuning.live` returned.
    """
    checkpoint = data.checkpoint(network)
    dataset = data.load(models.DATASETS[network])
    before, after = (
        float_engine.predict(checkpoint.layers, weights, dataset.x_test) == dataset.y_test
        for weights in (checkpoint.weights, trained.weights)
    )
    total = len(dataset.y_test)
    wrong, right = int((before & ~after).sum()), int((after & ~before).sum())
    low, high = intervals.paired_difference(wrong, right, total)
    return Own(network, method, trained.sparsity, int(after.sum()), total,
               intervals.wilson(int(after.sum()), total),
               int(before.sum()), (100 * low, 100 * high))  # fmt: skip


def runs_to_choose(network: str = "fashion_cnn") -> dict[str, dict[str, float]]:
    """{label: {"sparsity", "validation", "test"}} of the runs trained on, a seed each.

    "validation" and "test" are the points lost there against the shipped network.
    """
    record = data.result("pruning_fine_tuned").record["networks"][network]
    runs = {}
    for row in record["rows"]:
        if row["fine_tuned"] and row["method"] == "gradual":
            for i, seed in enumerate(row["seeds"]):
                runs[f"{100 * row['sparsity']:g} % seed {seed}"] = {
                    "sparsity": row["achieved"][i],
                    **{split: 100 * (row["newly_wrong"][split][i] - row["newly_right"][split][i])
                       / record["n"][split] for split in ("validation", "test")},
                }  # fmt: skip
    return runs


# --- 2 by 4 beside any half -----------------------------------------------------------------


def two_by_four() -> list[PatternCost]:
    """What 2 of every 4 costs against half of the weights anywhere, before and after training."""
    table = data.lecture_table("pruning_keyword_spotting")
    ((model, dense, structured, random),) = table["rows"]
    rows = [
        PatternCost(f"lecture: {model}", True, "two_by_four", dense - structured),
        PatternCost(f"lecture: {model}", True, "one_shot", dense - random),
    ]
    for network, record in data.result("two_by_four").record["networks"].items():
        for tuned in (False, True):
            for method in ("two_by_four", "one_shot"):
                (row,) = _rows(record, method + ("" if tuned else "_raw"))
                loss = _lost_over_seeds(row, record)
                rows.append(PatternCost(network, tuned, method, loss.value, *loss.interval))
    return rows


def half_lost(network: str, way: str) -> checks.Measured:
    """Points lost with half of the weights gone, "two_by_four" or "one_shot", and trained on."""
    record = data.result("two_by_four").record["networks"][network]
    return _lost_over_seeds(_row(record, way, 0.5), record)


def pattern_costs(network: str) -> checks.Measured:
    """Points by which any half of the weights is ahead of 2 by 4, trained on, seed by seed."""
    record = data.result("two_by_four").record["networks"][network]
    return _ahead(record, "one_shot", "two_by_four", 0.5)


# --- channels -------------------------------------------------------------------------------


def channels() -> list[Channels]:
    """One state a fraction of the channels removed from the recorded network."""
    result = data.result("channel_removal").record
    ((network, record),) = result["networks"].items()
    checkpoint = data.checkpoint(network)
    whole = channel_pruning.cost(checkpoint.layers, checkpoint.input_shape)
    total = record["n"]["test"]
    counts = {name: checkpoint.weights[f"{name}/kernel"].shape[-1]
              for name in channel_pruning.prunable(checkpoint.layers)}  # fmt: skip
    before = {"macs": whole.macs, "parameters": whole.parameters, "tflite": record["tflite"]}
    runs = []
    for row in (row for row in record["rows"] if row["method"] in CRITERIA):
        values = _accuracies(row, total)
        ends = intervals.seeds_interval(values) if len(values) > 1 else values * 2
        runs.append(ChannelRun(row["method"], row["sparsity"], row["fine_tuned"], fmean(values),
                               *ends))  # fmt: skip
    dense = 100 * record["dense"]["test"] / total
    states = [Channels(network, 0.0, counts, counts, before, before, runs, dense, total)]
    for row in _rows(record, "l1"):
        after = {key: row[key] for key in before}
        states.append(Channels(network, row["sparsity"], counts, row["channels"], before, after,
                               runs, dense, total))  # fmt: skip
    return states


def channel_ratio(cost: str, fraction: float = 0.5) -> float:
    """How many times fewer "macs", "parameters" or "tflite" bytes: removed by L1 norm."""
    (state,) = (state for state in channels() if state.fraction == fraction)
    return state.before[cost] / state.after[cost]


def channel_loss(fraction: float = 0.5, criterion: str = "l1", tuned=True) -> checks.Measured:
    """Points of test accuracy lost with this fraction of the channels removed."""
    ((_, record),) = data.result("channel_removal").record["networks"].items()
    row = _row(record, criterion + ("" if tuned else "_raw"), fraction)
    return _lost_over_seeds(row, record)


def chosen_channels(network, norms, fraction: float = 0.5) -> dict[str, np.ndarray]:
    """Which channels stay in each layer that can lose some: those with the largest norms.

    norms: a function of a kernel (height, width, in, out), such as the student's.
    """
    scores = {}
    for name in channel_pruning.prunable(network.layers):
        kernel = _four_axes(network.weights[f"{name}/kernel"])
        scores[name] = np.asarray(norms(kernel), dtype=np.float64).reshape(kernel.shape[-1])
    return channel_pruning.keep(scores, fraction)


def smaller_network(network, kept, remove):
    """(layers, weights) with the channels gone, removed layer by layer by `remove`.

    remove: a function (kernel, bias, next kernel, keep) -> the three without those channels, such
            as the student's. Kernels have four axes: a dense one is 1 by 1, and what follows a
            flatten has a place for each position.
    Raises ValueError where what it gives does not fit together.
    """
    weights, names = dict(network.weights), channel_pruning.prunable(network.layers)
    makers = [*names, layer_specs.layer_of(layer_specs.kernel_names(network.layers)[-1])]
    layers, expected = channel_pruning.rebuild(network.layers, network.weights, kept)
    for name, following in zip(makers, makers[1:], strict=False):
        kernel, after = (weights[f"{n}/kernel"] for n in (name, following))
        inputs = kernel.shape[-1]
        own, bias, read = remove(
            _four_axes(kernel), weights[f"{name}/bias"], _four_axes(after, inputs), kept[name]
        )
        weights[f"{name}/kernel"] = np.reshape(own, (*kernel.shape[:-1], -1))
        weights[f"{name}/bias"] = np.asarray(bias)
        to = (*after.shape[:2], -1) if after.ndim == 4 else (-1,)
        weights[f"{following}/kernel"] = np.reshape(read, (*to, after.shape[-1]))
    for name, array in expected.items():
        if weights[name].shape != array.shape:
            raise ValueError(f"{name} has the shape {weights[name].shape}, not {array.shape}")
    return layers, weights


def _four_axes(kernel, inputs=None):
    """A kernel as (height, width, in, out); of a dense one that reads so many channels, with the
    positions of each as its width."""
    if kernel.ndim == 4:
        return kernel
    return kernel.reshape(1, -1, inputs or kernel.shape[0], kernel.shape[1])


def right_of_test(network, layers, weights) -> checks.Measured:
    """The accuracy, in percent, of a network on its data set's test inputs."""
    dataset = data.load(models.DATASETS[network.record["architecture"]])
    right = float_engine.predict(layers, weights, dataset.x_test) == dataset.y_test
    low, high = intervals.wilson(int(right.sum()), len(right))
    return checks.Measured(100 * float(right.mean()), 100 * low, 100 * high, "%", len(right))


# --- time -----------------------------------------------------------------------------------


def speed() -> Speed:
    """The recorded times as speed against dense: LiteRT, one matrix product, fewer channels."""
    record = data.result("sparsity_speed").record
    shares, network = record["sparsity"], record["network"]
    product = next(iter(record["multiply"].values()))
    fewer = record["structured"]
    gone = [1 - macs / fewer["macs"][0] for macs in fewer["macs"]]
    lines = [
        _speed_line("anywhere", shares, network["dense"], network["unstructured"]),
        _speed_line("blocks", shares, network["dense"], network["blocks"]),
        _speed_line("scipy", shares, product["dense"], product["scipy"]),
        _speed_line("channels", gone, fewer["latency"][:1] * len(gone), fewer["latency"]),
    ]
    claim = checks.claims()["pruning_speedup"].high
    return Speed(record["processor"]["processor"], network["name"], fewer["name"], lines, claim)


def _speed_line(what, shares, dense, quartiles):
    """dense, quartiles: [lower quartile, median, upper quartile] of a time, one each share."""
    rows = [(share, *(base[1] / time for time in reversed(own)))
            for share, base, own in zip(shares, dense, quartiles, strict=True)]  # fmt: skip
    share, low, times, high = (tuple(column) for column in zip(*rows, strict=True))
    return SpeedLine(what, share, times, low, high)


def speedup(what: str, share: float = 0.9) -> float:
    """How many times as fast as dense: one of SPEEDS at a recorded share of zeros."""
    (line,) = (line for line in speed().lines if line.what == what)
    return line.times[int(np.abs(np.array(line.share) - share).argmin())]


def has_avx() -> bool:
    """Has the processor of the recorded times AVX?"""
    return data.result("sparsity_speed").record["avx"]


def conditions() -> list[tuple[str, float, float, bool]]:
    """(what was tried, times fewer bytes, times as fast, did the dense kernels run?) of each
    network on which XNNPACK's sparse path was tried."""
    return [
        (row["condition"], row["dense_bytes"] / row["sparse_bytes"],
         row["dense"][1] / row["sparse"][1], row["same_outputs"])
        for row in data.result("sparsity_speed").record["conditions"]
    ]  # fmt: skip


# --- on microcontrollers --------------------------------------------------------------------------


def on_the_board() -> Table:
    """What zeros and fewer channels save on an emulated Cortex-M4F, in int8; recorded."""
    rows = []
    for network in ("fashion_cnn", "watch_cnn"):
        for name in (network, f"{network}, 90 % zeros", f"{network}, half the channels"):
            counts = [
                emulator.count_of(emulator.recorded(name, "int8", "cortex-m4f", kernels))
                for kernels in ("plain", "SIMD")
            ]
            rows.append((name, *(f"{count:,}" for count in counts)))
    head = ("network", "plain kernels", "SIMD kernels")
    return Table("Instructions for one input on a Cortex-M4F, recorded", head, rows)


def zeros_skipped() -> Table:
    """The Watch network for the AVR with more and more zeros, two kernels, two chips; recorded."""
    rows = []
    for share in (0, 25, 50, 70, 80, 90):
        row = [f"{share} %"]
        for cpu in ("atmega328p", "cortex-m4f"):
            plain, skipped = (
                emulator.count_of(
                    emulator.recorded(f"watch_avr, {share} % zeros", "int8", cpu, kernels)
                )
                for kernels in ("plain", "zeros skipped")
            )
            row += [f"{plain:,}", f"{skipped:,}", f"{skipped / plain:.2f}"]
        rows.append(tuple(row))
    return Table(
        "A small Watch network in int8, one window: cycles on an ATmega328P, instructions on a "
        "Cortex-M4F; recorded",
        ("zeros", "AVR, every weight", "AVR, zeros skipped", "of it", "M4F, every weight",
         "M4F, zeros skipped", "of it"),
        rows,
    )  # fmt: skip
