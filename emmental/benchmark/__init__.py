"""What a mask gains on this machine: time, memory and sizes of every way to compute its model.
Must not know how the mask was trained or what its task is.
"""
