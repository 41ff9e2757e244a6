"""`python -m agents` is `kappa`."""

from agents.cli import main

if __name__ == "__main__":
    main()
