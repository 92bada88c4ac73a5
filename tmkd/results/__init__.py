"""One file a kind of result: what it is made of, which is its identity, what it needs, how it is made, what it costs.

Every kind is a frozen dataclass, a ``Result`` (``node.py``). Keys, ``tmkd plan`` and building all walk these nodes.
"""
