"""Where a class map lies, in words."""

import numpy as np
import pytest

from classifier.inference.map_position import position

WHOLE = (0, 0, 1, 1)


def at(row: int, column: int, side: int = 6) -> np.ndarray:
    rows = np.zeros((side, side))
    rows[row, column] = 1
    return rows


@pytest.mark.parametrize(
    "place, words",
    [
        ((0, 0), "mostly in the upper left"),
        ((0, 5), "mostly in the upper right"),
        ((5, 0), "mostly in the lower left"),
        ((5, 5), "mostly in the lower right"),
        ((2, 0), "mostly on the left side"),
        ((2, 5), "mostly on the right side"),
        ((0, 2), "mostly in the upper part"),
        ((5, 2), "mostly in the lower part"),
        ((2, 2), "mostly in the middle"),
    ],
)
def test_a_place_is_named_by_its_side(place, words):
    # A cell beside the middle is a twelfth of the side away from it.
    rows = at(*place) + (at(*[{2: 3}.get(n, n) for n in place]))
    assert position(rows, WHOLE) == words


def test_an_even_map_is_all_over_whatever_it_covers():
    assert position(np.ones((7, 7)), WHOLE) == "all over the photo"
    assert position(np.ones((2, 9)), (0.06, 0.06, 0.94, 0.94)) == "all over the photo"
    assert position(np.ones((1, 1)), WHOLE) == "all over the photo"


def test_a_dark_map_is_nowhere():
    assert position(np.zeros((4, 4)), WHOLE) == "nowhere in particular"


def test_positions_are_relative_to_the_photo_and_not_to_its_crop():
    assert position(np.ones((4, 4)), (0.5, 0.5, 1, 1)) == "mostly in the lower right"
