"""Loading the definitions is cheap: the heavy libraries wait until an asset needs them."""

import os
import subprocess
import sys
from pathlib import Path

HEAVY = ("torch", "xgboost", "sklearn", "evidently", "numba", "matplotlib")


def test_loading_the_definitions_imports_no_heavy_library(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from atmr_pipeline.definitions import defs\n"
        "loaded = defs()\n"
        "loaded.resolve_all_job_defs()\n"
        f"print(','.join(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    environment = {**os.environ, "ATMR_HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""
