"""URL → bytes, safely: the addresses come from strangers, and so do the servers behind them.

Pure. `addresses` judges what may be asked at all, `transport` connects to what was judged,
`clock` ends what takes too long, `manners` and `robots` keep us a guest, `fetch` puts them
together for one address, and `pool.ahead` runs many at once.
"""

from curation.download.errors import (
    BadAddress,
    BadPort,
    BadScheme,
    BrokenAnswer,
    Credentials,
    DownloadError,
    EmptyBody,
    Encoded,
    HostTired,
    HttpError,
    Insecure,
    NotPublic,
    RobotsRefused,
    Stopped,
    TooLarge,
    TooManyRedirects,
    TooSlow,
    Truncated,
    Unreachable,
)
from curation.download.fetch import USER_AGENT, Downloader, Fetched
from curation.download.limits import Limits
from curation.download.pool import ahead

__all__ = [
    "USER_AGENT",
    "BadAddress",
    "BadPort",
    "BadScheme",
    "BrokenAnswer",
    "Credentials",
    "DownloadError",
    "Downloader",
    "EmptyBody",
    "Encoded",
    "Fetched",
    "HostTired",
    "HttpError",
    "Insecure",
    "Limits",
    "NotPublic",
    "RobotsRefused",
    "Stopped",
    "TooLarge",
    "TooManyRedirects",
    "TooSlow",
    "Truncated",
    "Unreachable",
    "ahead",
]
