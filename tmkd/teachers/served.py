from tmkd.teachers.source import Source


class Served(Source):
    kind = "served"
