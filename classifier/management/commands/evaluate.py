"""`manage.py evaluate VERSION --snapshot NAME`."""

from classifier import evaluate, promote, trust
from classifier.metrics import MIN_GROUPS
from curation.snapshot import find
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
        job = evaluate.ask(promote.find(version), frozen)
        wait_for(job, evaluate.run)
        for line in summary(job.metrics):
            self.stdout.write(line)


def summary(measured: dict) -> list[str]:
    """The figures of an evaluation as lines for a terminal, what says most first."""
    lines = trust.headlines(measured)
    for scene, row in (measured.get("per_scene") or {}).items():
        shares = ", ".join(
            f"{what} {trust.share(row[key], 1)}" for key, what in SCENE_SHARES.items() if key in row
        )
        lines.append(f"  scene {_row(scene, row, 18)}; {shares}{_coverage(row)}")
    for label, row in (measured.get("refused") or {}).items():
        given = ", ".join(
            f"{trust.share(row[verdict])} {words}" for verdict, words in VERDICTS.items()
        )
        lines.append(f"  {label}: {trust.count(row['images'], 'image')} answered {given}")
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
    at, share = trust.share(found["precision"]), trust.share(found["share"], 1)
    return f", coverage at {at} precision {share} ({trust.between(found['interval'])})"


def _row(name: str, row: dict, width: int = 24) -> str:
    interval = f" ({trust.between(row['interval'])})" if row.get("interval") else ""
    return (
        f"{name:{width}s} {trust.share(row['accuracy'], 1):>6s}  {row['right']:,} of "
        f"{trust.count(row['images'], 'image')}, {trust.count(row['groups'], 'group')}{interval}"
    )
