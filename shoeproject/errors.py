"""The root of the errors that are worded for people."""


class ProjectError(Exception):
    """Something a person can act on. Each app has one base class below this one."""

    # A stable slug, for programs.
    code = "error"
    # One sentence that says what is wrong and what to do, for people.
    detail: str
