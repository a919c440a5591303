"""Tokens: how programs say for whom they ask.

Counting, idempotency and scopes, which curation's API shares, are in `shoeproject.api`.
"""
