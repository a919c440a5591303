import numpy as np
import pytest

from classifier.evaluation.calibration import (
    CEILING,
    DEFAULT_THRESHOLD,
    FLOOR,
    REFUSAL_FLOOR,
    fit_temperature,
    fit_thresholds,
    nll,
)
from classifier.inference.thresholds import ClassInfo, category_sums, is_refused, softmax

TYPES = [ClassInfo("a", category="x"), ClassInfo("b", category="x"), ClassInfo("c", category="y")]
ALL = [*TYPES, ClassInfo("other-shoe", "other-shoe"), ClassInfo("not-a-shoe", "not-a-shoe")]


def rows(*pairs, classes=ALL):
    """Probabilities of one row per (winning column, its confidence); the rest is spread evenly."""
    table = []
    for column, confidence in pairs:
        row = np.full(len(classes), (1 - confidence) / (len(classes) - 1))
        row[column] = confidence
        table.append(row)
    return np.array(table)


def test_softmax_survives_large_logits_and_sums_to_one():
    result = softmax(np.array([[1e4, 1e4, -1e4]], dtype=np.float32))
    assert result.tolist() == [[0.5, 0.5, 0.0]]


def test_temperature_is_found_again():
    dice = np.random.default_rng(0)
    logits = dice.normal(size=(4000, 5)) * 2
    honest = softmax(logits).cumsum(axis=1)
    targets = (dice.random((4000, 1)) > honest).sum(axis=1)
    assert fit_temperature(logits * 3, targets) == pytest.approx(3, rel=0.08)


def test_temperature_never_makes_the_likelihood_worse():
    dice = np.random.default_rng(1)
    logits, targets = dice.normal(size=(50, 5)), dice.integers(0, 5, 50)
    best = fit_temperature(logits, targets)
    assert nll(logits, targets, best) <= nll(logits, targets, 1.0) + 1e-6


def test_temperature_is_bounded_where_every_row_is_right():
    logits = np.eye(5)[np.arange(20) % 5] * 4
    assert fit_temperature(logits, np.arange(20) % 5) == pytest.approx(0.25, abs=0.01)


def test_few_rows_leave_the_temperature_alone():
    assert fit_temperature(np.eye(5)[:4] * 9, np.array([1, 2, 3, 4])) == 1.0


def test_type_threshold_is_the_smallest_that_keeps_the_precision():
    # 18 right at 0.9, 2 wrong at 0.8: 90 % right. The next wrong one would be too many.
    pairs = 18 * [(0, 0.9)] + 2 * [(0, 0.8)] + [(0, 0.7)]
    targets = np.array(18 * [0] + 3 * [1])
    assert fit_thresholds(rows(*pairs), targets, ALL).type == pytest.approx(0.8)


def test_equal_confidences_stand_or_fall_together():
    pairs = 18 * [(0, 0.9)] + 6 * [(0, 0.8)]
    targets = np.array(18 * [0] + 2 * [0] + 4 * [1])  # the first two of the six are right
    assert fit_thresholds(rows(*pairs), targets, ALL).type == pytest.approx(0.9)


def test_a_type_answer_for_another_shoe_is_wrong():
    pairs = 18 * [(0, 0.9)] + 10 * [(0, 0.95)]
    targets = np.array(18 * [0] + 10 * [3])
    assert fit_thresholds(rows(*pairs), targets, ALL).type >= CEILING


def test_refused_rows_take_no_part_in_the_type_threshold():
    pairs = 18 * [(0, 0.9)] + 30 * [(4, 0.99)]
    targets = np.array(18 * [0] + 30 * [4])
    limits = fit_thresholds(rows(*pairs), targets, ALL)
    assert limits.type == pytest.approx(0.9) and limits.not_a_shoe == REFUSAL_FLOOR


def test_type_threshold_has_a_floor():
    pairs = 40 * [(0, 0.3)]
    assert fit_thresholds(rows(*pairs), np.zeros(40, int), ALL).type == FLOOR


def test_hopeless_model_answers_only_when_almost_sure():
    assert fit_thresholds(rows(*40 * [(0, 0.9)]), np.ones(40, int), ALL).type == CEILING


def test_too_few_right_answers_prove_nothing():
    pairs = 5 * [(0, 0.97)] + 40 * [(0, 0.9)]
    targets = np.array(5 * [0] + 40 * [1])
    assert fit_thresholds(rows(*pairs), targets, ALL).type == pytest.approx(0.97)


def test_ten_rows_are_enough_and_nine_are_not():
    targets = np.zeros(10, int)
    assert fit_thresholds(rows(*10 * [(0, 0.8)]), targets, ALL).type == pytest.approx(0.8)
    assert fit_thresholds(rows(*9 * [(0, 0.8)]), targets[:9], ALL).type == DEFAULT_THRESHOLD


def test_category_threshold_counts_what_the_type_verdict_left_over():
    # Types a and b share a category: unsure between them, sure of the category.
    unsure = np.tile([0.45, 0.45, 0.04, 0.03, 0.03], (20, 1))
    sure = rows(*20 * [(2, 0.9)])
    targets = np.array(20 * [2] + 10 * [0] + 10 * [1])
    limits = fit_thresholds(np.vstack([sure, unsure]), targets, ALL)
    assert limits.type > 0.45 and limits.category == pytest.approx(0.9)


def test_at_most_two_in_a_hundred_shoes_are_refused():
    # Of 100 shoes five look like no shoe, most of all the first two.
    look = [(4, 0.9), (4, 0.8), (4, 0.7), (4, 0.6), (4, 0.55)]
    table = rows(*look, *95 * [(0, 0.9)], *20 * [(4, 0.95)])
    targets = np.array(100 * [0] + 20 * [4])
    threshold = fit_thresholds(table, targets, ALL).not_a_shoe
    assert is_refused(table, ALL, threshold)[:100].sum() == 2
    assert threshold > 0.7


def test_refusal_needs_the_largest_probability():
    table = np.array([[0.5, 0.0, 0.0, 0.05, 0.45]])
    assert not is_refused(table, ALL, 0.1)[0]


def test_without_reject_classes_nothing_is_refused():
    table = rows(*20 * [(0, 0.9)], classes=TYPES)
    limits = fit_thresholds(table, np.zeros(20, int), TYPES)
    assert limits.not_a_shoe is None and not is_refused(table, TYPES, None).any()


def test_without_types_thresholds_are_the_defaults():
    classes = ALL[3:]
    limits = fit_thresholds(rows(*12 * [(0, 0.9)], classes=classes), np.zeros(12, int), classes)
    assert (limits.type, limits.category) == (DEFAULT_THRESHOLD, DEFAULT_THRESHOLD)


def test_a_category_is_the_sum_of_its_types():
    sums, names = category_sums(np.array([[0.3, 0.25, 0.2, 0.15, 0.1]]), ALL)
    assert names == ["x", "y"] and sums[0] == pytest.approx([0.55, 0.2])


def test_wrong_type_answers_to_guarded_rows_are_kept_rare():
    # A catalogue on which every answer is right, and ten photographs of which five are not.
    catalogue = rows(*[(0, 0.6)] * 200)
    worn = rows(*[(1, 0.5 + n / 100) for n in range(5)], *[(0, 0.9)] * 5)
    probabilities = np.concatenate([catalogue, worn])
    targets = np.array([0] * 205 + [0] * 5)
    guarded = np.arange(210) >= 200
    plain = fit_thresholds(probabilities, targets, ALL)
    assert plain.type <= 0.5
    careful = fit_thresholds(probabilities, targets, ALL, guarded=guarded, wrong=0.1)
    answered = probabilities[guarded].max(axis=1) >= careful.type
    assert 0.53 < careful.type <= 0.54  # the most confident mistake, one of ten, may stay
    assert answered.sum() == 6
    none = fit_thresholds(probabilities, targets, ALL, guarded=np.zeros(210, dtype=bool))
    assert none == plain


def test_guarded_rows_that_are_no_types_raise_nothing():
    probabilities = rows(*[(0, 0.8)] * 200, *[(1, 0.7)] * 5)
    targets = np.array([0] * 200 + [3] * 5)
    guarded = np.arange(205) >= 200
    assert fit_thresholds(probabilities, targets, ALL, guarded=guarded) == fit_thresholds(
        probabilities, targets, ALL
    )
