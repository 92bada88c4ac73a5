"""One file for each kind of result: its inputs, which are its identity, what it needs, how it is made, what it costs.

Every kind is a frozen dataclass, a ``Result`` (``node.py``). Keys, ``tmkd plan`` and building all walk these nodes.
"""
