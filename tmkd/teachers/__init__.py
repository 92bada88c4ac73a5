"""Teachers that are not trained here: what scores question-passage pairs, from a checkpoint, a file or a server.

Each kind of ``teachers.roster`` but ``fine_tuned`` is one ``Source``, in a file of its own; ``registry`` lists all.
"""
