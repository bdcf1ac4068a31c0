"""Which build of Jobrelay this is."""

from importlib import metadata


def version() -> str:
    """Of the package that is installed; `0` for a checkout that is not."""
    try:
        return metadata.version("jobrelay")
    except metadata.PackageNotFoundError:
        return "0"
