"""From a config to results: its task, corpus, teachers and arms as nodes, what they are called, and what cannot be.

Nothing is trained here but for one question, which teacher is the best on validation; a plan answers it from what is
there. So resolving goes in two phases: the teachers, then the arms.
"""
