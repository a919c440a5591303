"""The figures of a version as read-only fields: the same tables wherever they come from."""

from django.contrib import admin
from django.utils.html import format_html, format_html_join

from classifier.evaluation import report
from classifier.evaluation.metrics import MIN_GROUPS
from classifier.evaluation.report import between, count, share

MISTAKES = 20  # rows of the table of mistakes
ROW_HEAD = ("accuracy", "95% interval", "right", "images", "groups")


class FigureFields:
    """For an admin class whose rows have figures as `metrics.measure` makes them, or a part."""

    figure_fields = (
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

    def measured(self, row) -> dict:
        """The figures of a row; empty where there are none."""
        raise NotImplementedError

    @admin.display(description="result")
    def in_short(self, row):
        """In one line."""
        return one_line(self.measured(row))

    @admin.display(description="result")
    def headlines(self, row):
        """As a few lines."""
        lines = report.headlines(self.measured(row))
        return format_html_join("", "<p>{}</p>", ((line,) for line in lines)) or "–"

    @admin.display(description="per type")
    def per_type(self, row):
        """Worst first."""
        return rows_table("type", self.measured(row).get("per_type"))

    @admin.display(description="per category")
    def per_category(self, row):
        """Worst first; whether the type is right, not only the category."""
        return rows_table("category", self.measured(row).get("per_category"))

    @admin.display(description="per source")
    def per_source(self, row):
        """Worst first."""
        return rows_table("source", self.measured(row).get("per_source"))

    @admin.display(description="per scene")
    def per_scene(self, row):
        """With what a visitor would have met there."""
        return rows_table(
            "scene",
            self.measured(row).get("per_scene"),
            {
                "calibration error": "ece",
                "answered with a type": "answered",
                "answered with a wrong type": "wrong_confident",
            },
        )

    @admin.display(description="answered with a type")
    def answers(self, row):
        """By the version's own threshold, and by the best there could be."""
        return answers_table(self.measured(row))

    @admin.display(description="what is no type of the guide")
    def refused(self, row):
        """How each kind was answered."""
        return refused_table(self.measured(row).get("refused"))

    @admin.display(description="most frequent mistakes")
    def confusion(self, row):
        """As a table."""
        mistakes = self.measured(row).get("confusion") or []
        return table(["label", "answer", "images"], mistakes[:MISTAKES])

    @admin.display(description="what a visitor would have read")
    def verdicts(self, row):
        """As a table."""
        verdicts = self.measured(row).get("verdicts") or {}
        return table(
            ["images of", "type", "category", "not sure", "not a shoe"],
            [
                (f"{kind} types", *(f"{number:,}" for number in numbers.values()))
                for kind, numbers in verdicts.items()
            ],
        )


def one_line(measured: dict) -> str:
    """The two figures that say most, short enough for a list."""
    if "accuracy" not in measured:
        return "–"
    words = [f"{share(measured['accuracy'], 1)} right"]
    judged = measured.get("judged")
    if judged and judged["types"]:
        types = count(judged["types"], "judged type")
        words.append(f"{share(judged['accuracy'], 1)} over {types}")
    return ", ".join(words)


def rows_table(what: str, rows: dict | None, more: dict[str, str] | None = None):
    """A table of rows of `metrics.measure`, worst first; `more`: head → key of further shares."""
    more = more or {}
    ordered = sorted((rows or {}).items(), key=lambda item: item[1]["accuracy"])
    return table(
        [what, *ROW_HEAD, *more],
        [(name, *_cells(row), *(_share(row.get(key)) for key in more.values()))
         for name, row in ordered],
    )  # fmt: skip


def answers_table(measured: dict):
    """How many photos of learnt types get a type, and how right that is: all, and by scene."""
    rows = {"all": measured, **(measured.get("per_scene") or {})}
    newer = {name: row for name, row in rows.items() if "answers" in row and "coverage" in row}
    asked = ", ".join({share(row["coverage"]["precision"]) for row in newer.values()})
    answered = ("answered", "95% interval", "right of these", "95% interval")
    best = (f"coverage at {asked} precision", "95% interval", "from a confidence of")
    return table(
        ["scene", "images", *answered, *best],
        [
            (
                name,
                f"{row['images']:,}",
                *_answers_cells(row["answers"]),
                *_coverage_cells(row["coverage"]),
            )
            for name, row in newer.items()
        ],
    )


def refused_table(refused: dict | None):
    """What was answered to pictures of no type: shares of the verdicts."""
    names = {"type": "type", "category": "category", "unsure": "not sure"}
    return table(
        ["images of", "images", *names.values(), "not a shoe", "could be refused"],
        [
            (
                label,
                f"{row['images']:,}",
                *(_share(row.get(verdict)) for verdict in (*names, "not_a_shoe")),
                f"{_share(row['at_kept'])} while {share(row['kept'])} of shoes stay"
                if "at_kept" in row
                else "–",
            )
            for label, row in (refused or {}).items()
        ],
    )


def out_of_fold_table(card: dict):
    """The card's `out_of_fold`, and how it was made."""
    rows = card.get("per_type") or {}
    return format_html(
        "<p>Estimates, not figures of this version: {} trainings with “{}” and at most {} images "
        "of a large type, each judged on the part it had not seen.</p>{}",
        card.get("folds", "several"),
        card.get("recipe", "a recipe"),
        card.get("images_per_label", "some"),
        rows_table("type", rows),
    )


def sizes_table(sizes: list[dict]):
    """The card's `sizes`."""
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
    """A small table for a read-only field; a dash where there is nothing to show."""
    if not rows:
        return "–"
    heads = format_html_join("", '<th scope="col">{}</th>', ((h,) for h in head))
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
    )
    # It scrolls where it does not fit, and a keyboard has to get there.
    return format_html('<table class="figures" tabindex="0"><tr>{}</tr>{}</table>', heads, body)


def _cells(row: dict) -> tuple:
    """Cells under ROW_HEAD."""
    interval = between(row["interval"]) if row.get("interval") else "–"
    few = " (too few to judge)" if row["groups"] < MIN_GROUPS else ""
    images = (f"{row['right']:,}", f"{row['images']:,}", f"{row['groups']:,}{few}")
    return (share(row["accuracy"]), interval, *images)


def _answers_cells(answers: dict) -> tuple:
    right = answers["right"]
    cells = (_share(answers["share"]), between(answers["interval"]))
    if not right["images"]:
        return (*cells, "–", "–")
    return (*cells, _share(right["accuracy"]), between(right["interval"]))


def _coverage_cells(coverage: dict) -> tuple:
    threshold = coverage["threshold"]
    confidence = "–" if threshold is None else f"{threshold:.3f}"
    return (_share(coverage["share"]), between(coverage["interval"]), confidence)


def _share(value: float | None) -> str:
    return "–" if value is None else share(value, 1)
