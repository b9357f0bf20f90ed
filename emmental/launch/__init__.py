"""From a tag and variables to commands, plans, runs of several seeds and comparisons of methods.
Knows recipes alone: a dry run must load neither torch nor transformers.
"""
