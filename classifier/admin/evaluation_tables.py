"""The metrics of a version as read-only fields of the admin, most of them tables."""

from django.contrib import admin
from django.utils.html import format_html, format_html_join

from classifier.evaluation import report
from classifier.evaluation.metrics import MIN_GROUPS
from classifier.evaluation.wording import count, percentage, percentage_range

MISTAKES_SHOWN = 20
ROW_HEAD = ("accuracy", "95% interval", "right", "images", "groups")


class EvaluationFields:
    """Mixin for an admin class whose rows have metrics as `metrics.measure` returns them, or some
    of those."""

    evaluation_fields = (
        "headlines",
        "per_scene",
        "answers",
        "refused",
        "per_category",
        "per_type",
        "per_source",
        "confusion",
        "verdicts",
    )

    def metrics(self, row) -> dict:
        """Return the metrics of a row, empty if it has none."""
        raise NotImplementedError

    @admin.display(description="result")
    def in_short(self, row):
        return summary(self.metrics(row))

    @admin.display(description="result")
    def headlines(self, row):
        lines = report.headlines(self.metrics(row))
        return format_html_join("", "<p>{}</p>", ((line,) for line in lines)) or "–"

    @admin.display(description="per type")
    def per_type(self, row):
        return accuracy_table("type", self.metrics(row).get("per_type"))

    @admin.display(description="per category")
    def per_category(self, row):
        """Return how often the type, not only the category, is right in each category."""
        return accuracy_table("category", self.metrics(row).get("per_category"))

    @admin.display(description="per source")
    def per_source(self, row):
        return accuracy_table("source", self.metrics(row).get("per_source"))

    @admin.display(description="per scene")
    def per_scene(self, row):
        more = {
            "calibration error": "ece",
            "answered with a type": "answered",
            "answered with a wrong type": "wrong_confident",
        }
        return accuracy_table("scene", self.metrics(row).get("per_scene"), more)

    @admin.display(description="answered with a type")
    def answers(self, row):
        return answers_table(self.metrics(row))

    @admin.display(description="what is no type of the guide")
    def refused(self, row):
        return refused_table(self.metrics(row).get("refused"))

    @admin.display(description="most frequent mistakes")
    def confusion(self, row):
        mistakes = self.metrics(row).get("confusion") or []
        return table(["label", "answer", "images"], mistakes[:MISTAKES_SHOWN])

    @admin.display(description="what a visitor would have read")
    def verdicts(self, row):
        verdicts = self.metrics(row).get("verdicts") or {}
        return table(
            ["images of", "type", "category", "not sure", "not a shoe"],
            [
                (f"{kind} types", *(f"{number:,}" for number in numbers.values()))
                for kind, numbers in verdicts.items()
            ],
        )


def summary(metrics: dict) -> str:
    """Return the accuracy, and that over types with enough images, short enough for a list."""
    if "accuracy" not in metrics:
        return "–"
    words = f"{percentage(metrics['accuracy'], 1)} right"
    judged = metrics.get("judged")
    if judged and judged["types"]:
        types = count(judged["types"], "judged type")
        words += f", {percentage(judged['accuracy'], 1)} over {types}"
    return words


def accuracy_table(what: str, rows: dict | None, more: dict[str, str] | None = None):
    """Return a table of rows of `metrics.measure`, worst first; `more`: head → key of a share."""
    more = more or {}
    ordered = sorted((rows or {}).items(), key=lambda item: item[1]["accuracy"])
    return table(
        [what, *ROW_HEAD, *more],
        [(name, *_accuracy_cells(row), *(_share(row.get(key)) for key in more.values()))
         for name, row in ordered],
    )  # fmt: skip


def answers_table(metrics: dict):
    """Return, for all photos of learnt types and for each scene, how many are answered with a type
    and how many of these rightly: by the version's own threshold, and by the best possible one."""
    rows = {"all": metrics, **(metrics.get("per_scene") or {})}
    # Evaluations made long ago have neither.
    rows = {name: row for name, row in rows.items() if "answers" in row and "coverage" in row}
    precision = ", ".join({percentage(row["coverage"]["precision"]) for row in rows.values()})
    answered = ("answered", "95% interval", "right of these", "95% interval")
    best = (f"coverage at {precision} precision", "95% interval", "from a confidence of")
    return table(
        ["scene", "images", *answered, *best],
        [
            (
                name,
                f"{row['images']:,}",
                *_answers_cells(row["answers"]),
                *_coverage_cells(row["coverage"]),
            )
            for name, row in rows.items()
        ],
    )


def refused_table(refused: dict | None):
    """Return how pictures of no type were answered: the share of each verdict."""
    names = {"type": "type", "category": "category", "unsure": "not sure"}
    return table(
        ["images of", "images", *names.values(), "not a shoe", "could be refused"],
        [
            (
                label,
                f"{row['images']:,}",
                *(_share(row.get(verdict)) for verdict in (*names, "not_a_shoe")),
                f"{_share(row['at_kept'])} while {percentage(row['kept'])} of shoes stay"
                if "at_kept" in row
                else "–",
            )
            for label, row in (refused or {}).items()
        ],
    )


def out_of_fold_table(out_of_fold: dict):
    """Return a card's `out_of_fold` as a table, under how it was made."""
    return format_html(
        "<p>Estimates, not figures of this version: {} trainings with “{}” and at most {} images "
        "of a large type, each judged on the part it had not seen.</p>{}",
        out_of_fold.get("folds", "several"),
        out_of_fold.get("recipe", "a recipe"),
        out_of_fold.get("images_per_label", "some"),
        accuracy_table("type", out_of_fold.get("per_type")),
    )


def sizes_table(sizes: list[dict]):
    """Return a card's `sizes` as a table."""
    return table(
        ["pixels", "right", "right on street photos", "milliseconds"],
        [
            (
                row.get("size", "–"),
                _share(row.get("accuracy")),
                _share(row.get("street")),
                f"{row['milliseconds']:.1f}" if row.get("milliseconds") is not None else "–",
            )
            for row in sizes
        ],
    )


def table(head, rows):
    """Return a table for a read-only field, or a dash if it has no rows."""
    if not rows:
        return "–"
    heads = format_html_join("", '<th scope="col">{}</th>', ((h,) for h in head))
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
    )
    # It scrolls where it does not fit; the tabindex lets the keyboard scroll it.
    return format_html('<table class="figures" tabindex="0"><tr>{}</tr>{}</table>', heads, body)


def _accuracy_cells(row: dict) -> tuple:
    """Return the cells below ROW_HEAD."""
    interval = percentage_range(row["interval"]) if row.get("interval") else "–"
    few = " (too few to judge)" if row["groups"] < MIN_GROUPS else ""
    images = (f"{row['right']:,}", f"{row['images']:,}", f"{row['groups']:,}{few}")
    return (percentage(row["accuracy"]), interval, *images)


def _answers_cells(answers: dict) -> tuple:
    right = answers["right"]
    cells = (_share(answers["share"]), percentage_range(answers["interval"]))
    if not right["images"]:
        return (*cells, "–", "–")
    return (*cells, _share(right["accuracy"]), percentage_range(right["interval"]))


def _coverage_cells(coverage: dict) -> tuple:
    threshold = coverage["threshold"]
    confidence = "–" if threshold is None else f"{threshold:.3f}"
    return (_share(coverage["share"]), percentage_range(coverage["interval"]), confidence)


def _share(value: float | None) -> str:
    return "–" if value is None else percentage(value, 1)
