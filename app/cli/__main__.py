"""`python -m app.cli`: the bizq command without its script."""

from app.cli import main

main()
