"""`Authorization: Bearer shoe_…` for REST framework."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header

from classifier.access import tokens
from classifier.errors import ClassifierError
from shoeproject.api import scopes

KEYWORD = b"bearer"
REALM = 'Bearer realm="api"'


class BadToken(exceptions.AuthenticationFailed):
    """401 with the reason's own code."""

    def __init__(self, code: str, detail: str):
        super().__init__(detail, code)
        self.default_code = code


class ScopeMissing(exceptions.PermissionDenied):
    """403: the token works, but not for this."""

    default_code = "scope_missing"

    def __init__(self, scope: str | None):
        if scope is None:
            super().__init__("No token opens this address; use it in a browser.")
            return
        super().__init__(f"This token lacks the scope {scope}; make one that has it.")
        # As RFC 6750, section 3.1, has it.
        self.auth_header = f'{REALM}, error="insufficient_scope", scope="{scope}"'


class TokenAuthentication(BaseAuthentication):
    """A token, where the request shows one; what it may not be used for is refused here, so that
    no view can forget to ask. Other kinds of authorization are left to others."""

    def authenticate(self, request):
        """(user, token), or None without a token. Raises `BadToken` and `ScopeMissing`."""
        kind, _, rest = get_authorization_header(request).partition(b" ")
        if kind.lower() != KEYWORD:
            return None
        try:
            token = tokens.find(rest.strip().decode("latin-1"))
        except ClassifierError as error:
            request.bad_token = True
            raise BadToken(error.code, error.detail) from error
        # REST framework's way from a request to the view that it is for.
        scope = scopes.needed(request.parser_context["view"], request.method)
        if scope not in token.scopes:
            raise ScopeMissing(scope)
        return token.user, token

    def authenticate_header(self, request) -> str:
        """What a 401 says in WWW-Authenticate: that a token is asked for, or that it is no good."""
        return f'{REALM}, error="invalid_token"' if hasattr(request, "bad_token") else REALM


class TokenScheme(OpenApiAuthenticationExtension):
    """How the schema describes tokens."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema):
        """RFC 6750's bearer."""
        lines = [f"- `{scope}`: {meaning}" for scope, meaning in scopes.SCOPES.items()]
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "shoe_…",
            "description": "A token, made in the admin. It never opens more than its owner's "
            "account does. Scopes:\n\n" + "\n".join(lines),
        }
