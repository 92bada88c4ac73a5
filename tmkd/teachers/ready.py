from tmkd.teachers.source import Source


class Ready(Source):
    kind = "ready"
