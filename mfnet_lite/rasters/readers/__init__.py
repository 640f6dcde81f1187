"""One file per layout of a data set, and the table that finds the right one."""
