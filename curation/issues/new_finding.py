"""What an assessment writes down for one image. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NewFinding:
    """A finding that is not stored yet.

    `image`: its position among the images assessed, or its primary key once it goes to the
    database. `reason`: a slug of `curation.issues.reasons`. `score`: 0 to 1, high is worse.
    `other`: sha256 of the other image of a pair; `suggested`: slug of a label; else empty.
    """

    image: int
    reason: str
    score: float
    other: str = ""
    suggested: str = ""
