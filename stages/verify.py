"""Check every file of every artifact against its manifest.

Usage: python -m stages.verify [setting=value ...]
"""

from stages.entry import launch

if __name__ == "__main__":
    launch("verify", then="make stage3")
