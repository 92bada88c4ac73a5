"""Stage 2: fine-tune the students of every arm with the multi-head loss.

Usage: python -m stages.stage2 [setting=value ...]
"""

from stages.entry import launch

if __name__ == "__main__":
    launch("stage2", then="make stage3")
