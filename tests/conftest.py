"""Every test runs against a home of its own; nothing of the developer's environment reaches it."""

import os
import tempfile

for _name in [name for name in os.environ if name.startswith("ATMR_")]:
    del os.environ[_name]
# The service days are read when the shell is imported, so the home must exist before any test module is.
os.environ["ATMR_HOME"] = tempfile.mkdtemp(prefix="atmr-test-home-")
os.environ.pop("DAGSTER_HOME", None)
os.environ.setdefault("OMP_NUM_THREADS", "1")
