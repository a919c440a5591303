"""`manage.py out_of_fold --snapshot NAME FILE`."""

import json
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError

from classifier import recipes
from classifier.jobs import picture_files
from curation.snapshots import freeze, manifest
from shoeproject.jobs.commands import ProgressBar, ProjectCommand


class Command(ProjectCommand):
    """Judge the types that are too small for the test split."""

    help = (
        "Judge the types that have too few groups in the test split: small networks learn all "
        "folds but one and name that one's pictures. Writes the figures to FILE. Ctrl-C stops it; "
        "started again it goes on where it was."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="JSON, for export_starter")
        parser.add_argument("--snapshot", required=True, help="the snapshot's name")
        parser.add_argument("--recipe", default="quick-look", help="name of a preset")
        parser.add_argument("--folds", type=int, default=3)
        parser.add_argument(
            "--per-label", type=int, default=45, help="pictures of the types that are large enough"
        )
        parser.add_argument("--seed", type=int, default=42)

    def handle(self, file, snapshot, recipe, folds, per_label, seed, **options):
        # These imports load torch.
        from classifier.training import out_of_fold, process

        chosen, start = process.choose_start(recipes.get_recipe(recipe), fixed_arch=False)
        if start.classes:
            raise CommandError(
                f"It would start from {start.described}, which learnt from labelled photographs, "
                "perhaps from those it would be judged on. Set PRETRAINED_WEIGHTS to weights that "
                "did not, or let the machine fetch ImageNet's."
            )
        frozen = freeze.find(snapshot)
        lines = list(manifest.read(frozen))
        classes, _ = process.choose_classes(lines)
        small = out_of_fold.small_types(lines, classes)
        if not small:
            self.stdout.write("Every type is large enough for the test split.")
            return
        used = out_of_fold.choose(lines, classes, small, per_label)
        meter = ProgressBar()
        paths = picture_files.fetch(
            [line.stored_sha256 for line in used],
            lambda done: meter.show(done, len(used), "fetching pictures"),
        )
        key = f"{frozen.digest[:12]}-{recipe}-{folds}-{per_label}-{seed}"
        rows = out_of_fold.judge(
            used, paths, classes, small, chosen, start, seed, folds,
            settings.CACHE_DIR / "out-of-fold" / key,
            lambda fold, done, of: meter.show(done, of, f"batches of fold {fold + 1} of {folds}"),
        )  # fmt: skip
        meter.close()
        about = {"folds": folds, "recipe": recipe, "images_per_label": per_label, "seed": seed}
        text = json.dumps({**about, "images": len(used), "per_type": rows}, indent=1)
        file.write_text(text + "\n", encoding="utf-8")
        for slug, row in rows.items():
            low, high = row["interval"]
            self.stdout.write(
                f"  {slug:24s} {row['accuracy']:6.1%}  {row['right']} of {row['images']} images, "
                f"{row['groups']} groups ({low:.0%} to {high:.0%})"
            )
