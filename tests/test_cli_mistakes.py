"""What people write first, and the answer: what was wrong, where, and what to write instead."""

import pytest

from freelb_tune.cli.root import main


@pytest.fixture
def said(typed):
    """What a command line in a folder with `q.yaml` says on stderr, where it leaves with 2."""

    def run(line):
        status, told = typed(line)
        assert (status, told.out) == (2, ""), told.err
        assert told.err.startswith("freelb-tune: ")  # one message, not Typer's usage beside it
        assert "Traceback" not in told.err
        return told.err

    return run


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("q.yaml", "write freelb-tune --space q.yaml"),
        ("q.yaml seeds=2", "write freelb-tune --space q.yaml seeds=2"),
        ("run q.yaml", "write freelb-tune --space q.yaml"),
        ("train q.yaml --results out", "write freelb-tune --space q.yaml --results out"),
        ("run --space q.yaml", "write freelb-tune --space q.yaml"),
        ("resume q.yaml", "write freelb-tune --space q.yaml"),
        ("check q.yaml", "write freelb-tune plan --space q.yaml"),
        ("quickstart", "write freelb-tune --space quickstart"),
        ("PLAN --space q.yaml", "write freelb-tune plan --space q.yaml"),
        ("list", "write freelb-tune spaces"),
        ("help", "write freelb-tune --help"),
        ("version", "write freelb-tune --version"),
        ("-v", "write --version"),
        ("plan q.yaml", "write freelb-tune plan --space q.yaml"),
        ("plan q.yaml seeds=2", "write freelb-tune plan --space q.yaml seeds=2"),
        ("search q.yaml", "write freelb-tune --space q.yaml"),
        ("plan quickstart", "write freelb-tune plan --space quickstart"),
        ("plan", "name a search-space file, or what `freelb-tune spaces` lists"),
        ("plan -space q.yaml", "write --space with two dashes"),
        ("--config q.yaml", "there is no option --config; write --space q.yaml"),
        ("-s q.yaml", "there is no option -s; write --space q.yaml"),
        ("--space q.yaml -o out", "write --results out"),
        ("--space q.yaml --output-dir=out", "write --results out"),
        ("--space q.yaml --resume", "the same command again goes on where it stood"),
        ("--space q.yaml --lr 3", "no option --lr; settings are written as key=value: "
         "trainer.learning_rate=3"),
        ("--space q.yaml --adv_lr=0.1", "adversary.adv_lr=0.1"),
        ("--space q.yaml --adversary.adv-lr 0.1", "adversary.adv_lr=0.1"),
        ("--space q.yaml --batch-size 8", "trainer.per_device_train_batch_size=8"),
        ("--space q.yaml --epochs 3", "trainer.num_train_epochs=3"),
        ("--space q.yaml --gpus 2", "resources.gpu=2"),
        ("--space q.yaml --num-workers 2", "resources.max_concurrent=2"),
        ("--space q.yaml --seeds 1,2", "write 'seeds=[1, 2]'"),
        ("--space q.yaml --grid adv_lr=0.1,0.2", "'adversary.adv_lr={grid: [0.1,0.2]}'"),
        ("report", "write freelb-tune report results/NAME"),
        ("status", "write freelb-tune status results/NAME"),
        ("rerun results/q", "a cell's id is missing; trials.csv has them"),
        ("report q.yaml", "this is no results folder; name one, such as results/NAME"),
        ("--space q.yml", "there is no such file; beside it: q.yaml"),
        ("--space quikstart", "did you mean 'quickstart'?"),
        ("--space nothing_like_it", "'nothing_like_it'; `freelb-tune spaces` lists them"),
        ("--space q", "there is no such file; beside it: q.yaml"),
    ],
)  # fmt: skip
def test_a_command_line_that_cannot_be_read_is_answered(said, line, answer):
    assert answer in said(line)


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        ("adv_lr=0.03", "write adversary.adv_lr=0.03, or in a file adversary: {adv_lr: 0.03}"),
        ("learning_rate=2e-5,3e-5", "write 'trainer.learning_rate={grid: [2e-5, 3e-5]}'"),
        ("trainer.learning_rate=2e-5,3e-5", "to try each, write {grid: [2e-5, 3e-5]}"),
        ("'adversary.adv_lr=[0.1, 0.2]'", "to try each, write {grid: [0.1, 0.2]}"),
        ("resources.cpu=1,2", "got the text '1,2'\n"),  # a grid may not stand there either
        ("adversary.adv_lr=10%", "got the text '10%'; write 0.1"),
        ("'adversary.adv_lr={grid:[0.1, 0.2]}'", "a space after a colon: {grid: [0.1, 0.2]}"),
        ("'adversary.adv_lr={grid: 0.1, 0.2}'", "its values stand in brackets: {grid: [0.1, 0.2]}"),
        ("'adversary.adv_lr=grid[0.1, 0.2]'", "a domain stands in braces"),
        ("'adversary.adv_lr={gird: [0.1]}'", "did you mean 'grid'?"),
        ("seeds=[1, 2]", "did the shell cut it at a space? Put all of it in quotes"),
        ("seeds=1,2", "such as [1, 2, 3], or how many, such as 3"),
        ("seed=3", "did you mean 'seeds'?"),
        ("lr=0.1", "write trainer.learning_rate=0.1"),
        ("bs=16", "write trainer.per_device_train_batch_size=16"),
        ("epochs=3", "write trainer.num_train_epochs=3"),
        ("K=3", "write adversary.adv_steps=3"),
        ("epsilon=0.3", "write adversary.max_norm=0.3"),
        ("adv_step=3", "write adversary.adv_steps=3"),
        ("adversary.adv_step=3", "did you mean 'adv_steps'?"),
        ("adversary.lr=0.1", "did you mean 'adv_lr'?"),
        ("trainer.adv_lr=0.1", "did you mean adversary.adv_lr?"),
        ("trainer.learning_rte=1e-5", "did you mean 'learning_rate'?"),
        ("'trainer.learning_rate=\"2e-5\"'", "got the text '2e-5'; take the quotes away"),
        ("adversary.max_norm=0", "for no ball, the 0 of FreeLB's own scripts, write null"),
        ("adversary=PGD", "write adversary.method=pgd, or in a file adversary: {method: pgd}"),
        ("adversary.method=PGD", "did you mean 'pgd'?"),
        ("data=mine.csv", "write data.file=mine.csv"),
        ("model=bert", "'bert' is a type of models and no model; write bert-base-uncased or"),
        ("search=asha", "write search.algorithm=asha"),
        ("metric=accuracy", "write search.metric=accuracy"),
        ("num_samples=10", "write search.samples=10"),
        ("task=RTE", "did you mean 'rte'?"),
        ("dataset=rte", "did you mean 'task'?"),
        ("resources.gpus=1", "did you mean 'gpu'?"),
        ("adversary.adv_lr = 0.1", "such as adversary.adv_lr=0.03 (no space)"),
        ("adversary.adv_lr:0.1", "such as adversary.adv_lr=0.03 (no space)"),
        ("clean_arm=yes", "expected true or false"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_answered(said, override, answer):
    told = said(f"plan --space q.yaml {override}")
    assert answer in told
    assert override.strip("'").split()[0].partition("=")[0] in told  # and where it stands


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ("trainer:\n\tlearning_rate: 1e-5", "line 10: not YAML: found character '\\t' that cannot "
         "start any token; a tab begins a line here"),
        ("tie: {grid:[1]}", "line 9: not YAML: expected ',' or '}', but got '['; YAML wants a"),
        ("tie: grid: [1]", "line 9: not YAML: mapping values are not allowed here; a domain "),
        ("learning_rate: 2e-5", "line 9, learning_rate: unknown name 'learning_rate'; write "),
    ],
)  # fmt: skip
def test_a_line_of_the_file_is_named_with_what_to_write(said, tmp_path, lines, answer):
    with (tmp_path / "q.yaml").open("a") as file:
        file.write(f"{lines}\n")
    assert answer in said("plan --space q.yaml")


def test_a_plugin_that_is_no_python_is_told_with_its_line(said, tmp_path):
    (tmp_path / "own.py").write_text("import math\ndef broken(:\n")
    assert "is no Python code: invalid syntax (own.py, line 2)" in said(
        "plan --space q.yaml --plugin own.py"
    )


def test_a_file_with_semicolons_is_read_as_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [f"text, number {at};{'yes' if at % 2 else 'no'}" for at in range(40)]
    (tmp_path / "own.csv").write_text("\n".join(["text;label", *rows]))
    monkeypatch.setattr("sys.argv", ["freelb-tune", "new", "--data", "own.csv"])
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr().out
    assert left.value.code == 0
    assert "# Seen: 40 rows, columns text, label.\n# Labels in label: no 20, yes 20." in told
