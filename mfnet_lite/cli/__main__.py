"""``python -m mfnet_lite.cli``."""

from mfnet_lite.cli import app

if __name__ == "__main__":
    app()
