"""Reports as web pages: how they are written and how they look. Knows nothing of how a run came about: what stands in a
page comes from those who ask for it.
"""
