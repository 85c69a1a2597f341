"""Pictures of results: overlays, contact sheets, charts, recordings."""

from cvdl.viz.pictures import contact_sheet, overlay, write_png

__all__ = ["contact_sheet", "overlay", "write_png"]
