"""Losses that want a whole batch, where two processes share it."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tmkd.choices import PAIRWISE
from tmkd.data.batching import LengthBuckets
from tmkd.data.distributed_batch_sampler import Shares
from tmkd.data.question_batch_sampler import QuestionBatches
from tmkd.data.questions import Questions
from tmkd.losses.all_gather import SHARE, all_rows
from tmkd.losses.combine import Term, combine, gold_term, soft_term
from tmkd.losses.ranking import GOLD_RANKING, SOFT_RANKING
from tmkd.losses.relation import angles, distances, similarity

COUNTS = (5, 1)  # of examples: uneven halves, and a process for which there is none


def learn(count, rows, share=None):
    """Return the loss of some rows of the examples, and its gradient."""
    examples = torch.randn(count, 3, generator=torch.Generator().manual_seed(2))[rows]
    weights = torch.randn(3, 2, generator=torch.Generator().manual_seed(1)).requires_grad_()
    batch = {} if share is None else {SHARE: share}
    student, teacher = all_rows(examples @ weights, batch), all_rows(examples, batch)
    among = distances(student, teacher) + angles(student, teacher) + similarity(student, teacher)
    loss = among + student.square().mean()
    (loss * (1 if share is None else share)).backward()
    return loss.item(), weights.grad


# the passages of each question, and whether they are right: lists that do not count in some losses stand apart
RIGHT = [[1, 0], [0, 0, 0, 0], [1], [0, 1, 1], [0], [0, 0]]
ALL = len(RIGHT)
TERMS = {
    **{f"gold {loss}": lambda loss=loss: gold_term(1.0, loss) for loss in ("pointwise", *GOLD_RANKING)},
    **{f"soft {loss}": lambda loss=loss: soft_term(1.0, loss, 2.0) for loss in ("mse", *SOFT_RANKING)},
    **{
        f"soft {loss} right_wrong": lambda loss=loss: soft_term(1.0, loss, 1.0, pairs="right_wrong")
        for loss in PAIRWISE
    },
}


def rank(term: Term, rows, share=None, weighted=False):
    """Return a term of some rows of the questions' passages, and its gradient."""
    random = torch.Generator().manual_seed(3)
    labels = torch.tensor([label for passages in RIGHT for label in passages])
    questions = torch.tensor([at for at, passages in enumerate(RIGHT) for _ in passages])
    features, targets = (torch.randn(len(labels), *size, generator=random) for size in ((3,), (2, 2)))
    counts = torch.rand(len(labels), 2, generator=random)
    weights = torch.randn(3, 6, generator=random).requires_grad_()
    logits = (features[rows] @ weights).unflatten(-1, (3, 2))
    batch = {"labels": labels[rows], "questions": questions[rows], "soft_targets": targets[rows]}
    batch |= {} if share is None else {SHARE: share}
    batch |= {"teacher_weights": counts[rows] / counts[rows].sum(-1, keepdim=True)} if weighted else {}
    loss, _ = combine([term], SimpleNamespace(gold=logits[:, 0], soft=logits[:, 1:]), batch)
    (loss * (1 if share is None else share)).backward()
    return loss.item(), weights.grad


def question_batches(rank=0, count=1, a_step=ALL):
    numbers = np.repeat(np.arange(len(RIGHT)), [len(passages) for passages in RIGHT])
    lengths = np.ones(len(numbers), dtype=int)
    how = {"group_size": 0, "batch_size": 1, "batch_questions": a_step, "rank": rank, "count": count}
    return QuestionBatches(Questions(numbers), lengths, 1, **how)


def ranks_of(rank_):
    found = []
    for name, weighted, a_step in itertools.product(TERMS, (False, True), (ALL, 1)):
        shares = question_batches(rank_, 2, a_step)
        own = next(iter(shares))
        loss, gradient = rank(TERMS[name](), own, share := shares.weight(0), weighted)
        dist.all_reduce(gradient)
        found.append([name, weighted, a_step, loss, share, (gradient / 2).tolist()])
    return found


def half(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found = {"ranking": ranks_of(rank)}
    for count in COUNTS:
        shares = Shares(LengthBuckets(np.ones(count, int), count, seed=1), rank, 2)
        [own], share = list(shares), shares.weight(0)
        loss, gradient = learn(count, own, share)
        dist.all_reduce(gradient)
        found[count] = {"loss": loss, "share": share, "gradient": (gradient / 2).tolist()}
    (folder / f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """What each of two processes learns."""
    folder = tmp_path_factory.mktemp("halves")
    mp.spawn(half, (folder,), nprocs=2)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.thorough
def test_two_processes_learn_from_relations_what_one_does_even_where_one_has_no_row(halves):
    # or each would see the relations of its own half alone, and a short last batch would count double
    for count in COUNTS:
        loss, gradient = learn(count, list(range(count)))
        assert gradient.abs().max() > 1e-2
        assert sum(each[str(count)]["share"] for each in halves) == 2
        for each in halves:
            assert each[str(count)]["loss"] == pytest.approx(loss, abs=1e-6)
            torch.testing.assert_close(torch.tensor(each[str(count)]["gradient"]), gradient, atol=1e-6, rtol=0)


@pytest.mark.thorough
def test_two_processes_learn_to_rank_as_one_does_where_they_skip_different_numbers_of_questions(halves):
    # or a question that counts would count more beside ones that do not
    for own, other in zip(*(found["ranking"] for found in halves), strict=True):
        name, weighted, a_step, loss, share, found = own
        whole, gradient = rank(TERMS[name](), next(iter(question_batches(a_step=a_step))), weighted=weighted)
        if a_step > 1:
            assert gradient.abs().max() > 1e-3, name
        torch.testing.assert_close(torch.tensor(found), gradient, atol=1e-6, rtol=1e-5, msg=f"{own[:3]}")
        mean = (loss * share + other[3] * other[4]) / 2  # a loss that is gathered is the same in both
        assert mean == pytest.approx(whole, rel=1e-5, abs=1e-6), own[:3]
