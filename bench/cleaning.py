"""How well are planted faults found, beside fastai's cleaner, cleanlab and cleanvision?

    .venv/bin/python -m bench.cleaning --photos FOLDER --weights FILE --out FOLDER
    .venv/bin/python -m bench.cleaning … --version FOLDER

`--photos`: a folder with a `manifest.csv` (path, class, group, source, sha256). First it measures
which two types are confused most, on the labels as they are. Then, by a fixed seed, labels are
flipped, copies and non-shoes are added (`bench.planted_faults`), and every method looks for faults:
in the features of pretrained weights, and with `--version` also in those of a version trained on
the faulted labels alone. For that training the first run writes `faulted-5/faulted.csv` to `--out`:

    manage import_images OUT/faulted-5/faulted.csv
    manage snapshot faulted
    manage train --snapshot faulted --recipe quick-look --wait …

Precision is the share of what is flagged that was planted, so faults which the photographs had
before count against every method; contact sheets of what was flagged and not planted let a person
judge. A method without a threshold is cut at as many as there are faults. The features of the
photographs are kept in `--out` for the next run.
"""

import argparse
import hashlib
import json
import random
from collections import Counter
from dataclasses import fields
from pathlib import Path

import django
import numpy as np
from PIL import Image

from bench import baseline_cleaners, contact_sheet, planted_faults
from bench.ground_truth import GroundTruth, table
from classifier.assess import features, label_issues
from classifier.assess.feature_arrays import FeatureArrays
from classifier.assess.find_issues import FoundIssues, find_issues
from classifier.assess.images import Images
from classifier.assess.projection import principal_components
from classifier.inference.embedding import Embedder
from classifier.inference.model import Model
from curation import splits
from shoeproject.parallel import map_in_threads

SMALLEST = 100  # pixels of the shorter side; affects no reason that is measured here
SHOWN = 60  # cells of a contact sheet


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--photos", type=Path, required=True, help="folder with a manifest.csv")
    add("--weights", type=Path, required=True, help="pretrained weights of a resnet34")
    add("--out", type=Path, required=True, help="folder for what is made on the way, and results")
    add("--version", type=Path, help="folder of a version trained on the faulted labels")
    add("--networks", default="pretrained,trained", help="one of them, or both")
    add("--size", type=int, default=128, help="pixels, of the pretrained network")
    add("--seed", type=int, default=5)
    add("--shoes", type=int, help="plant in so many of them, drawn at random; else in all")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    pretrained = pretrained_embedder(options)
    shoes, others = planted_faults.read(options.photos)
    confused = most_confused(options.out / "confused.json", shoes, pretrained)
    if options.shoes:
        shoes = random.Random(options.seed).sample(shoes, options.shoes)
        options.out /= f"shoes-{options.shoes}"  # other copies have the same names there
        options.out.mkdir(exist_ok=True)
    photos = planted_faults.plant(shoes, others, confused, options.out / "copies", options.seed)
    planted_faults.write(photos, options.out / f"faulted-{options.seed}")
    print(f"planted: {planted_faults.counts(photos)}; confused most: {' and '.join(confused)}")
    trained = Embedder.of_model(Model.load(options.version)) if options.version else None
    bench = Bench(photos, options.out, options.seed, trained)
    networks = options.networks.split(",")
    if "pretrained" in networks:
        bench.measure("pretrained", pretrained)
    if "trained" in networks and trained:
        bench.measure("trained", trained)
    file = options.out / "results.json"  # keeps the results of earlier runs with other networks
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | bench.results, indent=1) + "\n")


def pretrained_embedder(options) -> Embedder:
    """Return the pretrained network as a graph, which the first run exports."""
    folder = options.out / f"embedder-{options.size}-{options.weights.stem}"
    if not folder.exists():
        django.setup()
        from classifier.training import embedder_export, start_weights  # torch, the first time

        start = start_weights.load_start("resnet34", "file", options.weights)
        embedder_export.export_embedder("resnet34", start, options.size, folder)
    return Embedder.load(folder)


def features_of(photos: list[planted_faults.Photo], embedder: Embedder, out: Path) -> FeatureArrays:
    """Return the features of photographs; `out` keeps them for the next call."""
    name = f"features-{embedder.digest[:16]}"
    file, keys = out / f"{name}.npz", out / name
    known = keys.read_text().split("\n") if keys.exists() else []
    parts = [FeatureArrays.from_bytes(file.read_bytes())] if known else []
    new = [photo for photo in photos if photo.key not in set(known)]
    if new:
        print(f"computing the features of {len(new)} photographs", flush=True)
        work = map_in_threads(lambda p: features.compute(p.path.read_bytes(), embedder), new)
        parts.append(features.stack(list(work), embedder))
        known += [photo.key for photo in new]
    place = {key: row for row, key in enumerate(known)}
    rows = [place[photo.key] for photo in photos]
    names = [field.name for field in fields(FeatureArrays)]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    if new:
        file.write_bytes(FeatureArrays(**arrays).as_bytes())
        keys.write_text("\n".join(known))
    return FeatureArrays(**{name: array[rows] for name, array in arrays.items()})


def most_confused(
    file: Path, shoes: list[planted_faults.Photo], embedder: Embedder
) -> tuple[str, str]:
    """Return the two types that a regression confuses most, out of sample, before planting."""
    if not file.exists():
        arrays = features_of(shoes, embedder, file.parent)
        classes, given, groups = labels_of(shoes)
        scores = label_issues.score_labels(
            principal_components(arrays.embedding, 256), given, groups, len(classes)
        )
        wrong = np.flatnonzero(scores.best != given)
        pairs = Counter(tuple(sorted((classes[given[i]], classes[scores.best[i]]))) for i in wrong)
        file.write_text(json.dumps(pairs.most_common(10), indent=1) + "\n")
    pairs = json.loads(file.read_text())
    print("confused, out of sample:", *(f"{a} and {b} {n}," for (a, b), n in pairs[:3]), "…")
    return tuple(pairs[0][0])


def labels_of(photos: list[planted_faults.Photo]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the classes, and for each photograph the numbers of its class and of its group."""
    classes, given = np.unique([photo.label for photo in photos], return_inverse=True)
    groups = np.unique([photo.group or photo.key for photo in photos], return_inverse=True)[1]
    return classes.tolist(), given, groups


class Bench:
    """The faulted photographs, and what each method finds in them.

    `trained`: a version trained on their labels, if there is one.
    """

    def __init__(
        self,
        photos: list[planted_faults.Photo],
        out: Path,
        seed: int,
        trained: Embedder | None = None,
    ):
        self.photos, self.out, self.seed, self.trained = photos, out, seed, trained
        self.classes, self.given, self.groups = labels_of(photos)
        self.splits = np.array([splits.split_of(split_key(p)).value for p in photos])
        self.ground_truth = GroundTruth(photos, self.splits)
        self.results: dict = {}
        self._same_hashes = baseline_cleaners.same_hashes([photo.path for photo in photos])

    def measure(self, network: str, embedder: Embedder) -> None:
        """Run all methods on the features of one embedder; prints tables, draws sheets."""
        arrays = features_of(self.photos, embedder, self.out)
        found = find_issues(self.images(arrays, embedder), SMALLEST)
        rankings = self.ours(found)
        embeddings = np.asarray(arrays.embedding, np.float32)
        print(f"\n## {network}: {embedder.name}", flush=True)
        if self.trained:
            by_loss = baseline_cleaners.by_loss(self.probabilities(self.trained), self.given)
            for queue in ("labels", "copies", "outliers"):
                rankings[queue].append(by_loss)
        plain = baseline_cleaners.out_of_sample(
            embeddings, self.given, self.groups, len(self.classes)
        )
        rankings["labels"] += [
            baseline_cleaners.label_issues(self.given, plain, "cleanlab, plain regression"),
            baseline_cleaners.label_issues(
                self.given, found.label_scores.probabilities, "cleanlab, our probabilities"
            ),
        ]
        rankings["outliers"].append(baseline_cleaners.outliers(embeddings))
        alike = [baseline_cleaners.near_duplicates(embeddings), self._same_hashes]
        rankings["copies"] += alike
        rankings["leakage"] += [baseline_cleaners.across(ranking, self.splits) for ranking in alike]
        self.results[network] = {}
        for queue, given in rankings.items():
            rows = [self.ground_truth.row(queue, ranking) for ranking in given]
            self.results[network][queue] = rows
            print(f"\n### {queue}\n\n{table(rows)}", flush=True)
        self.suggestions(network, found)
        self.unplanted(network, rankings, found)

    def probabilities(self, version: Embedder) -> np.ndarray:
        """Return (n, classes) of the trained network without its temperature."""
        own = np.asarray(features_of(self.photos, version, self.out).own, np.float64)
        own **= version.temperature
        own /= own.sum(1, keepdims=True)
        own = np.column_stack([own, np.zeros(len(own))])  # for a type it has not learnt
        slugs = list(version.classes)
        return own[:, [slugs.index(s) if s in slugs else len(slugs) for s in self.classes]]

    def images(self, arrays: FeatureArrays, embedder: Embedder) -> Images:
        """Return the photographs as an assessment takes them."""
        own = np.array(arrays.own, np.float32)
        own[self.splits == splits.Split.TRAIN] = np.nan  # what the version has learnt
        sizes = np.array([Image.open(photo.path).size for photo in self.photos])
        return Images(
            sha256=[photo.key for photo in self.photos],
            label=[photo.label for photo in self.photos],
            group=[photo.group for photo in self.photos],
            split=list(self.splits),
            confirmed=np.zeros(len(self.photos), bool),
            pixels=sizes.prod(1),
            shorter_side=sizes.min(1),
            order=np.arange(len(self.photos)),
            embedding=arrays.embedding,
            whole=arrays.whole,
            content=arrays.content,
            quality=arrays.quality,
            own=own,
            own_classes=embedder.classes,
        )

    def ours(self, found: FoundIssues) -> dict[str, list[baseline_cleaners.Ranking]]:
        """Rank the issues that an assessment finds by their scores, for each queue."""
        place = {photo.key: i for i, photo in enumerate(self.photos)}

        def ranking(method: str, *reasons: str) -> baseline_cleaners.Ranking:
            issues = [issue for issue in found.issues if issue.reason in reasons]
            issues.sort(key=lambda issue: -issue.score)
            items = [(i.image, place[i.other]) if i.other else i.image for i in issues]
            return baseline_cleaners.Ranking(method, np.array(items, np.int64), len(items))

        return {
            "labels": [
                ranking("ours: label-issue", "label-issue"),
                ranking("ours: label-issue and loss", "label-issue", "loss"),
            ],
            "copies": [ranking("ours", "exact-duplicate", "near-duplicate")],
            "outliers": [
                ranking("ours: not-a-shoe", "not-a-shoe"),
                ranking("ours: not-a-shoe and outlier", "not-a-shoe", "outlier"),
            ],
            "leakage": [ranking("ours", "leakage")],
        }

    def suggestions(self, network: str, found: FoundIssues) -> None:
        """Print how often the label suggested for a flagged wrong one is the true one."""
        rows = {}
        for fault in ("flip", "confused"):
            issues = [(issue.suggested, photo) for issue in found.issues
                      if issue.reason == "label-issue"
                      and (photo := self.photos[issue.image]).fault == fault]  # fmt: skip
            right = sum(suggested == photo.true_label for suggested, photo in issues)
            rows[fault] = right / max(1, len(issues))
        self.results[network]["suggestions"] = rows
        print("\nsuggested is true:", {name: f"{share:.1%}" for name, share in rows.items()})

    def unplanted(
        self, network: str, rankings: dict[str, list[baseline_cleaners.Ranking]], found
    ) -> None:
        """Draw contact sheets of a random sample of what was flagged and not planted.

        For copies, print also how many are views of one group, or the same pixels.
        """
        dice = random.Random(self.seed)
        suggested = {i.image: i.suggested for i in found.issues if i.reason == "label-issue"}
        for queue, columns in (("labels", 10), ("copies", 6), ("outliers", 10)):
            ours = rankings[queue][1 if queue == "outliers" else 0]  # all of ours
            items = ours.ranked[: ours.flagged]
            wrong = items[~self.ground_truth.right(queue, items)]
            rows = []
            for item in dice.sample(wrong.tolist(), min(SHOWN, len(wrong))):
                members = item if queue == "copies" else [item]
                photos = [self.photos[i] for i in members]
                caption = photos[0].label
                if queue == "labels":
                    caption += f"\n{suggested[item]}"
                rows.append(([photo.path for photo in photos], f"{len(rows) + 1} {caption}"))
            contact_sheet.draw(rows, self.out / f"{network}-{queue}.png", columns)
            print(f"\n{network}-{queue}.png: {len(rows)} of {len(wrong)} flagged and not planted")
        kinds = self.results[network]["unplanted copies"] = {}
        for ranking in rankings["copies"]:
            if ranking.ranked.ndim == 2:
                kinds[ranking.method] = self._kinds(ranking.ranked[: ranking.flagged])
        print("unplanted pairs:", json.dumps(kinds))

    def _kinds(self, pairs: np.ndarray) -> dict[str, int]:
        """Count the pairs that were not planted by kind."""
        kinds = {"same group": 0, "same pixels": 0, "neither": 0}
        for a, b in pairs[~self.ground_truth.right("copies", pairs)].tolist():
            first, second = self.photos[a], self.photos[b]
            if pixels(first.path) == pixels(second.path):
                kinds["same pixels"] += 1
            elif first.group and first.group == second.group:
                kinds["same group"] += 1
            else:
                kinds["neither"] += 1
        return kinds


def split_key(photo: planted_faults.Photo) -> str:
    """Return the split key that an import gives a photograph."""
    if photo.group or not photo.original:
        return photo.group or photo.key
    return hashlib.sha256(photo.path.read_bytes()).hexdigest()


def pixels(path: Path) -> tuple:
    """Return size and digest of a decoded picture."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    return image.size, hashlib.sha256(image.tobytes()).hexdigest()


if __name__ == "__main__":
    main()
