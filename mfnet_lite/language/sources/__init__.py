"""Public data sets of single tasks, one file per format: scenes, captions, questions, boxes, referring expressions.

A new format is a file with a function that reads a folder into a :class:`Source` and one that recognises it, and
one line in the table of ``known_sources``.
"""

from __future__ import annotations

from mfnet_lite.language.sources.known_sources import SOURCES, detect_source, read_source
from mfnet_lite.language.sources.source import AnnotatedImage, Source

__all__ = ["SOURCES", "AnnotatedImage", "Source", "detect_source", "read_source"]
