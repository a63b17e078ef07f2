"""How the agents of a run imitate, measured after it; how predictable a pool's expert is."""

from icil.harness.imitation.measuring import measure_imitation

__all__ = ["measure_imitation"]
