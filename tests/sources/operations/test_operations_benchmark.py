"""The benchmark runs, reads everything, and says exactly what it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "extraction.py"


@pytest.mark.integration
def test_the_benchmark_ends_in_its_figures(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--json", "--quick", "--write"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    figures = json.loads(run.stdout.splitlines()[-1])
    assert list(figures) == ["rows", "seconds", "peak_mb", "rows_per_s"]
    assert figures["rows"] == 20_000
    assert min(figures.values()) > 0
    assert list(tmp_path.glob("atmr-*")) == [], "the server and its data are gone"
