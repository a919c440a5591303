"""Find the version that somebody names: "active", a number, or the start of a digest."""

import re

from classifier.errors import ClassifierError, ModelUnknown, NoActiveModel
from classifier.models import ModelVersion

NUMBER, DIGEST = re.compile("[0-9]{1,7}"), re.compile("[0-9a-f]{1,64}")
MIN_PUBLIC_DIGITS = 12  # of a digest, where anybody may name a version


class VersionNotFound(ClassifierError):
    """No version, or more than one, answers to a name."""

    text: str
    why: str
    code = "version_not_found"
    message = "“{text}” names {why}; give a number or the start of a digest."


def find(text: str) -> ModelVersion:
    """The version that `text` names, for people who run the site. Raises `VersionNotFound`."""
    text = text.strip().lower()
    rows = _matching(text)
    if len(rows) != 1:
        raise VersionNotFound(text, "more than one version" if rows else "no version")
    return rows[0]


def find_public(text: str) -> ModelVersion:
    """The version that `text` names, for everybody: with MIN_PUBLIC_DIGITS of a digest at least.

    Raises `ModelUnknown`, and `NoActiveModel` where there is none.
    """
    too_short = not NUMBER.fullmatch(text) and len(text) < MIN_PUBLIC_DIGITS
    rows = [] if too_short and text != "active" else _matching(text)
    if len(rows) != 1:
        raise NoActiveModel() if text == "active" else ModelUnknown()
    return rows[0]


def _matching(text: str) -> list[ModelVersion]:
    if text == "active":
        rows = ModelVersion.objects.filter(active=True)
    elif NUMBER.fullmatch(text):
        rows = ModelVersion.objects.filter(pk=int(text))
    elif DIGEST.fullmatch(text):
        rows = ModelVersion.objects.filter(digest__startswith=text)
    else:
        return []
    return list(rows[:2])  # a second one shows that the text is ambiguous
