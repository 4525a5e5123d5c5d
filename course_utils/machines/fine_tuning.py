"""Prune a trained network and train it on, so that the weights that stay make up for the rest.

After one step of Adam a pruned weight would no longer be zero. So a mask m holds it there: before
every forward pass w := m * w. Two questions make the methods: which weights go, and when.

    method       which weights go                             when
    dense        none: the control, trained on as long
    one_shot     the smallest |w| of each kernel              all before the first step
    gradual      the smallest |w| of each kernel              along `polynomial_sparsity`
    global       the smallest |w| of all kernels together     along `polynomial_sparsity`
    sigma        |w| <= s * sigma_l, the slide's rule         s rises as the dense weights ask
    random       any: the other control                       along `polynomial_sparsity`
    two_by_four  the 2 smallest of every 4 inputs' weights    all before the first step
    blocks       the 4 successive inputs' weights of a dense  along `polynomial_sparsity`
                 layer whose mean |w| is smallest

The wrappers, "gradual", "two_by_four" and "blocks" are those of the TensorFlow Model Optimization
Toolkit (tfmot). It has no global threshold, no s * sigma and no random pruning: for those the
masks come from `masks_for`, and tfmot's wrapper holds them. Like tfmot, none touches depthwise
kernels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from course_utils import env
from course_utils.engines import layer_specs
from course_utils.machines import data, models, training
from course_utils.numbers import pruning

METHODS = ("dense", "one_shot", "gradual", "global", "sigma", "random", "two_by_four", "blocks")
OWN_MASKS = ("global", "sigma", "random")  # growing ones that tfmot does not have
BLOCK = 4  # successive inputs: what LiteRT's sparse kernel for dense layers takes at a time
PRUNINGS = 20  # so many times a gradual method prunes a little more, in the first half of training

# Adam, cosine decay to 0.
RECIPE = {"epochs": 3, "batch_size": 128, "learning_rate": 1e-3}
# For the 7,000 images that ship: small batches, as it takes steps to make up for pruning. On the
# validation set the best of 1e-3 and 4e-3, 128 and 32 for LeNet-300-100 at 90 %, gradual.
LIVE = {"epochs": 5, "batch_size": 32, "learning_rate": 4e-3}

Progress = Callable[[int, int], None]


class Trained(NamedTuple):
    """What fine-tuning leaves: all float32 weights, pruned ones 0, and {kernel: mask}."""

    weights: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]  # bool, True = kept
    steps: int  # batches trained on
    of: int  # batches planned

    @property
    def sparsity(self) -> float:
        """The share of the prunable kernels' weights that is pruned."""
        return sparsity_of(self.masks)


class Interrupted(training.Interrupted):
    """Fine-tuning was stopped; `trained` holds the weights so far, pruned by the masks so far."""

    def __init__(self, trained: Trained):
        self.trained = trained
        KeyboardInterrupt.__init__(
            self,
            f"Fine-tuning stopped after {trained.steps} of {trained.of} batches. Nothing is lost: "
            f"the weights so far, {trained.sparsity:.0%} pruned, are in the exception's `trained`.",
        )


def prunable(layers) -> list[str]:
    """The kernels that are pruned unless told otherwise: convolutions and dense layers.

    >>> prunable(models.ARCHITECTURES["fashion_dscnn"])[:2]
    ['conv1/kernel', 'pointwise1/kernel']
    """
    return [f"{layer['name']}/kernel" for layer in layers if layer["op"] in ("conv2d", "dense")]


def groups_of_four(layers, weights) -> list[str]:
    """The prunable kernels whose input axis 4 divides: where a 2 by 4 pattern fits.

    >>> network = data.checkpoint("fashion_cnn")         # conv1 has one input channel
    >>> groups_of_four(network.layers, network.weights)
    ['conv2/kernel', 'dense1/kernel', 'dense2/kernel']
    """
    return [name for name in prunable(layers) if weights[name].shape[-2] % 4 == 0]


def kernels_for(method, layers, weights) -> list[str]:
    """The kernels that a method prunes unless told otherwise."""
    if method == "two_by_four":
        return groups_of_four(layers, weights)
    if method == "blocks":
        return [name for name in groups_of_four(layers, weights) if weights[name].ndim == 2]
    return prunable(layers)


def sparsity_of(masks: Mapping[str, np.ndarray]) -> float:
    """The share that the masks prune, all of them together."""
    return pruning.sparsity(np.concatenate([mask.ravel() for mask in masks.values()]))


def masks_for(method, kernels, sparsity, seed=1, dense=None) -> dict[str, np.ndarray]:
    """Which weights stay when a share `sparsity` of them goes now: {kernel: bool mask}.

    method:   one of METHODS; the gradual ones call this again and again as the share grows.
    kernels:  {name: float32 kernel} as they are now.
    sparsity: in [0, 1). "two_by_four" always prunes half.
    seed:     of "random"; a larger share with the same seed prunes the same weights, and more.
    dense:    for "sigma": the kernels of the dense model, whose sigma_l the slide's rule takes
              (default: kernels). s is the one that would prune the share of them. What has
              trained on since can be more or less sparse.
    Raises ValueError for an unknown method, a sparsity outside [0, 1), and where a whole layer
    would go.
    """
    _require_method(method)
    if not 0 <= pruning.require_non_negative(sparsity, "sparsity") < 1:
        raise ValueError(f"sparsity is a share from 0 to below 1; got {sparsity:g}.")

    def smallest(values, threshold):
        return {name: pruning.magnitude_mask(values[name], threshold[name]) for name in values}

    if method == "dense":
        return {name: np.ones(w.shape, dtype=bool) for name, w in kernels.items()}
    if method == "two_by_four":
        return {name: pruning.n_m_mask(w, 2, 4, axis=-2) for name, w in kernels.items()}
    if method == "blocks":
        means = {name: _block_means(name, w) for name, w in kernels.items()}
        kept = masks_for("one_shot", means, sparsity)
        return {name: np.repeat(mask, BLOCK, axis=0) for name, mask in kept.items()}
    if method == "random":
        return {name: pruning.random_mask(w, sparsity, np.random.default_rng([seed, i]))
                for i, (name, w) in enumerate(kernels.items())}  # fmt: skip
    if method == "global":
        together = np.concatenate([w.ravel() for w in kernels.values()])
        limit = pruning.ThresholdIndex(together).threshold(sparsity)
        masks = smallest(kernels, dict.fromkeys(kernels, limit))
    elif method == "sigma":
        sigma = {name: pruning.magnitude_threshold(w, 1) for name, w in (dense or kernels).items()}
        in_sigmas = [(w / sigma[name]).ravel() for name, w in (dense or kernels).items()]
        s = pruning.ThresholdIndex(np.concatenate(in_sigmas)).threshold(sparsity)
        masks = smallest(kernels, {name: s * sigma[name] for name in kernels})
    else:
        masks = smallest(kernels, {name: pruning.ThresholdIndex(w).threshold(sparsity)
                                   for name, w in kernels.items()})  # fmt: skip
    empty = [name for name, mask in masks.items() if not mask.any()]
    if empty:
        raise ValueError(
            f"{method} pruning to {sparsity:.1%} would leave no weight in {', '.join(empty)}, and "
            "a layer without any passes nothing on: take a lower sparsity, or leave it out."
        )
    return masks


def _block_means(name, kernel):
    if kernel.ndim != 2 or len(kernel) % BLOCK:
        raise ValueError(
            f"{name} has shape {kernel.shape}: blocks of {BLOCK} inputs need a dense kernel "
            f"(in, out) whose inputs {BLOCK} divides."
        )
    return np.abs(kernel).reshape(-1, BLOCK, kernel.shape[1]).mean(axis=1)


def apply_masks(weights, masks) -> dict[str, np.ndarray]:
    """All weights, the masked ones pruned: w := m * w. Nothing is trained."""
    return {**weights, **{name: np.where(mask, weights[name], 0) for name, mask in masks.items()}}


def pruning_steps(steps: int) -> tuple[int, int]:
    """(frequency, end_step) of the gradual methods: PRUNINGS times in the first half of training.

    >>> pruning_steps(1290)           # at batches 32, 64, ..., 640 of 1290
    (32, 640)
    """
    prunings = max(1, min(PRUNINGS, steps // 2))
    frequency = max(1, steps // (2 * prunings))
    return frequency, prunings * frequency


def fine_tune(layers, weights, x, y, method="gradual", sparsity=0.9, *, kernels=None,
              epochs=RECIPE["epochs"], batch_size=RECIPE["batch_size"],
              learning_rate=RECIPE["learning_rate"], seed=1, loss=None,
              progress: Progress | None = None) -> Trained:  # fmt: skip
    """Prune a trained network in one of METHODS and train it on; imports TensorFlow.

    layers, weights: a network of `models`, or yours by `keras_models.describe`.
    x, y:      inputs (n, height, width, channels) as in training, integer labels (n,).
    sparsity:  the share of each kernel's weights to prune, in [0, 1); the share of all kernels
               together for "global" and "sigma". "dense" and "two_by_four" have their own. With
               "sigma" training moves weights over the threshold again: fewer stay pruned.
    kernels:   names of those to prune; default `kernels_for`.
    loss:      a Keras loss or its name; default the one that belongs to the last layer
               (`training.loss_for`), be it a softmax, a sigmoid or logits.
    progress(done, total) is called after each batch.
    The same seed gives the same batches in the same order to every method: a matched budget.
    Raises ValueError for what `masks_for` and `training.loss_for` refuse, for layers that share
    weights, for names that are no kernels and for training that diverges; Interrupted, with the
    weights so far, for KeyboardInterrupt.
    """
    _require_method(method)
    layer_specs.require_own_weights(layers, weights)
    if kernels is None:
        kernels = kernels_for(method, layers, weights)
    unknown = [name for name in kernels if name not in prunable(layers)]
    if unknown or not kernels:
        raise ValueError(
            f"There is no kernel to prune called {', '.join(unknown) or '(none given)'}; this "
            f"network has {', '.join(prunable(layers))}."
        )
    x, y = training.require_examples(x, y, epochs, batch_size)
    dense = {name: np.asarray(weights[name]) for name in kernels if name in weights}
    masks_for(method, dense, sparsity, seed)  # what can't be done is said before training starts
    layer_specs.require_weights(layers, x.shape[1:], weights)

    keras = env.keras()
    loss = training.loss_for(layers, x.shape[1:], y) if loss is None else loss
    env.seed(seed)
    steps = epochs * -(-len(x) // batch_size)
    model, stripped = _wrapped(layers, x.shape[1:], kernels, method, sparsity, steps)
    models.set_weights(stripped, weights)
    held = {layer.layer.name + "/kernel": layer for layer in model.layers
            if hasattr(layer, "pruning_vars")}  # fmt: skip
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(keras.optimizers.Adam(schedule), loss)
    done = 0

    def hold(share):
        now = {name: layer.layer.kernel.numpy() for name, layer in held.items()}
        for name, mask in masks_for(method, now, share, seed, dense).items():
            held[name].pruning_vars[0][1].assign(mask.astype(np.float32))

    def trained():
        masks = {name: layer.pruning_vars[0][1].numpy().astype(bool)
                 for name, layer in held.items()}  # fmt: skip
        # The optimizer had the last word: its step moved the pruned weights, too.
        return Trained(apply_masks(models.get_weights(stripped), masks), masks, done, steps)

    # What tfmot wants of a training loop of one's own: count the steps from 0.
    counter = _tfmot().UpdatePruningStep()
    counter.set_model(model)
    counter.on_train_begin()
    if method == "one_shot":
        hold(sparsity)
    frequency, end_step = pruning_steps(steps)
    rng = np.random.default_rng(seed)
    try:
        for _ in range(epochs):
            order = rng.permutation(len(x))
            for first in range(0, len(x), batch_size):
                step = done + 1
                if method in OWN_MASKS and step % frequency == 0 and step <= end_step:
                    hold(float(pruning.polynomial_sparsity(step, 0, sparsity, 0, end_step)))
                batch = order[first : first + batch_size]
                training.train_on(model, x[batch], y[batch], done)
                done = step
                if progress is not None:
                    progress(done, steps)
    except KeyboardInterrupt:
        raise Interrupted(trained()) from None
    return trained()


def live(name, method="gradual", sparsity=0.9, *, epochs=LIVE["epochs"], seed=1,
         progress: Progress | None = None) -> Trained:  # fmt: skip
    """Prune a shipped network and fine-tune it on the shipped images, within a minute.

    name: one of `models.ARCHITECTURES`. The other parameters are those of `fine_tune`; the recipe
    is LIVE. 5 epochs of the 7,000 images that ship take 6 to 20 s on two free processors. Stopping
    it (the square button of Jupyter) returns what there is so far, with a warning that says so.
    Raises ValueError as `fine_tune` does, and for an unknown name.
    """
    models.resolve(name)
    network, dataset = data.checkpoint(name), data.load(models.DATASETS[name])
    try:
        return fine_tune(network.layers, network.weights, dataset.x_train, dataset.y_train, method,
                         sparsity, **{**LIVE, "epochs": epochs}, seed=seed,
                         progress=progress)  # fmt: skip
    except Interrupted as stopped:
        so_far = stopped.trained
        warnings.warn(
            f"Stopped after {so_far.steps} of {so_far.of} batches, {so_far.sparsity:.0%} pruned. "
            "These weights are the result: nothing is lost. Run the cell again for the whole.",
            stacklevel=2,
        )
        return so_far


def is_two_by_four(kernel) -> bool:
    """Does tfmot's own verifier find at most 2 of every 4 successive inputs' weights?

    kernel: float32, Keras's axis order, (in, out) or (height, width, in, out).
    """
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_utils

    return pruning_utils.is_pruned_m_by_n(env.tensorflow().constant(kernel), (2, 4), "C_OUT")


def _wrapped(layers, input_shape, kernels, method, sparsity, steps):
    """-> (the model with tfmot's wrappers, the same layers without them)."""
    keras, tfmot = env.keras(), _tfmot()
    frequency, end_step = pruning_steps(steps)
    if method in ("gradual", "blocks"):
        how = {"pruning_schedule": tfmot.PolynomialDecay(0.0, sparsity, 0, end_step,
                                                         frequency=frequency)}  # fmt: skip
    else:  # the wrapper never prunes by itself; masks are given to it
        how = {"pruning_schedule": tfmot.ConstantSparsity(0.5, begin_step=2**31)}
    if method == "two_by_four":
        how["sparsity_m_by_n"] = (2, 4)
    if method == "blocks":
        how["block_size"] = (BLOCK, 1)
    model = keras.Sequential([keras.layers.InputLayer(input_shape=input_shape)])
    for layer in layers:
        made = models.keras_layer(keras.layers, layer)
        pruned = f"{layer['name']}/kernel" in kernels
        model.add(tfmot.prune_low_magnitude(made, **how) if pruned else made)
    return model, tfmot.strip_pruning(model)


def _tfmot():
    env.keras()  # first: tfmot takes Keras 2 only where the lab's settings say so
    from tensorflow_model_optimization.sparsity import keras as tfmot

    return tfmot


def _require_method(method):
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}; there are {', '.join(METHODS)}.")
