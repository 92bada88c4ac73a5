from tmkd.teachers.source import Source


class Scores(Source):
    kind = "scores"
