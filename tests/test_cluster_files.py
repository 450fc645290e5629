"""Files for clusters, images and locks hold against what reads them."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import freelb_tune

ROOT = Path(__file__).parents[1]
CLUSTER = ROOT / "examples" / "cluster"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def read(name):
    return yaml.safe_load((CLUSTER / name).read_text("utf-8"))


def options_of(command):
    """The options that a command has."""
    words = [sys.executable, "-m", "freelb_tune.cli", command, "--help"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"--[a-z-]+", told))


def test_the_cluster_of_rays_launcher_is_one_by_rays_own_schema():
    from ray.autoscaler._private.util import prepare_config, validate_config

    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    content = read("ray_cluster.yaml")
    jsonschema.validate(content, json.loads(schema.read_text("utf-8")))
    validate_config(prepare_config(content))
    commands = content["head_start_ray_commands"] + content["worker_start_ray_commands"]
    starts = [command for command in commands if "ray start" in command]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in command for command in starts)
    for command in (*commands, *content["setup_commands"]):
        subprocess.run(["bash", "-n"], input=command, text=True, check=True)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "workers": 2}, json.loads(schema.read_text("utf-8")))


def test_the_rayjob_has_every_part_that_it_names_and_a_token_in_each_pod():
    job = read("kuberay_rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    first, *words = shlex.split(spec["entrypoint"])
    assert first == "freelb-tune"
    assert {word for word in words if word.startswith("--")} <= options_of("search")
    cluster = spec["rayClusterSpec"]
    (ours,) = (Requirement(each) for each in PROJECT["dependencies"] if each.startswith("ray["))
    assert cluster["rayVersion"] in ours.specifier
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert {each["name"] for each in container["volumeMounts"]} == {
            each["name"] for each in pod["volumes"]
        }
        assert {each["name"] for each in container["env"]} == {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
        assert container["image"] == f"freelb-tune:{freelb_tune.__version__}"
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    for group in groups[1:]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_lock_file_has_what_the_project_asks_for_and_names_no_host():
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert not re.search(r"://|--index|--extra|--find|--trusted|\+cpu", text)
    lines = [line for line in text.splitlines() if line and line[0] not in " #"]
    pinned = {canonicalize_name(Requirement(line).name): line.split("==")[1] for line in lines}
    for each in map(Requirement, PROJECT["dependencies"]):
        assert pinned[canonicalize_name(each.name)].split(" ")[0] in each.specifier, each


def test_the_image_is_made_of_files_that_are_here_by_a_command_that_is_here():
    text = (ROOT / "Containerfile").read_text("utf-8")
    copied = [line.split()[1] for line in text.splitlines() if line.startswith("COPY")]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    assert re.search(
        r"^image:.*\n\t.* build .*Containerfile", (ROOT / "Makefile").read_text(), re.M
    )
