"""From two texts to the tokens of a pair: each text alone, cut to what there is room for, then joined.

A tokenizer could cut the pair itself (``longest_first``), with the same result. But the tokenizers library also makes
every combination of the parts that it cuts off: where both texts are long, that takes the product of their lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from tmkd.choices import CUT
from tmkd.data.long_passages import LongPair, shortened, whole_texts

TYPES = "token_type_ids"
ENDS = 2  # of texts, where a tokenizer has no separators of its own
Join = Callable[[Sequence[int], Sequence[int]], dict[str, list[int]]]


def encode_pairs(
    questions: Sequence[str], passages: Sequence[str], tokenizer: Any, max_length: int, long: str = CUT
) -> dict[str, list[Any]]:
    """Return a column for each of input_ids, length, and token_type_ids where the tokenizer has them.

    A pair that is too long loses the end of its longer text, or of both; a passage loses another part of itself if
    ``long`` says so (see ``tmkd.data.long_passages``). A tokenizer without separators of its own (GPT-2) gets its
    end-of-text token after the question and the passage.
    """
    return encode_and_count(questions, passages, tokenizer, max_length, long)[0]


def encode_and_count(
    questions: Sequence[str], passages: Sequence[str], tokenizer: Any, max_length: int, long: str = CUT
) -> tuple[dict[str, list[Any]], list[bool]]:
    """Return the columns of ``encode_pairs``, and of each pair whether it lost any text."""
    separators = tokenizer.num_special_tokens_to_add(pair=True)
    room = max(0, max_length - (separators or ENDS))
    from_left = bool(separators) and tokenizer.truncation_side == "left"
    texts = list(dict.fromkeys((*questions, *passages)))
    ids = dict(zip(texts, whole_texts(texts, tokenizer)))
    pairs: list[tuple[Sequence[int], Sequence[int]]] = []
    cut, longer = [], {}
    for question, passage in ((ids[one], ids[other]) for one, other in zip(questions, passages, strict=True)):
        # of an odd room, the library gives the larger half to the longer text, transformers' own code to the question
        sizes = shares(len(question), len(passage), room, to_longer=bool(separators) and tokenizer.is_fast)
        kept = _part(question, sizes[0], from_left)
        if sizes[1] < len(passage) and long != CUT:
            longer[len(pairs)] = LongPair(kept, passage, sizes[1])
        pairs.append((kept, _part(passage, sizes[1], from_left)))
        cut.append(sizes != (len(question), len(passage)))
    for at, passage in zip(longer, shortened(list(longer.values()), tokenizer, long) if longer else []):
        pairs[at] = pairs[at][0], passage
    join = _joining(tokenizer)
    rows = [join(*pair) for pair in pairs]
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ["input_ids"])}
    return {**columns, "length": [len(each) for each in columns["input_ids"]]}, cut


def shares(question: int, passage: int, room: int, to_longer: bool = False) -> tuple[int, int]:
    """Return how many tokens are read of two texts of these lengths: the longer one is cut, or both to halves.

    Args:
        to_longer: the larger half of an odd ``room`` goes to the longer text, the passage of equals; else to the
            question.
    """
    if question + passage <= room:
        return question, passage
    half = room // 2 if to_longer and question <= passage else room - room // 2
    kept = min(question, max(half, room - passage))
    return kept, room - kept


def fitting(question: Sequence[int], passage: Sequence[int], room: int) -> tuple[Sequence[int], Sequence[int]]:
    """Cut the longer of two texts, or both to halves, so that they have ``room`` together."""
    sizes = shares(len(question), len(passage), room)
    return question[: sizes[0]], passage[: sizes[1]]


def _part(ids: Sequence[int], size: int, from_left: bool) -> Sequence[int]:
    return ids[len(ids) - size :] if from_left else ids[:size]


def _joining(tokenizer: Any) -> Join:
    """Return what puts separators between and around the ids of two texts."""
    if tokenizer.num_special_tokens_to_add(pair=True) == 0:
        end = tokenizer.eos_token_id
        return lambda question, passage: {"input_ids": [*question, end, *passage, end]}
    if not tokenizer.is_fast:
        options = {"return_attention_mask": False, "verbose": False}
        return lambda question, passage: dict(tokenizer.prepare_for_model(list(question), list(passage), **options))
    return _framed(tokenizer)


def _framed(tokenizer: Any) -> Join:
    """As ``_joining``, by what the tokenizer puts around two texts of one token each."""
    one = Tokenizer(WordLevel({"x": 0}, unk_token="x"))
    one.post_processor = tokenizer.backend_tokenizer.post_processor
    found = one.encode("x", "x")
    frame = list(zip(found.ids, found.type_ids, found.sequence_ids))
    typed = TYPES in tokenizer.model_input_names

    def join(*texts: Sequence[int]) -> dict[str, list[int]]:
        ids: list[int] = []
        kinds: list[int] = []
        for own, kind, text in frame:
            part = [own] if text is None else texts[text]
            ids += part
            kinds += [kind] * len(part)
        return {"input_ids": ids, TYPES: kinds} if typed else {"input_ids": ids}

    return join
