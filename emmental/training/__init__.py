"""A run from its flags to its results: trainer, teachers, checkpoints, several processes, tables and pictures.
Must not know how masks are used afterwards, nor launchers.
"""
