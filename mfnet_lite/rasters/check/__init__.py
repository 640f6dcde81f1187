"""Look at a data set or at one file before anything is trained on it."""
