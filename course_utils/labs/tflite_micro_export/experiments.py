"""Networks in TFLM (notebook 11): what its runtime holds, what runs, in how much memory."""

from __future__ import annotations

import bisect
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from course_utils import env
from course_utils.engines import integer_engine, tflite_file
from course_utils.labs.tflite_micro_export import avr, chips, linker_maps, project, scenes, trials
from course_utils.machines import conversion, data, evaluation, frameworks, micro, models, training
from course_utils.machines.micro import interpreter
from course_utils.machines.operators import TRACED, difference, in_parts, single_operator
from course_utils.machines.recording import (
    NETWORKS,
    SPLITS,
    load_network,
    resumable,
    right_answers,
    x_of,
    y_of,
)
from course_utils.numbers import intervals

# --- the runtime --------------------------------------------------------------------------------

def tflm_runtime():
    """The operators of the TFLM interpreter, tried one by one, and the bytes of its library."""
    if reason := micro.missing():
        raise OSError(reason)
    known, every = micro.operators(), micro.builtin_operators()
    library = frameworks.package_folder("tflite_micro") / "python" / "tflite_micro" / "_runtime.so"
    record = {
        "tflite_micro": env.installed_version("tflite-micro"),
        "machine": "x86-64, as the package was compiled",
        "file_bytes": library.stat().st_size,
        "known": sorted(known),
        "unknown": sorted(set(every) - known),
    }
    return record, {}, ()


def tflm_kernels():
    """Which number types the TFLM interpreter's kernels take: each operator tried in each type.

    Also, which custom operators it has, and of how many equal int8 logits a softmax ends it.
    """
    if reason := micro.missing():
        raise OSError(reason)
    takes = {}
    for name in sorted(micro.operators()):
        takes[name] = [kind for kind in trials.kinds(name) if not _said(trials.trial(name, kind))]
        print(f"{name}: {', '.join(takes[name])}", flush=True)
    named = {name for runtime in micro.runtimes() for name in runtime.custom_operators}
    unknown = "registration from op code CUSTOM"
    record = {
        "tflite_micro": env.installed_version("tflite-micro"),
        "takes": {name: kinds for name, kinds in takes.items() if kinds},
        "not_tried": sorted(name for name in takes if not trials.kinds(name)),
        "custom": sorted(name for name in named if unknown not in _said(trials.custom(name))),
        "softmax": {
            "key": "int8 -> int8",
            "ends": 1 + bisect.bisect_left(range(1, 4096), True, key=_softmax_ends),
        },
    }
    return record, {}, ()


def _said(tflite):
    """What is said of a model that does not run; "" if it runs."""
    try:
        return interpreter.in_tflm(trials.runs, tflite)
    except micro.Refused as refused:  # its process died
        return str(refused)


def _softmax_ends(logits):
    """Whether TFLM does not come through a softmax of so many int8 zeros."""
    try:
        micro.run(trials.softmax(logits), np.zeros((1, logits), np.int8))
    except micro.Refused:
        return True
    return False


# --- its code on a microcontroller --------------------------------------------------------------

MAPS = "TFLM_MAPS"  # the variable that names the folder of `tflm_flash`
KERNELS = ("reference", "cmsis_nn")
ABOUT = ("processor", "compiler", "flags", "c_library", "tflm", "cmsis_nn", "networks")


def tflm_flash():
    """Bytes of TFLM's code on an Arm Cortex-M4F, for each operator, with two sets of kernels.

    Read from linker maps in the folder that the variable TFLM_MAPS names:

        about.json               how they were made: the keys of ABOUT; "networks" says of each
                                 network its "file" and "operators"
        KERNELS/operators/*.map  those of a project that `linker_maps.make_programs` changed
        KERNELS/networks/*.map   one of each network's own project

    with `reference` and `cmsis_nn` for KERNELS. The projects are exported and built as their
    README says, for a Cortex-M4 with LDFLAGS=--specs=nano.specs; a network's map is asked for
    with -Wl,-Map=NAME.map. The networks are not used for the estimate: it is compared with them.
    """
    if not (folder := os.environ.get(MAPS)):
        raise OSError(f"Set {MAPS} to the folder of the linker maps: see tflm_flash.")
    about = json.loads((Path(folder) / "about.json").read_text("utf-8"))
    if absent := [key for key in ABOUT if key not in about]:
        raise ValueError(f"about.json does not say: {', '.join(absent)}.")
    networks = about.pop("networks")
    record = {"kernels": {}, "networks": networks}
    for built in KERNELS:
        maps = linker_maps.read(Path(folder) / built / "operators")
        base = maps.pop(linker_maps.NONE)
        record["kernels"][built] = {
            "core": linker_maps.bytes_of(base, "TFLM"),
            "c_library": linker_maps.bytes_of(base, "C library"),
            "operators": sorted(maps),
            "not_recorded": linker_maps.missing(maps),
            "parts": linker_maps.parts(base, maps),
        }
        for name, sizes in linker_maps.read(Path(folder) / built / "networks").items():
            networks[name][built] = {
                "code": linker_maps.bytes_of(sizes, "TFLM"),
                "c_library": linker_maps.bytes_of(sizes, "C library"),
                "project": linker_maps.bytes_of(sizes, "project"),
            }
    return {**about, **record}, {}, ()


# --- the networks -------------------------------------------------------------------------------

TRAINED_FOR_IT = "fashion_dscnn_qat"  # a file of fashion_dscnn, quantized during training
RECORDED = "integer_equality"  # the experiment that compares the other int8 files' outputs


def tflm_networks():
    """Every network in five modes, in TFLM: does it run, in how much RAM, with the same outputs?

    Outputs are compared on whole test sets; those of the int8 files are in `integer_equality`.
    Where integers differ, each operator is also run alone, on the codes that reach it in TFLM.
    """
    if reason := micro.missing():
        raise OSError(reason)
    networks = {}
    for name in NETWORKS:
        networks[name] = {}
        _, dataset = load_network(name)
        for mode in conversion.MODES:
            print(f"{name}: {mode}", flush=True)
            tflite = data.model(name) if mode == "int8" else conversion.converted(name, mode)
            x = dataset.x_test if mode != "int8" else None
            networks[name][mode] = _in_tflm(tflite, x)
    print(TRAINED_FOR_IT, flush=True)
    _, dataset = load_network("fashion_dscnn")
    networks[TRAINED_FOR_IT] = {"int8": _in_tflm(data.model(TRAINED_FOR_IT), dataset.x_test)}
    record = {
        "kernels": {p: env.installed_version(p) for p in ("ai-edge-litert", "tflite-micro")},
        "int8_outputs": RECORDED,
        "networks": networks,
    }
    return record, {}, NETWORKS


def _in_tflm(tflite, x):
    """One row of the record. x: inputs on which outputs are compared, None for no comparison."""
    report = micro.compatibility(tflite)
    row = {
        "file_bytes": len(tflite),
        "operators": [op.name for op in report.operators],
        "problems": list(report.problems),
        "activations": [list(part) for part in micro.activations(tflite)],
    }
    try:
        row |= {
            "runs": True,
            "said": "",
            "arena": micro.arena(tflite)._asdict(),
            "smallest_arena": micro.smallest_arena(tflite),
        }
    except micro.Refused as refused:
        return {**row, "runs": False, "said": str(refused), "arena": None, "smallest_arena": None}
    return row if x is None else {**row, "outputs": _outputs(tflite, x)}


def _outputs(tflite, x):
    """TFLM's outputs against the other engines': how many values differ, and how many answers."""
    codes = evaluation.to_input(x, tflite)
    ours = in_parts(lambda part: micro.run(tflite, part), codes, "TFLM")
    others = {f"LiteRT {k}": evaluation.run(tflite, codes, kernels) for k, kernels in
              (("reference", "reference"), ("XNNPACK", "xnnpack"))}  # fmt: skip
    if codes.dtype == np.int8:
        others["integer engine"] = integer_engine.IntegerModel(tflite).run(codes)
    found = {}
    for name, output in others.items():
        row = {"changed_answers": int((output.argmax(axis=1) != ours.argmax(axis=1)).sum())}
        if codes.dtype.kind == "f":
            row["differing"] = int(np.count_nonzero(output != ours))
            row["largest"] = float(np.abs(output - ours).max())
        else:
            row |= difference(ours, output)
        found[name] = row
    record = {"n": len(x), "values": int(ours.size), "others": found}
    if codes.dtype == np.int16:
        record["operators"] = _operators(tflite, codes[:TRACED])
    return record


def _operators(tflite, q):
    """Each operator alone in TFLM and in LiteRT's reference kernels, on the same codes."""
    rows = []
    for op in tflite_file.read(tflite).operators:
        alone = single_operator(tflite, op.index)
        ours, theirs = micro.run(alone, q), evaluation.run(alone, q, "reference")
        rows.append({"operator": op.name, "values": int(ours.size), **difference(ours, theirs)})
        q = ours
    return rows


# --- a dense layer's scales ---------------------------------------------------------------------

OLD = "Chirale_TensorFlowLite"  # a library that reads the first scale of a dense layer


def dense_scales():
    """Dense layers with a scale per channel or one: answers in TFLM, and where the first is read.

    By the integer engine, which equals TFLM in int8; int16x8 in TFLM. Of each network three files:
    as it is shipped, converted with one scale per dense layer, and with one scale made of the
    shipped file. The self-test's verdict is that of the exported project.
    """
    if reason := micro.missing() or micro.no_compiler():
        raise OSError(reason)
    networks = {}
    for name in (*NETWORKS, TRAINED_FOR_IT):
        _, dataset = load_network(name.removesuffix("_qat"))
        shipped = data.model(name)
        files = {"per_channel": shipped, "made_of_the_file": micro.one_scale(shipped)}
        if name in NETWORKS:
            files["converted"] = conversion.converted(name, "int8", dense_per_channel=False)
        networks[name] = {"n": len(dataset.x_test), "int8": _scales(name, files, dataset)}
        if name in NETWORKS:
            networks[name]["int16x8"] = _int16x8_scales(name, dataset)
    return {"runtime": str(micro.runtime(OLD)), "networks": networks}, {}, NETWORKS


def _scales(name, files, dataset):
    codes = evaluation.to_input(dataset.x_test, files["per_channel"])
    rows, before, expected = {}, None, None
    for kind, tflite in files.items():
        print(f"{name}: {kind}", flush=True)
        old = integer_engine.IntegerModel(micro.as_read(tflite, OLD))
        outputs = integer_engine.IntegerModel(tflite).run(codes)
        right = evaluation.count(outputs.argmax(axis=1) == dataset.y_test)
        before, expected = before or right, outputs if expected is None else expected
        read = old.run(codes)
        rows[kind] = {
            "file_bytes": len(tflite),
            "smallest_arena": micro.smallest_arena(tflite),
            **_against(before, right),
            "against_per_channel": difference(expected, outputs),
            "where_the_first_is_read": {
                **_against(right, evaluation.count(read.argmax(axis=1) == dataset.y_test)),
                **difference(outputs, read),
                "self_test": _verdict(name, tflite, old.run),
            },
        }
    return rows


def _int16x8_scales(name, dataset):
    rows, before = {}, None
    for kind, per_channel in (("per_channel", True), ("converted", False)):
        tflite = conversion.converted(name, "int16x8", dense_per_channel=per_channel)
        codes = evaluation.to_input(dataset.x_test, tflite)
        outputs = in_parts(lambda part, file=tflite: micro.run(file, part), codes, f"{name} {kind}")
        right = evaluation.count(outputs.argmax(axis=1) == dataset.y_test)
        before = before or right
        rows[kind] = {"file_bytes": len(tflite), **_against(before, right)}
    return rows


def _against(before, after):
    """Right answers, and the loss against others, paired, with its interval."""
    compared = evaluation.compare(before, after)
    return {
        "correct": after.correct, "newly_wrong": compared.newly_wrong,
        "newly_right": compared.newly_right, "loss": compared.loss,
        "interval": list(compared.interval), "p_value": compared.p_value,
    }  # fmt: skip


def _verdict(name, tflite, answer):
    """What the exported project's self-test says where `answer` runs the network."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / name
        micro.export_project(tflite, folder, name=name, runtime="TFLM")
        return "PASS" if micro.self_test(folder, tflite, answer=answer).passed else "FAIL"


# --- the exported project -----------------------------------------------------------------------


def tflm_self_test():
    """The self-test of the exported Watch network on this computer: as it is, and badly changed.

    TFLM's interpreter answers behind the compiled program. The change takes the rounding out of the
    input's quantization, as a cast to an integer does.
    """
    if reason := micro.missing() or micro.no_compiler():
        raise OSError(reason)
    watch = micro.one_scale(data.model("watch_cnn"))  # which every library reads rightly
    name, old, new = project.WITHOUT_ROUNDING
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "watch"
        micro.export_project(watch, folder, name="watch")
        found = [micro.self_test(folder, watch)]
        header = folder / "watch" / name
        header.write_text(header.read_text("utf-8").replace(old, new), "utf-8")
        found.append(micro.self_test(folder, watch))
    record = {
        key: {"passed": said.passed, "lines": [*filter(_lasting, said.lines)]}
        for key, said in zip(("as_exported", "rounding_taken_out"), found, strict=True)
    }
    return {"change": [name, old, new], **record}, {}, ("watch_cnn",)


def _lasting(line):
    """Is it what the self-test says of the outputs? Arena and time are another computer's."""
    return line.startswith("golden input") or line in ("PASS", "FAIL")


# --- a network for an ATmega328P ----------------------------------------------------------------

SEEDS = (1, 2, 3, 4, 5)


def avr_network():
    """A Watch network for an ATmega328P: what was tried, and right answers beside the full one's.

    Architectures are compared on the validation subjects alone, each trained from five seeds. Only
    the chosen one, and the full network beside it, answer the test windows. The first seed's
    weights are those that ship.
    """
    dataset = data.load("watch")
    recipe = training.RECIPES[avr.NETWORK]
    tried = []
    for name, layers in avr.CANDIDATES.items():
        runs = [_trained(layers, recipe, seed, dataset) for seed in SEEDS]
        correct = [int(run["validation_correct"]) for run in runs]
        tried.append({"architecture": name, **avr.need(layers)._asdict(),
                      "validation": _of_seeds(correct, len(dataset.y_validation))})  # fmt: skip
        print(f"{name}: {correct} of {len(dataset.y_validation)} right", flush=True)
    best = max(tried, key=lambda row: row["validation"]["mean"])["architecture"]
    if best != avr.CHOSEN:  # before any test window is answered
        raise ValueError(f"models.FOR_ONE_CHIP has {avr.CHOSEN}; on validation {best} is best.")
    networks, shipped = {}, {}
    for name in (avr.FULL, avr.NETWORK):
        print(f"{name}: test windows", flush=True)
        shipped[name] = _shipped_answers(name, dataset)
        networks[name] = _measured(name, shipped[name], dataset)
        networks[name]["seeds"] = _in_both(name, dataset)
    record = {
        "seed": list(SEEDS),
        "versions": training.versions(),
        "recipe": recipe,
        "train_size": len(dataset.x_train),
        "n": {split: len(y_of(dataset, split)) for split in SPLITS},
        "bounds": {"peak_bytes": avr.MOST_RAM, "parameters": avr.MOST_PARAMETERS,
                   "macs": avr.MOST_MACS},
        "tried": tried,
        "chosen": avr.CHOSEN,
        "networks": networks,
        "against_the_full": {
            kind: {split: _against(shipped[avr.FULL][kind][split], after)
                   for split, after in answers.items()}
            for kind, answers in shipped[avr.NETWORK].items()
        },
    }  # fmt: skip
    return record, {}, (avr.NETWORK, avr.FULL)


def _trained(layers, recipe, seed, dataset):
    """One training, or what an interrupted run left: weights, and right validation answers."""

    def compute():
        model = training.initial_model(layers, seed, avr.INPUT_SHAPE)
        training.fit(layers, model, dataset.x_train, dataset.y_train, dataset, recipe)
        weights = models.get_weights(model)
        counted = training.measure(layers, weights, dataset, "validation")
        return {**weights, "validation_correct": np.array(counted["correct"])}

    depends = json.dumps([layers, recipe, seed, data.manifest()["files"]["watch.npz"]["sha256"]])
    key = f"{hashlib.sha256(json.dumps(layers).encode()).hexdigest()[:12]}_{seed}"
    return resumable("avr_network", key, depends, compute)


def _of_seeds(correct, n):
    """Right answers of n, seed by seed, their mean as an accuracy, and the interval of the mean."""
    shares = [count / n for count in correct]
    low, high = intervals.seeds_interval(shares)
    return {"correct": correct, "mean": round(float(np.mean(shares)), 4),
            "interval_95": [round(low, 4), round(high, 4)]}  # fmt: skip


def _shipped_answers(name, dataset):
    """{"float32" or "int8": {split: Accuracy}} of the checkpoint and of the file."""
    network = data.checkpoint(name)
    return _answers(network.layers, network.weights, data.model(name), dataset)


def _answers(layers, weights, tflite, dataset):
    model, found = integer_engine.IntegerModel(tflite), {"float32": {}, "int8": {}}
    for split in SPLITS:
        x, y = x_of(dataset, split), y_of(dataset, split)
        found["float32"][split] = evaluation.count(right_answers(layers, weights, x, y))
        outputs = model.run(evaluation.to_input(x, tflite))
        found["int8"][split] = evaluation.count(outputs.argmax(axis=1) == y)
    return found


def _measured(name, answers, dataset):
    """What a shipped network needs, and how often it is right, with intervals."""
    tflite, layers = data.model(name), data.checkpoint(name).layers
    row = {
        "parameters": avr.need(layers).parameters,
        "macs": avr.need(layers).macs,
        "peak_bytes": {
            "int8": peak_bytes(tflite),
            "float32": peak_bytes(conversion.converted(name, "float32")),
        },
        "file_bytes": len(tflite),
        "sha256": data.manifest()["files"][f"models/{name}_int8.tflite"]["sha256"],
    }
    for kind, splits in answers.items():
        row[kind] = {split: _counted(found, getattr(dataset, f"subject_{split}"))
                     for split, found in splits.items()}  # fmt: skip
    return row | {"int8_against_float32": {
        split: _against(answers["float32"][split], answers["int8"][split]) for split in SPLITS
    }}  # fmt: skip


def peak_bytes(tflite):
    """Bytes of the activations that live at once, at most, without any alignment."""
    _, sizes, first, last = zip(*micro.activations(tflite), strict=True)
    return scenes.peak_bytes(sizes, first, last)


def _counted(found, subjects):
    return {
        "correct": found.correct, "n": found.n, "accuracy": round(found.value, 4),
        "interval_95": [round(end, 4) for end in found.interval],
        "by_subject": {
            str(who): {"correct": int(found.right[subjects == who].sum()),
                       "n": int((subjects == who).sum())}
            for who in np.unique(subjects)
        },
    }  # fmt: skip


def _in_both(name, dataset):
    """The network trained from each seed: right answers in float32, and in int8 as converted."""
    layers, counts = data.checkpoint(name).layers, {}
    for seed in SEEDS:
        run = _trained(layers, training.RECIPES[name], seed, dataset)
        weights = {key: run[key] for key in data.checkpoint(name).weights}
        model = models.set_weights(models.build(layers, avr.INPUT_SHAPE), weights)
        calibration = dataset.x_train[: conversion.CALIBRATION_SAMPLES]
        tflite = conversion.convert(model, "int8", calibration)
        for kind, splits in _answers(layers, weights, tflite, dataset).items():
            for split, found in splits.items():
                counts.setdefault(kind, {}).setdefault(split, []).append(found.correct)
        print(f"{name}: seed {seed} in float32 and int8", flush=True)
    return {kind: {split: _of_seeds(correct, len(y_of(dataset, split)))
                   for split, correct in splits.items()}
            for kind, splits in counts.items()}  # fmt: skip


EXPERIMENTS = (
    tflm_runtime, tflm_kernels, tflm_networks, dense_scales, tflm_self_test, tflm_flash,
    avr_network, chips.board_instructions,
)  # fmt: skip
