"""What is run from a checkout and not installed, each as ``python -m scripts.…`` from the root of the repository.

- ``book``: makes parts of the book and runs it: shared cells, normal form of notebooks, chapters, site, figures, data.
- ``experiments``: answers a question by trainings and ends in a table with verdicts. One folder per system: ``plan``
  (what is trained, in the order of importance), ``runs`` (one training and its scores), ``verdicts`` (the claims,
  written before the runs), ``__main__`` (the command line). Results are in ``book/results/NAME_experiments.json``.
- ``benchmarks``: measures seconds and bytes, always as ratios of versions that take turns in one run.
- ``parity``: holds one of our systems against its authors' code, number by number; their code is never part of this
  repository but read from a path that the user gives.
- ``pretraining``: makes the weights of the small SAM that the package ships, measures them, writes their model card.

What a user of the library needs belongs into ``mfnet_lite`` instead, and a lasting check into ``tests``.
"""
