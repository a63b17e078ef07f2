# /// script
# requires-python = ">=3.12,<3.13"
# dependencies = ["lerobot==0.6.1", "msgpack>=1,<2", "websockets>=15,<17"]
# ///
"""Serves a LeRobot policy in openpi's wire format, in an environment of its own.

    uv run examples/serve_lerobot.py PATH_OR_HUB_ID          # or: --random 17 6
    icil run --task … --agent vla/openpi@ws://127.0.0.1:8000

Observations have LeRobot's own keys (`observation.state`, `observation.images.top`) and `prompt`;
`state` and `image`, as the map `plain` sends them, stand for the state and the first camera. A
policy that looks at more than one observation (`n_obs_steps`) is not served.
"""

import argparse

import numpy as np
from openpi_server import main


class LeRobotPolicy:
    """A policy with its own normalisation, before and after; answers chunks, keeps no state."""

    def __init__(self, policy, before, after):
        self.policy, self.before, self.after = policy, before, after
        self.shapes = {key: one.shape for key, one in policy.config.input_features.items()}
        self.camera = next((key for key, shape in self.shapes.items() if len(shape) == 3), None)
        if policy.config.n_obs_steps != 1:
            raise SystemExit("this policy looks at more than one observation")
        self.metadata = {"policy": policy.config.type, "keys": list(self.shapes)}

    def session(self):
        """Returns what answers the observations of one episode."""
        return self.infer

    def infer(self, observation):
        """Returns a chunk of actions, shape (steps, dimension)."""
        import torch

        names = {"state": "observation.state", "image": self.camera}
        batch = {"task": [observation.get("prompt", "")]}
        for key, value in observation.items():
            key = names.get(key, key)
            if key not in self.shapes:
                continue
            tensor = torch.from_numpy(np.array(value))[None]
            if len(self.shapes[key]) == 3:  # RGB, rows first; whole numbers are 0 to 255
                tensor = tensor.permute(0, 3, 1, 2) / (1 if tensor.is_floating_point() else 255)
                tensor = torch.nn.functional.interpolate(
                    tensor, self.shapes[key][1:], mode="bilinear", antialias=True
                )
            batch[key] = tensor.float()
        if missing := self.shapes.keys() - batch.keys():
            raise ValueError(f"the observation lacks {', '.join(sorted(missing))}")
        with torch.inference_mode():
            chunk = self.after(self.policy.predict_action_chunk(self.before(batch)))
        return chunk[0].float().cpu().numpy()


def load(path, sizes):
    """Returns a policy that was trained, or one of so many numbers with random weights."""
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.factory import get_policy_class, make_pre_post_processors

    if path:
        from lerobot.configs.policies import PreTrainedConfig

        config = PreTrainedConfig.from_pretrained(path)
        policy = get_policy_class(config.type).from_pretrained(path, config=config)
        return LeRobotPolicy(policy.eval(), *make_pre_post_processors(config, path))
    state, action = (PolicyFeature(kind, (size,)) for kind, size in zip(
        (FeatureType.STATE, FeatureType.ACTION), sizes, strict=True))  # fmt: skip
    image = PolicyFeature(FeatureType.VISUAL, (3, 96, 96))
    config = ACTConfig(
        input_features={"observation.state": state, "observation.images.main": image},
        output_features={"action": action},
        pretrained_backbone_weights=None,
        chunk_size=10,
        n_action_steps=10,
    )
    policy = get_policy_class("act")(config).eval().to(config.device)
    return LeRobotPolicy(policy, *make_pre_post_processors(config))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", help="a folder or an id of the Hugging Face hub")
    parser.add_argument(
        "--random",
        nargs=2,
        type=int,
        metavar=("STATE", "ACTION"),
        help="an ACT with random weights",
    )
    main(parser, lambda given: load(given.path, given.random))
