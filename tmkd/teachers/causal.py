from tmkd.teachers.source import Source


class Causal(Source):
    kind = "causal"
