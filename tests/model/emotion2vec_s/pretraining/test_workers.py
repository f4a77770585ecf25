"""Two workers against one with the same clips."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from model.emotion2vec_s.pretraining import SelfDistillation
from model.emotion2vec_s.pretraining.losses import category_loss, regression_loss, spread
from model.emotion2vec_s.pretraining.workers import gathered, total
from tests.model.emotion2vec_s.pretraining.tiny import buzzes, tiny_distillation

SHARES = {
    "unequal labels": [[0, 1, 3], [2, 5, 4]],  # two of the first three have one, and one of the others
    "unequal batches": [[0, 1, 2, 3], [4, 5]],
    "one without labels": [[0, 1, 3, 4], [2, 5]],
}


def union() -> dict[str, Tensor]:
    batch = buzzes(6)
    batch["labels"] = torch.tensor([0, 1, -100, -100, 1, -100])
    return batch


def run_worker(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found = {name: steps(rank, shares) for name, shares in SHARES.items()}
    torch.save({**found, "parts": parts(rank)}, folder / f"worker{rank}.pt")
    dist.destroy_process_group()


def distillation() -> SelfDistillation:
    """With a small weight of the contrast, which would multiply the rounding in all gradients."""
    return tiny_distillation(category_weight=1.0)


def steps(rank: int, shares: list[list[int]]) -> dict[str, Any]:
    """Losses and gradients of two updates on a worker's share."""
    model = distillation()
    wrapped = DistributedDataParallel(model)
    whole = union()
    batch = {name: value[shares[rank]] for name, value in whole.items()}
    longest = int(batch["lengths"].max())
    batch["waveforms"] = batch["waveforms"][:, :longest]
    found: dict[str, Any] = {"losses": [], "gradients": []}
    for step in range(2):
        model.zero_grad()
        output = wrapped(**batch)
        output.loss.backward()
        found["losses"].append({name: value.detach() for name, value in output.items()})
        found["gradients"].append(named_gradients(model))
        descend(model)
        model.update_teacher(step)
    return found


def named_gradients(model: torch.nn.Module) -> dict[str, Tensor]:
    return {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.requires_grad and weight.grad is not None
    }


def descend(model: torch.nn.Module) -> None:
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.sub_(weight.grad, alpha=1e-3)  # type: ignore[arg-type]


def parts(rank: int) -> dict[str, Tensor]:
    """What the collectives give for rows that are unlike on each worker: three on the first, one on the second."""
    rows = torch.arange(4.0)[:, None] * torch.ones(2) + 1
    own = (rows[:3] if rank == 0 else rows[3:]).clone().requires_grad_()
    found = {"total": total(own.sum(0)), "gathered": gathered(own, -1), "spread": spread(own)}
    found["regression"] = regression_loss(own, torch.zeros_like(own))
    found["category"] = category_loss(own[:, None], torch.full((len(own),), -100), 0.1)
    found["regression"].backward()
    assert own.grad is not None
    found["gradient"] = own.grad
    return {name: value.detach() for name, value in found.items()}


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two workers found."""
    folder = tmp_path_factory.mktemp("workers")
    mp.spawn(run_worker, (folder,), nprocs=2)
    return [torch.load(folder / f"worker{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("shares", SHARES)
def test_two_workers_give_the_losses_and_gradients_of_one(workers: list[dict[str, Any]], shares: str) -> None:
    model = distillation()
    for step in range(2):
        model.zero_grad()
        output = model(**union())
        output.loss.backward()
        assert output.loss_category > 0
        expected = {name: value.detach() for name, value in output.items()}
        for worker in workers:
            torch.testing.assert_close(worker[shares]["losses"][step], expected, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(worker[shares]["gradients"][step], named_gradients(model), atol=1e-5, rtol=1e-5)
        descend(model)
        model.update_teacher(step)


def test_collectives_take_unequal_shares_and_pass_gradients(workers: list[dict[str, Any]]) -> None:
    rows = torch.arange(1.0, 5.0)[:, None] * torch.ones(2)
    for rank, worker in enumerate(workers):
        found = worker["parts"]
        assert found["total"].tolist() == [10, 10]
        assert found["gathered"].tolist() == [*rows[:3].tolist(), *rows[3:].tolist(), [-1, -1], [-1, -1]]
        assert found["category"] == 0
        torch.testing.assert_close(found["spread"], rows.std(0).mean())
        torch.testing.assert_close(found["regression"], rows.square().sum() / 2**0.5 / 4)
        # Twice the gradient of the mean, which averaging over the workers halves.
        torch.testing.assert_close(found["gradient"], 2 * 2 * (rows[:3] if rank == 0 else rows[3:]) / 2**0.5 / 4)


def test_one_process_needs_no_group() -> None:
    x = torch.arange(3.0)
    assert total(x) is x
    assert gathered(x) is x
