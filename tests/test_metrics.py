"""The figures of an evaluation, from made-up answers whose figures can be counted by hand."""

from dataclasses import dataclass

import numpy as np
import pytest

from classifier import metrics
from classifier.calibrate import ClassInfo
from classifier.predict import Prediction

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
