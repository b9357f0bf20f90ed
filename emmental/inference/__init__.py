"""Masks put to use: loaded onto a backbone, switched, asked for labels and answers, scored on a validation set.
Must not know how a mask was trained.
"""
