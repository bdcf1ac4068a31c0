"""`python -m worker` is `jobrelay`."""

import sys

from worker.cli import interrupt

interrupt.end_at_once()  # before the imports, which take the better part of a second


def main() -> None:
    """Runs the command line and exits."""
    from worker.cli import probe  # noqa: PLC0415

    ready = probe.asked_by(sys.argv[1:])
    if ready is not None:  # asked every few seconds: without the imports of all the others
        sys.exit(probe.probe(ready))
    from worker.cli.main import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
