"""The base of curation's errors."""

from shoeproject.errors import ProjectError


class CurationError(ProjectError):
    """Something in curation was refused; the message says why and what to do."""

    code = "curation_error"
