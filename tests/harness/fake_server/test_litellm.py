"""Every dialect through litellm, which words requests in its own way."""

import os
import warnings

import pytest

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")


@pytest.fixture(scope="module")
def litellm():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litellm
    return litellm


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model", "root", "dialect"),
    [
        ("openai/gpt-4o", "/v1", "openai"),
        ("hosted_vllm/qwen", "/local/v1", "local"),
        ("anthropic/claude-sonnet-4-5", "", "anthropic"),
        ("gemini/gemini-2.5-flash", "/v1beta", "gemini"),
    ],
)
def test_texts_and_images_in_their_order(serve, litellm, draw, model, root, dialect):
    raw = serve(keep_bodies=True)
    url = {"url": f"data:image/png;base64,{draw(28, 28)}"}
    content = [
        {"type": "text", "text": "Observation:\n"},
        {"type": "image_url", "image_url": url},
        {"type": "text", "text": "Action: up\nWhat now?"},
    ]
    answer = litellm.completion(
        model=model,
        api_base=raw.server.url + root,
        api_key="any",
        num_retries=0,
        max_tokens=100,
        messages=[{"role": "user", "content": content}],
    )
    assert answer.choices[0].message.content == "up"
    (record,) = raw.server.requests
    assert (record.dialect, record.status, record.images) == (dialect, 200, 1)
    image = 258 if dialect == "gemini" else 1
    assert answer.usage.prompt_tokens == record.input_tokens == 4 + image + 5
    assert answer.usage.completion_tokens == 1
    body = record.body.decode()
    assert body.index("Observation") < body.index(draw(28, 28)) < body.index("What now?")
