"""`make run`: start, supervise and stop everything the project needs on one machine.

`checks` tests whether it can start, `prepare` brings database and static files up to date,
`programs` writes supervisor's configuration, `supervise` runs supervisor, `monitor` prints which
programs are ready and which died, `processes` finds and ends processes of a run; `start` calls them
in order.
"""
