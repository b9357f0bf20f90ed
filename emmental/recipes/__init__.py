"""What the paper did and measured: recipes, tags, pruning methods, results; the only place where they stand.
Loads neither torch nor transformers, and must not know how any of it is carried out.
"""
