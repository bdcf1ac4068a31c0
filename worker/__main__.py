"""`python -m worker` is `jobrelay`."""

from worker.cli import interrupt

interrupt.end_at_once()  # before the imports, which take the better part of a second

from worker.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
