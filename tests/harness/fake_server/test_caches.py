"""Cache accounts, worked out by hand: a prefix of 1024 tokens and a tail that grows.

    prefix   1024 tokens      observation  100      action  3      question  10
    step 1   prefix, observation, question                                          1134
    step 2   prefix, observation, action, observation, question                     1237
    step 3   prefix, (observation, action) × 2, observation, question               1340

What two steps share ends before the question of the first: 1124 tokens of steps 1 and 2,
1227 of steps 2 and 3.
"""

import pytest

from icil.harness.fake_server.cache import CacheStore, Written

PREFIX = "p" * 4096
QUESTION = "q" * 40


def observation(step):
    return f"{step:04d}" + "o" * 396


def tail(step):
    """The parts after the prefix at a step, from 1."""
    parts = [part for past in range(1, step) for part in (observation(past), "a" * 12)]
    return [*parts, observation(step), QUESTION]


def step(dialects, dialect, number, **more):
    return dialects.body(dialect, PREFIX, *tail(number), **more)


def cached(client, dialects, dialect, body):
    """How many tokens of a prompt were taken from the cache, and all of them."""
    answered = client.ask(dialects.PATHS[dialect], body)
    assert answered.status == 200, answered.body
    answer, record = answered.json, client.server.requests[-1]
    if dialect in ("openai", "local"):
        usage = answer["usage"]
        found = usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"]
    elif dialect == "responses":
        usage = answer["usage"]
        found = usage["input_tokens_details"]["cached_tokens"], usage["input_tokens"]
    elif dialect == "anthropic":
        usage = answer["usage"]
        found = (
            usage["cache_read_input_tokens"],
            usage["cache_read_input_tokens"]
            + usage["cache_creation_input_tokens"]
            + usage["input_tokens"],
        )
    else:
        usage = answer["usageMetadata"]
        found = usage.get("cachedContentTokenCount", 0), usage["promptTokenCount"]
    assert found == (record.cached_tokens, record.input_tokens)
    return found


@pytest.mark.parametrize(
    ("dialect", "settings", "expected"),
    [
        # Whole units of 128: 8 × 128 ≤ 1124 < 9 × 128 ≤ 1227 < 10 × 128 ≤ 1340.
        ("openai", {}, (0, 1024, 1152, 1280)),
        ("responses", {}, (0, 1024, 1152, 1280)),
        ("gemini", {"gemini_implicit_cache": True}, (0, 1024, 1152, 1280)),
        ("gemini", {}, (0, 0, 0, 0)),
        # Whole blocks of 16: 70 × 16, 76 × 16, and of the same again all but the last token.
        ("local", {}, (0, 1120, 1216, 1328)),
    ],
)
def test_automatic_caches_by_units_of_tokens(serve, dialects, dialect, settings, expected):
    client = serve(**settings)
    found = [
        cached(client, dialects, dialect, step(dialects, dialect, number))
        for number in (1, 2, 3, 3)
    ]
    assert found == list(zip(expected, (1134, 1237, 1340, 1340), strict=True))


def test_one_text_is_cached_like_many(serve, dialects):
    # The prompt as a single string: what is shared ends within it.
    client = serve()
    for number, expected in ((1, 0), (2, 1024), (3, 1152)):
        body = dialects.body("openai", "".join([PREFIX, *tail(number)]))
        body["messages"][0]["content"] = body["messages"][0]["content"][0]["text"]
        assert cached(client, dialects, "openai", body)[0] == expected


def test_an_image_is_cached_as_a_whole(serve, dialects, draw):
    client = serve()
    image, other = draw(1024, 1024, 1).encode(), draw(1024, 1024, 2).encode()  # 1024 tokens each
    before = "b" * 400  # 100 tokens
    first = dialects.body("openai", before, image, image, "one")
    assert cached(client, dialects, "openai", first) == (0, 2149)
    # Shared: 1124 tokens, to the end of the first image; then both, and the text.
    changed = dialects.body("openai", before, image, other, "one")
    assert cached(client, dialects, "openai", changed)[0] == 1024
    assert cached(client, dialects, "openai", first)[0] == 2048


def test_a_local_server_always_reads_the_last_token_itself(serve, dialects):
    client = serve()
    for size, expected in ((1280, 1264), (1281, 1280)):
        body = dialects.body("local", "x" * 4 * size)
        cached(client, dialects, "local", body)
        assert cached(client, dialects, "local", body) == (expected, size)


def test_all_that_comes_before_must_be_the_same(serve, dialects):
    # A first part that is shorter than a unit is no unit's end, and yet part of the next.
    client = serve()
    for short in ("a" * 40, "b" * 40):
        for expected in (0, 1024):
            body = dialects.body("openai", short, PREFIX)
            assert cached(client, dialects, "openai", body)[0] == expected


@pytest.mark.parametrize(("size", "expected"), [(1023, 0), (1024, 1024)])
def test_openai_caches_no_prompt_below_1024_tokens(serve, dialects, size, expected):
    client, body = serve(), dialects.body("openai", "x" * 4 * size)
    assert cached(client, dialects, "openai", body)[0] == 0
    assert cached(client, dialects, "openai", body)[0] == expected


def test_caches_are_kept_apart(serve, dialects):
    client, body = serve(), step(dialects, "openai", 1)
    cached(client, dialects, "openai", body)
    assert cached(client, dialects, "openai", {**body, "prompt_cache_key": "a"})[0] == 0
    assert cached(client, dialects, "openai", {**body, "model": "other"})[0] == 0
    path = dialects.PATHS["openai"]
    headers = {"Authorization": "Bearer other"}
    answer = client.ask(path, body, headers=headers).json
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert cached(client, dialects, "openai", body)[0] == 1024
    # Who says it is part of the prompt.
    body["messages"][0]["role"] = "system"
    assert cached(client, dialects, "openai", body)[0] == 0


def test_an_automatic_cache_is_kept_while_it_is_used(serve, dialects, clock):
    client, body = serve(clock=clock), step(dialects, "openai", 1)
    found = []
    for passed in (0, 599, 599, 600):
        clock.now += passed
        found.append(cached(client, dialects, "openai", body)[0])
    assert found == [0, 1024, 1024, 0]


def mark(body, *places, ttl="5m"):
    """Sets breakpoints after some parts of a body for Anthropic."""
    content = body["messages"][0]["content"]
    for place in places:
        content[place]["cache_control"] = {"type": "ephemeral", "ttl": ttl}
    return body


def accounts(client, dialects, body):
    """What is read, written for five minutes, written for an hour, and neither."""
    usage = client.ask(dialects.PATHS["anthropic"], body).json["usage"]
    created = usage["cache_creation"]
    assert usage["cache_creation_input_tokens"] == sum(created.values())
    return (
        usage["cache_read_input_tokens"],
        created["ephemeral_5m_input_tokens"],
        created["ephemeral_1h_input_tokens"],
        usage["input_tokens"],
    )


def test_anthropic_caches_up_to_breakpoints(serve, dialects):
    # After the prefix, and after the newest observation: the last part but the question.
    client = serve()
    found = [
        accounts(client, dialects, mark(step(dialects, "anthropic", number), 0, -2))
        for number in (1, 2, 3, 3)
    ]
    assert found == [
        (0, 1124, 0, 10),
        (1124, 103, 0, 10),
        (1227, 103, 0, 10),
        (1330, 0, 0, 10),
    ]


def test_anthropic_caches_nothing_unless_asked_to(serve, dialects):
    client = serve()
    for _ in range(2):
        assert accounts(client, dialects, step(dialects, "anthropic", 1)) == (0, 0, 0, 1134)


def test_anthropic_caches_by_the_request_as_a_whole(serve, dialects):
    client = serve()
    body = step(dialects, "anthropic", 1, cache_control={"type": "ephemeral"})
    assert accounts(client, dialects, body) == (0, 1134, 0, 0)
    assert accounts(client, dialects, body) == (1134, 0, 0, 0)


@pytest.mark.parametrize(("minimum", "expected"), [(1024, 1024), (1025, 0)])
def test_anthropic_caches_no_beginning_below_its_minimum(serve, dialects, minimum, expected):
    client = serve(anthropic_cache_minimum=minimum)
    body = mark(step(dialects, "anthropic", 1), 0)
    assert accounts(client, dialects, body) == (0, expected, 0, 1134 - expected)
    assert accounts(client, dialects, body) == (expected, 0, 0, 1134 - expected)


@pytest.mark.parametrize(("parts", "expected"), [(19, 1024), (20, 0)])
def test_anthropic_looks_back_over_20_parts(serve, dialects, parts, expected):
    # The breakpoint is the first of the 20, so that 19 may lie after what is known.
    client = serve()
    accounts(client, dialects, mark(dialects.body("anthropic", PREFIX, QUESTION), 0))
    more = [f"{number:04d}" for number in range(parts)]
    body = mark(dialects.body("anthropic", PREFIX, *more), -1)
    assert accounts(client, dialects, body) == (expected, 1024 - expected + parts, 0, 0)


def test_a_breakpoint_after_the_prefix_is_found_from_any_distance(serve, dialects):
    client = serve()
    accounts(client, dialects, mark(dialects.body("anthropic", PREFIX, QUESTION), 0))
    body = mark(dialects.body("anthropic", PREFIX, *(["more"] * 50)), 0, -1)
    assert accounts(client, dialects, body) == (1024, 50, 0, 0)


def test_anthropic_keeps_what_is_used_for_its_time(serve, dialects, clock):
    client = serve(clock=clock)
    body = step(dialects, "anthropic", 1)
    mark(mark(body, 0, ttl="1h"), 1)
    assert accounts(client, dialects, body) == (0, 100, 1024, 10)
    clock.now += 299
    assert accounts(client, dialects, body) == (1124, 0, 0, 10)
    clock.now += 299  # the use before has renewed it
    assert accounts(client, dialects, body) == (1124, 0, 0, 10)
    clock.now += 300
    assert accounts(client, dialects, body) == (1024, 100, 0, 10)
    clock.now += 3600
    assert accounts(client, dialects, body) == (0, 100, 1024, 10)


def test_a_system_prompt_is_cached_before_the_messages(serve, dialects):
    client = serve()
    system = [{"type": "text", "text": PREFIX, "cache_control": {"type": "ephemeral"}}]
    for expected in ((0, 1024, 0, 10), (1024, 0, 0, 10)):
        body = dialects.body("anthropic", QUESTION, system=system)
        assert accounts(client, dialects, body) == expected


def marked_accounts(client, dialects, body, key="k", mode=None):
    """What a model from GPT-5.6 reads and writes."""
    options = {} if mode is None else {"prompt_cache_options": {"mode": mode}}
    body = {**body, "model": "gpt-5.6", "prompt_cache_key": key, **options}
    answer = client.ask(dialects.PATHS["openai"], body).json
    details = answer["usage"]["prompt_tokens_details"]
    return details["cached_tokens"], details["cache_write_tokens"]


def marked_step(dialects, number):
    """A step with a breakpoint after the prefix."""
    body = step(dialects, "openai", number)
    body["messages"][0]["content"][0]["prompt_cache_breakpoint"] = {"mode": "explicit"}
    return body


def test_the_newest_openai_models_cache_at_breakpoints(serve, dialects):
    client = serve()
    found = [
        marked_accounts(client, dialects, marked_step(dialects, number), mode="explicit")
        for number in (1, 2, 3)
    ]
    assert found == [(0, 1024), (1024, 0), (1024, 0)]
    # Not told not to, they also write all of the prompt, which no other step can use.
    found = [
        marked_accounts(client, dialects, marked_step(dialects, number)) for number in (1, 2, 2)
    ]
    assert found == [(1024, 110), (1024, 213), (1237, 0)]


def test_without_breakpoints_they_find_nothing_within_a_message(serve, dialects):
    client = serve()
    bodies = [step(dialects, "openai", number) for number in (1, 2, 3)]
    found = [marked_accounts(client, dialects, body) for body in bodies[:2]]
    assert found == [(0, 1134), (0, 1237)]
    for _ in range(2):
        assert marked_accounts(client, dialects, bodies[2], mode="explicit") == (0, 0)


def test_without_breakpoints_they_find_the_ends_of_messages(serve, dialects):
    client = serve()
    messages = [{"role": "user", "content": PREFIX}]
    found = []
    for _ in range(3):
        found.append(marked_accounts(client, dialects, {"messages": messages}))
        messages += [
            {"role": "assistant", "content": "up"},
            {"role": "user", "content": QUESTION},
        ]
    assert found == [(0, 1024), (1024, 11), (1035, 11)]


def test_without_a_key_they_cache_nothing(serve, dialects):
    client, body = serve(), marked_step(dialects, 1)
    for key, expected in (("", (0, 0)), ("a", (0, 1134)), ("b", (0, 1134)), ("a", (1134, 0))):
        assert marked_accounts(client, dialects, body, key=key) == expected


def test_a_prompt_without_a_word_is_answered(serve):
    body = {"model": "gpt-5.6", "messages": [{"role": "assistant"}], "prompt_cache_key": "a"}
    answer = serve().ask("/v1/chat/completions", body)
    assert answer.json["usage"]["prompt_tokens"] == 0


@pytest.mark.parametrize(
    ("model", "newest"),
    [
        ("gpt-4o", False),
        ("gpt-5", False),
        ("gpt-5.5", False),
        ("gpt-5.6-mini", True),
        ("gpt-5.12", True),
        ("gpt-6", True),
        ("o3", False),
    ],
)
def test_which_models_those_are(serve, dialects, model, newest):
    body = dialects.body("openai", "hello", model=model)
    usage = serve().ask(dialects.PATHS["openai"], body).json["usage"]
    assert ("cache_write_tokens" in usage["prompt_tokens_details"]) is newest


@pytest.mark.parametrize("dialect", ["openai", "local", "anthropic"])
def test_a_prompt_hits_only_what_was_answered_before_it_came(serve, dialects, dialect):
    client = serve(latency_s=0.3)
    bodies = [dialects.body(dialect, PREFIX, f"{n:04d}") for n in range(3)]
    if dialect == "anthropic":
        for body in bodies:
            mark(body, 0)
    path = dialects.PATHS[dialect]
    client.ask_all([(path, body) for body in bodies])
    assert [record.cached_tokens for record in client.server.requests] == [0, 0, 0]
    assert client.server.most_at_once == 3
    assert cached(client, dialects, dialect, bodies[0])[0] >= 1024


def test_a_request_that_failed_leaves_nothing_in_the_cache(serve, dialects):
    client = serve(script=("500", "html", None, None))
    body = step(dialects, "openai", 1)
    client.ask(dialects.PATHS["openai"], body)
    client.ask(dialects.PATHS["openai"], body)
    assert cached(client, dialects, "openai", body)[0] == 0
    assert cached(client, dialects, "openai", body)[0] == 1024


def test_a_store_forgets_the_longest_unused_first():
    store = CacheStore(kept=3)
    names = [bytes([number]) for number in range(4)]
    store.write([Written(name, 10.0) for name in names[:3]], now=0.0)
    store.write([Written(names[0], 10.0)], now=1.0)
    store.write([Written(names[3], 10.0)], now=2.0)
    assert len(store) == 3
    known = [store.longest([name], now=3.0) is not None for name in names]
    assert known == [True, False, True, True]
    assert store.longest(names, now=10.5) == 3
    assert store.longest(names[:3], now=10.5) == 0
    assert store.longest(names, now=12.0) is None


def test_a_longer_life_outlasts_a_shorter_one_that_renews_it():
    store = CacheStore()
    store.write([Written(b"a", 3600.0)], now=0.0)
    store.write([Written(b"a", 300.0)], now=100.0)
    assert store.longest([b"a"], now=3699.0) == 0
    store.write([Written(b"a", 300.0)], now=3700.0)
    assert store.longest([b"a"], now=4000.0) is None
