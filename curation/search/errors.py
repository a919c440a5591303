"""Errors of searches. Running out of results is none: the iterator just ends."""

from curation.errors import CurationError


class RateLimited(CurationError):
    """The engine refuses more requests for now. `retry_after`: seconds, if it gave any."""

    provider: str
    retry_after: float | None
    code = "search_rate_limited"
    message = "{provider} answers no more searches for now; try again in {wait}."

    @property
    def wait(self) -> str:
        """For how long, for people."""
        return (
            "some minutes"
            if self.retry_after is None
            else f"{max(self.retry_after, 1):.0f} seconds"
        )


class SearchUnreachable(CurationError):
    """The engine gave no answer: no network, no such name, a bad certificate, a time-out."""

    provider: str
    why: str
    code = "search_unreachable"
    message = "{provider} cannot be reached: {why}. Check the network and try again later."


class SearchBroken(CurationError):
    """The engine's answer cannot be parsed."""

    provider: str
    why: str
    code = "search_broken"
    message = (
        "{provider} sent an answer that cannot be read: {why}. "
        "Use another search engine, or update ddgs."
    )


class UnknownFilter(CurationError):
    """A filter, or its value, is not in `FILTERS`."""

    name: str
    value: str
    code = "search_filter_unknown"
    message = "No search knows the filter {name} = {value}; choose one of those offered."
