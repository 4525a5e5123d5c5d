"""Inputs per second: IntegerModel one at a time and 100 at once, beside LiteRT and TFLM.

    python benchmarks/integer_engine.py [rounds, 7 unless told] [--profile]

The lab's four networks on their test sets, and networks of the shapes of the four of MLPerf Tiny
(Banbury et al., arXiv:2106.07597; layers as in github.com/mlcommons/tiny, benchmark/training)
with random weights (seed 0) on random inputs. All take turns in one process on the same inputs,
with one thread. LiteRT and TFLM run one input at a time, as on a board: their files are made for
that. LiteRT with XNNPACK is there for comparison: it is quicker, and its results are not TFLM's.
--profile says instead in which operators IntegerModel spends its time.
"""

import cProfile
import importlib.util
import os
import platform
import pstats
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from course_utils import env
from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import conversion, data, models
from course_utils.numbers.quantization import quantize

BATCH = 100
FEW = 10  # inputs that each runs one at a time in a round; the outputs of all 100 are compared


# --- networks of MLPerf Tiny's shapes -------------------------------------------------------


def resnet_8(layers):
    """Image classification, 32 x 32 x 3 -> 10: three stacks of two 3 x 3 convolutions."""
    x = inputs = layers.Input((32, 32, 3))
    x = normed(layers, layers.Conv2D(16, 3, padding="same"), x)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = normed(layers, layers.Conv2D(filters, 3, stride, padding="same"), x)
        y = normed(layers, layers.Conv2D(filters, 3, padding="same"), y, relu=False)
        if stride > 1:
            x = layers.Conv2D(filters, 1, stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return inputs, layers.Dense(10, "softmax")(x)


def mobilenet_v1(layers):
    """Visual wake words, 96 x 96 x 3 -> 2: MobileNet v1 with a quarter of the channels."""
    x = inputs = layers.Input((96, 96, 3))
    x = normed(layers, layers.Conv2D(8, 3, 2, padding="same"), x)
    for filters, stride in [
        (16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)
    ]:  # fmt: skip
        x = normed(layers, layers.DepthwiseConv2D(3, stride, padding="same"), x)
        x = normed(layers, layers.Conv2D(filters, 1), x)
    x = layers.Flatten()(layers.AveragePooling2D(3)(x))
    return inputs, layers.Dense(2, "softmax")(x)


def ds_cnn(layers):
    """Keyword spotting, 49 x 10 x 1 -> 12: four depthwise separable convolutions."""
    x = inputs = layers.Input((49, 10, 1))
    x = normed(layers, layers.Conv2D(64, (10, 4), 2, padding="same"), x)
    for _ in range(4):
        x = normed(layers, layers.DepthwiseConv2D(3, padding="same"), x)
        x = normed(layers, layers.Conv2D(64, 1), x)
    x = layers.Flatten()(layers.AveragePooling2D((25, 5))(x))
    return inputs, layers.Dense(12, "softmax")(x)


def autoencoder(layers):
    """Anomaly detection, 640 -> 640: dense layers of 128, with 8 in the middle."""
    x = inputs = layers.Input((640,))
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = normed(layers, layers.Dense(units), x)
    return inputs, layers.Dense(640)(x)


def normed(layers, layer, x, relu=True):
    x = layers.BatchNormalization(momentum=0)(layer(x))
    return layers.ReLU()(x) if relu else x


TINY = {"ResNet-8": resnet_8, "MobileNet v1": mobilenet_v1, "DS-CNN": ds_cnn, "FC": autoencoder}


def networks():
    """(name, bytes of an int8 .tflite file, BATCH quantized inputs), one after another."""
    for name in models.ARCHITECTURES:
        tflite = data.model(name, "int8")
        x = data.load(models.DATASETS[name]).x_test[:BATCH]
        yield name, tflite, quantize(x, IntegerModel(tflite).input.qparams)
    tf_keras = env.keras()
    for name, build in TINY.items():
        env.seed(0)
        model = tf_keras.Model(*build(tf_keras.layers))
        x = np.random.default_rng(0).normal(size=(BATCH, *model.input_shape[1:]))
        x = x.astype(np.float32)
        model(x, training=True)  # batch norms measure x: else the values fade from layer to layer
        tflite = conversion.convert(model, "int8", calibration=x)
        name += f" {model.count_params():,}"
        yield name, tflite, quantize(x, IntegerModel(tflite).input.qparams)


# --- ways to run them -----------------------------------------------------------------------


def litert(tflite, resolver):
    with env.captured_stderr():
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(
            model_content=tflite,
            experimental_op_resolver_type=getattr(OpResolverType, resolver),
            num_threads=1,
        )
        interpreter.allocate_tensors()
    first = interpreter.get_input_details()[0]["index"]
    last = interpreter.get_output_details()[0]["index"]

    def run(x):
        out = []
        for one in x:
            interpreter.set_tensor(first, one[None])
            interpreter.invoke()
            out.append(interpreter.get_tensor(last)[0])
        return np.stack(out)

    return run


def tflm(tflite):
    from tflite_micro.python.tflite_micro import runtime

    with env.captured_stderr():
        interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=1 << 20)

    def run(x):
        out = []
        for one in x:
            interpreter.set_input(one[None], 0)
            interpreter.invoke()
            out.append(interpreter.get_output(0)[0])
        return np.stack(out)

    return run


def one_at_a_time(model):
    return lambda x: np.concatenate([model.run(one[None]) for one in x])


def ways(tflite):
    """-> {way: a function of quantized inputs (n, ...)}; TFLM's is absent where TFLM is."""
    model = IntegerModel(tflite)
    found = {
        "ours, 100": model.run,
        "ours, 1": one_at_a_time(model),
        "LiteRT ref.": litert(tflite, "BUILTIN_REF"),
        "XNNPACK": litert(tflite, "AUTO"),
    }
    if importlib.util.find_spec("tflite_micro"):
        found["TFLM"] = tflm(tflite)
    return found


def speeds(running, x, rounds):
    """Inputs per second of each way: medians over the rounds, in which all take turns."""
    seconds = {way: [] for way in running}
    for _ in range(rounds):
        for way, run in running.items():
            batch = x if way == "ours, 100" else x[:FEW]
            start = time.perf_counter()
            run(batch)
            seconds[way].append((time.perf_counter() - start) / len(batch))
    return {way: 1 / median(times) for way, times in seconds.items()}


def compare(rounds):
    packages = ("numpy", "ai-edge-litert", "tflite-micro")
    versions = ", ".join(f"{p} {env.installed_version(p) or 'none'}" for p in packages)
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    print(f"{versions}, medians of {rounds} rounds")
    print(f"load when started: {os.getloadavg()[0]:.1f}\n" if hasattr(os, "getloadavg") else "")
    columns = ("ours, 1", "ours, 100", "LiteRT ref.", "TFLM", "XNNPACK")
    print(f"{'inputs per second':20}" + "".join(f"{column:>12}" for column in columns), end="")
    print("   ours, 1 / ref. / TFLM / XNN.  ours, 100 / ref. / TFLM / XNN.   differ from TFLM")
    for name, tflite, x in networks():
        running = ways(tflite)
        outputs = {way: run(x) for way, run in running.items()}
        speed = {"TFLM": float("nan"), **speeds(running, x, rounds)}
        print(f"{name:20}" + "".join(f"{speed[column]:12,.0f}" for column in columns), end="")
        for ours in ("ours, 1", "ours, 100"):
            ratios = (speed[ours] / speed[w] for w in ("LiteRT ref.", "TFLM", "XNNPACK"))
            print("        " + "".join(f"{ratio:8.2f}" for ratio in ratios), end="")
        if "TFLM" in outputs:
            differing = (
                f"{way} {(outputs[way] != outputs['TFLM']).sum()}"
                for way in ("ours, 1", "ours, 100", "LiteRT ref.", "XNNPACK")
            )
            print("   " + "; ".join(differing) + f" of {outputs['TFLM'].size:,}", end="")
        print(flush=True)


def profile():
    """Where IntegerModel's time goes: the ten functions that took most of it."""
    for name, tflite, x in networks():
        running = ways(tflite)
        for way, batch in (("ours, 1", x[:FEW]), ("ours, 100", x)):
            running[way](batch)
            profiler = cProfile.Profile()
            profiler.runcall(running[way], batch)
            print(f"\n--- {name}, {way}: {len(batch)} inputs")
            pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(10)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--profile"]
    if "--profile" in sys.argv:
        profile()
    else:
        compare(int(arguments[0]) if arguments else 7)


if __name__ == "__main__":
    main()
