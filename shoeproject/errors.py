"""The root of the errors that are worded for people."""


class ProjectError(Exception):
    """Something a person can act on. Each app has one base class below this one.

    `code` is a stable slug for programs; `detail` says in a sentence what is wrong and what to do.
    """

    code = "error"

    @property
    def detail(self) -> str:
        """One sentence for people."""
        return str(self)
