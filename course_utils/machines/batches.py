"""How inputs go into a model and outputs come out of it, the same way for every runtime.

A file fixes the shape of each input, nearly always with a first axis of one. The x that `run`
takes holds n inputs at once:

    the file's input has the shape    x has the shape
    (1, 28, 28, 1)                    (n, 28, 28, 1): the axis of one becomes n
    (4, 10)                           (n, 4, 10): n whole inputs, stacked along a new axis
    ()                                (n,): the same
    several inputs                    a tuple with such an array for each, in the file's order

Outputs come back by the same rule, so that no value is dropped: (n, 10) where the file says
(1, 10), (n, 4, 10) where it says (4, 10), and a tuple where there are several.
"""

from __future__ import annotations

import numpy as np

from course_utils.engines import tflite_file


def describe(graph: tflite_file.Graph, indices) -> str:
    """Tensors in words, for an error: "0 'images' int8 (1, 28, 28, 1), 1 'age' float32 (1, 1)"."""
    tensors = (graph.tensors[index] for index in indices)
    return ", ".join(f"{i} '{t.name}' {t.type} {t.shape}" for i, t in enumerate(tensors))


def rows(graph: tflite_file.Graph) -> int:
    """How many rows the file takes at once: the first axis, where all inputs and outputs share one.

    0 where they do not. Only a run can tell whether the answer to a row depends on the others.
    """
    firsts = {graph.tensors[index].shape[:1] for index in (*graph.inputs, *graph.outputs)}
    first = firsts.pop() if len(firsts) == 1 else ()
    return first[0] if first else 0


def in_rows(given, graph: tflite_file.Graph) -> bool:
    """Whether arrays hold rows, (n, 10), of a file's input (4, 10), and not whole inputs of it."""
    ranks = [len(_tensor(graph, i).shape) for i in range(len(given))]
    return rows(graph) > 1 and [array.ndim for array in given] == ranks


def arrays(x, graph: tflite_file.Graph, or_rows=False) -> tuple[np.ndarray, ...]:
    """x as one array for each of the model's inputs; with or_rows also as `in_rows` has it.

    Raises ValueError where they are not as many as the inputs, or not of the same n >= 1.
    """
    count = len(graph.inputs)
    several = count > 1 and isinstance(x, (tuple, list))
    given = tuple(map(np.asarray, x)) if several else (np.asarray(x),)
    if count == 0:
        raise ValueError("The model has no input: there is nothing to give it.")
    if len(given) != count:
        raise ValueError(
            f"The model takes {count} inputs ({describe(graph, graph.inputs)}), and x holds "
            f"{len(given)}: pass a tuple with an array for each."
        )
    as_rows = or_rows and in_rows(given, graph)
    for i, array in enumerate(given):
        shape = _tensor(graph, i).shape
        each = shape[1:] if shape[:1] == (1,) or as_rows else shape
        if array.ndim == 0 or len(array) == 0 or array.shape[1:] != each:
            raise ValueError(
                f"x has the shape {array.shape}; {_who(graph, i)} takes "
                f"({', '.join(map(str, ('n', *each)))}{',' * (not each)}), with at least one input."
            )
    if len({len(array) for array in given}) > 1:
        counts = " and ".join(str(len(array)) for array in given)
        raise ValueError(f"x holds {counts} of the model's inputs: give as many of each.")
    return given


def groups(given, graph: tflite_file.Graph) -> tuple[np.ndarray, ...]:
    """Rows (n, ...), see `in_rows`, as whole inputs (n / size rounded up, size, ...).

    The last group is filled up with its own first row.
    """
    size = rows(graph)
    missing = -len(given[0]) % size
    fill = [len(given[0]) - (size - missing)] * missing
    taken = np.r_[0 : len(given[0]), fill].astype(int)
    return tuple(array[taken].reshape(-1, size, *array.shape[1:]) for array in given)


def _who(graph, i):
    one = len(graph.inputs) == 1
    return "the model" if one else f"the model's input {i} '{_tensor(graph, i).name}'"


def _tensor(graph, i):
    return graph.tensors[graph.inputs[i]]


def whole(x, graph: tflite_file.Graph) -> tuple[np.ndarray, ...]:
    """x as the model takes it, call by call: arrays (n, *the input's shape), one for each input.

    Raises TypeError for another dtype than the file's, ValueError as `arrays` does.
    """
    given = arrays(x, graph)
    for i, array in enumerate(given):
        if array.dtype != _tensor(graph, i).dtype:
            raise TypeError(
                f"x is {array.dtype}, and {_who(graph, i)} takes {_tensor(graph, i).type}: "
                "evaluation.to_input(x, tflite) makes its codes from real numbers."
            )
    return tuple(a.reshape(len(a), *_tensor(graph, i).shape) for i, a in enumerate(given))


def outputs(stacked):
    """What `run` returns of arrays (n, *the output's shape), one for each output."""
    found = tuple(
        array.reshape(len(array), *array.shape[2:]) if array.shape[1:2] == (1,) else array
        for array in stacked
    )
    return found[0] if len(found) == 1 else found
