"""One file per kind of data: where examples are, how they become features, label words, metrics and answers.
Must not know how a model is trained or computed.
"""
