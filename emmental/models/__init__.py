"""Encoders of transformers as frozen backbones, the heads that answer in label words, and their losses.
Must not know data sets, runs, or where a mask came from.
"""
