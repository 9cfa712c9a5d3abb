"""Demo data: companies with people, workers, API keys and a history of tasks.

A set is repeatable: the same number of set, workspaces and tasks gives the same rows, down to ids and times. Only the
secrets of the API keys are random, because a seeded installation may be a real one. The first set on a database is
number 1; seeding again adds the next.
"""
