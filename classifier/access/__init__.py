"""Access tokens for programs; rate limits, idempotency and scopes are in `shoeproject.api`."""
