"""The verdict on ParaGen's published RTE table, from its counts of right answers alone.

python -m bench.statistics.paragen_readme
"""

from bench.statistics.counts import counts_verdict

__all__ = ["CELLS", "CLEAN", "N_DEV"]

N_DEV = 277
CLEAN = 222  # 80.14 %
CELLS = {
    # bytedance/ParaGen@4e33a900, examples/adversarial_sequence_classification/README.md, best
    # accuracy on RTE's dev set times 277; adv_lr, init_mag = max_norm, batch size. The last eight
    # stand in an HTML comment there.
    "adv_lr 0.05, init_mag 0.1, batch 16": 222,
    "adv_lr 0.05, init_mag 0.1, batch 32": 224,
    "adv_lr 0.1, init_mag 0.1, batch 16": 224,
    "adv_lr 0.1, init_mag 0.1, batch 32": 223,
    "adv_lr 0.05, init_mag 0.2, batch 16": 222,
    "adv_lr 0.05, init_mag 0.2, batch 32": 221,
    "adv_lr 0.1, init_mag 0.2, batch 16": 224,
    "adv_lr 0.1, init_mag 0.2, batch 32": 226,
    "adv_lr 0.05, init_mag 0.3, batch 16": 219,
    "adv_lr 0.05, init_mag 0.3, batch 32": 212,
    "adv_lr 0.1, init_mag 0.3, batch 16": 218,
    "adv_lr 0.1, init_mag 0.3, batch 32": 219,
    "adv_lr 0.05, init_mag 0.6, batch 16": 228,
    "adv_lr 0.05, init_mag 0.6, batch 32": 216,
    "adv_lr 0.1, init_mag 0.6, batch 16": 217,
    "adv_lr 0.1, init_mag 0.6, batch 32": 218,
}
PUBLISHED = 8


def main() -> None:
    """Print both verdicts and the note on the best published cell."""
    shown = dict(list(CELLS.items())[:PUBLISHED])
    for title, cells in (("The 8 cells shown", shown), ("All 16 cells", CELLS)):
        told = counts_verdict(cells, CLEAN, N_DEV)
        best = max(told.comparisons, key=lambda one: one.difference or 0.0)
        print(f"{title}. {told.sentence}")
        print(f"  {best.config_id}: {best.note}.")


if __name__ == "__main__":
    main()
