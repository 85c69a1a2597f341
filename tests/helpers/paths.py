"""Where the checkout and its data are."""

from pathlib import Path

__all__ = ["DATA", "ROOT"]

ROOT = Path(__file__).parents[2]
#: Real recordings, beside the checkout. A test that needs some is marked, as by
#: ``@pytest.mark.real("osd")``, and skipped where the folder is missing.
DATA = ROOT.parent / "shared" / "data"
