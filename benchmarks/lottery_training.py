"""A training step of the lottery ticket: NumPy against a compiled TensorFlow loop, and the bound.

    python benchmarks/lottery_training.py

Both do the same on one thread: a batch of 60, gradient, Adam, and the mask. The bound is what this
processor would need for the step's multiplications at the rate of a large float32 product, and
besides for one reading and one writing of weights and moments at the rate of a large copy.
Processor time, the best of five; other programs on the machine still make it longer.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402

from course_utils import env  # noqa: E402
from course_utils.engines import blas  # noqa: E402
from course_utils.labs.lottery_ticket import tickets  # noqa: E402
from course_utils.machines import data, models, numpy_training  # noqa: E402
from course_utils.views.tables import Table  # noqa: E402

NETWORKS = ("lenet_300_100", "fashion_cnn")
LEFT = (1.0, 0.17, 0.03)
BATCH = 60


def best(function, repeats=40):
    """Processor seconds of one call, the best of five blocks."""
    function()
    found = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(repeats // 5):
            function()
        found.append((time.process_time() - started) / (repeats // 5))
    return min(found)


def masks_of(weights, left):
    """Random masks of this share."""
    rng = np.random.default_rng(0)
    return {name: rng.random(m.shape) < left for name, m in tickets.whole(weights).items()}


def with_numpy(network, left, images):
    weights = numpy_training.initial_weights(network, 1)
    net = numpy_training.Network(network, weights, masks_of(weights, left))
    x, y = images.x_train[:BATCH], images.y_train[:BATCH]
    with blas.one_thread():
        return best(lambda: net.step(x, y, 10, 1.2e-3))


def with_tensorflow(network, left, images, steps=20):
    tf = env.tensorflow()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    initial = numpy_training.initial_weights(network, 1)
    model = models.set_weights(models.build(network), initial)
    masks = masks_of(models.get_weights(model), left)
    tape_masks = [tf.constant(masks.get(name, np.ones(w.shape)).astype(np.float32))
                  for name, w in models.get_weights(model).items()]  # fmt: skip
    variables = model.trainable_variables
    m, v = ([tf.Variable(tf.zeros_like(w)) for w in variables] for _ in range(2))
    x_all, y_all = tf.constant(images.x_train), tf.constant(images.y_train)

    @tf.function
    def train(indices):
        for i in tf.range(tf.shape(indices)[0]):
            x, y = tf.gather(x_all, indices[i]), tf.gather(y_all, indices[i])
            with tf.GradientTape() as tape:
                answer = model(x, training=True)
                loss = tf.reduce_mean(tf.keras.losses.sparse_categorical_crossentropy(y, answer))
            gradients = tape.gradient(loss, variables)
            power = tf.cast(i + 1, tf.float32)
            for w, g, mw, vw, mask in zip(variables, gradients, m, v, tape_masks, strict=True):
                tf.raw_ops.ResourceApplyAdam(
                    var=w.handle, m=mw.handle, v=vw.handle, beta1_power=0.9**power,
                    beta2_power=0.999**power, lr=1.2e-3, beta1=0.9, beta2=0.999, epsilon=1e-7,
                    grad=g * mask,
                )  # fmt: skip

    rng = np.random.default_rng(0)
    indices = tf.constant(rng.integers(0, len(images.x_train), (steps, BATCH)).astype(np.int32))
    return best(lambda: train(indices), 10) / steps


def bound(network):
    """-> (seconds for the multiplications, seconds for weights and moments once through memory)"""
    size = 1024
    a = np.random.default_rng(0).random((size, size), dtype=np.float32)
    with blas.one_thread():
        rate = 2 * size**3 / best(lambda: a @ a)
    big = np.zeros(4_000_000, np.float32)
    other = big.copy()
    copied = 2 * big.nbytes / best(lambda: np.copyto(other, big))
    shapes = models.describe(*models.resolve(network))
    macs = sum(layer.macs for layer in shapes)
    first = shapes[0].macs if shapes[0].macs else shapes[1].macs
    values = sum(w.size for w in data.checkpoint(network).weights.values())
    # Forward, gradient of the weights, gradient of the inputs; the first layer has no third.
    return 2 * BATCH * (3 * macs - first) / rate, 2 * 3 * 4 * values / copied


def main() -> None:
    images, rows = data.load("fashion_mnist"), []
    for network in NETWORKS:
        multiply, memory = bound(network)
        for left in LEFT:
            ours, theirs = with_numpy(network, left, images), with_tensorflow(network, left, images)
            times = ours, theirs, multiply + memory
            rows.append((f"{network}, {left:.0%} left", *(f"{1e6 * t:,.0f}" for t in times)))
    print(Table("Microseconds of processor time a step, batch of 60, one thread",
                ("network", "NumPy", "TensorFlow", "bound"), rows))  # fmt: skip


if __name__ == "__main__":
    main()
