"""The paper's story, in its order: teachers, stage 1, stage 2, stage 3.

Each stage asks for what it is made from, which is built if nobody has built it yet and read if somebody has; so any
stage can be called first, and nothing is computed twice.

What computes imports its libraries where it computes: a stage whose results exist answers without loading torch.
"""
