"""Diagrams of the book: the systems it teaches, and a road map at the head of every chapter, as SVG in one style."""
