"""Download files from URLs that strangers chose, from servers that strangers run. Pure.

`addresses` decides which addresses may be asked, `transport` connects to them, `deadline` ends what
takes too long, `retry_policy` and `robots` hold the rules of politeness, `fetch` downloads one
file, `pool` many at once.
"""
