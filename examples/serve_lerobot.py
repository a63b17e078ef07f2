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
import asyncio
import http
import traceback

import msgpack
import numpy as np


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
            tensor = torch.from_numpy(np.array(value))[None].float()
            if len(self.shapes[key]) == 3:  # RGB, rows first
                size = self.shapes[key][1:]
                tensor = torch.nn.functional.interpolate(tensor.permute(0, 3, 1, 2) / 255, size)
            batch[key] = tensor
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


def pack(value):
    """Returns a message as bytes."""

    def worded(array):
        return {
            b"__ndarray__": True,
            b"data": np.ascontiguousarray(array).tobytes(),
            b"dtype": array.dtype.str,
            b"shape": array.shape,
        }

    return msgpack.packb(value, default=worded)


def unpack(data):
    """Returns the message that bytes are."""

    def read(found):
        if b"__ndarray__" in found:
            return np.frombuffer(found[b"data"], found[b"dtype"]).reshape(found[b"shape"])
        if b"__npgeneric__" in found:
            return np.dtype(found[b"dtype"]).type(found[b"data"])
        return found

    return msgpack.unpackb(data, object_hook=read)


async def serve(policy, host, port, ready=None):
    """Answers until cancelled; a connection is an episode."""
    from websockets.asyncio.server import serve

    one_at_a_time = asyncio.Lock()

    async def talk(connection):
        infer = policy.session()
        await connection.send(pack(policy.metadata))
        async for data in connection:
            try:
                async with one_at_a_time:
                    chunk = await asyncio.to_thread(infer, unpack(data))
            except Exception:  # noqa: BLE001 - told to the client, as openpi's server does
                await connection.send(traceback.format_exc())
                await connection.close(1011, "the observation could not be answered")
                return
            await connection.send(pack({"actions": np.asarray(chunk, np.float32)}))

    def health(connection, request):
        return (
            connection.respond(http.HTTPStatus.OK, "OK\n") if request.path == "/healthz" else None
        )

    options = {"compression": None, "max_size": None, "ping_interval": None}
    async with serve(talk, host, port, process_request=health, **options) as server:
        where = server.sockets[0].getsockname()[:2]
        if ready:
            ready(*where)
        print(f"serving at ws://{where[0]}:{where[1]}", flush=True)
        await server.serve_forever()


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
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    if bool(given.path) == bool(given.random):
        parser.error("give either a policy or --random")
    asyncio.run(serve(load(given.path, given.random), given.host, given.port))
