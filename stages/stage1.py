"""Stage 1: score the corpus with every teacher and pre-train the student on the soft labels.

Usage: python -m stages.stage1 [setting=value ...]
"""

from stages.entry import launch

if __name__ == "__main__":
    launch("stage1", then="make stage2")
