"""The benchmark runs, says what it measured, and says so where it cannot."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "geocoding.py"
EXTRACT = Path(__file__).parents[4] / "shared" / "data" / "geneva" / "geneva_gazetteer.csv.gz"
KEYS = [
    "variants",
    "right_street_pct",
    "wrong_pct",
    "unresolved_pct",
    "distinct_per_s",
    "peer_right_street_pct",
    "peer_wrong_pct",
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.skipif(
    not EXTRACT.exists(), reason="the Geneva street extract (../shared/data/geneva) is not beside the checkout"
)
def test_the_benchmark_measures_what_it_says() -> None:
    done = run("--quick", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert list(result) == KEYS
    assert result["variants"] == 200
    assert result["right_street_pct"] + result["wrong_pct"] + result["unresolved_pct"] == pytest.approx(100, abs=0.01)
    assert result["right_street_pct"] >= 92
    assert result["wrong_pct"] <= 1
    assert result["peer_right_street_pct"] < result["right_street_pct"]


def test_without_a_directory_it_says_so_in_one_line() -> None:
    done = run("--json", "--gazetteer", "no_such_directory.csv")
    assert done.returncode != 0
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)
    assert "--gazetteer" in done.stderr
