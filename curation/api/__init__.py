"""The curators' part of the API: JSON, for accounts and their tokens."""
