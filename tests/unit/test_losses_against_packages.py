"""Agreement with other people's implementations: sentence-transformers', and others where they are installed."""

import pytest
import torch
from sentence_transformers.cross_encoder import CrossEncoder
from sentence_transformers.cross_encoder import losses as st_losses

from tmkd.losses import ranking
from tmkd.losses.attention import attention_kl, score_mse
from tmkd.losses.combine import binary_cross_entropy
from tmkd.losses.feature import cosine, hidden_mse, patient
from tmkd.losses.questions import Questions
from tmkd.losses.relation import angles, distances

# The packages average over all tokens of a batch, this project over each example's: equal lengths make them one.
MASK = torch.tensor([[1, 1, 1, 1, 0, 0]] * 3)


def tensor(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def textbrewer():
    return pytest.importorskip("textbrewer.losses", exc_type=ImportError)


@pytest.fixture
def torchdistill():
    return pytest.importorskip("torchdistill.losses.mid_level", exc_type=ImportError)


def test_hidden_states_agree_with_textbrewer(textbrewer):
    student, teacher = tensor(1, 3, 6, 4), tensor(2, 3, 6, 4)
    for ours, theirs in ((hidden_mse, textbrewer.hid_mse_loss), (cosine, textbrewer.cos_loss)):
        assert ours(student, teacher, MASK).item() == pytest.approx(theirs(student, teacher, MASK).item(), abs=1e-5)


def test_patient_loss_agrees_with_textbrewer_which_sums_over_the_width(textbrewer):
    student, teacher = tensor(1, 3, 6, 4), tensor(2, 3, 6, 4)
    ours = patient(student[:, :1], teacher[:, :1])  # the first token, one layer
    assert 4 * ours.item() == pytest.approx(textbrewer.pkd_loss(student, teacher).item(), abs=1e-5)


def test_attention_agrees_with_textbrewer(textbrewer):
    student, teacher = tensor(1, 3, 2, 6, 6), tensor(2, 3, 2, 6, 6)
    theirs = textbrewer.att_mse_loss(student, teacher, MASK)
    assert score_mse(student, teacher, MASK).item() == pytest.approx(theirs.item(), abs=1e-5)
    everything = torch.ones(3, 6)  # their softmax does not leave padding out
    theirs = textbrewer.att_ce_loss(student, teacher, everything) - textbrewer.att_ce_loss(teacher, teacher, everything)
    assert attention_kl(student, teacher, everything).item() == pytest.approx(theirs.item(), abs=1e-5)


def test_relations_agree_with_torchdistill_which_counts_rows_with_themselves(torchdistill):
    student, teacher, batch = tensor(1, 6, 4), tensor(2, 6, 7), 6
    for ours, factors, share in (
        (distances, (1, 0), (batch - 1) / batch),
        (angles, (0, 1), (batch - 1) * (batch - 2) / batch**2),
    ):
        theirs = torchdistill.RKDLoss("rows", "rows", *factors, reduction="mean")
        value = theirs({"rows": {"output": student}}, {"rows": {"output": teacher}})
        assert share * ours(student, teacher).item() == pytest.approx(value.item(), abs=1e-5)


class Scored(CrossEncoder):
    """A cross-encoder whose documents are their scores, so that its losses can be given any."""

    num_labels, device = 1, torch.device("cpu")

    def __init__(self):
        torch.nn.Module.__init__(self)

    def preprocess(self, pairs, **_):
        return {"scores": torch.tensor([float(document) for _, document in pairs])}

    def forward(self, features):
        return features


def of_sentence_transformers(loss, scores, target):
    """The value for lists of scores and targets, of unequal length."""
    texts = [[str(value) for value in row.tolist()] for row in scores]
    return loss([[""] * len(texts), texts], [row.float() for row in target]).item()


def lists(*shapes):
    return [tensor(seed, shape) for seed, shape in enumerate(shapes, start=1)]


RAGGED = [5, 2, 4]
NUMBERS = torch.repeat_interleave(torch.arange(3), torch.tensor(RAGGED))
GRADES = [torch.tensor([2, 0, 1, 0, 0]), torch.tensor([0, 1]), torch.tensor([1, 1, 0, 3])]


def ours(function, scores, target, *more):
    questions = Questions.of(NUMBERS)
    dense = (questions.dense(torch.cat(values).float()) for values in (scores, target))
    return function(*dense, questions.mask, *more).mean().item()


def test_lambda_and_ranknet_agree_with_sentence_transformers():
    scores, model = lists(*RAGGED), Scored()
    for target in (GRADES, [(grades > 0).long() for grades in GRADES]):
        theirs = of_sentence_transformers(st_losses.LambdaLoss(model), scores, target)
        assert ours(ranking.lambda_loss, scores, target) == pytest.approx(theirs, abs=1e-5)
        natural = st_losses.RankNetLoss(model, reduction_log="natural")  # theirs is in bits unless asked
        theirs = of_sentence_transformers(natural, scores, target)
        assert ours(ranking.ranknet, scores, target) == pytest.approx(theirs, abs=1e-5)


def test_binary_cross_entropy_agrees_with_sentence_transformers():
    scores, labels = tensor(3, 5, 1), torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    columns = [[""] * 5, [str(value) for value in scores[:, 0].tolist()]]
    theirs = st_losses.BinaryCrossEntropyLoss(Scored())(columns, labels)
    assert binary_cross_entropy(scores, labels).item() == pytest.approx(theirs.item(), abs=1e-6)


def test_listwise_kl_agrees_with_listnet_of_sentence_transformers_less_the_teachers_entropy():
    scores, teacher = lists(*RAGGED), [2 * row for row in lists(*RAGGED[::-1])[::-1]]
    entropy = sum(torch.distributions.Categorical(logits=row).entropy().item() for row in teacher) / 3
    theirs = of_sentence_transformers(st_losses.ListNetLoss(Scored()), scores, teacher)
    assert ours(ranking.listwise_kl, scores, teacher) == pytest.approx(theirs - entropy, abs=1e-5)


def test_adr_mse_agrees_with_sentence_transformers_ties_included():
    for target in (GRADES, lists(*RAGGED)):
        theirs = of_sentence_transformers(st_losses.ADRMSELoss(Scored(), alpha=0.5), lists(*RAGGED), target)
        assert ours(ranking.adr_mse, lists(*RAGGED), target, 2.0) == pytest.approx(theirs, abs=1e-5)


def test_margin_mse_agrees_with_sentence_transformers_on_one_right_passage_and_several_wrong_ones():
    scores, teacher = tensor(1, 3, 4), tensor(2, 3, 4)
    columns = [["", "", ""], *([str(value) for value in column.tolist()] for column in scores.T)]
    theirs = st_losses.MarginMSELoss(Scored())(columns, teacher)
    gain, mask = torch.eye(4)[:1].expand(3, 4), torch.ones(3, 4, dtype=torch.bool)
    assert ranking.margin_mse(scores, teacher, mask, 1.0, gain).mean().item() == pytest.approx(theirs.item(), abs=1e-5)


def test_listwise_agrees_with_the_in_batch_softmax_of_pytorch():
    scores, right = tensor(1, 3, 4), torch.tensor([2, 0, 3])
    gain, mask = torch.nn.functional.one_hot(right, 4).float(), torch.ones(3, 4, dtype=torch.bool)
    expected = torch.nn.functional.cross_entropy(scores, right).item()
    for function in (ranking.listwise, ranking.listwise_each):
        assert function(scores, gain, mask).mean().item() == pytest.approx(expected, abs=1e-6)
