"""The templates of a folder, or of a file: all of them, or everything that is wrong with them."""

from collections.abc import Collection
from pathlib import Path

from worker.templates.files.compiled import template_of
from worker.templates.files.documents import Document, Fault, TemplateErrors, documents
from worker.templates.model import Template

__all__ = ["Fault", "TemplateErrors", "files", "load"]

_SUFFIXES = (".yaml", ".yml", ".json")


def load(place: Path, closed: Collection[str] = ()) -> tuple[Template, ...]:
    """The templates of a folder, by its files' names, or of one file. Raises `TemplateErrors`.

    Of a folder, which may hold none, files are read that end in .yaml, .yml or .json; what begins with a dot
    is somebody else's, and folders within are left alone. No template may listen to an exchange that is
    *closed*.
    """
    templates: list[Template] = []
    faults: list[Fault] = []
    for path in _readable(place):
        try:
            for document in _some(path):
                template = template_of(document)
                _check_name(template, templates, document)
                _check_exchanges(template, closed, document)
                templates.append(template)
        except TemplateErrors as wrong:
            faults += wrong.faults
        except Exception as error:  # noqa: BLE001 - no file, whatever it holds, may end a worker that runs
            said = f"cannot be read ({type(error).__name__})"
            faults.append(Fault(path.name, None, "", said, "docs/templates.md has whole ones"))
    if faults:
        raise TemplateErrors(*faults)
    return tuple(templates)


def files(place: Path) -> list[Path]:
    """The files of a folder that templates are read from, or the one file. Raises `OSError`."""
    if place.is_file():
        return [place]
    found = sorted(place.iterdir())
    return [path for path in found if path.suffix in _SUFFIXES and path.name[0] != "." and path.is_file()]


def _readable(place: Path) -> list[Path]:
    try:
        return files(place)
    except OSError as error:
        said, remedy = (
            f"cannot be read: {error.strerror}",
            "name the file or the folder that has the templates",
        )
        raise TemplateErrors(Fault(str(place), None, "", said, remedy)) from None


def _some(path: Path) -> list[Document]:
    shown = path.name.encode(errors="backslashreplace").decode()
    if shown != path.name:
        raise TemplateErrors(Fault(shown, None, "", "has a name that is not UTF-8", "give it another"))
    found = documents(path)
    if not found:
        raise TemplateErrors(Fault(path.name, None, "", "holds no template", "write one, or take it away"))
    return found


def _check_name(template: Template, others: list[Template], document: Document) -> None:
    for other in others:
        if other.name == template.name:
            reason = f"is the name of another template too, in {other.file}, line {other.line}"
            raise TemplateErrors(document.fault("/name", reason, "give one of them another name"))


def _check_exchanges(template: Template, closed: Collection[str], document: Document) -> None:
    reason = "is Jobrelay's own exchange: what templates ask for would come back as an event, for ever"
    places = [at for at, binding in enumerate(template.bindings) if binding.exchange in closed]
    if places:
        remedy = "name the exchange that the application publishes to"
        raise TemplateErrors(*(document.fault(f"/bindings/{at}/exchange", reason, remedy) for at in places))
