# /// script
# requires-python = ">=3.10,<3.11"
# dependencies = [
#     "octo @ git+https://github.com/octo-models/octo@241fb3514b7c40957a86d869fecb7c7fc353f540",
#     "dlimp @ git+https://github.com/kvablack/dlimp@5edaa4691567873d495633f2708982b42edf1972",
#     "chex==0.1.85", "distrax==0.1.5", "einops>=0.6.1", "flax==0.7.5", "jax==0.4.20",
#     "jaxlib==0.4.20", "ml_collections==0.1.0", "ml_dtypes==0.2.0", "msgpack>=1,<2",
#     "numpy==1.24.3", "optax==0.1.5", "orbax-checkpoint==0.4.0", "pillow>=10,<12",
#     "scipy==1.12.0", "setuptools<81", "tensorflow==2.15.0", "tensorflow_hub>=0.14",
#     "tensorflow_probability==0.23.0", "tensorflow_text==2.15.0", "tensorstore==0.1.45",
#     "transformers==4.34.1", "websockets>=13,<16",
# ]
# ///
"""Serves Octo in openpi's wire format, in an environment of its own.

    uv run examples/serve_octo.py hf://rail-berkeley/octo-small-1.5 --dataset bridge_dataset
    icil run --task … --agent vla/openpi@ws://127.0.0.1:8000 --set '…:8000.stateful=true'

Observations have `image` (and `wrist_image`), RGB, and `prompt`. Octo looks at two of them: the
server keeps the one before, so a connection is an episode. Actions come in the units of the data
set whose statistics are named. `--random` serves a small Octo with random weights.
"""

import argparse
import itertools

import numpy as np
from openpi_server import main

VIEWS = {"image": ("image_primary", 256), "wrist_image": ("image_wrist", 128)}
"""By our keys Octo's, and how large its pictures are."""
WINDOW = 2


class OctoPolicy:
    """Octo for one data set's robot; `sample` makes a chunk of observations and tasks."""

    def __init__(self, create_tasks, sample):
        self.create_tasks, self.sample = create_tasks, sample
        self.metadata = {"policy": "octo", "window": WINDOW}

    def session(self):
        """Returns what answers the observations of one episode."""
        past, tasks = [], {}

        def infer(observation):
            past.append({
                name: resized(observation[key], size)
                for key, (name, size) in VIEWS.items()
                if key in observation
            })  # fmt: skip
            del past[:-WINDOW]
            missing = WINDOW - len(past)
            window = [past[0]] * missing + past
            seen = {key: np.stack([one[key] for one in window])[None] for key in past[-1]}
            seen["timestep_pad_mask"] = np.array([[False] * missing + [True] * len(past)])
            said = str(observation.get("prompt", ""))
            if said not in tasks:
                tasks[said] = self.create_tasks(texts=[said])
            return np.asarray(self.sample(seen, tasks[said]))[0]

        return infer


def resized(picture, size):
    """Returns a picture as a square."""
    from PIL import Image

    return np.asarray(Image.fromarray(np.array(picture)).resize((size, size), Image.LANCZOS))


def load(path, dataset):
    """Returns a model that was trained, or one with random weights, for a data set."""
    import jax
    from octo.model.octo_model import OctoModel

    model = OctoModel.load_pretrained(path) if path else random_model()
    if dataset not in model.dataset_statistics:
        raise SystemExit(f"--dataset is one of: {', '.join(sorted(model.dataset_statistics))}")
    statistics = model.dataset_statistics[dataset]["action"]
    numbers = itertools.count()

    def sample(seen, tasks):
        rng = jax.random.fold_in(jax.random.PRNGKey(0), next(numbers))
        return model.sample_actions(seen, tasks, unnormalization_statistics=statistics, rng=rng)

    return OctoPolicy(model.create_tasks, sample)


def random_model():
    """Returns a small Octo that has learned nothing and reads no words."""
    from octo.model.components.action_heads import L1ActionHead
    from octo.model.components.tokenizers import ImageTokenizer
    from octo.model.components.vit_encoders import SmallStem16
    from octo.model.octo_model import OctoModel
    from octo.utils.spec import ModuleSpec

    class NoWords:
        def encode(self, texts):
            return {"input_ids": np.zeros((len(texts), 16), np.int32)}

    eyes = ModuleSpec.create(
        ImageTokenizer,
        obs_stack_keys=["image_primary"],
        task_stack_keys=[],
        encoder=ModuleSpec.create(SmallStem16),
    )
    hands = ModuleSpec.create(
        L1ActionHead, readout_key="readout_action", action_horizon=4, action_dim=7
    )
    body = {"num_layers": 2, "mlp_dim": 256, "num_attention_heads": 4, "dropout_rate": 0.0}
    model = {
        "observation_tokenizers": {"primary": eyes},
        "task_tokenizers": {},
        "heads": {"action": hands},
        "readouts": {"action": 1},
        "token_embedding_size": 128,
        "transformer_kwargs": {**body, "add_position_embedding": False},
        "max_horizon": 10,
    }
    example = {
        "observation": {
            "image_primary": np.zeros((1, WINDOW, 256, 256, 3), np.uint8),
            "timestep_pad_mask": np.ones((1, WINDOW), bool),
        },
        "task": {"language_instruction": NoWords().encode([""])},
    }
    statistics = {"random": {"action": {"mean": np.zeros(7), "std": np.full(7, 0.1)}}}
    return OctoModel.from_config(
        {"model": model}, example, NoWords(), dataset_statistics=statistics
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", help="a folder, or hf:// and an id")
    parser.add_argument("--dataset", default="random", help="whose statistics un-normalise")
    parser.add_argument("--random", action="store_true", help="a small Octo with random weights")
    main(parser, lambda given: load(given.path, given.dataset))
