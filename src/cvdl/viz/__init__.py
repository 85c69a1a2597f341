"""Pictures of results: overlays, sheets, charts, recordings."""
