"""Small files in GLUE's layouts, with the quirks of the real ones and none of their text."""

from pathlib import Path

from freelb_tune import tasks
from freelb_tune.space import Inputs
from freelb_tune.space.checking.checks import read_whole, section_of
from freelb_tune.space.settings.sections import DataFields, ModelFields

MNLI_HEADER = "index\tpromptID\tpairID\tgenre\tp1\tp2\tp3\tp4\tsentence1\tsentence2\tlabel1"

LAYOUT_FILES = {
    "SST-2/train.tsv": "sentence\tlabel\na \"bold film \t1\nnot 'much' of one \t0\n",
    "SST-2/dev.tsv": "sentence\tlabel\nfine work \t1\n",
    "SST-2/test.tsv": "index\tsentence\n0\tplain work \n1\tdull work\n",
    "MRPC/train.tsv": "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n"
    '1\t11\t12\tHe said " yes .\tHe agreed .\r\n'
    "0\t13\t14\tShares fell .\tRain fell .\r\n",
    "MRPC/dev.tsv": "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t15\t16\tA .\tB .\n",
    "MRPC/test.tsv": "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t17\t18\tC .\tD .\n",
    "QQP/train.tsv": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    "1\t2\t3\tWho is it?\tWho's it?\t1\n"
    "4\t5\t6\tHow far is\n"  # a line broken in two
    " it?\tHow near?\t0\n"
    "7\t8\t9\tWhat now?\t\t0\n"  # a question without a word
    "10\t11\t12\tWhy?\tWhat for?\t\n",  # no label
    "QQP/dev.tsv": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tA?\tB?\t0\n",
    "QQP/test.tsv": "id\tquestion1\tquestion2\n0\tA?\tB?\n",
    "MNLI/train.tsv": f"{MNLI_HEADER}\tgold_label\n"
    "0\t1\t1e\tfiction\t(\t(\t(\t(\tIt rained.\tIt was wet.\tentailment\tentailment\n"
    "1\t2\t2n\tfiction\t(\t(\t(\t(\tIt rained.\tIt was May.\tneutral\tneutral\n"
    "2\t3\t3c\tfiction\t(\t(\t(\t(\tIt rained.\tn/a\tcontradiction\tcontradiction\n",
    "MNLI/dev_matched.tsv": f"{MNLI_HEADER}\tlabel2\tlabel3\tlabel4\tlabel5\tgold_label\n"
    "0\t1\t1n\tfiction\t(\t(\t(\t(\tA dog.\tA pup.\tneutral\tneutral\tentailment\tneutral\t-\t"
    "neutral\n",
    "MNLI/dev_mismatched.tsv": f"{MNLI_HEADER}\tlabel2\tlabel3\tlabel4\tlabel5\tgold_label\n"
    "0\t1\t1c\tletters\t(\t(\t(\t(\tA cat.\tNo cat.\ta\tb\tc\td\te\tcontradiction\n",
    "MNLI/test_matched.tsv": "index\tsentence1\tsentence2\n0\tA.\tB.\n",
    "MNLI/test_mismatched.tsv": "index\tsentence1\tsentence2\n7\tC.\tD.\n",
    "CoLA/train.tsv": 'src\t1\t\tIt is.\nsrc\t0\t*\tIs "it the.\n',
    "CoLA/dev.tsv": "src\t1\t\tShe is.",
    "CoLA/test.tsv": "index\tsentence\n0\tHe is.\n",
    "STS-B/train.tsv": "index\tsentence1\tsentence2\tscore\n0\tA man.\tA boy.\t3.800\n"
    "1\tB.\tC.\t0\n",
    "STS-B/dev.tsv": "index\tsentence1\tsentence2\tscore\n0\tA man.\tA hat.\t1.250\n",
    "QNLI/train.tsv": "index\tquestion\tsentence\tlabel\n0\tWho?\tMe.\tentailment\n"
    "1\tWhen?\tThere.\tnot_entailment\n",
    "QNLI/dev.tsv": "index\tquestion\tsentence\tlabel\n0\tHow?\tSo.\tnot_entailment\n",
    "RTE/train.tsv": 'index\tsentence1\tsentence2\tlabel\n0\t"It rained.\tIt was wet.\tentailment\n'
    "1\tIt rained.\tIt was dry.\tnot_entailment\n",
    "RTE/dev.tsv": "index\tsentence1\tsentence2\tlabel\n0\tYes.\tNo.\tnot_entailment\n",
    "RTE/test.tsv": "index\tsentence1\tsentence2\n0\tYes.\tNo.\n1\tUp.\tDown.\n",
    "WNLI/train.tsv": "index\tsentence1\tsentence2\tlabel\n0\tHe, it.\tIt.\t1\n1\tA.\tB.\t0\n",
    "WNLI/dev.tsv": "index\tsentence1\tsentence2\tlabel\n0\tC, d.\tD.\t1\n",
}


def write_layout(folder: Path, **changes: str) -> Path:
    """All nine tasks in GLUE's original layout; `changes` replaces files by name ("" removes)."""
    for name, text in (LAYOUT_FILES | changes).items():
        if text:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode())
    return folder


def glue(task: str, folder: Path, **data: object) -> dict[str, object]:
    """Settings of a task read from a folder in GLUE's layout."""
    more = {f"data.{name}": value for name, value in data.items()}
    return {"task": task, "data.source": "glue", "data.path": str(folder), **more}


def files(task: str, folder: Path, train: str, dev: str, **data: object) -> dict[str, object]:
    """Settings of a task read from own files."""
    own = {"data.source": "files", "data.train": str(folder / train), "data.dev": str(folder / dev)}
    return {"task": task, **own, **{f"data.{name}": value for name, value in data.items()}}


def inputs(settings: dict[str, object]) -> Inputs:
    """What settings by dotted name say of task and data."""
    data = read_whole("data", DataFields, section_of(settings, "data"))
    return Inputs(settings["task"], data, ModelFields(name="none"))


def check_data(settings):
    return tasks.check_data(settings["task"], inputs(settings).data)


def load_examples(settings):
    return tasks.load_examples(settings["task"], inputs(settings).data)


def load_test(settings):
    return tasks.load_test(settings["task"], inputs(settings).data)


def data_sizes(settings):
    return tasks.data_sizes(settings["task"], inputs(settings).data)


def data_fingerprint(settings):
    return tasks.data_fingerprint(inputs(settings))
