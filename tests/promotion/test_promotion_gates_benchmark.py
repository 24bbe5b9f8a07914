"""The benchmark of the gates runs, prints what it measured for people, and last the line that is read by machines."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gates.py"


def test_the_benchmark_tells_pass_rates_beside_simpler_rules() -> None:
    arguments = [sys.executable, str(SCRIPT), "--json", "--worlds", "4"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert list(result) == ["worse10_pass_pct", "equal_pass_pct", "better5_pass_pct", "n"]
    assert result == {"worse10_pass_pct": 0.0, "equal_pass_pct": 100.0, "better5_pass_pct": 100.0, "n": 1_000}
    assert "point estimate better" in done.stderr
    assert "significantly better" in done.stderr
    assert "n = 300" in done.stderr
    (planted,) = [line for line in done.stderr.splitlines() if line.startswith("one area")]
    assert "'slices': 100.0" in planted
