"""The records of sparse networks: what needs no training is computed again, the rest adds up."""

import numpy as np
import pytest

from course_utils.engines import float_engine, layer_specs
from course_utils.labs.structured_pruning import experiments as sparsity
from course_utils.labs.structured_pruning import sparsity_speed
from course_utils.machines import data, fine_tuning
from course_utils.numbers import channel_pruning, coding

RECORDS = ("pruning_fine_tuned", "two_by_four", "channel_removal")


def rows(record, network, **which):
    found = data.result(record).record["networks"][network]["rows"]
    return [row for row in found if all(row[key] == value for key, value in which.items())]


def correct(layers, weights, split="test"):
    dataset = data.load("fashion_mnist")
    x, y = getattr(dataset, f"x_{split}"), getattr(dataset, f"y_{split}")
    return int((float_engine.predict(layers, weights, x) == y).sum())


@pytest.mark.parametrize(
    ("record", "name", "method", "share"),
    [
        ("pruning_fine_tuned", "lenet_300_100", "one_shot", 0.9),
        ("pruning_fine_tuned", "lenet_300_100", "global", 0.95),
        ("pruning_fine_tuned", "fashion_cnn", "sigma", 0.75),
        ("two_by_four", "fashion_cnn", "two_by_four", 0.5),
    ],
)
def test_pruned_without_training_again(record, name, method, share):
    network = data.checkpoint(name)
    names = data.result(record).record["networks"][name]["kernels"]
    masks = fine_tuning.masks_for(method, {n: network.weights[n] for n in names}, share)
    weights = fine_tuning.apply_masks(network.weights, masks)
    (row,) = rows(record, name, method=method, sparsity=share, fine_tuned=False)
    assert abs(correct(network.layers, weights) - row["correct"]["test"][0]) <= 2
    assert row["achieved"][0] == pytest.approx(fine_tuning.sparsity_of(masks), abs=1e-5)


def test_channels_removed_again():
    network = data.checkpoint(sparsity.CHANNEL_NETWORK)
    kept = channel_pruning.keep(channel_pruning.scores(network.layers, network.weights), 0.5)
    smaller = channel_pruning.rebuild(network.layers, network.weights, kept)
    (row,) = rows("channel_removal", network.name, method="l1", sparsity=0.5, fine_tuned=False)
    assert abs(correct(*smaller) - row["correct"]["test"][0]) <= 2
    cost = channel_pruning.cost(smaller[0], network.input_shape)
    assert (row["macs"], row["parameters"], row["bytes"]) == cost


@pytest.mark.parametrize("record", RECORDS)
def test_counts_are_those_of_the_packed_answers(record):
    found = data.result(record)
    result, arrays = found.record, found.arrays
    for name, network in result["networks"].items():
        n = network["n"]["test"]
        dense = np.unpackbits(arrays[f"{name}_dense"], count=n).astype(bool)
        assert dense.sum() == network["dense"]["test"]
        for row in network["rows"]:
            if row["fine_tuned"]:
                assert row["seeds"] == list(sparsity.SEEDS)
            kind = "tuned" if row["fine_tuned"] else "raw"
            for i, seed in enumerate(row["seeds"]):
                key = f"{name}_{row['method']}_{100 * row['sparsity']:g}_{kind}_{seed}"
                right = np.unpackbits(arrays[key], count=n).astype(bool)
                assert right.sum() == row["correct"]["test"][i]
                assert (dense & ~right).sum() == row["newly_wrong"]["test"][i]


def test_the_learning_rates_were_chosen_on_the_validation_set():
    for network in data.result("pruning_fine_tuned").record["networks"].values():
        choice = network["choice"]
        assert max(choice, key=choice.get) == str(network["recipe"]["learning_rate"])


def test_bytes_are_those_of_encodings_made_again():
    network = data.checkpoint("lenet_300_100")
    record = data.result("sparsity_speed").record
    at = record["sparsity"].index(0.9)
    weights = sparsity_speed.pruned(network, "unstructured", 0.9)
    for format in sparsity_speed.FORMATS:
        encoded = sum(
            len(coding.ENCODERS[format](weights[name].T))
            for name in layer_specs.kernel_names(network.layers)
        )
        # Another zlib may compress to another length.
        slack = 0.01 if format == "gzip" else 0
        recorded = record["bytes"]["lenet_300_100"]["unstructured"][format][at]
        assert abs(encoded - recorded) <= slack * encoded, format
