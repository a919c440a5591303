"""How do accuracy and time per photograph depend on the size that a model is served at?

    .venv/bin/python -m bench.serving_size VERSION SNAPSHOT --sizes 128,160,192,224 --out sizes.json

Exports the network of a stored version (a number, the start of a digest, or “active”) once per
size, as a training would: the snapshot's train and valid pictures calibrate int8, decide between it
and fp32, and fit the thresholds; the weights, kept as float16 in the version, are the same for all
sizes, and nothing is trained. Each export is evaluated on the valid pictures, which may choose a
size, and on the snapshot's test pictures, from bytes to prediction. A network does best near the
size it was trained at, so the result does not tell how training at another size would do.

Milliseconds: medians over test pictures enlarged to 1200 pixels and encoded as JPEG, in one thread,
the sizes taking turns at every picture. “from bytes” is all that a photograph takes (checks,
decoding, scaling, network), “network” the graph alone on a prepared picture. Run nothing else
meanwhile.
"""
# ruff: noqa: E402 - Django has to be set up before the modules that know its models

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import django

django.setup()

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import torchvision
from django.core.files.storage import storages
from fastai.vision.learner import create_timm_model, create_vision_model, default_split
from PIL import Image
from torch import nn

from bench.snapshot_items import items_of
from bench.timing import milliseconds
from classifier.evaluation.metrics import measure
from classifier.inference.card import WEIGHTS
from classifier.inference.classify import predict
from classifier.inference.model import Model
from classifier.inference.preprocess import Preprocess, to_array
from classifier.inference.thresholds import ClassInfo
from classifier.recipes import Recipe
from classifier.registry import lookup, stored
from classifier.training.data_loaders import Item
from classifier.training.export import export_version
from classifier.training.learner import channels_of, linear_head
from classifier.training.start_weights import RESNETS, load_body, load_linear, load_start
from curation import ingest
from curation.images import decode, encode
from curation.models.image import media_name
from curation.snapshots import freeze, manifest
from shoeproject.parallel import map_in_threads

SIDE, TIMED, WARM_UP = 1200, 200, 5  # pixels and number of timed pictures; of those before
COLUMNS = [
    ("size", "size", "{}"),
    ("precision", "precision", "{}"),
    ("agreement", "int8 agrees", "{:.1%}"),
    ("valid", "valid", "{:.1%}"),
    ("accuracy", "accuracy", "{:.1%}"),
    ("judged", "judged types", "{:.1%}"),
    ("street", "street", "{:.1%}"),
    ("milliseconds", "ms from bytes", "{:.1f}"),
    ("network_milliseconds", "ms network", "{:.1f}"),
]


def main() -> None:
    """Export, evaluate, time, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("version", help="a number, the start of a digest, or “active”")
    parser.add_argument("snapshot", help="name of a snapshot of this installation (see VAR_DIR)")
    parser.add_argument("--sizes", default="128,160,192,224", help="pixels")
    parser.add_argument("--valid", type=int, default=1000, help="valid pictures at most")
    parser.add_argument("--seed", type=int, default=1, help="chooses the timed pictures")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    version = lookup.find(options.version)
    lines = list(manifest.read(freeze.find(options.snapshot)))
    card, folder = version.card, stored.fetch(version)
    tests = [line for line in lines if line.split == "test"]
    sizes = [int(size) for size in options.sizes.split(",")]
    print(f"{version}, served at {card['preprocess']['size']} px; {len(tests)} test pictures")
    with tempfile.TemporaryDirectory(prefix="bench-serving-size-") as scratch:
        items = items_of(chosen_lines(lines, card, options.valid))
        models = export_sizes(card, folder / WEIGHTS, items, sizes, Path(scratch))
        rows = [row(size, models[size], tests) for size in sizes]
        timed = random.Random(options.seed).sample(tests, min(TIMED, len(tests)))
        photos = [enlarged(picture(line)) for line in timed]
        for result, (total, network) in zip(rows, times(models, photos), strict=True):
            result["milliseconds"], result["network_milliseconds"] = total, network
    print_table(rows)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n")


def chosen_lines(lines, card: dict, valid: int) -> list:
    """Choose the train lines and at most `valid` valid lines of the version's classes.

    Every n-th of the valid ones: a manifest is sorted by digest, so that is a random sample.
    """
    learnt = {info["slug"] for info in card["classes"]}
    train, others = (
        [line for line in lines if line.split == split and line.label in learnt]
        for split in ("train", "valid")
    )
    return train + others[:: max(1, -(-len(others) // valid))]


def recipe_of(card: dict, size: int) -> Recipe:
    """Return the recipe on a card with another size.

    Missing fields get today's defaults; fields that no longer exist are left out.
    """
    known = {field.name for field in fields(Recipe)}
    kept = {k: v for k, v in (card["training"].get("recipe") or {}).items() if k in known}
    facts = {"arch": card["arch"], "head": card["head"], "size": size, "sizes": []}
    return Recipe.from_json(Recipe(name="unknown").as_json() | kept | facts)


def network(card: dict, file: Path) -> nn.Module:
    """Build the torch network (body, head) of a version from its weights.safetensors.

    Raises SystemExit for another head than the linear one, and WeightsDoNotFit.
    """
    if card["head"] != "linear":
        raise SystemExit(f"This version has the head “{card['head']}”; only linear ones are read.")
    arch, slugs = card["arch"], [info["slug"] for info in card["classes"]]
    head = linear_head(channels_of(recipe_of(card, 224)), len(slugs), 0.0)
    if arch in RESNETS:
        make = getattr(torchvision.models, arch)
        model = create_vision_model(make, len(slugs), pretrained=False, custom_head=head)
    else:
        options = {"pretrained": False, "custom_head": head}
        model, _ = create_timm_model(arch, len(slugs), default_split, **options)
    start = load_start(arch, "version", version_file=file)
    load_body(model, arch, start)
    if load_linear(model[1][-1], slugs, start) != len(slugs):
        raise SystemExit(f"{file} lacks a class of the card.")
    return model


def export_sizes(
    card: dict, file: Path, items: Sequence[Item], sizes: Sequence[int], scratch: Path
) -> dict[int, Model]:
    """Export the version's network for each size and load it as serving does; by size."""
    model = network(card, file)
    classes = [ClassInfo(**info) for info in card["classes"]]
    models = {}
    for size in sizes:
        began, folder = time.perf_counter(), scratch / str(size)
        spec = replace(Preprocess.from_json(card["preprocess"]), size=size)
        export_version(model, classes, recipe_of(card, size), spec, items, card["training"], folder)
        models[size] = Model.load(folder)
        print(f"{size} px exported in {time.perf_counter() - began:.0f} s", flush=True)
    return models


def row(size: int, model: Model, tests) -> dict:
    """Evaluate a model on test lines; `judged` is None if no type has enough of them."""
    limits = ingest.limits()
    predictions = list(map_in_threads(lambda line: predict(picture(line), model, limits), tests))
    metrics = measure(tests, predictions, model.classes)
    street = metrics["per_scene"].get("street")
    print(f"{size} px evaluated: {metrics['accuracy']:.1%}", flush=True)
    return {
        "size": size,
        "precision": model.card["precision"],
        "agreement": agreement(model.card),
        "valid": model.card["valid"]["top1"],
        "accuracy": metrics["accuracy"],
        "judged": metrics["judged"]["accuracy"] if metrics["judged"]["types"] else None,
        "street": street and street["accuracy"],
    }


def agreement(card: dict) -> float:
    """Return the largest share of valid pictures to which an int8 graph gives fp32's answer."""
    return max(v["top1"] for k, v in card["agreement"].items() if k.startswith("int8"))


def picture(line) -> bytes:
    """Read a picture of the snapshot."""
    with storages["media"].open(media_name(line.stored_sha256)) as file:
        return file.read()


def enlarged(data: bytes) -> bytes:
    """Scale a picture to a longer side of SIDE pixels, as a JPEG of quality 95."""
    image = decode(data).image
    scale = SIDE / max(image.size)
    size = [max(1, round(side * scale)) for side in image.size]
    return encode(image.resize(size, Image.Resampling.BICUBIC))


def times(models: dict[int, Model], photos: Sequence[bytes]) -> list[tuple[float, float]]:
    """Return the median milliseconds (from bytes, network alone) of every model, in turns."""
    limits, spent = ingest.limits(), {size: ([], []) for size in models}
    for number, data in enumerate([*photos[:WARM_UP], *photos]):
        order = list(models)
        first = number % len(order)  # the first one finds other data in the processor's cache
        for size in order[first:] + order[:first]:
            model = models[size]
            image = decode(data, limits, at_least=size).image
            batch = to_array(image, model.preprocess)[None]
            # The lambdas are called before the loop goes on.
            whole = milliseconds(lambda: predict(data, model, limits))  # noqa: B023
            alone = milliseconds(lambda: model.run(batch))  # noqa: B023
            if number >= len(photos[:WARM_UP]):
                spent[size][0].append(whole)
                spent[size][1].append(alone)
    return [tuple(map(statistics.median, pair)) for pair in spent.values()]


def print_table(rows: Sequence[dict]) -> None:
    """Print a line for each size."""
    print("  ".join(title for _, title, _ in COLUMNS))
    for result in rows:
        cells = []
        for key, title, form in COLUMNS:
            value = result[key]
            cells.append(("–" if value is None else form.format(value)).rjust(len(title)))
        print("  ".join(cells))


if __name__ == "__main__":
    main()
