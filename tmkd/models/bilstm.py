"""A Bi-LSTM over words, the paper's second student, as an ordinary transformers model with a tokenizer of words.

Yang et al. 2020: 2 layers, 256 units, 300-dimensional GloVe vectors of the 15,000 most frequent words, other words'
vectors random normal. It does not say how question and passage meet: here they are one sequence, ``question [SEP]
passage``. (Its 50.44 million parameters are rather those of 150,000 words and two such Bi-LSTMs, one for each text.)

Importing this module makes its checkpoints known to ``AutoModel``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.modeling_outputs import BaseModelOutput

from tmkd.errors import ModelError
from tmkd.models.bidirectional import read_both_ways
from tmkd.models.vectors import read_vectors

PAD, UNKNOWN, SEPARATOR = "[PAD]", "[UNK]", "[SEP]"
SPECIAL = [PAD, UNKNOWN, SEPARATOR]
SPREAD = 0.1  # standard deviation of random vectors, where no vectors are given to take it from


class BiLstmConfig(PretrainedConfig):
    """``dimensions`` is the width of the word vectors, ``hidden_size`` that of a state: both directions' units."""

    model_type = "tmkd_bilstm"

    vocab_size: int = len(SPECIAL)
    dimensions: int = 300
    hidden_size: int = 512
    num_hidden_layers: int = 2
    dropout: float = 0.0  # of each layer's input
    pad_token_id: int | None = 0


class BiLstmModel(PreTrainedModel):
    """Layers of Bi-LSTM over word vectors; a state holds what was read up to its word from either side."""

    config_class = BiLstmConfig
    base_model_prefix = "bilstm"
    _supports_sdpa = True  # there is no attention, so any implementation of it will do

    def __init__(self, config: BiLstmConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.dimensions, padding_idx=config.pad_token_id)
        self.layers = nn.ModuleList(
            nn.LSTM(width, config.hidden_size // 2, batch_first=True, bidirectional=True)
            for width in [config.dimensions, *[config.hidden_size] * (config.num_hidden_layers - 1)]
        )
        self.dropout = nn.Dropout(config.dropout)
        self.register_state_dict_post_hook(_own_storage)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> BaseModelOutput:
        """Read ``input_ids`` ``[batch, tokens]``, padded right.

        Returns:
            ``last_hidden_state`` ``[batch, tokens, hidden_size]``, float32, 0 at padding; ``hidden_states``, if
            asked for: the word vectors (``dimensions`` wide), then each layer's states.

        Raises:
            ModelError: attentions are asked for.
        """
        if output_attentions:
            raise ModelError(
                "A Bi-LSTM has no attention; choose a loss that asks for none, or another student.encoder."
            )
        with torch.autocast(input_ids.device.type, enabled=False):  # not every device has an LSTM in bf16
            states = [self.embed_tokens(input_ids) * attention_mask.unsqueeze(-1)]
            for layer in self.layers:
                assert isinstance(layer, nn.LSTM)
                states.append(read_both_ways(layer, self.dropout(states[-1]), attention_mask))
        return BaseModelOutput(
            last_hidden_state=states[-1], hidden_states=tuple(states) if output_hidden_states else None
        )


def _own_storage(_: nn.Module, state: dict[str, Tensor], prefix: str, __: object) -> None:
    """On a GPU a layer's weights are views of one buffer (cuDNN's wish), which safetensors does not save."""
    for name, tensor in state.items():
        if name.startswith(prefix) and tensor.untyped_storage().nbytes() > tensor.nbytes:
            state[name] = tensor.clone()


AutoConfig.register(BiLstmConfig.model_type, BiLstmConfig)
AutoModel.register(BiLstmConfig, BiLstmModel)


def word_tokenizer(texts: Iterable[str] | Iterable[list[str]], words: int) -> PreTrainedTokenizerBase:
    """Return a tokenizer of lower-cased words and punctuation that knows the most frequent ``words`` of the texts.

    Equally frequent words count in alphabetical order.
    """
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)  # GloVe keeps accents
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordLevelTrainer(vocab_size=len(SPECIAL) + words, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", pair=f"$A {SEPARATOR} $B", special_tokens=[(SEPARATOR, tokenizer.token_to_id(SEPARATOR))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        sep_token=SEPARATOR,
        model_input_names=["input_ids", "attention_mask"],
    )


def make_bilstm(
    texts: Iterable[str] | Iterable[list[str]],
    *,
    words: int,
    vectors: str | None,
    dimensions: int,
    layers: int,
    width: int,
    seed: int,
    look_up: Callable[[Collection[str]], Mapping[str, np.ndarray]] | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, int]]:
    """Return a Bi-LSTM before training, its tokenizer, and how many words it has: ``words``, ``found``, ``random``.

    Args:
        texts: what the vocabulary is counted in.
        vectors: a text file as ``read_vectors`` reads it; words that it has not get vectors drawn from a normal
            distribution as wide as the found ones' numbers. None, without ``look_up``, draws all of them, with
            standard deviation 0.1.
        width: units of each direction.
        seed: draws the weights and the random vectors.
        look_up: returns the vectors ``[dimensions]`` of those words that it knows, where there is no file.

    Raises:
        DataError: see ``read_vectors``.
    """
    tokenizer = word_tokenizer(texts, words)
    rows = {word: row for word, row in tokenizer.get_vocab().items() if word not in SPECIAL}
    found = read_vectors(vectors, rows, dimensions) if vectors else look_up(rows) if look_up else {}
    config = BiLstmConfig(
        vocab_size=len(tokenizer),
        dimensions=dimensions,
        hidden_size=2 * width,
        num_hidden_layers=layers,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = BiLstmModel(config)
        table = model.embed_tokens.weight
        known = torch.tensor([vector.tolist() for vector in found.values()])
        nn.init.normal_(table, std=float(known.std()) if found else SPREAD)
        table[tokenizer.pad_token_id] = 0
        if found:
            table[[rows[word] for word in found]] = known
    return model, tokenizer, {"words": len(rows), "found": len(found), "random": len(rows) - len(found)}
