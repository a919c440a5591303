"""`manage.py train --snapshot NAME`."""

from django.core.management.base import CommandError

from classifier.jobs import training
from classifier.models import ModelVersion
from curation.snapshots.freeze import find
from shoeproject.jobs.commands import ProjectCommand, wait_for


class Command(ProjectCommand):
    """Train a model."""

    help = (
        "Queue a training on a snapshot. With --wait it shows progress until the model is there, "
        "and trains here if no worker takes it up."
    )

    def add_arguments(self, parser):
        parser.add_argument("--snapshot", help="the snapshot's name")
        parser.add_argument("--recipe", default="", help="name of a preset")
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
            help="change one value of the recipe; may be repeated",
        )  # fmt: skip
        parser.add_argument("--seed", type=int, default=42)
        parser.add_argument("--wait", action="store_true", help="show progress until it is done")
        parser.add_argument("--run", type=int, help="(for workers) be the process of this run")
        parser.add_argument("--attempt", type=int, help="(for workers) the claim it belongs to")

    def shows_log(self, options) -> bool:
        return options["run"] is not None or super().shows_log(options)

    def handle(self, snapshot, recipe, overrides, seed, wait, run, attempt, **options):
        if run is not None:
            # This import loads torch, which only the subprocess needs.
            from classifier.training import process

            raise SystemExit(process.main(run, attempt))
        if not snapshot:
            raise CommandError("Say which snapshot to train on: --snapshot NAME.")
        frozen = find(snapshot)
        job = training.start(frozen, recipe, parse_overrides(overrides), seed)
        if not wait:
            self.stdout.write(f"{job} is queued; the admin shows how it goes.")
            return
        wait_for(job, training.supervise)
        version = ModelVersion.objects.get(run=job)
        last = job.epochs.last()
        accuracy = f", {last.accuracy:.1%} right on the valid split" if last else ""
        self.stdout.write(f"Version {version.pk}: {version}{accuracy}")
        for line in export_figures(version.card):
            self.stdout.write(line)


def export_figures(card: dict) -> list[str]:
    """What the export measured, as lines for a terminal."""
    agreement = card["agreement"]
    lines = [
        f"  ONNX against torch on the same pictures: {agreement['onnx_against_torch']:.1e} at most"
    ]
    for name, measured in agreement.items():
        if name.startswith("int8_"):
            how = name.removeprefix("int8_").replace("_", " ")
            lines.append(
                f"  int8 ({how}) gives fp32's answer to {measured['top1']:.1%} "
                f"of {agreement['n']} valid pictures"
            )
    return [*lines, f"  served: {card['precision']}"]


def parse_overrides(pairs: list[str]) -> dict[str, str]:
    """["size=160"] → {"size": "160"}. Raises `CommandError` for text without a key or “=”."""
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise CommandError(f"--set {pair}: write it as key=value.")
        values[key.strip()] = value.strip()
    return values
