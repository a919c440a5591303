"""What others say is wrong: fastai's way, cleanlab and cleanvision, each with its defaults.

An `Answer` is what any of them, or this project, says about one kind of fault.
"""

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
class Answer:
    """`ranked`: image numbers (m,), or pairs of them (m, 2), worst first; `flagged`: how many of
    them, from the first, are over the way's own threshold; None where it has none."""

    method: str
    ranked: np.ndarray
    flagged: int | None


class _NoDatalab:
    """What Datalab's issue managers ask of a Datalab, which needs the library `datasets`."""

    labels = None

    def get_info(self, name: str) -> dict:
        """Nothing has been computed before."""
        return {}


def by_loss(probabilities, labels) -> Answer:
    """fastai's ImageClassifierCleaner: all images, the highest loss first; there is no threshold.

    The widget shows one class of one split at a time; here they are one list. `probabilities`:
    (n, classes) of the model trained on these labels, those of its own training pictures included.
    """
    own = probabilities[np.arange(len(labels)), labels]
    return Answer("sorted by loss (fastai)", np.argsort(own, kind="stable"), None)


def out_of_sample(features, labels, groups, classes: int) -> np.ndarray:
    """Probabilities (n, classes) of the regression of cleanlab's tutorials, by group."""
    found = np.zeros((len(labels), classes))
    cut = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a type with fewer groups than folds
        for learn, test in cut.split(features, labels, groups):
            fitted = LogisticRegression(max_iter=400).fit(features[learn], labels[learn])
            found[np.ix_(test, fitted.classes_)] = fitted.predict_proba(features[test])
    return found


def label_issues(labels, probabilities, method: str) -> Answer:
    """cleanlab's label issues by its default filter, ranked by its default quality score."""
    proper = np.maximum(probabilities.astype(np.float64), 1e-6)
    proper /= proper.sum(1, keepdims=True)
    flagged = find_label_issues(labels, proper)
    quality = get_label_quality_scores(labels, proper)
    # What is flagged comes first, as in cleanlab's own lists.
    return Answer(method, np.lexsort((quality, ~flagged)), int(flagged.sum()))


def outliers(features) -> Answer:
    """cleanlab's OutOfDistribution on features, with Datalab's threshold."""
    score = OutOfDistribution().fit_score(features=features, verbose=False)
    manager = OutlierIssueManager(_NoDatalab())
    manager.find_issues(features=features)
    flagged = manager.issues["is_outlier_issue"].to_numpy()
    return Answer("cleanlab", np.lexsort((score, ~flagged)), int(flagged.sum()))


def near_duplicates(features) -> Answer:
    """Datalab's near duplicates: each with what it is near to, the nearest first."""
    manager = NearDuplicateIssueManager(_NoDatalab())
    manager.find_issues(features=features)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    pairs = {
        (min(i, int(j)), max(i, int(j)))
        for i, near in enumerate(manager.near_duplicate_sets)
        for j in near
    }
    ranked = sorted(pairs, key=lambda pair: -float(unit[pair[0]] @ unit[pair[1]]))
    return Answer("cleanlab (Datalab)", _as_pairs(ranked), len(ranked))


def same_hashes(paths: list[Path]) -> Answer:
    """cleanvision's exact and near duplicates: of each of its sets the first with every other,
    exact ones before near ones, then the smaller sets, as its scores have it."""
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
    return Answer("cleanvision", _as_pairs(pairs), len(pairs))


def across(answer: Answer, splits: np.ndarray) -> Answer:
    """The pairs of an answer whose two are in different splits."""
    pairs = answer.ranked[: answer.flagged]
    pairs = pairs[splits[pairs[:, 0]] != splits[pairs[:, 1]]]
    return Answer(f"{answer.method}, pairs across splits", pairs, len(pairs))


def _as_pairs(pairs) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2)
