"""Data for the drawings and tables of notebook 10, from the recorded runs and files."""

from __future__ import annotations

import gzip
from functools import cache
from types import MappingProxyType

import numpy as np

from course_utils.labs.deep_compression import stages
from course_utils.labs.deep_compression.figures import Clusters, Codes, Ledger, Stages, Tflm
from course_utils.machines import data, micro
from course_utils.numbers import compressed_network, huffman, intervals, weight_sharing
from course_utils.views.checks import Measured
from course_utils.views.tables import Table

LENET, CNN = stages.LENET, stages.CNN
NETWORKS = (LENET, CNN)
LAYER = "dense1/kernel"
PARTS = compressed_network.PARTS
SAMPLE = 600  # weights shown as points
FALLS = {  # choices of a prediction, points of test accuracy
    "less than half a point": (-100, 0.5),
    "half a point to two points": (0.5, 2.0),
    "two to ten points": (2.0, 10.0),
    "more than ten points": (10.0, 100),
}
CODES_GAP = 5  # bits of a gap in the picture of codes: the best width before Huffman's code


def record():
    return data.result("deep_compression").record


@cache
def rows() -> dict[tuple, dict]:
    """{(network, seed): row}"""
    return {(row["network"], row["seed"]): row for row in record()["rows"]}


def seeds():
    return record()["seed"]


@cache
def file(network=LENET, stage="coded", seed=1) -> bytes:
    """The recorded file of a stage."""
    key = f"{network}/pruned" if stage == "pruned" else f"{network}/{stage}/{seed}"
    return data.result("deep_compression").arrays[key].tobytes()


@cache
def pruned_weights(network=LENET):
    """The first seed's pruned weights by name, read-only."""
    found = stages.floats(compressed_network.decode(file(network, "pruned")))
    for w in found.values():
        w.flags.writeable = False
    return MappingProxyType(found)


@cache
def shared(network=LENET, seed=1):
    """What the last stage's file decodes to."""
    return MappingProxyType(compressed_network.decode(file(network, "coded", seed)))


def gaps(network=LENET, stage="coded", seed=1) -> dict[str, int]:
    """Bits of a gap by kernel, those that make a stage's file smallest; 0: none are stored."""
    return rows()[network, seed]["gaps"][stage]


def bits(network=LENET) -> dict[str, int]:
    """Bits of an index into the codebook, by kernel."""
    return record()["recipes"][network]["bits"]


def mean(values, unit="") -> Measured:
    """The mean of what the seeds gave, with its t-interval."""
    low, high = intervals.seeds_interval(values)
    return Measured(float(np.mean(values)), low, high, unit)


def bytes_of(network, stage) -> np.ndarray:
    return np.array([rows()[network, seed]["bytes"][stage] for seed in seeds()], float)


def smaller(network, stage) -> Measured:
    """How many times smaller than the dense file, by seed."""
    return mean(bytes_of(network, "dense") / bytes_of(network, stage), "×")


def lost(network, name, against="dense", split="test") -> Measured:
    """Points of accuracy that a stage loses against dense, or against dense trained on, by seed."""
    n = record()["n"][split]
    own = [rows()[network, seed][split] for seed in seeds()]
    return mean([100 * (row[against] - row[name]) / n for row in own], "points")


def lost_of_seed(network, name, seed, split="test") -> Measured:
    """Points that one seed loses against dense, paired image by image."""
    n = record()["n"][split]
    wrong, right = rows()[network, seed][f"{split}_paired"][name]
    low, high = intervals.paired_difference(wrong, right, n)
    return Measured(100 * (wrong - right) / n, 100 * low, 100 * high, "points")


# --- k-means --------------------------------------------------------------------------------


@cache
def _left(network, name):
    weights = pruned_weights(network)[name]
    return weights[weights != 0].astype(float)


@cache
def _path(network, name, k, start):
    return weight_sharing.k_means(_left(network, name), k, start)


def _errors(weights, path):
    return np.array([
        np.sqrt(np.mean((weights - own[weight_sharing.nearest(weights, own)]) ** 2)) for own in path
    ])  # fmt: skip


@cache
def _all_errors(network, name, k):
    weights = _left(network, name)
    return {start: _errors(weights, _path(network, name, k, start))
            for start in weight_sharing.STARTS}  # fmt: skip


def clusters(start="linear", network=LENET, name=LAYER) -> list[Clusters]:
    """k-means round by round: more and more rounds lie between two pictures."""
    k = 2 ** bits(network)[name] - 1
    path, weights = _path(network, name, k, start), _left(network, name)
    rng = np.random.default_rng(10)
    sample = np.sort(rng.choice(weights, min(SAMPLE, weights.size), replace=False))
    height = rng.random(sample.size)
    last = len(path) - 1
    shown = sorted(
        {*range(min(8, last + 1)), 10, 13, 17, 22, 30, 40, 55, 75, last} & set(range(last + 1))
    )
    found = []
    for number in shown:
        magnitudes = np.abs(path[number])
        found.append(Clusters(
            f"{name.split('/')[0]} of {network}", start, k, number, sample, height,
            weight_sharing.nearest(sample, path[number]), path, _all_errors(network, name, k),
            float(magnitudes.min()), float(magnitudes.max()),
        ))  # fmt: skip
    return found


def starts() -> Table:
    """The three starts at 2 to 4 bits: error in the first layer, and answers of the network."""
    images = data.load("fashion_mnist")
    weights, body = dict(pruned_weights()), []
    for width in (4, 3, 2):
        for start in weight_sharing.STARTS:
            own = stages.share(weights, dict.fromkeys(bits(), width), start)
            right = _right(stages.floats(own), images.x_validation, images.y_validation)
            error = np.sqrt(np.mean((weights[LAYER] - compressed_network.weights_of(own[LAYER]))[
                weights[LAYER] != 0] ** 2))  # fmt: skip
            largest = np.abs(own[LAYER].codebook).max()
            body.append((f"{width} bits, {start}", f"{error:.4f}", f"{largest:.2f}",
                         f"{right / len(images.y_validation):.1%}"))  # fmt: skip
    before = _right(weights, images.x_validation, images.y_validation)
    return Table(
        "LeNet-300-100, pruned, its weights shared, nothing trained yet; before sharing "
        f"{before / len(images.y_validation):.1%} of the validation images are right",
        ("bits and start", "error in dense1", "largest value", "validation"), body,
    )  # fmt: skip


def _right(weights, x, y, network=LENET):
    from course_utils.machines import numpy_training

    return numpy_training.right(network, weights, x, y)


# --- codes ----------------------------------------------------------------------------------


def codes(name=LAYER, index_bits=None, network=LENET) -> Codes:
    """What is stored of a kernel with gaps of so many bits."""
    tensor = shared(network)[name]
    index_bits = CODES_GAP if index_bits is None else index_bits
    indices = np.ravel(tensor.indices).astype(np.intp)
    distances, numbers = compressed_network.entries(indices, index_bits)
    k = len(tensor.codebook)
    values = np.bincount(numbers, minlength=k)
    counts = np.bincount(distances, minlength=2**index_bits)
    return Codes(
        f"{name.split('/')[0]} of {network}", index_bits, int((indices > 0).sum()), len(numbers),
        values, huffman.code_lengths(values), counts, huffman.code_lengths(counts),
        compressed_network.width(k), (huffman.entropy(values), huffman.entropy(counts)),
    )  # fmt: skip


# --- the ledger -----------------------------------------------------------------------------


def grid():
    return data.result("compression_grid")


@cache
def dense_bytes(network=LENET) -> int:
    return int(rows()[network, seeds()[0]]["bytes"]["dense"])


def _grid_loss(index, what, split="test"):
    own = grid()
    n = own.record["n"][split]
    wrong, right = (int(v) for v in own.arrays[what][own_split(split)][(slice(None), *index)])
    low, high = intervals.paired_difference(wrong, right, n)
    return Measured(100 * (wrong - right) / n, 100 * low, 100 * high, "points")


def own_split(split):
    return ("validation", "test").index(split)


def ledger(keep=0.08, bits1=4, bits2=4, bits3=4, gap_bits=5) -> Ledger:
    """One recorded choice: its bytes, and its accuracy on all 10,000 test images."""
    own, chosen = grid(), (bits1, bits2, bits3)
    head = own.record
    level, gap = head["keep"].index(keep), head["gaps"].index(gap_bits)
    at = [head["bits"].index(b) for b in chosen]
    kernels, parts = head["kernels"], head["parts"]
    sizes = own.arrays["bytes"]

    def of(coded):
        rows = {
            name: dict(zip(parts, map(int, sizes[coded, i, level, at[i], gap]), strict=True))
            for i, name in enumerate(kernels)
        }
        everything = {
            part: sum(row[part] for row in rows.values()) + head["other_bytes"][part]
            for part in parts
        }
        return rows, everything

    by_kernel, coded = of(1)
    shares = dict(zip(kernels, head["keep_by_kernel"][level], strict=True))
    return Ledger(
        head["network"], shares, dict(zip(kernels, chosen, strict=True)), gap_bits, dense_bytes(),
        of(0)[1], coded, {name.split("/")[0]: row for name, row in by_kernel.items()},
        _grid_loss((level, *at), "changed"), _grid_loss((level,), "pruned"),
    )  # fmt: skip


# --- the stages -----------------------------------------------------------------------------


def all_stages() -> Stages:
    """Both networks, mean of the seeds."""
    return Stages(
        len(seeds()), stages.STAGES,
        {network: np.array([bytes_of(network, stage).mean() for stage in stages.STAGES])
         for network in NETWORKS},
        {network: tuple(lost(network, stage) for stage in stages.STAGES[1:])
         for network in NETWORKS},
    )  # fmt: skip


def _points(measured: Measured) -> str:
    return str(measured).removesuffix(" points").replace(" points (", " (")


STAGE_NAMES = {
    "pruned": "pruned, trained on",
    "clustered": "shared, k-means only",
    "shared": "shared, codebook trained",
    "coded": "coded, decoded again",
}


def stages_table(network=LENET) -> Table:
    """Bytes and accuracy after each stage, over the seeds."""
    n = record()["n"]["test"]
    dense = rows()[network, seeds()[0]]["test"]["dense"]
    body = [("dense, float32", f"{dense_bytes(network):,}", "1", f"{dense / n:.2%}", "")]
    for name, words in STAGE_NAMES.items():
        stage = "shared" if name == "clustered" else name
        right = np.mean([rows()[network, seed]["test"][name] for seed in seeds()])
        body.append((
            words, f"{bytes_of(network, stage).mean():,.0f}",
            f"{smaller(network, stage).value:.1f}", f"{right / n:.2%}",
            _points(lost(network, name)),
        ))  # fmt: skip
    if network == LENET:
        body.append(_fewer_line())
    longer = lost(network, "trained_on")
    right = np.mean([rows()[network, seed]["test"]["trained_on"] for seed in seeds()])
    body.append(("dense, trained as long", f"{dense_bytes(network):,}", "1", f"{right / n:.2%}",
                 _points(longer)))  # fmt: skip
    return Table(
        f"{network}: mean of {len(seeds())} seeds; points lost against dense, 95 % interval over "
        "the seeds",
        ("stage", "bytes", "times smaller", "test", "points lost"), body,
    )  # fmt: skip


def fewer() -> list[dict]:
    """The runs of LeNet-300-100 that keep fewer weights, one row a seed."""
    return record()["fewer"]


def fewer_smaller() -> Measured:
    """How many times smaller the file with fewer weights left is, by seed."""
    return mean([row["bytes"]["dense"] / row["bytes"]["coded"] for row in fewer()], "×")


def fewer_lost() -> Measured:
    """Points that it loses against dense, by seed."""
    n = record()["n"]["test"]
    losses = [row["test"]["dense"] - row["test"]["coded"] for row in fewer()]
    return mean([100 * lost / n for lost in losses], "points")


def _fewer_line():
    n, dense = record()["n"]["test"], dense_bytes()
    size = np.mean([row["bytes"]["coded"] for row in fewer()])
    right = [row["test"]["coded"] for row in fewer()]
    return ("coded, fewer weights left", f"{size:,.0f}", f"{dense / size:.1f}",
            f"{np.mean(right) / n:.2%}", _points(fewer_lost()))  # fmt: skip


def seeds_table(network=LENET) -> Table:
    """Every seed: bytes, and points lost, paired image by image."""
    body = []
    for seed in seeds():
        row = rows()[network, seed]
        size = row["bytes"]
        body.append((
            str(seed), *(f"{size[stage]:,}" for stage in stages.STAGES[1:]),
            f"{size['dense'] / size['coded']:.1f}", f"{row['test']['coded']:,}",
            _points(lost_of_seed(network, "coded", seed)),
        ))  # fmt: skip
    return Table(
        f"{network}: dense {dense_bytes(network):,} bytes, "
        f"{rows()[network, 1]['test']['dense']:,} of {record()['n']['test']:,} right",
        ("seed", "pruned", "shared", "coded", "times smaller", "right", "points lost, paired"),
        body,
    )  # fmt: skip


def ledger_table(network=LENET) -> Table:
    """Every byte of the last stage's file of the first seed, tensor by tensor."""
    found = compressed_network.ledger(dict(shared(network)), gaps(network))
    body = [
        (name or "the whole file", *(f"{row[part]:,}" for part in PARTS), f"{sum(row.values()):,}")
        for name, row in found.items()
    ]
    sums = [sum(row[part] for row in found.values()) for part in PARTS]
    body.append(("together", *(f"{size:,}" for size in sums), f"{sum(sums):,}"))
    return Table(f"{network}, seed 1: bytes of the compressed file", ("", *PARTS, "all"), body)


def baselines(network=LENET) -> Table:
    """What else makes it smaller: gzip, xz, int8; bytes, and test images right.

    The two lines "a byte a weight" are compressed here, the others as recorded.
    """
    row = rows()[network, seeds()[0]]
    int8 = tflm_rows()[network]
    n = record()["n"]["test"]
    dense = dense_bytes(network)

    def line(words, size, correct):
        return words, f"{size:,}", f"{dense / size:.1f}", f"{correct / n:.2%}"

    test = row["test"]
    body = [
        line("float32, gzip", row["gzip"]["dense"], test["dense"]),
        line("int8 .tflite", int8["dense"]["bytes"], int8["dense"]["correct"]),
        line("int8 .tflite, gzip", int8["dense"]["gzip"], int8["dense"]["correct"]),
        line("pruned float32, gzip", row["gzip"]["pruned"], test["pruned"]),
        line("pruned int8 .tflite, gzip", int8["pruned"]["gzip"], int8["pruned"]["correct"]),
        line("shared float32, gzip", row["gzip"]["shared"], test["shared"]),
        line("shared int8 .tflite, gzip", int8["shared"]["gzip"], int8["shared"]["correct"]),
        *(
            line(f"shared, a byte a weight, {by}", size, test["shared"])
            for by, size in _a_byte_a_weight(network).items()
        ),
        line("Deep Compression", row["bytes"]["coded"], test["coded"]),
    ]
    return Table(
        f"{network}, seed 1, against {dense:,} bytes",
        ("stored as", "bytes", "times smaller", "test"), body,
    )  # fmt: skip


def _a_byte_a_weight(network):
    """Indices as bytes, zeros included, codebooks and biases: {compressor: bytes}."""
    rows = []
    for tensor in shared(network).values():
        if isinstance(tensor, compressed_network.Shared):
            rows += [tensor.codebook.tobytes(), tensor.indices.astype(np.uint8).tobytes()]
        else:
            rows.append(tensor.tobytes())
    found = {"gzip": len(gzip.compress(b"".join(rows), 9, mtime=0))}
    try:
        import lzma
    except ImportError:  # some builds of Python lack it
        return found
    return {**found, "xz": len(lzma.compress(b"".join(rows)))}


# The paper's table 2, LeNet-300-100: weights left, bits of a value before and after Huffman's
# code, bits of a gap before and after.
PAPER = {
    "dense1/kernel": ("8 %", "6", "4.4", "5", "3.7"),
    "dense2/kernel": ("9 %", "6", "4.4", "5", "4.3"),
    "dense3/kernel": ("26 %", "6", "4.3", "5", "3.2"),
}


def beside_paper() -> Table:
    """The paper's table 2 for LeNet-300-100 on MNIST, beside ours on Fashion-MNIST."""
    kernels = rows()[LENET, seeds()[0]]["kernels"]
    body = []
    for name, kernel in kernels.items():
        gap = kernel.get("gaps")
        ours = (
            f"{kernel['left'] / kernel['weights']:.0%}".replace("%", " %"),
            str(bits()[name]), f"{kernel['values']['huffman']:.1f}",
            str(gaps()[name]) if gap else "none", f"{gap['huffman']:.1f}" if gap else "none",
        )  # fmt: skip
        cells = (f"{mine} | {paper}" for mine, paper in zip(ours, PAPER[name], strict=True))
        body.append((name.split("/")[0], *cells))
    return Table(
        "LeNet-300-100: here on Fashion-MNIST | the paper's table 2 on MNIST",
        ("layer", "weights left", "bits a value", "after Huffman", "bits a gap", "after Huffman "),
        body,
    )


# --- TFLM -----------------------------------------------------------------------------------


@cache
def tflm_rows() -> dict[str, dict]:
    """{network: {file: row}}"""
    found = {}
    for row in data.result("compression_tflm").record["rows"]:
        found.setdefault(row["network"], {})[row["file"]] = row
    return found


def tflm() -> Tflm:
    """What the look-up saves and costs, as recorded."""
    own = tflm_rows()

    def both(what):
        return {n: tuple(own[n][f][what] for f in ("shared", "lut")) for n in NETWORKS}

    return Tflm(
        NETWORKS, both("bytes"), both("smallest_arena"),
        {n: tuple(quartiles[1] for quartiles in q) for n, q in both("milliseconds").items()},
        {n: own[n]["lut"]["differing"] for n in NETWORKS},
        data.result("compression_tflm").record["n"]["test"],
    )  # fmt: skip


def tflm_file(network=LENET, name="shared") -> bytes:
    """A recorded `.tflite` file: "shared", plain, or "lut", compressed by TFLM's tool."""
    return data.result("compression_tflm").arrays[f"{network}/{name}"].tobytes()


def tflm_table() -> Table:
    """The recorded files in TFLM: bytes, arena, time, right answers, outputs that differ."""
    words = {"dense": "int8", "pruned": "int8, pruned", "shared": "int8, shared values",
             "lut": "the same, looked up"}  # fmt: skip
    body = []
    for network in NETWORKS:
        for name, row in tflm_rows()[network].items():
            differing = f"{row['differing']} of {row['values']:,}" if name == "lut" else ""
            low, middle, high = row["milliseconds"]
            body.append((f"{network}, {words[name]}", f"{row['bytes']:,}",
                         f"{row['smallest_arena']:,}", f"{middle:.2f} ({low:.2f} to {high:.2f})",
                         f"{row['correct']:,}", differing))  # fmt: skip
    return Table(
        "In TFLM, 10,000 test images; milliseconds on one x86 processor, median and quartiles of "
        "20 rounds with reference kernels",
        ("file", "bytes", "arena", "ms", "right", "outputs that differ"), body,
    )  # fmt: skip


def refusals() -> Table:
    """What TFLM's own compressors of the other two stages say: asked here, or as recorded."""
    from course_utils.labs.deep_compression import lut

    body = []
    for method, recorded in data.result("compression_tflm").record["refused"].items():
        if micro.missing():
            body.append((method, f"recorded: {recorded}"))
            continue
        try:
            lut.compress(tflm_file(), method)
            body.append((method, "it compresses"))
        except micro.Refused as refused:
            body.append((method, str(refused)))
    return Table("TFLM's compressors besides the look-up", ("method", "what it says"), body)


def arena_grows() -> Measured:
    """How many times larger LeNet's arena gets."""
    before, after = tflm().arena[LENET]
    return Measured(after / before, unit="×")


def look_up(images=200) -> Table:
    """Compress the recorded file with TFLM's tool here, and run both on some test images."""
    from course_utils.labs.deep_compression import lut
    from course_utils.machines import litert

    if micro.missing():
        print(micro.missing(), "What was recorded follows below.")
        return None
    plain = tflm_file()
    compressed = lut.compress(plain)
    codes = litert.to_input(data.load("fashion_mnist").x_test[:images], plain)
    outputs = [micro.run(tflite, codes) for tflite in (plain, compressed)]
    differing = int((outputs[0] != outputs[1]).sum())
    body = [
        ("plain int8", f"{len(plain):,}", f"{micro.arena(plain).total:,}", ""),
        ("looked up in tables", f"{len(compressed):,}", f"{micro.arena(compressed).total:,}",
         f"{differing} of {outputs[0].size:,}"),
    ]  # fmt: skip
    return Table(
        f"LeNet-300-100 in TFLM, here, {images} test images",
        ("file", "bytes", "arena", "outputs that differ"), body,
    )  # fmt: skip


# --- TensorFlow's clustering as an oracle -------------------------------------------------------


def against_tfmot(nearest_by, gradient_by) -> Table:
    """Two functions on the first layer, beside what TensorFlow's clustering was recorded to say."""
    own = data.result("compression_oracle").arrays
    left = _left(LENET, LAYER)
    codebook = own["codebook"].astype(float)
    body = []
    try:
        found = np.asarray(nearest_by(left, codebook))
        differing = int((found != own["indices"]).sum())
        body.append(("nearest centroid", f"{left.size:,} weights", f"{differing:,} differ"))
        summed = np.asarray(
            gradient_by(own["gradient"], own["indices"].astype(np.intp), len(codebook)), float
        )
        most = float(np.abs(summed - own["codebook_gradient"]).max())
        scale = float(np.abs(own["codebook_gradient"]).max())
        same = "the same to 5 digits" if most < 1e-5 * scale else f"up to {most:.3g} off"
        body.append(("codebook's gradient", f"{len(codebook)} values", same))
    except (TypeError, ValueError, IndexError) as problem:
        print(f"It could not be compared: {problem}")
        return None
    return Table(
        "Beside the clustering of TensorFlow's Model Optimization Toolkit, first layer",
        ("", "compared", "result"),
        body,
    )


# --- the exercises' computations, with their arguments ------------------------------------------


def nearest(weights, codebook):
    return weight_sharing.nearest(weights, codebook)


def codebook_gradient(gradient, indices, k):
    return weight_sharing.codebook_gradient(gradient, indices, k)


def relative_index(kept, index_bits):
    return compressed_network.relative_index(kept, index_bits)[0]


def huffman_bits(counts):
    return int(np.asarray(counts) @ huffman.code_lengths(counts))
