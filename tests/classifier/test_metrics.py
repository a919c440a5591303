"""The figures of an evaluation, from made-up answers whose figures can be counted by hand."""

from dataclasses import dataclass

import numpy as np
import pytest

from classifier.evaluation import metrics
from classifier.inference.classify import Prediction
from classifier.inference.thresholds import ClassInfo

CLASSES = (
    ClassInfo("brogues", category="lace-ups"),
    ClassInfo("oxfords", category="lace-ups"),
    ClassInfo("uggs", category="boots"),
    ClassInfo("other-shoe", kind="other-shoe"),
    ClassInfo("not-a-shoe", kind="not-a-shoe"),
)


@dataclass(frozen=True)
class Line:
    sha256: str
    label: str
    group: str = ""
    source: str = "shop"
    scene: str = "catalogue"


def says(guess: str, confidence: float = 0.9, verdict: str = "type") -> Prediction:
    rest = (1 - confidence) / (len(CLASSES) - 1)
    probabilities = {c.slug: confidence if c.slug == guess else rest for c in CLASSES}
    types = [c.slug for c in CLASSES if c.kind == "type"]
    top = tuple(sorted(((s, probabilities[s]) for s in types), key=lambda pair: -pair[1]))
    best = top[0] if verdict == "type" else None
    return Prediction(verdict, top, best, None, probabilities, np.zeros(1))


def measured(*pairs) -> dict:
    lines, predictions = zip(*pairs, strict=True)
    return metrics.measure(lines, predictions, CLASSES)


def test_shares_per_type_category_source_and_scene():
    figures = measured(
        (Line("1", "brogues"), says("brogues")),
        (Line("2", "brogues"), says("oxfords")),
        (Line("3", "oxfords", source="street blog", scene="street"), says("uggs")),
        (Line("4", "uggs", scene="street"), says("uggs", 0.4, "unsure")),
    )
    assert (figures["images"], figures["right"], figures["accuracy"]) == (4, 2, 0.5)
    assert figures["macro_accuracy"] == pytest.approx((0.5 + 0 + 1) / 3)
    assert figures["category_accuracy"] == 0.75
    assert figures["per_category"]["lace-ups"]["accuracy"] == pytest.approx(1 / 3)
    assert figures["per_source"]["street blog"]["right"] == 0
    street = figures["per_scene"]["street"]
    assert (street["images"], street["answered"], street["wrong_confident"]) == (2, 0.5, 0.5)
    assert figures["confusion"] == [["brogues", "oxfords", 1], ["oxfords", "uggs", 1]]
    assert figures["answered_right"] == pytest.approx(1 / 3)


def test_types_with_few_test_groups_are_judged_apart():
    few = [(Line(f"f{n}", "uggs", group=f"u{n}"), says("brogues")) for n in range(7)]
    enough = [(Line(f"e{n}", "brogues", group=f"b{n}"), says("brogues")) for n in range(8)]
    judged = measured(*few, *enough)["judged"]
    assert (judged["types"], judged["images"], judged["accuracy"]) == (1, 8, 1.0)
    figures = measured(*few, (Line("one", "uggs", group="u8"), says("uggs")), *enough)
    assert figures["judged"]["types"] == 2 and figures["judged"]["images"] == 16


def test_what_is_no_type_counts_as_refusal_and_not_as_accuracy():
    shoes = [(Line(f"s{n}", "uggs"), says("uggs", 0.5 + n / 1000)) for n in range(100)]
    things = [
        (Line("n1", "not-a-shoe"), says("not-a-shoe", 0.9, "not_a_shoe")),
        (Line("n2", "not-a-shoe"), says("uggs", 0.9)),
    ]
    figures = measured(
        *shoes, *things, (Line("o", "other-shoe"), says("other-shoe", 0.8, "unsure"))
    )
    assert figures["images"] == 100
    refused = figures["refused"]
    assert refused["not-a-shoe"]["not_a_shoe"] == refused["not-a-shoe"]["type"] == 0.5
    assert refused["other-shoe"] == {
        "images": 1, "type": 0, "category": 0, "unsure": 1, "not_a_shoe": 0
    }  # fmt: skip
    assert refused["not-a-shoe"]["at_kept"] == 0.5
    assert figures["verdicts"]["other"] == {
        "type": 1, "category": 0, "unsure": 1, "not_a_shoe": 1
    }  # fmt: skip


def test_labels_the_model_never_learnt_are_no_mistakes():
    figures = measured((Line("1", "lita"), says("uggs")), (Line("2", "uggs"), says("uggs")))
    assert (figures["images"], figures["accuracy"]) == (1, 1.0)
    assert figures["refused"]["lita"]["type"] == 1


def test_nothing_to_judge_gives_zeros_and_an_open_interval():
    figures = measured((Line("1", "not-a-shoe"), says("uggs")))
    assert figures["images"] == 0 and figures["interval"] == [0.0, 1.0] and figures["ece"] == 0


def test_calibration_error_over_bins_of_equally_many():
    confidence = np.array([0.9] * 10 + [0.5] * 10)
    right = np.array([True] * 9 + [False] + [True] * 5 + [False] * 5)
    assert metrics.calibration_error(confidence, right, bins=2) == pytest.approx(0)
    assert metrics.calibration_error(confidence, np.ones(20, bool), 2) == pytest.approx(0.3)


def covered(*seen, precision=0.95) -> dict:
    """Coverage of single pictures, given as (confidence, right)."""
    confidence, right = (np.array(column) for column in zip(*seen, strict=True))
    return metrics.coverage(confidence, right, [str(n) for n in range(len(seen))], precision)


def test_coverage_is_the_largest_share_that_is_right_often_enough():
    sure = [(0.99 - n / 100, n != 4) for n in range(20)]  # 19 of 20 right: 95 %
    found = covered((0.1, False), *sure, (0.2, False))
    assert (found["answered"], found["right"]) == (20, 19)
    assert found["share"] == 20 / 22 and found["threshold"] == pytest.approx(0.8)
    # The five surest alone are too often wrong, and a curve that dips may rise again.
    assert covered(*sure[:5])["answered"] == 4
    assert covered(*sure, precision=0.96)["answered"] == 4


def test_pictures_of_one_confidence_are_answered_together():
    assert covered((0.9, True), (0.8, True), (0.8, False))["answered"] == 1
    assert covered((0.9, False), (0.9, True))["answered"] == 0


def test_nothing_is_covered_where_the_surest_answer_is_wrong():
    found = covered((0.9, False), (0.8, True))
    assert (found["share"], found["threshold"], found["interval"]) == (0, None, [0.0, 1.0])


def test_answers_by_the_versions_own_threshold_are_counted_apart():
    figures = measured(
        *[(Line(f"a{n}", "uggs"), says("uggs", 0.9)) for n in range(6)],
        (Line("b", "uggs"), says("brogues", 0.8)),
        (Line("c", "uggs", scene="street"), says("uggs", 0.4, "unsure")),
        (Line("d", "other-shoe"), says("uggs", 0.9)),
    )
    answers = figures["answers"]
    assert answers["share"] == 7 / 8 and answers["interval"] == metrics.wilson(7, 8)
    assert (answers["right"]["right"], answers["right"]["images"]) == (6, 7)
    assert (answers["right_of_all"]["right"], answers["right_of_all"]["images"]) == (6, 8)
    # The other shoe is no picture of a learnt type; 0.9 answers six pictures, all right.
    assert (figures["coverage"]["answered"], figures["coverage"]["share"]) == (6, 6 / 8)
    street = figures["per_scene"]["street"]
    assert street["answers"]["share"] == 0 and street["answers"]["right"]["images"] == 0
    assert street["coverage"]["share"] == 1.0 and street["coverage"]["threshold"] == 0.4


def test_the_interval_of_coverage_holds_the_truth_about_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(metrics, "RESAMPLES", 200)
    dice = np.random.default_rng(7)

    def draw(products: int) -> dict:
        """Three views each, right together; confidence is the chance of that, 0.8 to 1."""
        chance = dice.uniform(0.8, 1, products)
        columns = chance, dice.random(products) < chance, np.arange(products).astype(str)
        return metrics.coverage(*(np.repeat(column, 3) for column in columns))

    # Answering all from 0.9 on is right 95 times in a hundred, and that is half of them.
    intervals = [draw(150)["interval"] for _ in range(100)]
    assert sum(low <= 0.5 <= high for low, high in intervals) >= 85
    (low, high), (lower, higher) = intervals[0], draw(5000)["interval"]
    assert higher - lower < (high - low) / 2
    assert draw(99)["interval"] == [0.0, 1.0]


def test_wilsons_interval():
    # Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662.
    assert metrics.wilson(81, 263) == pytest.approx([0.2553, 0.3662], abs=1e-4)
    assert metrics.wilson(0, 0) == [0.0, 1.0]


def test_an_interval_over_single_pictures_is_wilsons():
    pairs = [(1, 1)] * 81 + [(0, 1)] * 182
    assert metrics.grouped_interval(pairs) == pytest.approx(metrics.wilson(81, 263), abs=5e-4)


def test_pictures_of_one_product_count_as_one():
    alike = [(10, 10)] * 6 + [(0, 10)] * 2
    assert metrics.grouped_interval(alike) == pytest.approx(metrics.wilson(6, 8), abs=1e-9)
    assert metrics.grouped_interval([(10, 10)] * 8) == pytest.approx(metrics.wilson(8, 8))
    low, high = metrics.grouped_interval([(8, 10)] * 8)  # every group alike in its mistakes
    assert [low, high] == pytest.approx(metrics.wilson(64, 80))


def test_the_grouped_interval_covers_the_truth_as_often_as_it_says():
    dice = np.random.default_rng(5)
    hits, plain = 0, 0
    for _ in range(400):
        chances = dice.beta(4, 1, 60)  # mean 0.8; a product is mostly right or mostly wrong
        pairs = [(dice.binomial(6, chance), 6) for chance in chances]
        low, high = metrics.grouped_interval(pairs)
        hits += low <= 0.8 <= high
        low, high = metrics.wilson(sum(right for right, _ in pairs), 360)
        plain += low <= 0.8 <= high
    assert hits / 400 >= 0.92 > plain / 400
