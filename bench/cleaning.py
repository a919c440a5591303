"""How well are planted faults found, beside fastai's cleaner, cleanlab and cleanvision?

    .venv/bin/python -m bench.cleaning --photos FOLDER --weights FILE --out FOLDER
    .venv/bin/python -m bench.cleaning … --version FOLDER

`--photos`: a folder with a `manifest.csv` (path, class, group, source, sha256). Which two types are
confused most is measured first, on the labels as they are. Then, by a fixed seed, labels are
flipped, copies and non-shoes are added (`bench.planted_faults`), and every way is asked what is wrong:
looking through pretrained weights, and with `--version` also through a version trained on the
faulted labels alone. For that training the first run leaves `faulted-5/faulted.csv` in `--out`:

    manage import_images OUT/faulted-5/faulted.csv
    manage snapshot faulted
    manage train --snapshot faulted --recipe quick-look --wait …

Precision is the share of what is flagged that was planted, so faults which the photographs had
before count against everybody; contact sheets of what was flagged and not planted let a person
judge. A way without a threshold is cut at as many as there are faults. What was seen of the
photographs is kept in `--out` and used again.
"""

import argparse
import hashlib
import json
import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import django
import numpy as np
from PIL import Image

from bench import baseline_cleaners, contact_sheet, planted_faults
from bench.ground_truth import Truth, table
from classifier.assess import features, label_issues
from classifier.assess.features import FeatureArrays
from classifier.assess.find_issues import FoundIssues, find_issues
from classifier.assess.images import Images
from classifier.assess.projection import principal_components
from classifier.inference.embedding import Embedder
from classifier.inference.model import Model
from curation import splits

SMALLEST = 100  # pixels of the shorter side; decides no reason that is measured here
SHOWN = 60  # cells of a contact sheet


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--photos", type=Path, required=True, help="folder with a manifest.csv")
    add("--weights", type=Path, required=True, help="pretrained weights of a resnet34")
    add("--out", type=Path, required=True, help="folder for what is made on the way, and results")
    add("--version", type=Path, help="folder of a version trained on the faulted labels")
    add("--eyes", default="pretrained,trained", help="one of them, or both")
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
    if "pretrained" in options.eyes.split(","):
        bench.measure("pretrained", pretrained)
    if "trained" in options.eyes.split(",") and trained:
        bench.measure("trained", trained)
    file = options.out / "results.json"  # keeps what an earlier run said about other eyes
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | bench.results, indent=1) + "\n")


def pretrained_embedder(options) -> Embedder:
    """The weights as a graph, made by the first run."""
    folder = options.out / f"embedder-{options.size}-{options.weights.stem}"
    if not folder.exists():
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
        django.setup()
        from classifier.training import embedder_export, start_weights  # torch, the first time

        start = start_weights.load_start("resnet34", "file", options.weights)
        embedder_export.export_embedder("resnet34", start, options.size, folder)
    return Embedder.load(folder)


def look(photos: list[planted_faults.Photo], embedder: Embedder, out: Path) -> FeatureArrays:
    """What is seen of the photographs; each is looked at once, `out` keeps what was seen."""
    file, keys = out / f"sights-{embedder.digest[:16]}.npz", out / f"sights-{embedder.digest[:16]}"
    known = keys.read_text().split("\n") if keys.exists() else []
    parts = [FeatureArrays.from_bytes(file.read_bytes())] if known else []
    new = [photo for photo in photos if photo.key not in set(known)]
    if new:
        print(f"looking at {len(new)} photographs", flush=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            seen = list(pool.map(lambda p: features.compute(p.path.read_bytes(), embedder), new))
        parts.append(features.stack(seen, embedder))
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
    """The two types that regressions confuse most, out of sample, before anything is planted."""
    if not file.exists():
        seen = look(shoes, embedder, file.parent)
        classes = sorted({photo.label for photo in shoes})
        given = np.array([classes.index(photo.label) for photo in shoes])
        groups = np.unique([p.group or p.key for p in shoes], return_inverse=True)[1]
        scores = label_issues.score_labels(
            principal_components(seen.embedding, 256), given, groups, len(classes)
        )
        wrong = np.flatnonzero(scores.best != given)
        pairs = Counter(tuple(sorted((classes[given[i]], classes[scores.best[i]]))) for i in wrong)
        file.write_text(json.dumps(pairs.most_common(10), indent=1) + "\n")
    pairs = json.loads(file.read_text())
    print("confused, out of sample:", *(f"{a} and {b} {n}," for (a, b), n in pairs[:3]), "…")
    return tuple(pairs[0][0])


class Bench:
    """The faulted photographs, and all that is asked about them.

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
        self.classes = sorted({photo.label for photo in photos})
        self.given = np.array([self.classes.index(photo.label) for photo in photos])
        self.splits = np.array([splits.split_of(split_key(p)).value for p in photos])
        self.truth = Truth(photos, self.splits)
        self.results: dict = {}
        self._same_hashes = baseline_cleaners.same_hashes([photo.path for photo in photos])

    def measure(self, eyes: str, embedder: Embedder) -> None:
        """All ways, looking through one embedder: tables printed, sheets drawn."""
        seen = look(self.photos, embedder, self.out)
        found = find_issues(self.images(seen, embedder), SMALLEST)
        answers = self.ours(found)
        features = np.asarray(seen.embedding, np.float32)
        print(f"\n## {eyes}: {embedder.name}", flush=True)
        if self.trained:
            by_loss = baseline_cleaners.by_loss(self.probabilities(self.trained), self.given)
            for queue in ("labels", "copies", "outliers"):
                answers[queue].append(by_loss)
        groups = np.unique([p.group or p.key for p in self.photos], return_inverse=True)[1]
        plain = baseline_cleaners.out_of_sample(features, self.given, groups, len(self.classes))
        answers["labels"] += [
            baseline_cleaners.label_issues(self.given, plain, "cleanlab, plain regression"),
            baseline_cleaners.label_issues(
                self.given, found.label_scores.probabilities, "cleanlab, our probabilities"
            ),
        ]
        answers["outliers"].append(baseline_cleaners.outliers(features))
        alike = [baseline_cleaners.near_duplicates(features), self._same_hashes]
        answers["copies"] += alike
        answers["leakage"] += [baseline_cleaners.across(answer, self.splits) for answer in alike]
        self.results[eyes] = {}
        for queue, given in answers.items():
            rows = [self.truth.row(queue, answer) for answer in given]
            self.results[eyes][queue] = rows
            print(f"\n### {queue}\n\n{table(rows)}", flush=True)
        self.suggestions(eyes, found)
        self.unplanted(eyes, answers, found)

    def probabilities(self, version: Embedder) -> np.ndarray:
        """(n, classes) as the trained network has them, before its temperature."""
        said = np.asarray(look(self.photos, version, self.out).own, np.float64)
        said **= version.temperature
        said /= said.sum(1, keepdims=True)
        said = np.column_stack([said, np.zeros(len(said))])  # for a type it has not learnt
        slugs = list(version.classes)
        return said[:, [slugs.index(s) if s in slugs else len(slugs) for s in self.classes]]

    def images(self, seen: FeatureArrays, embedder: Embedder) -> Images:
        """The photographs as an assessing of an installation has them."""
        own = np.array(seen.own, np.float32)
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
            embedding=seen.embedding,
            whole=seen.whole,
            content=seen.content,
            quality=seen.quality,
            own=own,
            own_classes=embedder.classes,
        )

    def ours(self, found: FoundIssues) -> dict[str, list[baseline_cleaners.Answer]]:
        """What assessing says, as queues; each ordered by its findings' scores."""
        place = {photo.key: i for i, photo in enumerate(self.photos)}

        def answer(method: str, *reasons: str) -> baseline_cleaners.Answer:
            said = [s for s in found.issues if s.reason in reasons]
            said.sort(key=lambda s: -s.score)
            items = [(s.image, place[s.other]) if s.other else s.image for s in said]
            return baseline_cleaners.Answer(method, np.array(items, np.int64), len(items))

        return {
            "labels": [
                answer("ours: label-issue", "label-issue"),
                answer("ours: label-issue and loss", "label-issue", "loss"),
            ],
            "copies": [answer("ours", "exact-duplicate", "near-duplicate")],
            "outliers": [
                answer("ours: not-a-shoe", "not-a-shoe"),
                answer("ours: not-a-shoe and outlier", "not-a-shoe", "outlier"),
            ],
            "leakage": [answer("ours", "leakage")],
        }

    def suggestions(self, eyes: str, found: FoundIssues) -> None:
        """How often the suggested label of a wrong one that is flagged is the true one."""
        rows = {}
        for fault in ("flip", "confused"):
            said = [s for s in found.issues if s.reason == "label-issue"]
            said = [s for s in said if self.photos[s.image].fault == fault]
            right = sum(s.suggested == self.photos[s.image].true_label for s in said)
            rows[fault] = right / max(1, len(said))
        self.results[eyes]["suggestions"] = rows
        print("\nsuggested is true:", {name: f"{share:.1%}" for name, share in rows.items()})

    def unplanted(
        self, eyes: str, answers: dict[str, list[baseline_cleaners.Answer]], found
    ) -> None:
        """Contact sheets of what was flagged and not planted, drawn at random from all of it; for
        copies also how many are views of one group or the same pixels, for every way."""
        dice = random.Random(self.seed)
        suggested = {s.image: s.suggested for s in found.issues if s.reason == "label-issue"}
        for queue, columns in (("labels", 10), ("copies", 6), ("outliers", 10)):
            ours = answers[queue][1 if queue == "outliers" else 0]  # all of ours
            items = ours.ranked[: ours.flagged]
            wrong = items[~self.truth.right(queue, items)]
            rows = []
            for item in dice.sample(wrong.tolist(), min(SHOWN, len(wrong))):
                members = item if queue == "copies" else [item]
                photos = [self.photos[i] for i in members]
                caption = photos[0].label
                if queue == "labels":
                    caption += f"\n{suggested[item]}"
                rows.append(([photo.path for photo in photos], f"{len(rows) + 1} {caption}"))
            contact_sheet.draw(rows, self.out / f"{eyes}-{queue}.png", columns)
            print(f"\n{eyes}-{queue}.png: {len(rows)} of {len(wrong)} flagged and not planted")
        kinds = self.results[eyes]["unplanted copies"] = {}
        for answer in answers["copies"]:
            if answer.ranked.ndim == 2:
                kinds[answer.method] = self._kinds(answer.ranked[: answer.flagged])
        print("unplanted pairs:", json.dumps(kinds))

    def _kinds(self, pairs: np.ndarray) -> dict[str, int]:
        """What the pairs are that were not planted."""
        kinds = {"same group": 0, "same pixels": 0, "neither": 0}
        for a, b in pairs[~self.truth.right("copies", pairs)].tolist():
            first, second = self.photos[a], self.photos[b]
            if pixels(first.path) == pixels(second.path):
                kinds["same pixels"] += 1
            elif first.group and first.group == second.group:
                kinds["same group"] += 1
            else:
                kinds["neither"] += 1
        return kinds


def split_key(photo: planted_faults.Photo) -> str:
    """What importing makes of a photograph; a copy has a name for a key."""
    if photo.group or not photo.original:
        return photo.group or photo.key
    return hashlib.sha256(photo.path.read_bytes()).hexdigest()


def pixels(path: Path) -> tuple:
    """Size and digest of a decoded picture."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    return image.size, hashlib.sha256(image.tobytes()).hexdigest()


if __name__ == "__main__":
    main()
