"""Stage 3: evaluate every arm on the test split and write the comparison.

Usage: python -m stages.stage3 [setting=value ...]
"""

from stages.entry import launch

if __name__ == "__main__":
    launch("stage3", then="read the table, or change a setting and run again")
