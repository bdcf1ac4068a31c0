"""`python -m worker` is `jobrelay`."""

from worker.cli.main import main

if __name__ == "__main__":
    main()
