"""Who asks, how often, and whether it was asked before: what both apps' APIs share.

`address` and `clients` say who asks, `rates` counts, `throttles` refuses, `idempotency` remembers
answers, `scopes` names what a token may be for. All that is kept is in the cache; where the cache
is down (`reach`), everybody is let in.
"""
