"""The names of the jobs, known to those who announce them and to the actors that do them."""

QUEUE = "bizq"
RUN_TASKS = "run_tasks"
