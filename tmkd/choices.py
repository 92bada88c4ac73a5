"""What a setting may be where the code below the settings knows the same names: each list stands here alone.

Settings are checked before anything costs time, so nothing here loads torch. What only a check knows stands beside it,
in ``tmkd.config``. Functions that are found by these names are in registries of their own: ``RESPONSE_LOSSES``,
``GOLD_RANKING``, ``SOFT_RANKING``, ``TRANSFERS``, ``ONLINE_LOSSES``, ``READERS``, ``FITS``, ``SELECT``.
"""

from __future__ import annotations

# Data
NO_TASK = "none"  # the reader of a run without labels
TASK_READERS = ("documentation", "files", "hub", NO_TASK)
CORPUS_READERS = ("documentation", "files", "hub", "mined", "task")
PAIRS = "pairs"  # the format of a row a pair, which has the program's own names of fields
FORMATS = (
    PAIRS, "flag_embedding", "sentence_transformers", "tevatron", "pylate", "beir", "trec", "msmarco",
)  # fmt: skip
JOINED_FORMATS = ("pylate", "trec", "msmarco")  # pairs of ids, whose texts are in files of queries and of documents
# what labels are: one of some classes | grades of relevance, whole numbers from 0 | any numbers
CLASSES, GRADED, FLOAT = LABEL_KINDS = ("classes", "graded", "float")
SHARE = "share"  # what a float label has to be for some losses: a number from 0 to 1
SCORE = "score"  # what the one logit of a model is called, where labels are grades or numbers
CLASS_FORMATS = (PAIRS, "sentence_transformers")  # any classes; all others tell right passages from wrong ones
SCORE_FORMATS = (PAIRS, "flag_embedding", "sentence_transformers", "tevatron", "pylate", "trec")  # can hold scores
# of the languages that bm25s has stop words of, and of PyStemmer's algorithms
STOP_WORDS = ("en", "en_plus", "da", "de", "es", "fr", "it", "ko", "nl", "no", "pt", "ru", "sv", "tr", "zh")
STEMMERS = (
    "arabic", "armenian", "basque", "catalan", "czech", "danish", "dutch", "dutch_porter", "english", "esperanto",
    "estonian", "finnish", "french", "german", "greek", "hindi", "hungarian", "indonesian", "irish", "italian",
    "lithuanian", "nepali", "norwegian", "persian", "polish", "porter", "portuguese", "romanian", "russian", "serbian",
    "sesotho", "spanish", "swedish", "tamil", "turkish", "yiddish",
)  # fmt: skip
SEARCHES = ("bm25", "embeddings")  # how negatives are found
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

# Models
# where a Bi-LSTM has its word vectors from, without a file of them
RANDOM, FROM_ENCODER = WORD_VECTORS = ("random", "encoder")
POOLINGS = ("first", "last", "mean")  # which vector of a pair
CUT, BEST_CHUNK, FIRST_LAST = LONG = ("cut", "best_chunk", "first_last")  # what is read of a passage that is too long

# What a training can be watched with; each is the name of its package
TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")

# Export: what reads the folder, and whose int8 instructions a quantised file is for
HF, CROSS_ENCODER, ONNX, ONNX_INT8, OPENVINO = EXPORTS = ("hf", "cross-encoder", "onnx", "onnx-int8", "openvino")
AVX512_VNNI, AVX2, ARM64 = PROCESSORS = ("avx512_vnni", "avx2", "arm64")

# Teachers
FINE_TUNED = "fine_tuned"  # the kind that is trained here
TEACHER_KINDS = (FINE_TUNED, "ready", "causal", "scores", "served")
CALIBRATIONS = ("temperature", "platt", "isotonic", "rank")  # maps that bring scores to one scale
SCORE_CALIBRATIONS = ("linear",)  # likewise, where labels are grades or numbers
SELECTIONS = ("disagreement", "random")  # which questions a dear teacher is asked for
MISSING = ("raise", "skip", "average")  # what happens to pairs without a teacher's score
# what teachers' learnt weights may depend on, beside a column of the data
FIRST_WORD, QUESTION_WORD, NOTHING = TRUST_BY = ("first_word", "question_word", "none")
APIS = ("tei", "jina", "cohere", "openai")

# Losses on logits, and what changes while a model trains
POINTWISE = "pointwise"
BCE = "bce"  # for labels that are shares, numbers from 0 to 1
LAMBDA = "lambda"
GOLD_RANKING_LOSSES = ("listwise", "listwise_each", "ranknet", LAMBDA)  # gold losses over a question's passages
GOLD_LOSSES = (POINTWISE, BCE, *GOLD_RANKING_LOSSES)  # all gold losses
RANKING_LOSSES = ("margin_mse", "listwise_kl", "ranknet", "adr_mse")  # soft losses over a question's passages
PAIRWISE = ("margin_mse", "ranknet")  # of these, those that compare two passages with each other
LOSSES = ("mse", "kl", "ce", *RANKING_LOSSES)  # all soft losses
SCORE_LOSSES = ("mse", *RANKING_LOSSES)  # those that mean something for one logit, where labels are grades or numbers
SCORE_WEIGHTS = ("mean", "fixed")  # weights of teachers, likewise: the others compare probabilities
TEMPERED = ("kl", "ce", "listwise_kl", "adr_mse")  # soft losses that know a temperature
ALL_PAIRS, RIGHT_WRONG = MARGIN_PAIRS = ("all", "right_wrong")  # the pairs of passages of PAIRWISE
COURSES = ("linear", "cosine", "step")  # how a number goes from its start to its end
ONLINE_LOSSES = ("mutual", "codistillation")  # between peers

# Losses on inner states
SELF_ATTENTION = "self_attention"
TERMS = (
    "hint", "patient", "embeddings", "hidden", "cosine", "scores", "attention", "queries", "keys", "values",
    "distances", "angles", "similarity", "fsp", SELF_ATTENTION,
)  # fmt: skip
POOLED = ("patient", "distances", "angles", "similarity")  # terms that read one vector a pair
RELATIONS = ("queries", "keys", "values")  # terms that compare relations, in any number of heads
ALWAYS_MAPPED = ("hint",)  # terms whose map between widths is learnt where these agree, too
WITHOUT_TEACHER = (SELF_ATTENTION,)  # terms by which a student learns from itself
LAYER_MAPS = ("last", "skip", "uniform", "top", "middle", "embeddings")

# The paper's tables, in their order: data sets, and what else they have for a row (pairs a second, millions)
DATA_SETS = ("DeepQA", "CommQA", "MNLI", "SNLI", "QNLI", "RTE")
QPS, PARAMETERS = "QPS", "parameters"
