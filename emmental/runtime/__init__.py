"""How a folded model is computed on a CPU: dense, by sparse products, or each product as it is faster here.
Must not know tasks, files or masks.
"""
