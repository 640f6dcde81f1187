"""Environments beside the pinned one."""
