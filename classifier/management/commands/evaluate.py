"""`manage.py evaluate VERSION --snapshot NAME`."""

from classifier.evaluation import report
from classifier.evaluation.metrics import MIN_GROUPS
from classifier.evaluation.wording import count, percentage, percentage_range
from classifier.jobs import evaluation
from classifier.registry import lookup
from curation.snapshots.freeze import find
from shoeproject.jobs.commands import ProjectCommand, wait_for

VERDICT_WORDS = {
    "type": "with a type",
    "category": "with a category",
    "unsure": "not sure",
    "not_a_shoe": "not a shoe",
}
SCENE_WORDS = {
    "ece": "calibration error",
    "answered": "answered with a type",
    "wrong_confident": "with a wrong type",
}


class Command(ProjectCommand):
    """Evaluate a version."""

    help = "Judge a version on the locked test split of a snapshot; shows progress and the figures."

    def add_arguments(self, parser):
        parser.add_argument("version", help="its number, the start of its digest, or “active”")
        parser.add_argument("--snapshot", required=True, help="the snapshot's name")

    def handle(self, version, snapshot, **options):
        frozen = find(snapshot)
        job = evaluation.ask(lookup.find(version), frozen)
        wait_for(job, evaluation.run)
        for line in summary(job.metrics):
            self.stdout.write(line)


def summary(metrics: dict) -> list[str]:
    """The metrics of an evaluation as lines for a terminal, the most telling first."""
    lines = report.headlines(metrics)
    for scene, row in (metrics.get("per_scene") or {}).items():
        shares = ", ".join(
            f"{what} {percentage(row[key], 1)}" for key, what in SCENE_WORDS.items() if key in row
        )
        lines.append(f"  scene {_row(scene, row, 18)}; {shares}{_coverage(row)}")
    for label, row in (metrics.get("refused") or {}).items():
        given = ", ".join(
            f"{percentage(row[verdict])} {words}" for verdict, words in VERDICT_WORDS.items()
        )
        lines.append(f"  {label}: {count(row['images'], 'image')} answered {given}")
    for category, row in (metrics.get("per_category") or {}).items():
        lines.append(f"  category {_row(category, row, 15)}")
    for slug, row in (metrics.get("per_type") or {}).items():
        few = "  (too few to judge)" if row["groups"] < MIN_GROUPS else ""
        lines.append(f"  {_row(slug, row)}{few}")
    return lines


def _coverage(row: dict) -> str:
    if "coverage" not in row:
        return ""
    coverage = row["coverage"]
    precision, share = percentage(coverage["precision"]), percentage(coverage["share"], 1)
    interval = percentage_range(coverage["interval"])
    return f", coverage at {precision} precision {share} ({interval})"


def _row(name: str, row: dict, width: int = 24) -> str:
    interval = f" ({percentage_range(row['interval'])})" if row.get("interval") else ""
    return (
        f"{name:{width}s} {percentage(row['accuracy'], 1):>6s}  {row['right']:,} of "
        f"{count(row['images'], 'image')}, {count(row['groups'], 'group')}{interval}"
    )
