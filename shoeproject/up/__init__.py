"""`make run`: everything the project needs on one machine, started, watched and stopped as one.

`checks` says whether it can start, `prepare` brings database and static files up to date,
`programs` describes the parts to supervisor, `watch` runs supervisor, `news` tells people what is
ready and what died, `processes` finds what is left over; `start` puts them in order.
"""
