"""The base of every refusal in curation."""

from shoeproject.errors import ProjectError


class CurationError(ProjectError):
    """Something was refused, for a reason that a person can act on.

    A subclass carries its facts (sizes, limits, names) as attributes and is made from the same,
    by position, so that it survives pickling; `@dataclass(eq=False)` does just that. It sets
    `sentence`, a format string over these attributes, or overrides `detail`.
    How a refusal becomes an HTTP status or an exit code is decided where it is answered, not here.
    """

    code = "curation_error"  # stable slug: API clients and stored outcomes rely on it
    sentence = "This could not be done; check the data and try again."

    @property
    def detail(self) -> str:
        """One sentence for people: what is wrong and what to do."""
        return self.sentence.format(**vars(self))

    def __str__(self) -> str:
        return self.detail
