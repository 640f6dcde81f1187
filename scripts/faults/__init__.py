"""What happens when something goes wrong: damaged files, full disks, absurd sizes, kills at any moment.

``python -m scripts.faults`` runs the full form and writes the table of the book; ``tests/faults`` runs the short one.
"""
