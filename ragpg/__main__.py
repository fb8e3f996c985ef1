"""`python -m ragpg` is the command line."""

from ragpg.cli import main

if __name__ == "__main__":
    main()
