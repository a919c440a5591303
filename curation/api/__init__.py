"""The curators' part of the API: for people with an account, JSON only."""
