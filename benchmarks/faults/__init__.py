"""What is tried against runs and files, and what is lost: see ``python -m benchmarks.faults``."""
