"""What the README and its pages show works as it stands there."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from batches import padded_batch
from conftest import tiny_encoder
from transformers import TrainingArguments

from freelb_tune.space import load_space, plan_cells
from freelb_tune.tasks import task_metrics
from freelb_tune.training.passes.packed import pack

HOME = Path(__file__).parents[1]
PAGES = [HOME / "README.md", *sorted((HOME / "docs").glob("*.md"))]


def code(language):
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_link_to_a_page_leads_to_it():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("name", ["columns.md", "settings.md", "commands.md", "tasks.md"])
def test_a_page_says_what_the_code_declares(name):
    spec = spec_from_file_location("make", HOME / "docs" / "make.py")
    make = module_from_spec(spec)
    spec.loader.exec_module(make)
    assert (HOME / "docs" / name).read_text("utf-8") == make.PAGES[name](), "run `make docs`"


def test_the_front_table_is_the_one_of_the_record():
    table = (HOME / "docs" / "results" / "stsb" / "table.md").read_text("utf-8")
    body = table.partition("\n")[2].partition("\n\n- ")[0]
    front = (HOME / "README.md").read_text("utf-8").partition("## First minute")[0]
    quoted = [line[1:] for line in front.splitlines() if line.startswith(">")]
    assert " ".join(quoted).split() == body.split()


def test_the_readmes_picture_is_a_small_one_of_a_wide_screen():
    raw = (HOME / "docs" / "images" / "report.png").read_bytes()
    assert raw.startswith(b"\x89PNG")
    assert int.from_bytes(raw[16:20]) == 1200  # its width, in the header's first field
    assert len(raw) < 200_000


def test_every_page_is_in_the_sites_contents():
    contents = (HOME / "mkdocs.yml").read_text("utf-8")
    for page in PAGES[1:]:
        assert f": {page.name}" in contents


def test_the_space_that_the_readme_teaches_plans(tmp_path):
    short, text = (block for block in code("yaml") if "name: my_search" in block)
    path = tmp_path / "space.yaml"
    path.write_text(text, "utf-8")
    space = load_space(path, tasks=task_metrics())
    plan = plan_cells(space, data_fingerprint=lambda _: "data", model_fingerprint=lambda _: "model")
    # adv_lr x tie x batch size x seeds: 0.05 and 0.1 both lie within init_mag 0.1 and 0.2
    arms = [cell.arm for cell in plan.cells]
    assert arms.count("adversarial") == 2 * 2 * 2 * 3
    assert arms.count("clean") == 2 * 3
    for cell in plan.cells:
        if cell.arm == "adversarial":
            assert cell.settings["adversary.max_norm"] == cell.settings["adversary.init_mag"]
    path.write_text(short, "utf-8")
    space = load_space(path, tasks=task_metrics())
    plan = plan_cells(space, data_fingerprint=lambda _: "data", model_fingerprint=lambda _: "model")
    assert len(plan.cells) == 3 * 3


def test_the_trainer_alone_trains_as_the_readme_says(tmp_path):
    (text,) = (block for block in code("python") if "AdversarialTrainer(" in block)
    batch = padded_batch()
    rows = [{name: value[i] for name, value in batch.items()} for i in range(6)]
    model = tiny_encoder("bert")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    names = {
        "model": model,
        "train": rows,
        "collator": lambda rows: {k: torch.stack([row[k] for row in rows]) for k in rows[0]},
        "arguments": TrainingArguments(
            output_dir=str(tmp_path), max_steps=2, use_cpu=True, report_to=[], disable_tqdm=True
        ),
    }
    exec(text, names)
    assert names["trainer"].passes == 2 * 3
    assert pack(model) is not None  # the fast path, chosen by itself
    assert any(not torch.equal(before[n], v) for n, v in model.state_dict().items())
