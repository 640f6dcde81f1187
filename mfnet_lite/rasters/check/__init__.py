"""Look at a dataset or at one file before anything is trained on it.

A new fault of a single file is found in ``inspection``, one of several files in ``check_dataset``; what is wrong with
*numbers* belongs to ``rasters/interpretation``, so that training and prediction see it, too.
"""
