"""The public API: photos in, answers out, and the guide. No account, JSON only.

`views` are the doors, `shapes` what goes through them, `examples` what the schema shows.
"""
