"""Running chapters, the normal form of notebooks, building the site, sample data."""
