"""From the values of a label file to classes."""
