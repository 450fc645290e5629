"""A search so small that it trains in a second or two, as a mapping."""

TOY = {
    "name": "toy",
    "task": "entailment_toy",
    "model": {
        "name": "config:bert",
        "config": {
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        },
    },
    "data": {
        "source": "synthetic",
        "max_length": 32,
        "max_train_examples": 64,
        "max_eval_examples": 40,
    },
    "trainer": {"num_train_epochs": 1, "learning_rate": 1e-3},
    "adversary": {"adv_steps": 2, "adv_lr": 0.02, "max_norm": 0.1},
    "seeds": [1],
}
