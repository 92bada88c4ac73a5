"""Before a run: what it will compute, what is cached, and an estimate of time, disk and memory.

Usage: python -m stages.plan [setting=value ...]
"""

from stages.entry import launch

if __name__ == "__main__":
    launch("plan", then="make stage1 stage2 stage3")
