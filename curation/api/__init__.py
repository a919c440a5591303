"""The curators' part of the API: for people with an account and their tokens, JSON only.

`door` is what its views share, `shapes` what goes through them; the others are the views.
"""
