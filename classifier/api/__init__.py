"""The public API, open without an account: photos in, answers out, and the guide. JSON only."""
