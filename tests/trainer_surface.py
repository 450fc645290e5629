"""All that `transformers.Trainer` can be given, and what `AdversarialTrainer` does with it.

HONOURED: acts, with `Trainer`'s own numbers.  REFUSED: an error that names it.
OURS: a method that we replace.  ASIDE: has no effect on the model, the loss, the batch, the
gradient, the evaluation or the prediction of a trainer in one process (logging, saving, the Hub,
several devices), and is left to `Trainer`.
"""

HONOURED, REFUSED, OURS, ASIDE = "honoured", "refused", "ours", "aside"

ARGUMENTS = {
    "model": HONOURED,
    "args": HONOURED,
    "data_collator": HONOURED,
    "train_dataset": HONOURED,
    "eval_dataset": HONOURED,
    "processing_class": HONOURED,
    "model_init": HONOURED,
    "compute_loss_func": REFUSED,
    "compute_metrics": HONOURED,
    "callbacks": HONOURED,
    "optimizers": HONOURED,
    "optimizer_cls_and_kwargs": HONOURED,
    "preprocess_logits_for_metrics": HONOURED,
}

OURS_METHODS = {
    "__init__",
    "_get_num_items_in_batch",
    "_prepare_inputs",
    "call_model_init",
    "_load_optimizer_and_scheduler",
    "_save_optimizer_and_scheduler",
    "get_batch_samples",
    "prediction_step",
    "training_step",
}
REFUSED_METHODS = {"compute_loss"}
HONOURED_METHODS = {
    # called by Trainer's own loops, which are not replaced, or by our step
    *("_build_accelerator_args", "_clip_grad_norm", "_evaluate", "_finalize_training"),
    *("_get_collator_with_removed_columns", "_get_dataloader", "_get_eval_sampler"),
    *("_get_grad_norm", "_get_learning_rate", "_get_train_sampler", "_hp_search_setup"),
    *("_init_training_state", "_inner_training_loop", "_load_best_model", "_load_from_checkpoint"),
    *("_load_rng_state", "_load_scaler", "_load_callback_state"),
    *("_maybe_log_save_evaluate", "_move_model_to_device", "_prepare_for_training"),
    *("_prepare_input", "_prepare_inputs", "_remove_unused_columns", "_run_epoch"),
    *("_set_signature_columns_if_needed", "_update_auto_batch_size", "_validate_args"),
    *("_wrap_model", "add_callback", "autocast_smart_context_manager"),
    *("compute_loss_context_manager", "create_accelerator_and_postprocess", "create_optimizer"),
    *("create_optimizer_and_scheduler", "create_scheduler", "evaluate", "evaluation_loop"),
    *("get_decay_parameter_names", "get_eval_dataloader"),
    *("get_optimizer_cls_and_kwargs", "get_test_dataloader", "get_total_train_batch_size"),
    *("get_train_dataloader", "hyperparameter_search", "num_examples", "pop_callback", "predict"),
    *("remove_callback", "set_initial_training_values", "train"),
}
ASIDE_METHODS = {
    *("_defer_fsdp_gradient_reduction", "_determine_best_metric", "_finish_current_push"),
    *("_get_output_dir", "_has_mixed_mesh_grads", "_issue_warnings_after_load"),
    *("_mixed_mesh_grad_norm", "_prepare_context_parallel_inputs", "_push_from_checkpoint"),
    *("_report_to_hp_search", "_save", "_save_checkpoint"),
    *("_save_rng_state", "_save_scaler", "_sync_replicated_trainable_parameters"),
    *("_track_num_input_tokens", "_tune_save_checkpoint", "create_model_card", "end"),
    *("floating_point_ops", "get_cp_size", "get_sp_size", "get_tp_size", "init_hf_repo"),
    *("is_local_process_zero", "is_world_process_zero", "log", "push_to_hub", "save_model"),
    *("store_flos", "log_metrics", "get_learning_rates", "metrics_format", "save_metrics"),
    *("get_num_trainable_parameters", "get_optimizer_group", "save_state"),
}

TOGETHER = [
    {
        "learning_rate": 3e-3,
        "weight_decay": 0.3,
        "adam_beta1": 0.5,
        "adam_beta2": 0.9,
        "adam_epsilon": 1e-3,
        "max_grad_norm": 0.1,
        "warmup_steps": 0.5,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": 0.2},
        "label_smoothing_factor": 0.2,
        "optim": "adamw_torch",
        "per_device_train_batch_size": 4,
        "num_train_epochs": 0.7,
        "train_sampling_strategy": "group_by_length",
        "torch_empty_cache_steps": 1,
        "seed": 5,
    },
    {
        "optim": "rmsprop",
        "optim_args": "momentum=0.5",
        "learning_rate": 1e-3,
        "gradient_accumulation_steps": 2,
        "per_device_train_batch_size": 3,
        "dataloader_drop_last": True,
        "max_steps": 3,
        "data_seed": 9,
        "train_sampling_strategy": "random",
        "full_determinism": True,
        "accelerator_config": {"use_seedable_sampler": True},
        "remove_unused_columns": False,
        "auto_find_batch_size": True,
    },
    {"activation_checkpointing": True, "use_cache": True, "eval_accumulation_steps": 1},
    {
        "gradient_checkpointing": True,
        "gradient_checkpointing_kwargs": {"use_reentrant": True},
        "per_device_eval_batch_size": 3,
    },
    {
        "activation_checkpointing": True,
        "activation_checkpointing_kwargs": {"every_n_layers": 2},
        "dataloader_num_workers": 1,
        "dataloader_persistent_workers": True,
        "dataloader_prefetch_factor": 2,
        "dataloader_multiprocessing_context": "fork",
        "dataloader_in_order": False,
        "dataloader_pin_memory": False,
    },
    {"neftune_noise_alpha": 5.0},
    {"bf16": True, "optim": "sgd", "learning_rate": 0.1},
    {"prediction_loss_only": True},
    {"include_for_metrics": ["inputs", "loss"], "eval_do_concat_batches": True},
    {"bf16_full_eval": True},
    {"label_names": ["labels"], "eval_on_start": True, "eval_strategy": "epoch", "eval_delay": 0},
    {"eval_strategy": "steps", "eval_steps": 1, "load_best_model_at_end": True,
     "save_strategy": "steps", "save_steps": 1, "metric_for_best_model": "loss",
     "greater_is_better": False, "lr_scheduler_type": "reduce_lr_on_plateau"},
]  # fmt: skip
"""Fields that act, in sets that `Trainer` and `AdversarialTrainer` are trained with."""

ON_ANOTHER_MACHINE = {
    *("fp16", "fp16_full_eval", "tf32"),  # need a GPU
    *("use_liger_kernel", "liger_kernel_config"),  # not installed: Trainer says so
    "optim_target_modules",  # of optimizers that are not installed
    "use_cpu",  # every test here runs with it
    "debug",  # transformers 5.24 fails at BERT's mask; what it does is put hooks on each module
}
"""Fields that act and that a CPU with the test requirements alone cannot show."""

REFUSED_FIELDS = {
    *("deepspeed", "fsdp", "fsdp_config", "parallelism_config"),
    *("torch_compile", "torch_compile_backend", "torch_compile_mode"),
}

BY_OTHER_TESTS = {"batch_eval_metrics", "ignore_data_skip", "resume_from_checkpoint"}
"""Fields that act, shown by tests of their own."""

ASIDE_FIELDS = {
    *("output_dir", "logging_strategy", "logging_steps", "logging_first_step", "log_on_each_node"),
    *("logging_nan_inf_filter", "include_num_input_tokens_seen", "log_level", "log_level_replica"),
    *("disable_tqdm", "report_to", "run_name", "project", "trackio_space_id", "trackio_bucket_id"),
    *("trackio_static_space_id", "save_only_model", "save_on_each_node", "save_total_limit"),
    *("enable_jit_checkpoint", "push_to_hub", "hub_token", "hub_private_repo", "hub_model_id"),
    *("hub_strategy", "hub_always_push", "hub_revision", "skip_memory_metrics", "do_train"),
    *("do_eval", "do_predict", "restore_callback_states_from_checkpoint"),
    *("average_tokens_across_devices", "eval_use_gather_object", "length_column_name"),
    *("ddp_find_unused_parameters", "ddp_bucket_cap_mb", "ddp_broadcast_buffers"),
    *("ddp_static_graph", "ddp_backend", "ddp_timeout", "local_rank"),
}
