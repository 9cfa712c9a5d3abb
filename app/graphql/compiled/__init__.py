"""Execution that is decided once for each document: its selection sets become functions.

graphql-core finds out for every object of every answer which fields are selected, what their types are and who resolves
them. A plan knows. What it gives is the same, errors included; what it does not understand is left to graphql-core.
"""

from app.graphql.compiled.compiler import compile_operation
from app.graphql.compiled.plan import MAX_COERCION_ERRORS, Plan

__all__ = ["MAX_COERCION_ERRORS", "Plan", "compile_operation"]
