"""Several hundred trainings of LeNet-300-100 and fashion_cnn (notebook 04), resumable."""

from __future__ import annotations

import gzip
import hashlib
import inspect
import json
from dataclasses import replace

import numpy as np

from course_utils import env
from course_utils.labs.lottery_ticket import tickets
from course_utils.machines import conversion, data, evaluation, models, numpy_training, training
from course_utils.machines.recording import resumable

SEEDS = (1, 2, 3, 4, 5)
ROUNDS = 20
# The controls follow at these rounds; the ticket itself at all.
CONTROL_ROUNDS = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 18, 20)
SAME_INPUTS_ROUNDS = (4, 8, 12, 16, 20)  # of one control more
LENET = "lenet_300_100"
# Adam's rate and the batch are the paper's. The number of steps was fixed on seed 1: three times
# the step at which the dense network's validation loss is lowest.
RECIPE = {"steps": 2500, "every": 50, "batch_size": 60, "learning_rate": 1.2e-3}

CNN = "fashion_cnn"
CNN_SEEDS = (1, 2, 3)
CNN_ROUNDS, CNN_CONTROL_ROUNDS = 3, (3,)
CNN_RATE, CNN_OUTPUT_RATE = 0.6, 0.3  # three rounds are as far as eight of the paper's
CNN_RECIPE = {"steps": 800, "every": 100, "batch_size": 60}
LEARNING_RATES = (1.2e-3, 5e-3)
REWIND_STEP = 50

INT8_ROUNDS = (0, 4, 8, 12, 16, 20)

SAMPLE = 1500  # weights of the first layer whose values the film shows


def lottery_ticket():
    """LeNet-300-100 pruned round by round and rewound, with four controls, five seeds.

    All train on the 7,000 images that ship, for as many steps, in the same order for a seed. The
    early-stopping step is that of the lowest validation loss; the test images are counted there.
    """
    runs = Lenet()
    for seed in SEEDS:
        runs.seed(seed)
    return runs.results()


class Lenet:
    """The runs of LeNet-300-100."""

    def __init__(self):
        self.images = data.load("fashion_mnist")
        self.rows, self.curves, self.arrays, self.seconds = [], [], {}, 0.0

    def seed(self, seed):
        """All rounds of one seed: the chain of tickets first, then its controls."""
        initial = numpy_training.initial_weights(LENET, seed)
        chain = self.chain(seed)
        dense = {name: chain[0][1][f"last/{name}"] for name in initial}
        self.keep(seed, initial, dense, chain)
        other = numpy_training.initial_weights(LENET, 1000 + seed)
        for number in CONTROL_ROUNDS:
            masks = chain[number][0]
            self.train(seed, "reinitialized", number, other, masks)
            drawn = tickets.controls(masks, seed, number)
            self.train(seed, "random", number, initial, drawn["random"])
            self.train(seed, "one_shot", number, initial, tickets.one_shot(dense, masks))
            if number in SAME_INPUTS_ROUNDS:
                self.train(seed, "same_inputs", number, initial, drawn["same_inputs"])

    def chain(self, seed):
        """The dense network and the tickets of all rounds: [(masks, what the run left)]"""
        initial = numpy_training.initial_weights(LENET, seed)
        masks, chain = tickets.whole(initial), []
        for number in range(ROUNDS + 1):
            part = self.train(seed, "ticket" if number else "dense", number, initial, masks)
            chain.append((masks, part))
            trained = {name: part[f"last/{name}"] for name in initial}
            masks = tickets.next_masks(trained, masks)
        return chain

    def train(self, seed, method, number, initial, masks):
        """One run: from its file, or trained now."""

        def compute():
            run = numpy_training.train(
                LENET, initial, self.images, masks=masks, seed=seed, **RECIPE
            )
            return measured(LENET, run, self.images, method in ("dense", "ticket"))

        part = part_of("lottery_ticket", [LENET, method, number, seed], masks, initial, RECIPE,
                       compute)  # fmt: skip
        self.seconds += float(part["seconds"])
        row = summary(part, masks)
        self.rows.append({"method": method, "round": number, "seed": seed, **row})
        self.curves.append(np.stack([part["losses"], part["accuracies"]]))
        print(f"{LENET} seed {seed}, {method}, round {number}: {row['left']:.1%} left, "
              f"{row['test']} right after {row['stop']} steps", flush=True)  # fmt: skip
        return part

    def keep(self, seed, initial, dense, chain):
        """The masks of all rounds in bits, and for the first seed what the film shows besides."""
        masks = [part[0] for part in chain]
        self.arrays[f"masks_{seed}"] = tickets.pack_all(masks)
        if seed != SEEDS[0]:
            return
        self.arrays["masks_one_shot"] = tickets.pack_all(
            [masks[0], *(tickets.one_shot(dense, masks[number]) for number in CONTROL_ROUNDS)]
        )
        first = next(iter(initial))
        index = np.random.default_rng(0).choice(initial[first].size, SAMPLE, replace=False)
        self.arrays["sample"] = np.sort(index).astype(np.int32)
        self.arrays["final"] = np.stack(
            [part[f"last/{first}"].ravel()[np.sort(index)] for _, part in chain]
        ).astype(np.float16)

    def results(self):
        """-> (record, arrays, checkpoints)"""
        record = {
            "seed": list(SEEDS),
            "versions": training.versions(),
            "seconds": round(self.seconds, 1),
            "network": LENET,
            "train_size": len(self.images.x_train),
            "n": {"validation": len(self.images.y_validation), "test": len(self.images.y_test)},
            "recipe": RECIPE,
            "rates": [tickets.RATE, tickets.OUTPUT_RATE],
            "inputs": inputs(f"checkpoints/{LENET}_init.npz"),
            "arrays": "curves: validation loss and accuracy at every look, one run for each row; "
            "masks_SEED: of the weights left before each round, which stay, np.packbits, round "
            "after round; masks_one_shot: the same of seed 1's one-shot masks; sample: some "
            "weights of the first kernel, final: their values after each round's training, seed 1",
            "rows": self.rows,
        }
        return record, {"curves": np.array(self.curves, np.float16), **self.arrays}, (LENET,)


def lottery_rewinding():
    """fashion_cnn's tickets rewound to the start or to an early step, at two learning rates.

    Beside them the same masks with new weights, and masks shuffled within each layer. Three seeds,
    the 7,000 images that ship; half of the validation images choose the stop.
    """
    runs = Cnn()
    for seed in CNN_SEEDS:
        for rate in LEARNING_RATES:
            runs.seed(seed, rate)
    return runs.results()


class Cnn:
    """The runs of fashion_cnn."""

    def __init__(self):
        images = data.load("fashion_mnist")
        half = len(images.y_validation) // 2
        self.images = replace(images, x_validation=images.x_validation[:half],
                              y_validation=images.y_validation[:half])  # fmt: skip
        self.rows, self.curves, self.seconds = [], [], 0.0

    def seed(self, seed, rate):
        """Both chains of one seed and learning rate, and the controls of the first."""
        initial = numpy_training.initial_weights(CNN, seed)
        other = numpy_training.initial_weights(CNN, 1000 + seed)
        dense = self.train(seed, rate, "dense", 0, initial, tickets.whole(initial))
        early = {name: dense[f"early/{name}"] for name in initial}
        for method, start in (("ticket", initial), ("late", early)):
            masks, part = tickets.whole(initial), dense
            for number in range(1, CNN_ROUNDS + 1):
                trained = {name: part[f"last/{name}"] for name in initial}
                masks = tickets.next_masks(trained, masks, CNN_RATE, CNN_OUTPUT_RATE)
                part = self.train(seed, rate, method, number, start, masks)
                if method == "ticket" and number in CNN_CONTROL_ROUNDS:
                    rng = np.random.default_rng([seed, number])
                    self.train(seed, rate, "reinitialized", number, other, masks)
                    self.train(seed, rate, "random", number, initial,
                               tickets.random_masks(masks, rng))  # fmt: skip

    def train(self, seed, rate, method, number, start, masks):
        """One run; one that starts late has the steps that are left, with the same images."""
        before = REWIND_STEP if method == "late" else 0
        recipe = {**CNN_RECIPE, "steps": CNN_RECIPE["steps"] - before, "learning_rate": rate}

        def compute():
            keep_at = REWIND_STEP if method == "dense" else None
            run = numpy_training.train(
                CNN, start, self.images, masks=masks, seed=seed, first_step=before,
                keep_at=keep_at, **recipe,
            )  # fmt: skip
            return measured(CNN, run, self.images, method in ("dense", "ticket", "late"))

        part = part_of("lottery_rewinding", [CNN, rate, method, number, seed], masks, start,
                       {**recipe, "before": before}, compute)  # fmt: skip
        self.seconds += float(part["seconds"])
        row = summary(part, masks)
        row["stop"] += before
        self.rows.append({"learning_rate": rate, "method": method, "round": number, "seed": seed,
                          **row})  # fmt: skip
        print(f"{CNN} seed {seed}, rate {rate}, {method}, round {number}: {row['left']:.1%} left, "
              f"{row['test']} right after {row['stop']} steps", flush=True)  # fmt: skip
        return part

    def results(self):
        """-> (record, arrays, checkpoints)"""
        record = {
            "seed": list(CNN_SEEDS),
            "versions": training.versions(),
            "seconds": round(self.seconds, 1),
            "network": CNN,
            "train_size": len(self.images.x_train),
            "n": {"validation": len(self.images.y_validation), "test": len(self.images.y_test)},
            "recipe": CNN_RECIPE,
            "learning_rates": list(LEARNING_RATES),
            "rewind_step": REWIND_STEP,
            "rates": [CNN_RATE, CNN_OUTPUT_RATE],
            "inputs": inputs(f"checkpoints/{CNN}.npz"),
            "rows": self.rows,
        }
        return record, {}, (CNN,)


def lottery_int8():
    """The dense LeNet-300-100 and its tickets, float32 and int8, on the test images, five seeds.

    The trained networks are those of `lottery_ticket` at their early-stopping steps; they are
    trained again where an earlier run left none. Calibrated on 500 training images.
    """
    images, rows, seconds = data.load("fashion_mnist"), [], 0.0
    for seed in SEEDS:
        chain = Lenet().chain(seed)
        for number in INT8_ROUNDS:
            masks, trained = chain[number]
            weights = {name: trained[f"weights/{name}"] for name in masks_and_biases(trained)}

            def compute(weights=weights):
                model = models.set_weights(models.build(LENET), weights)
                tflite = conversion.convert(model, "int8", images.x_train[:500])
                counted = evaluation.accuracy(tflite, images.x_test, images.y_test)
                return {
                    "int8": np.array(counted.correct),
                    "bytes": np.array(len(tflite)),
                    "gzip": np.array(len(gzip.compress(tflite, 9, mtime=0))),
                }

            part = part_of("lottery_int8", [LENET, number, seed], masks, weights, RECIPE, compute)
            seconds += float(part["seconds"])
            rows.append({
                "round": number, "seed": seed, "left": round(tickets.left(masks), 5),
                "float32": int(trained["test"]),
                **{name: int(part[name]) for name in ("int8", "bytes", "gzip")},
            })  # fmt: skip
            print(f"int8, seed {seed}, round {number}: {rows[-1]}", flush=True)
    packages = ("tensorflow", "tf-keras", "ai-edge-litert")
    record = {
        "seed": list(SEEDS),
        "versions": {**training.versions(), **{p: env.installed_version(p) for p in packages}},
        "seconds": round(seconds, 1),
        "network": LENET,
        "n": {"test": len(images.y_test)},
        "inputs": inputs(f"checkpoints/{LENET}_init.npz"),
        "rows": rows,
    }
    return record, {}, (LENET,)


def masks_and_biases(part):
    """The names of a network's weights in a run's file."""
    return [key.removeprefix("weights/") for key in part if key.startswith("weights/")]


def inputs(*paths):
    """Checksums of the files that the runs start from."""
    files = data.manifest()["files"]
    return {path: files[path]["sha256"] for path in (*paths, "fashion_mnist.npz")}


def part_of(experiment, key, masks, initial, recipe, compute):
    """compute()'s arrays, or those of an interrupted run from the same start."""
    start = hashlib.sha256()
    for name, mask in masks.items():
        start.update(np.packbits(mask).tobytes() + initial[name].tobytes())
    code = hashlib.sha256(inspect.getsource(numpy_training).encode()).hexdigest()
    images = data.manifest()["files"]["fashion_mnist.npz"]["sha256"]
    identity = json.dumps([key, start.hexdigest(), code, images, recipe])
    return resumable(experiment, "_".join(map(str, key)), identity, compute)


def measured(network, run, images, keep):
    """What a run's file holds: its losses, right answers at the stop and at the end, weights."""
    x, y = images.x_test, images.y_test
    arrays = {
        "losses": run.losses,
        "accuracies": run.accuracies,
        "stop": np.array(run.stop),
        "steps": run.steps,
        "test": np.array(numpy_training.right(network, run.weights, x, y)),
    }
    if network == LENET:
        arrays["test_last"] = np.array(numpy_training.right(network, run.last, x, y))
    if keep:
        arrays |= {f"weights/{name}": w for name, w in run.weights.items()}
        arrays |= {f"last/{name}": w for name, w in run.last.items()}
        arrays |= {f"early/{name}": w for name, w in (run.early or {}).items()}
    return arrays


def summary(part, masks):
    """The row of one run: right answers, the early-stopping step, the lowest validation loss."""
    at = int(part["losses"].argmin())
    return {
        "left": round(tickets.left(masks), 5),
        "stop": int(part["stop"]),
        "loss": round(float(part["losses"][at]), 4),
        "validation": round(float(part["accuracies"][at]), 4),
        **{name: int(part[name]) for name in ("test", "test_last") if name in part},
    }


EXPERIMENTS = (lottery_ticket, lottery_rewinding, lottery_int8)
