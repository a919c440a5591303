"""A model looks at every image: features → what may be wrong.

`ask` queues it, `job` performs it, `parts` shares the looking between workers, `table` keeps what
was seen; `sight`, `sights`, `labels`, `copies`, `outliers`, `quality` and `verdict` are pure.
Nothing is imported here: the libraries behind take seconds to load, and a web process needs `ask`
alone.
"""
