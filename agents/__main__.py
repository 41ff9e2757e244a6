"""`python -m agents` is `kappa`."""

from agents.cli import main

main()
