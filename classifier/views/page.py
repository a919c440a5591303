"""What every page of the site is sent with."""

from functools import wraps

# Everything from this host; blob: is the visitor's own photo, shown without being sent anywhere.
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


def with_problem(response, problem):
    """The response with the status and the headers of a problem."""
    response.status_code = problem.status
    for name, value in problem.headers.items():
        response[name] = value
    return response
