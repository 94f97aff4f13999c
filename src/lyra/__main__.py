"""`python -m lyra` is the `lyra` command."""

from lyra.cli import main

if __name__ == "__main__":
    main()
