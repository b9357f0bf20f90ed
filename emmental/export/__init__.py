"""Pruned models in other forms: shrunk ones, task checkpoints with the weights that a mask keeps, ONNX files.
Must not know runs, data sets or runtimes.
"""
