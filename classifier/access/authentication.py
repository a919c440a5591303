"""`Authorization: Bearer shoe_…` for REST framework."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header

from classifier.access import tokens
from classifier.errors import ClassifierError
from shoeproject.api.scopes import SCOPES, required_scope

REALM = 'Bearer realm="api"'


class ScopeMissing(exceptions.PermissionDenied):
    """403: the token is valid and lacks the view's scope."""

    default_code = "scope_missing"

    def __init__(self, scope: str | None):
        if scope is None:
            super().__init__("No token opens this address; use it in a browser.")
            return
        super().__init__(f"This token lacks the scope {scope}; make one that has it.")
        # RFC 6750, section 3.1.
        self.auth_header = f'{REALM}, error="insufficient_scope", scope="{scope}"'


class TokenAuthentication(BaseAuthentication):
    """Authenticates a request by its token and checks the token's scope, for every view.

    Raises REST framework's `AuthenticationFailed` with the code and the detail of the reason, and
    `ScopeMissing`. Other kinds of authorization are ignored.
    """

    # For the schema.
    problems = [
        *(
            exceptions.AuthenticationFailed(reason.message, reason.code)
            for reason in (
                tokens.TokenUnknown,
                tokens.TokenExpired,
                tokens.TokenRevoked,
                tokens.TokenOwnerInactive,
            )
        ),
        ScopeMissing("guide"),
    ]

    def authenticate(self, request):
        kind, _, rest = get_authorization_header(request).partition(b" ")
        if kind.lower() != b"bearer":
            return None
        try:
            token = tokens.find(rest.strip().decode("latin-1"))
        except ClassifierError as error:
            request.bad_token = True
            raise exceptions.AuthenticationFailed(error.detail, error.code) from error
        scope = required_scope(request.parser_context["view"], request.method)
        if scope not in token.scopes:
            raise ScopeMissing(scope)
        return token.user, token

    def authenticate_header(self, request) -> str:
        return f'{REALM}, error="invalid_token"' if hasattr(request, "bad_token") else REALM


class TokenScheme(OpenApiAuthenticationExtension):
    """The schema's description of tokens: RFC 6750's bearer."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema):
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "shoe_…",
            "description": "A token, made in the admin. It never opens more than its owner's "
            "account does. Scopes:\n\n"
            + "\n".join(f"- `{scope}`: {meaning}" for scope, meaning in SCOPES.items()),
        }
