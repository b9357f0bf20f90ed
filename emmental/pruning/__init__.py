"""The method: from scores to masks, the masked product with its gradient, allocation, schedule and regulariser.
Knows matrices, steps and numbers; must not know transformers, tasks, files or how a run is started.
"""
