"""Training on samples that are drawn without a repeat until all were seen; weights end as halves."""

import numpy as np
import torch


def store_as_half(network: torch.nn.Module) -> None:
    """Weights take the values that the file will hold, so that what is trained upon is what is stored."""
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(p.half().float())


def turns(count: int, size: int, dice: torch.Generator):
    """Batches of indices, for ever: each pass in a new order, passes joined end to end."""
    waiting = torch.empty(0, dtype=torch.long)
    while True:
        while len(waiting) < size:
            waiting = torch.cat([waiting, torch.randperm(count, generator=dice)])
        yield waiting[:size]
        waiting = waiting[size:]


def train(network, sets: list[tuple[list, int]], batch_of, steps: int, rate: float, seed: int, log=None) -> None:
    """`sets` are (samples, how many of them a step); `batch_of` makes the network's inputs of a list of samples."""
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed)
    orders = [turns(len(samples), size, dice) for samples, size in sets]
    adam = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    warm = max(1, steps // 20)
    plan = torch.optim.lr_scheduler.LambdaLR(
        adam, lambda s: min(1, (s + 1) / warm) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * s / steps)))
    )
    network.train()
    for step in range(steps):
        chosen = [samples[i] for (samples, _), order in zip(sets, orders) for i in next(order).tolist()]
        loss = network(**batch_of(chosen)).loss
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        plan.step()
        if log and (step + 1) % 250 == 0:
            log(f"  step {step + 1}: loss {loss.item():.3f}")
    network.eval()
    store_as_half(network)


def padded(rows: list[list[int]], filler: int) -> torch.Tensor:
    """[n, longest], filled on the right."""
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])
