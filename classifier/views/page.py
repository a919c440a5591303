"""What the site's pages share: their headers, and pages for errors."""

from functools import wraps

from shoeproject.api import problems

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


def problem_page(error, render_page):
    """The page that `render_page(problem)` gives for an error, with its status and headers.

    Raises an unexpected error again.
    """
    problem = problems.describe(error)
    if problem is None:
        raise error
    response = render_page(problem)
    response.status_code = problem.status
    for name, value in problem.headers.items():
        response[name] = value
    return response
