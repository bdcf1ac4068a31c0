"""`python -m reference [--check]`: writes what is generated, or says which of it would be written otherwise."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from reference import browser, contract, events, settings
from reference.contract import ROOT

PAGES: Mapping[str, Callable[[], str]] = {
    "schemas/asyncapi.yaml": contract.asyncapi,
    "docs/events.md": events.page,
    "docs/api.html": browser.page,
    "docs/settings.md": settings.page,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, does it, and gives the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where something would change"
    )
    check = parser.parse_args(arguments).check
    stale = [name for name, write in PAGES.items() if not _same(name, write())]
    for name in stale:
        if not check:
            (ROOT / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"{name}: {'is not what scripts/docs would write' if check else 'written'}")
    return int(check and bool(stale))


def _same(name: str, text: str) -> bool:
    path = ROOT / name
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
