"""Loss functions, one file each: a pure function first, a thin module second."""
