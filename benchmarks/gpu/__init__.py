"""What a GPU takes for what the other benchmarks time on CPUs: see ``bash benchmarks/gpu.sh``."""
