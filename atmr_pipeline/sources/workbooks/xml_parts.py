"""XML inside a workbook, walked by a parser that expands nothing and keeps nothing."""

from collections.abc import Callable, Iterable
from xml.parsers import expat

from atmr_pipeline.sources.workbooks.limits import MEBIBYTE
from atmr_pipeline.sources.workbooks.reasons import WorkbookError

LONGEST_TOKEN = 4 * MEBIBYTE
Attributes = dict[str, str]


def walk(
    file_name: str, pieces: Iterable[bytes], start: Callable[[str, Attributes], None], *, namespaces: bool = False
) -> None:
    """Call ``start`` with the name and the attributes of every element.

    Parameters
    ----------
    pieces : iterable of bytes
        The part, cut anywhere.
    namespaces : bool
        Names are ``"{URI} {local name}"`` instead of ``"prefix:name"``.

    Raises
    ------
    WorkbookError
        ``unreadable_file`` if it is not XML, declares entities, or holds one endless token.
    """
    parser = expat.ParserCreate(namespace_separator=" " if namespaces else None)
    parser.StartElementHandler = start
    parser.buffer_text = False

    def refuse(*_: object) -> None:
        # No spreadsheet program writes a document type: it is how entity bombs come in.
        raise WorkbookError(file_name, "unreadable_file", "it declares XML entities")

    parser.StartDoctypeDeclHandler = refuse
    fed = 0
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            fed += len(piece)
            if fed - max(parser.CurrentByteIndex, 0) > LONGEST_TOKEN:
                raise WorkbookError(file_name, "unreadable_file", "its XML does not end")
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError):
        raise WorkbookError(file_name, "unreadable_file") from None


def local_name(name: str) -> str:
    """``"c"`` for ``"x:c"``."""
    return name.rpartition(":")[2]
