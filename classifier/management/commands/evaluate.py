"""`manage.py evaluate VERSION --snapshot NAME`."""

from classifier.evaluation import report
from classifier.evaluation.metrics import MIN_GROUPS
from classifier.jobs import evaluation
from classifier.registry import promote
from curation.snapshots.freeze import find
from shoeproject.jobs.commands import ProjectCommand, wait_for

VERDICTS = {
    "type": "with a type",
    "category": "with a category",
    "unsure": "not sure",
    "not_a_shoe": "not a shoe",
}
SCENE_SHARES = {
    "ece": "calibration error",
    "answered": "answered with a type",
    "wrong_confident": "with a wrong type",
}


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
        job = evaluation.ask(promote.find(version), frozen)
        wait_for(job, evaluation.run)
        for line in summary(job.metrics):
            self.stdout.write(line)


def summary(measured: dict) -> list[str]:
    """The figures of an evaluation as lines for a terminal, what says most first."""
    lines = report.headlines(measured)
    for scene, row in (measured.get("per_scene") or {}).items():
        shares = ", ".join(
            f"{what} {report.share(row[key], 1)}"
            for key, what in SCENE_SHARES.items()
            if key in row
        )
        lines.append(f"  scene {_row(scene, row, 18)}; {shares}{_coverage(row)}")
    for label, row in (measured.get("refused") or {}).items():
        given = ", ".join(
            f"{report.share(row[verdict])} {words}" for verdict, words in VERDICTS.items()
        )
        lines.append(f"  {label}: {report.count(row['images'], 'image')} answered {given}")
    for category, row in (measured.get("per_category") or {}).items():
        lines.append(f"  category {_row(category, row, 15)}")
    for slug, row in (measured.get("per_type") or {}).items():
        few = "  (too few to judge)" if row["groups"] < MIN_GROUPS else ""
        lines.append(f"  {_row(slug, row)}{few}")
    return lines


def _coverage(row: dict) -> str:
    if "coverage" not in row:
        return ""
    found = row["coverage"]
    at, share = report.share(found["precision"]), report.share(found["share"], 1)
    return f", coverage at {at} precision {share} ({report.between(found['interval'])})"


def _row(name: str, row: dict, width: int = 24) -> str:
    interval = f" ({report.between(row['interval'])})" if row.get("interval") else ""
    return (
        f"{name:{width}s} {report.share(row['accuracy'], 1):>6s}  {row['right']:,} of "
        f"{report.count(row['images'], 'image')}, {report.count(row['groups'], 'group')}{interval}"
    )
