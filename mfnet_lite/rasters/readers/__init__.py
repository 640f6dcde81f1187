"""One file per format of a dataset, and the table that finds the right one.

A new format is a file with two functions, one that recognises a folder and one that opens it, and one line in the table
of ``detect``. A reader finds files and names; it decides nothing about pixels. ``oddities`` lists what is odd about
public benchmarks.
"""
