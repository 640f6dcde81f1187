"""Segment Anything, frozen: loading, attention, prompts, automatic masks."""
