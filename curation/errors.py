"""The base of every refusal in curation."""

from shoeproject.errors import ProjectError


class CurationError(ProjectError):
    """Something in curation was refused, for a reason that a person can act on."""

    code = "curation_error"
