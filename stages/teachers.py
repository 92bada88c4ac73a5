"""Stage 0: fine-tune the teachers.

Usage: python -m stages.teachers [setting=value ...]
"""

from stages.entry import launch

if __name__ == "__main__":
    launch("teachers", then="make stage1")
