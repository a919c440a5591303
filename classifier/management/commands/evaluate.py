"""`manage.py evaluate VERSION --snapshot NAME`."""

from classifier import evaluate, promote
from curation.snapshot import find
from shoeproject.commands import ProjectCommand, wait_for


class Command(ProjectCommand):
    """Judge a version."""

    help = "Judge a version on the locked test split of a snapshot; shows progress and the figures."

    def add_arguments(self, parser):
        """Declare the arguments."""
        parser.add_argument("version", help="its number, the start of its digest, or “active”")
        parser.add_argument("--snapshot", required=True, help="the snapshot's name")

    def handle(self, version, snapshot, **options):
        """Queue the evaluation, wait for it and print its figures."""
        frozen = find(snapshot)
        job = evaluate.ask(promote.find(version), frozen)
        wait_for(job, evaluate.run)
        for line in summary(job.metrics):
            self.stdout.write(line)


def summary(metrics: dict) -> list[str]:
    """The figures of an evaluation as lines for a terminal."""
    low, high = metrics["interval"]
    lines = [
        f"accuracy {metrics['accuracy']:.1%} ({metrics['right']} of {metrics['images']}, "
        f"95 % interval {low:.1%} to {high:.1%}), macro {metrics['macro_accuracy']:.1%}, "
        f"among the five best {metrics['top5']:.1%}"
    ]
    for slug, row in metrics["per_type"].items():
        lines.append(
            f"  {slug:24s} {row['accuracy']:6.1%}  {row['right']} of {row['images']} images, "
            f"{row['groups']} groups"
        )
    return lines
