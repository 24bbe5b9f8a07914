"""A trial reading in a process of its own.

Some formats say sizes that the compiled reader believes: a damaged or hostile file can make it ask for hundreds of
gigabytes, and that ends the whole process, whatever is caught around it. So a file is first opened where nothing is
lost.
"""

import subprocess
import sys
from pathlib import Path

import python_calamine

from atmr_pipeline.domain.errors import SourceError
from atmr_pipeline.sources.workbooks.limits import MEBIBYTE, WorkbookLimits
from atmr_pipeline.sources.workbooks.reasons import WorkbookError

TRIAL_SECONDS = 60
TRIAL_MEMORY_MB = 2_000
PASSWORD, ORDERLY = 3, {0, 2}
READER_FOLDER = Path(python_calamine.__file__).parents[1]
TRIAL = """
import sys
sys.path.append(sys.argv[3])
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except ImportError:
    pass  # no such limits on Windows: the system's own apply
from python_calamine import CalamineError, CalamineWorkbook, PasswordError
print("ready", flush=True)
try:
    with CalamineWorkbook.from_path(sys.argv[1]) as workbook:
        for name in workbook.sheet_names:
            workbook.get_sheet_by_name(name)
except PasswordError:
    sys.exit(3)
except (CalamineError, OSError, ValueError):
    sys.exit(2)
"""


def try_reading(path: Path, limits: WorkbookLimits) -> None:
    """Read a workbook in another process with little memory, and refuse it if that process does not survive.

    A file that the trial refuses in order is left to the real reading, which names the reason.

    Raises
    ------
    WorkbookError
        ``password_protected``, or ``unreadable_file`` if the reader crashed, ran out of memory or did not end.
    SourceError
        If no other process can be started here.
    """
    memory = max(TRIAL_MEMORY_MB, 4 * limits.max_uncompressed_mb) * MEBIBYTE
    # Without the site's start-up files, which take most of the time: the reader needs none of them.
    command = [sys.executable, "-I", "-S", "-c", TRIAL, str(path), str(memory), str(READER_FOLDER)]
    try:
        trial = subprocess.run(command, capture_output=True, timeout=TRIAL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise WorkbookError(path.name, "unreadable_file", "reading it does not end") from None
    if b"ready" not in trial.stdout:
        # The file is not to blame.
        raise SourceError(f"workbook {path.name}: the trial reader did not start. Check the installation of Python.")
    if trial.returncode == PASSWORD:
        raise WorkbookError(path.name, "password_protected")
    if trial.returncode not in ORDERLY:
        raise WorkbookError(path.name, "unreadable_file")
