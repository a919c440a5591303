"""Find faults with fastai's cleaner, cleanlab and cleanvision, each with its defaults."""

import contextlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cleanlab.datalab.internal.issue_manager.duplicate import NearDuplicateIssueManager
from cleanlab.datalab.internal.issue_manager.outlier import OutlierIssueManager
from cleanlab.filter import find_label_issues
from cleanlab.outlier import OutOfDistribution
from cleanlab.rank import get_label_quality_scores
from cleanvision import Imagelab
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

FOLDS = 5


@dataclass(frozen=True)
class Ranking:
    """The images, or pairs of images, that a method finds faulty in one way."""

    method: str
    ranked: np.ndarray  # image numbers (m,), or pairs of them (m, 2), worst first
    flagged: int | None  # how many, from the first, exceed the method's threshold; None without one


class _NoDatalab:
    """Stands in for a Datalab, which needs the library `datasets`, in its issue managers."""

    labels = None

    def get_info(self, name: str) -> dict:
        """Return nothing: nothing has been computed before."""
        return {}


def by_loss(probabilities, labels) -> Ranking:
    """Rank as fastai's ImageClassifierCleaner: all images, highest loss first, no threshold.

    The widget shows one class of one split at a time; here they are one list. `probabilities`:
    (n, classes) of the model trained on these labels, those of its own training pictures included.
    """
    own = probabilities[np.arange(len(labels)), labels]
    return Ranking("sorted by loss (fastai)", np.argsort(own, kind="stable"), None)


def out_of_sample(features, labels, groups, classes: int) -> np.ndarray:
    """Return out-of-sample probabilities (n, classes) of a regression, as in cleanlab's tutorials.

    The folds keep groups together.
    """
    probabilities = np.zeros((len(labels), classes))
    cut = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a type with fewer groups than folds
        for learn, test in cut.split(features, labels, groups):
            fitted = LogisticRegression(max_iter=400).fit(features[learn], labels[learn])
            probabilities[np.ix_(test, fitted.classes_)] = fitted.predict_proba(features[test])
    return probabilities


def label_issues(labels, probabilities, method: str) -> Ranking:
    """Find cleanlab's label issues by its default filter, ranked by its default quality score."""
    proper = np.maximum(probabilities.astype(np.float64), 1e-6)
    proper /= proper.sum(1, keepdims=True)
    flagged = find_label_issues(labels, proper)
    quality = get_label_quality_scores(labels, proper)
    # What is flagged comes first, as in cleanlab's own lists.
    return Ranking(method, np.lexsort((quality, ~flagged)), int(flagged.sum()))


def outliers(features) -> Ranking:
    """Find outliers with cleanlab's OutOfDistribution and Datalab's threshold."""
    score = OutOfDistribution().fit_score(features=features, verbose=False)
    manager = OutlierIssueManager(_NoDatalab())
    manager.find_issues(features=features)
    flagged = manager.issues["is_outlier_issue"].to_numpy()
    return Ranking("cleanlab", np.lexsort((score, ~flagged)), int(flagged.sum()))


def near_duplicates(features) -> Ranking:
    """Find Datalab's near duplicates, as pairs, the nearest first."""
    manager = NearDuplicateIssueManager(_NoDatalab())
    manager.find_issues(features=features)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    pairs = {
        (min(i, int(j)), max(i, int(j)))
        for i, near in enumerate(manager.near_duplicate_sets)
        for j in near
    }
    ranked = sorted(pairs, key=lambda pair: -float(unit[pair[0]] @ unit[pair[1]]))
    return Ranking("cleanlab (Datalab)", _as_pairs(ranked), len(ranked))


def same_hashes(paths: list[Path]) -> Ranking:
    """Find cleanvision's exact and near duplicates, as pairs of a set's first image and each other.

    Exact ones come before near ones, then the smaller sets, as in its scores.
    """
    numbers = {str(path): i for i, path in enumerate(paths)}
    lab = Imagelab(filepaths=list(numbers), verbose=False)
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, verbose=False)
    pairs = []
    for kind in ("exact_duplicates", "near_duplicates"):
        for members in sorted(lab.info[kind]["sets"], key=len):
            first, *others = sorted(numbers[str(path)] for path in members)
            pairs += [(first, other) for other in others]
    return Ranking("cleanvision", _as_pairs(pairs), len(pairs))


def across(ranking: Ranking, splits: np.ndarray) -> Ranking:
    """Keep the flagged pairs whose images are in different splits."""
    pairs = ranking.ranked[: ranking.flagged]
    pairs = pairs[splits[pairs[:, 0]] != splits[pairs[:, 1]]]
    return Ranking(f"{ranking.method}, pairs across splits", pairs, len(pairs))


def _as_pairs(pairs) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2)
