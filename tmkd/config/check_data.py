"""What the settings of the task and the corpus may be."""

from __future__ import annotations

from tmkd.choices import (
    CLASS_FORMATS,
    CLASSES,
    CORPUS_READERS,
    DATA_SETS,
    FORMATS,
    JOINED_FORMATS,
    LABEL_KINDS,
    PAIRS,
    SEPARATORS,
    STEMMERS,
    STOP_WORDS,
    TASK_READERS,
    TRUST_BY,
)
from tmkd.config import validators
from tmkd.config.data import CorpusConfig, DataConfig
from tmkd.spelling import Names

COLUMNS = ("question", "passage", "question_id")  # settings that name columns
OPPOSITE = {  # what people call right passages, and wrong ones: the class of right ones is the last
    **dict.fromkeys(("right", "correct"), ("wrong", "incorrect")),
    **dict.fromkeys(("true", "yes", "1", "relevant", "positive"), ("false", "no", "0", "irrelevant", "negative")),
}
ROW = ("id", *COLUMNS, "label", "part", "score", "rank")  # columns that a row has where it is kept or written


def check_data(data: DataConfig, of_teachers: bool = False) -> None:
    """How the task is read, and (``of_teachers``) files that a teacher learns in its place, whatever its reader."""
    validators.one_of("data.reader", data.reader, TASK_READERS)
    validators.one_of("data.label_kind", data.label_kind, LABEL_KINDS)
    validators.one_of("data.on_bad_row", data.on_bad_row, ("raise", "skip"))
    validators.that(
        0 < data.validation_share < 1, "data.validation_share", "more than 0 and less than 1", data.validation_share
    )
    _fields("data", data)
    _format("data", data, (*COLUMNS, "label"), of_teachers)
    _extra("data", data, (data.question, data.passage, data.question_id, data.label))
    if data.label_kind == CLASSES:
        _classes(data)
    else:
        _no_classes(data)
    if data.column is not None:
        validators.one_of("data.column", data.column, DATA_SETS)
    columns = (data.question, data.passage, data.label)
    different = len(set(columns)) == len(columns)
    validators.that(different, "data", "three different columns: question, passage and label", ", ".join(columns))
    validators.that(
        not data.rankable_only or data.ranking, "data.rankable_only", "false where data.ranking is false", True
    )
    validators.that(
        len(data.questions) == 3 and min(data.questions) > 0, "data.questions", "three numbers above 0", data.questions
    )
    validators.positive("data", data, ("negatives", "passage_words"))
    validators.seed("data.seed", data.seed)


def _classes(data: DataConfig) -> None:
    """The names of classes, and the source's own names for them."""
    two = data.format in CLASS_FORMATS or len(data.classes) == 2
    expected = f"two classes, as {data.format} tells right passages from wrong ones"
    validators.that(two, "data.classes", expected, data.classes)
    known = Names(data.classes)
    mapped = all(known.find(name) is not None for name in data.labels.values())
    validators.that(mapped, "data.labels", f"classes ({data.classes})", data.labels)
    different = len(data.classes) >= 2 and len(set(data.classes)) == len(data.classes)
    validators.that(different, "data.classes", "at least two different names", data.classes)
    two = not data.ranking or len(data.classes) == 2
    validators.that(two, "data.classes", "two classes where data.ranking is true", data.classes)
    first, second = data.classes[:2]
    expected = (
        f"the class of right passages last where data.ranking is true, [{second},{first}] (data.labels says what "
        "numbers in the data mean)"
    )
    turned = second.casefold() in OPPOSITE.get(first.casefold(), ())
    validators.that(not (data.ranking and turned), "data.classes", expected, data.classes)


def _no_classes(data: DataConfig) -> None:
    """Labels that are grades or numbers: settings of classes would be silently ignored."""
    kind = data.label_kind
    for name in ("classes", "labels"):
        value = getattr(data, name)
        unset = value == getattr(DataConfig(), name)
        validators.that(unset, f"data.{name}", f"nothing where data.label_kind is {kind}", value)
    readers = ("files", "hub")
    expected = f"{CLASSES} where data.reader is none of {', '.join(readers)}"
    validators.that(data.reader in readers, "data.label_kind", expected, kind)


def check_corpus(corpus: CorpusConfig) -> None:
    """How the corpus is read."""
    validators.one_of("corpus.reader", corpus.reader, CORPUS_READERS)
    validators.one_of("corpus.test_questions", corpus.test_questions, ("refuse", "allow"))
    _fields("corpus", corpus)
    _format("corpus", corpus, COLUMNS)
    _extra("corpus", corpus, (corpus.question, corpus.passage, corpus.question_id))
    validators.that(corpus.pairs is None or corpus.pairs > 0, "corpus.pairs", "more than 0", corpus.pairs)
    validators.positive("corpus", corpus, ("questions", "candidates"))
    validators.that(corpus.random >= 0, "corpus.random", "0 or more", corpus.random)
    validators.seed("corpus.seed", corpus.seed)
    _words(corpus)


def _words(corpus: CorpusConfig) -> None:
    """What BM25 takes for words."""
    stop, stemmer, characters = corpus.stop_words, corpus.stemmer, corpus.characters
    listed = isinstance(stop, list) and all(isinstance(word, str) for word in stop)
    expected = f"null, a list of words, or one of {', '.join(STOP_WORDS)}"
    validators.that(stop is None or listed or stop in STOP_WORDS, "corpus.stop_words", expected, repr(stop))
    if stemmer is not None:
        validators.one_of("corpus.stemmer", stemmer, STEMMERS)
        validators.that(characters == 0, "corpus.stemmer", "null where corpus.characters is not 0", stemmer)
    validators.that(0 <= characters <= 8, "corpus.characters", "a number from 0 (words) to 8", characters)


def _fields(where: str, section: DataConfig | CorpusConfig) -> None:
    """How the fields of a table are separated and quoted."""
    validators.one_of(f"{where}.quoting", section.quoting, ("csv", "none"))
    if section.separator is not None:
        validators.one_of(f"{where}.separator", section.separator, tuple(SEPARATORS))


def _extra(where: str, section: DataConfig | CorpusConfig, others: tuple[str, ...]) -> None:
    """Further columns, beside those that a row has and the ``others`` that it is read from."""
    name, columns = f"{where}.extra_columns", section.extra_columns
    has = section.reader == "hub" or (section.reader == "files" and section.format == PAIRS)
    expected = f"none where {where}.reader is not files or hub, or {where}.format not {PAIRS}"
    validators.that(has or not columns, name, expected, columns)
    taken = {*ROW, *TRUST_BY, *others}
    free = all(columns) and len(set(columns)) == len(columns) and not taken & set(columns)
    validators.that(free, name, f"different names, none of them {', '.join(sorted(taken))}", columns)


def _format(
    where: str, section: DataConfig | CorpusConfig, columns: tuple[str, ...], of_teachers: bool = False
) -> None:
    """Whose fields files have, and the files that its ids lead to."""
    validators.one_of(f"{where}.format", section.format, FORMATS)
    if section.format == PAIRS:
        texts: tuple[str, ...] = ()
    else:
        files = section.reader == "files"
        expected = f"{PAIRS} where {where}.reader is not files"
        validators.that(files or of_teachers, f"{where}.format", expected, section.format)
        for column in columns if files else ():  # a hub's columns have names, too
            name = getattr(section, column)
            validators.that(
                name == column, f"{where}.{column}", f"{column}, as {section.format} has names of its own", name
            )
        texts = ("queries", "documents") if section.format in JOINED_FORMATS else ()
    for setting in ("queries", "documents"):
        value = getattr(section, setting)
        name = f"{where}.{setting}"
        if setting in texts:
            validators.that(bool(value), name, f"a file of {setting}, to which the ids of {section.format} lead", value)
        else:
            formats = " or ".join(JOINED_FORMATS)
            validators.that(value is None, name, f"null where {where}.format is not {formats}", value)
