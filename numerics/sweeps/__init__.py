"""Many problems in one store: `sweep` over a grid of parameters, on any executor, resumable.

From a user's call down: `door` checks and runs, `store` keeps the results, `task` is what a worker does,
`quantities` what it writes down, `grid` what there is to do.
"""
