"""Pruned and trained on (notebook 03): what it costs in accuracy, and what it saves."""

from __future__ import annotations

import hashlib
import inspect
import json

import numpy as np

from course_utils import env
from course_utils.engines import float_engine, layer_specs
from course_utils.labs.structured_pruning.sparsity_speed import sparsity_speed
from course_utils.machines import conversion, data, fine_tuning, models, training
from course_utils.machines.recording import (
    COUNTS,
    SPLITS,
    load_network,
    paired_counts,
    printer,
    resumable,
    right_answers,
    x_of,
    y_of,
)
from course_utils.numbers import channel_pruning as channels

SEEDS = (1, 2, 3, 4, 5)
SPARSITIES = (0.5, 0.75, 0.9, 0.95, 0.98)

# One budget for all methods of a network, the dense control among them. The learning rate is the
# one of LEARNING_RATES that gives 90 % gradual pruning the most right answers on the validation
# set with a seed of its own, 0; the record has the candidates.
RECIPES = {
    "lenet_300_100": {"epochs": 10, "batch_size": 512, "learning_rate": 4e-3, "train_size": 55_000},
    "fashion_cnn": {"epochs": 3, "batch_size": 128, "learning_rate": 4e-3, "train_size": 20_000},
    "fashion_dscnn": {"epochs": 2, "batch_size": 128, "learning_rate": 4e-3, "train_size": 20_000},
}
LEARNING_RATES = (1e-3, 2e-3, 4e-3)
PLANS = {
    "lenet_300_100": {
        "dense": (0.0,),
        "gradual": SPARSITIES,
        "one_shot": (0.9,),
        "random": (0.9,),
        "global": (0.9, 0.98),
        "sigma": (0.9,),
        "blocks": (0.9,),
    },
    "fashion_cnn": {
        "dense": (0.0,),
        "gradual": (0.5, 0.75, 0.9, 0.95),
        "one_shot": (0.9,),
        "global": (0.9,),
        "sigma": (0.9,),
        "random": (0.9,),
    },
}
UNTRAINED = ("one_shot", "global", "sigma", "random", "blocks")  # and no fine-tuning after it

PRUNED = np.arange(20) / 20  # of the connections, or of the hidden units
FRACTIONS = (0.25, 0.5, 0.75)  # of the channels
CHANNEL_NETWORK = "fashion_cnn"
CHANNEL_CRITERIA = ("l1", "l2", "activation", "random")  # compared at one half
TWO_BY_FOUR_NETWORKS = ("fashion_dscnn", "fashion_cnn")


def pruning_fine_tuned():
    """Pruned by several methods to several sparsities, with and without fine-tuning, five seeds.

    The same budget for all: the shipped network is trained on over images that it knows, with the
    same batches in the same order for every method. The seed draws these images and their order,
    and for "random" the weights. Needs all training images: `data/prepare/fashion_mnist.py`.
    """
    record, arrays, seconds = {}, {}, 0.0
    for name, plan in PLANS.items():
        runs = Runs(name)
        jobs = [(method, share) for method, shares in plan.items() for share in shares]
        runs.train([(*job, seed) for seed in SEEDS for job in jobs])
        for share in SPARSITIES:
            for method in UNTRAINED:
                runs.prune_only(method, share, SEEDS if method == "random" else SEEDS[:1])
        record[name] = {"kernels": runs.kernels, **runs.record(), "choice": runs.choice()}
        arrays |= runs.arrays()
        seconds += runs.seconds
    return _results(record, seconds), arrays, tuple(PLANS)


def two_by_four():
    """2 of every 4 weights against any half of them, fine-tuned on the same budget, five seeds.

    The kernels are those whose input channels come in fours; both patterns prune the same ones.
    """
    record, arrays, seconds = {}, {}, 0.0
    for name in TWO_BY_FOUR_NETWORKS:
        network = data.checkpoint(name)
        runs = Runs(name, fine_tuning.groups_of_four(network.layers, network.weights))
        methods = (("dense", 0.0), ("two_by_four", 0.5), ("one_shot", 0.5))
        runs.train([(*method, seed) for seed in SEEDS for method in methods])
        for method in ("two_by_four", "one_shot"):
            runs.prune_only(method, 0.5, SEEDS[:1])
        record[name] = {"kernels": runs.kernels, **runs.record()}
        arrays |= runs.arrays()
        seconds += runs.seconds
    return _results(record, seconds), arrays, TWO_BY_FOUR_NETWORKS


def channel_removal():
    """Channels removed from fashion_cnn, the smaller network fine-tuned or not, five seeds.

    The budget is that of `pruning_fine_tuned`. Criteria are compared at half of the channels;
    "activation" looks at the validation images.
    """
    name = CHANNEL_NETWORK
    runs = Runs(name)
    plans = [(criterion, 0.5) for criterion in CHANNEL_CRITERIA]
    plans += [("l1", fraction) for fraction in FRACTIONS if fraction != 0.5]
    runs.train([("dense", 0.0, seed) for seed in SEEDS])
    done = 0
    for seed in SEEDS:
        for criterion, fraction in plans:
            done += 1
            print(f"channels {done}/{len(plans) * len(SEEDS)}: {criterion} {fraction}", flush=True)
            runs.remove_channels(criterion, fraction, seed)
    record = {**runs.record(), "tflite": runs.tflite(runs.network.layers, runs.network.weights)}
    return _results({name: record}, runs.seconds), runs.arrays(), (name,)


class Runs:
    """The runs of one network: right answers image by image, and the rows that count them."""

    def __init__(self, name, kernels=None):
        self.name, self.recipe = name, RECIPES[name]
        self.network, self.dataset = load_network(name)
        self.kernels = kernels or fine_tuning.prunable(self.network.layers)
        self.x, self.y = (
            np.concatenate([get(self.dataset, split) for split in SPLITS]) for get in (x_of, y_of)
        )
        self.dense = self._right(self.network.layers, self.network.weights)
        self.parts = {}  # (method, sparsity, fine-tuned?) -> {seed: part}
        self.facts = {}  # the same key -> what its row says besides
        self.seconds = 0.0

    def _right(self, layers, weights):
        return float_engine.predict(layers, weights, self.x) == self.y

    def images(self, seed):
        """The training images of this seed's budget."""
        full = data.load(models.DATASETS[self.name], full=True)
        n = self.recipe["train_size"]
        drawn = np.random.default_rng(seed).choice(len(full.x_train), n, replace=False)
        return full.x_train[drawn], full.y_train[drawn]

    def _part(self, key, identity, compute):
        """compute()'s arrays, from an earlier run where there was one."""
        budget = {key: self.recipe[key] for key in ("epochs", "batch_size", "train_size")}
        code = hashlib.sha256(inspect.getsource(fine_tuning).encode()).hexdigest()
        identity = [self.network.record["sha256"], code, budget, *identity]
        part = resumable("fine_tuned", f"{self.name}_{key}", json.dumps(identity), compute)
        self.seconds += float(part.pop("seconds"))
        return part

    def _kernels(self, method):
        """Those of this experiment's kernels that a method prunes by default."""
        own = fine_tuning.kernels_for(method, self.network.layers, self.network.weights)
        return [name for name in self.kernels if name in own]

    def train(self, jobs):
        for done, (method, share, seed) in enumerate(jobs, start=1):
            print(f"{self.name} {done}/{len(jobs)}: {method} {share}, seed {seed}", flush=True)
            self.fine_tuned(method, share, seed)

    def fine_tuned(self, method, share, seed):
        """Prune and train on: one run."""
        part = self._fine_tuned(method, share, seed, self.recipe["learning_rate"])
        self.parts.setdefault((method, share, True), {})[seed] = part

    def _fine_tuned(self, method, share, seed, learning_rate):
        budget = {key: self.recipe[key] for key in ("epochs", "batch_size")}
        every = self.kernels == fine_tuning.prunable(self.network.layers)
        kernels = [] if method == "dense" else self._kernels(method)  # its runs serve them all

        def compute():
            trained = fine_tuning.fine_tune(
                self.network.layers, self.network.weights, *self.images(seed), method, share,
                kernels=kernels or None, seed=seed, learning_rate=learning_rate, **budget,
                progress=printer(f"  {method} {share}"),
            )  # fmt: skip
            if method == "two_by_four":
                for kernel in kernels:
                    if not fine_tuning.is_two_by_four(trained.weights[kernel]):
                        raise ValueError(f"tfmot's verifier refuses {self.name}'s {kernel}.")
            return {
                "right": self._right(self.network.layers, trained.weights),
                **self._achieved(trained.masks),
            }

        key = f"{method}_{share}_{seed}_{learning_rate}" + ("" if every or not kernels else "_some")
        return self._part(key, [method, share, seed, learning_rate, kernels], compute)

    def prune_only(self, method, share, seeds):
        """Prune, and train nothing."""
        kernels = {name: self.network.weights[name] for name in self._kernels(method)}
        for seed in seeds:
            try:
                masks = fine_tuning.masks_for(method, kernels, share, seed)
            except ValueError as error:  # a whole layer would go
                print(f"  {error}", flush=True)
                return
            weights = fine_tuning.apply_masks(self.network.weights, masks)
            self.parts.setdefault((method, share, False), {})[seed] = {
                "right": self._right(self.network.layers, weights),
                **self._achieved(masks),
            }

    def _achieved(self, masks):
        """The sparsity of all of this experiment's kernels together, and of each."""
        whole = {name: np.ones(self.network.weights[name].shape, bool) for name in self.kernels}
        masks = {**whole, **masks}
        return {
            "achieved": np.array([fine_tuning.sparsity_of(masks)]),
            "by_kernel": np.array([1 - masks[name].mean() for name in self.kernels]),
        }

    def remove_channels(self, criterion, fraction, seed):
        """Remove channels; count right answers before and after training on."""
        layers, weights = self.network.layers, self.network.weights
        scores = channels.scores(layers, weights, criterion, x_of(self.dataset, "validation"), seed)
        kept = channels.keep(scores, fraction)
        smaller = channels.rebuild(layers, weights, kept)
        budget = {key: self.recipe[key] for key in ("epochs", "batch_size", "learning_rate")}

        def compute():
            trained = fine_tuning.fine_tune(
                *smaller, *self.images(seed), "dense", 0.0, seed=seed, **budget,
                progress=printer(f"  {criterion} {fraction}"),
            )  # fmt: skip
            return {"right": self._right(smaller[0], trained.weights)}

        part = self._part(f"channels_{criterion}_{fraction}_{seed}",
                          [criterion, fraction, seed, self.recipe["learning_rate"]],
                          compute)  # fmt: skip
        self.parts.setdefault((criterion, fraction, True), {})[seed] = part
        if criterion == "random" or seed == SEEDS[0]:
            self.parts.setdefault((criterion, fraction, False), {})[seed] = {
                "right": self._right(*smaller)
            }
        cost, tflite = channels.cost(smaller[0], self.network.input_shape), self.tflite(*smaller)
        for tuned in (True, False):
            self.facts[criterion, fraction, tuned] = {
                "channels": {name: int(stays.sum()) for name, stays in kept.items()},
                **cost._asdict(),
                "tflite": tflite,
            }

    def tflite(self, layers, weights):
        """The bytes of the float32 file."""
        model = models.set_weights(models.build(layers, self.network.input_shape), weights)
        return len(conversion.convert(model, "float32"))

    def choice(self):
        """Right answers on the validation set for each learning rate, with seed 0."""
        end = len(self.dataset.y_validation)
        return {
            str(rate): int(self._fine_tuned("gradual", 0.9, 0, rate)["right"][:end].sum())
            for rate in LEARNING_RATES
        }

    def record(self):
        """-> {"recipe", "dense", "rows"}: counts of right answers, one entry a seed."""
        end = len(self.dataset.y_validation)
        cut = {"validation": slice(None, end), "test": slice(end, None)}
        rows = []
        for (method, share, tuned), by_seed in self.parts.items():
            row = {"method": method, "sparsity": share, "fine_tuned": tuned}
            row |= {"seeds": sorted(by_seed), **self.facts.get((method, share, tuned), {})}
            parts = [by_seed[seed] for seed in row["seeds"]]
            if "achieved" in parts[0]:
                row["achieved"] = [round(float(part["achieved"][0]), 5) for part in parts]
                row["achieved_by_kernel"] = {
                    kernel: [round(float(part["by_kernel"][i]), 5) for part in parts]
                    for i, kernel in enumerate(self.kernels)
                }
            row |= {key: {} for key in COUNTS}
            for split in SPLITS:
                counts = [paired_counts(self.dense[cut[split]], part["right"][cut[split]])
                          for part in parts]  # fmt: skip
                for key, values in zip(COUNTS, zip(*counts, strict=True), strict=True):
                    row[key][split] = list(values)
            rows.append(row)
        return {
            "recipe": self.recipe,
            "n": {split: len(y_of(self.dataset, split)) for split in SPLITS},
            "dense": {split: int(self.dense[cut[split]].sum()) for split in SPLITS},
            "rows": rows,
        }

    def arrays(self):
        """Right answers on the test set, packed: {"network_method_90_tuned_1": bytes}."""
        end = len(self.dataset.y_validation)
        packed = {f"{self.name}_dense": np.packbits(self.dense[end:])}
        for (method, share, tuned), by_seed in self.parts.items():
            for seed, part in by_seed.items():
                key = f"{self.name}_{method}_{100 * share:g}_{'tuned' if tuned else 'raw'}_{seed}"
                packed[key] = np.packbits(part["right"][end:])
        return packed


def _results(networks, seconds):
    """What the records of this module have in common."""
    packages = ("tensorflow", "tf-keras", "tensorflow-model-optimization")
    return {
        "seed": list(SEEDS),
        # Also where everything is from an earlier run, and none of these was imported.
        "versions": {**training.versions(), **{p: env.installed_version(p) for p in packages}},
        "seconds": round(seconds, 1),  # of all runs that it took
        "arrays": "right answers on the test set, np.packbits, one array a network, method, "
        "sparsity in percent, tuned or raw, and seed; NETWORK_dense is the shipped network",
        "networks": networks,
    }


def synapses_and_neurons():
    """lenet_300_100, a fraction of each layer's connections pruned, or of its hidden units.

    "synapses": the smallest |w| of each kernel go. "neurons": the hidden units whose incoming
    weights have the smallest norm go, with all their connections. Nothing is trained after that.
    """
    network, dataset = load_network("lenet_300_100")
    kernels = layer_specs.kernel_names(network.layers)
    right_before = {
        split: right_answers(network.layers, network.weights, x_of(dataset, split),
                             y_of(dataset, split))
        for split in SPLITS
    }  # fmt: skip
    found = {}
    for what, prune_away in (("synapses", without_synapses), ("neurons", without_neurons)):
        counts = {key: {split: [] for split in SPLITS} for key in COUNTS}
        left = []
        for fraction in PRUNED:
            weights = prune_away(network, float(fraction))
            left.append(sum(int(np.count_nonzero(weights[kernel])) for kernel in kernels))
            for split in SPLITS:
                right = right_answers(network.layers, weights, x_of(dataset, split),
                                      y_of(dataset, split))  # fmt: skip
                measured = paired_counts(right_before[split], right)
                for key, count in zip(COUNTS, measured, strict=True):
                    counts[key][split].append(count)
        found[what] = {"weights_left": left, **counts}
    total = sum(network.weights[kernel].size for kernel in kernels)
    n = {split: len(y_of(dataset, split)) for split in SPLITS}
    results = {"fraction": PRUNED.tolist(), "weights": total, "n": n, **found}
    return results, {}, ("lenet_300_100",)


def without_synapses(network, fraction):
    """The weights with this fraction of each kernel zero, smallest magnitudes first."""
    kernels = {name: network.weights[name] for name in layer_specs.kernel_names(network.layers)}
    masks = fine_tuning.masks_for("one_shot", kernels, fraction)
    return fine_tuning.apply_masks(network.weights, masks)


def without_neurons(network, fraction):
    """The weights with this fraction of each hidden layer's units zero, biases and all."""
    scores = channels.scores(network.layers, network.weights, "l2")
    kept = channels.keep(scores, fraction)
    return channels.masked(network.layers, network.weights, kept)


EXPERIMENTS = (
    pruning_fine_tuned,
    two_by_four,
    channel_removal,
    synapses_and_neurons,
    sparsity_speed,
)
