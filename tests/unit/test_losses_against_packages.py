"""Agreement with other people's implementations, where one happens to be installed. None is a dependency."""

import pytest
import torch

from tmkd.losses.attention import attention_kl, score_mse
from tmkd.losses.feature import cosine, hidden_mse, patient
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
