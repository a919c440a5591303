"""The headers of the site's pages."""

from functools import wraps

# Everything from this host; blob: is the visitor's own photo, shown by the browser itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def site_page(view):
    """Send a page with the site's Content-Security-Policy."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        response["Content-Security-Policy"] = POLICY
        return response

    return guarded


def apply_problem(response, problem):
    """Give the response the status and the headers of a problem."""
    response.status_code = problem.status
    for name, value in problem.headers.items():
        response[name] = value
    return response
