"""Why a search gave no answer. A search that runs dry is no error: its iterator just ends."""

from curation.errors import CurationError


class RateLimited(CurationError):
    """The engine wants fewer requests; `provider` in words, `retry_after` seconds if it said so."""

    provider: str
    retry_after: float | None
    code = "search_rate_limited"
    message = "{provider} answers no more searches for now; try again in {wait}."

    @property
    def wait(self) -> str:
        """How long, in words."""
        return (
            "some minutes"
            if self.retry_after is None
            else f"{max(self.retry_after, 1):.0f} seconds"
        )


class SearchUnreachable(CurationError):
    """No network, no such name, no trust, no time: `why` in words."""

    provider: str
    why: str
    code = "search_unreachable"
    message = "{provider} cannot be reached: {why}. Check the network and try again later."


class SearchBroken(CurationError):
    """An answer that nobody here understands; `why` in words."""

    provider: str
    why: str
    code = "search_broken"
    message = (
        "{provider} sent an answer that cannot be read: {why}. "
        "Use another search engine, or update ddgs."
    )


class UnknownFilter(CurationError):
    """A filter, or a value of it, that is not in `FILTERS`."""

    name: str
    value: str
    code = "search_filter_unknown"
    message = "No search knows the filter {name} = {value}; choose one of those offered."
