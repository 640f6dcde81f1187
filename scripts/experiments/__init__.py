"""Trainings behind the tables of the book, one folder per system."""
