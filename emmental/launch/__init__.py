"""From a tag and variables to commands, plans, runs of several seeds and comparisons of methods.
Knows recipes alone: a dry run must not load torch or transformers.
"""
