"""Figures, class palettes, the static slider."""
