"""Estimates: what they are put together from, and that each piece is as a run has it."""

import json
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from icil.harness import Experiment
from icil.harness.estimates import ModelProfile, make_estimate, profile_of
from icil.harness.estimates.amounts import call_amounts
from icil.harness.estimates.caching import CacheRule, cache_rule
from icil.harness.estimates.lengths import known_lengths, mean_steps, reference_lengths
from icil.harness.estimates.prefixes import PrefixSizes
from icil.harness.estimates.sizes import Size, measure_for
from icil.harness.estimates.tails import StepSize, Tails, measure_episode
from icil.harness.estimates.usage_history import ModelName, remember
from icil.harness.models import Sampling, Tokens
from icil.harness.models.tables.prices import Price, Prices
from icil.harness.planning.cells import Cell
from icil.harness.planning.plan import make_plan
from icil.harness.planning.selecting import choose
from icil.harness.testing import FakeModel, fail_first
from icil.prompt_builders import Prefix, PromptBuilder
from icil.results import open_run
from icil.tasks import ExperimentError, RunFolderError

M = 1_000_000
PRICE = Price(
    input=2 / M, cached_input=0.2 / M, cache_write=2.5 / M, cache_write_1h=4 / M,
    output=10 / M, reasoning=10 / M,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_past(tmp_path, monkeypatch):
    monkeypatch.setenv("ICIL_CACHE", str(tmp_path / "cache"))
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def plan_of(agents=None, **fields):
    fields = {"task": ("gridworld",), "format": ("coords",), "episodes": 6, "demos": (2,), **fields}
    fields.setdefault("agent", tuple(agents or ("openai/gpt-5.4",)))
    return make_plan(Experiment(**fields), agents)


def model_cells(plan) -> list[Cell]:
    return [cell for cell in plan.cells if cell.agent.capabilities.demonstrations == "prompt"]


def profile(**fields):
    given = {
        "name": ModelName("", "fake"),
        "price": PRICE,
        "caching": CacheRule(),
        "sampling": Sampling(max_output_tokens=100),
        **fields,
    }
    return ModelProfile(**given)


# --- what a cache does


def tokens_of(rule, **given):
    found = rule.inputs(
        **{"prefix": 2000, "tails": [50, 90, 130], "questions": [20, 20, 20], **given},
        counted=given.get("prefix", 2000),
    )
    assert [t.output for t in found] == [0] * len(found)
    return [(t.input, t.cached, t.cache_write, t.cache_write_1h) for t in found]


def test_without_a_cache_all_is_plain_input():
    expected = [(2070, 0, 0, 0), (2110, 0, 0, 0), (2150, 0, 0, 0)]
    assert tokens_of(CacheRule(), warm=False) == expected
    assert tokens_of(CacheRule(), warm=True) == expected


def test_at_breakpoints_the_tail_is_written_at_each_step_and_read_at_the_next():
    rule = CacheRule(kind="breakpoints", minimum=1024)
    assert tokens_of(rule, warm=False) == [
        (2070, 0, 2050, 0),
        (2110, 2050, 40, 0),
        (2150, 2090, 40, 0),
    ]
    assert tokens_of(rule, warm=True)[0] == (2070, 2000, 50, 0)
    hour = CacheRule(kind="breakpoints", minimum=1024, hour=True)
    assert tokens_of(hour, warm=False)[1] == (2110, 2050, 40, 40)


def test_the_end_of_a_prompt_may_be_written_as_well():
    rule = CacheRule(kind="breakpoints", minimum=1024, to_end=True)
    assert tokens_of(rule, warm=False)[:2] == [(2070, 0, 2070, 0), (2110, 2050, 60, 0)]


def test_what_is_shorter_than_the_shortest_is_not_cached():
    rule = CacheRule(kind="breakpoints", minimum=1024)
    assert tokens_of(rule, warm=True, prefix=960) == [
        (1030, 0, 0, 0),  # 1010 up to the question
        (1070, 0, 1050, 0),  # now it is long enough, and was never written
        (1110, 1050, 40, 0),
    ]


def test_an_automatic_cache_has_whole_units_and_writes_for_nothing():
    rule = CacheRule(kind="automatic", minimum=1024, unit=128)
    assert tokens_of(rule, warm=False) == [(2070, 0, 0, 0), (2110, 2048, 0, 0), (2150, 2048, 0, 0)]
    assert tokens_of(rule, warm=True)[0] == (2070, 1920, 0, 0)


def test_a_prefix_is_put_into_the_cache_once():
    rule = CacheRule(kind="prefix", minimum=1024)
    assert tokens_of(rule, warm=False) == [
        (2070, 0, 2000, 0),
        (2110, 2000, 0, 0),
        (2150, 2000, 0, 0),
    ]
    assert tokens_of(rule, warm=True)[0] == (2070, 2000, 0, 0)
    assert tokens_of(rule, warm=False, prefix=1000)[1] == (1110, 0, 0, 0)


@pytest.mark.parametrize(
    ("provider", "model", "settings", "rule"),
    [
        ("openai", "gpt-5.4", {}, CacheRule(kind="automatic", minimum=1024, unit=128)),
        ("openai", "gpt-4o", {}, CacheRule(kind="automatic", minimum=1024, unit=128)),
        (
            "openai",
            "gpt-6-sol",
            {},
            CacheRule(kind="breakpoints", minimum=1024, to_end=True),
        ),
        ("openai", "gpt-6-sol", {"parameters": {"prompt_cache_breakpoint": None}}, CacheRule()),
        ("anthropic", "claude-sonnet-5", {}, CacheRule(kind="breakpoints", minimum=1024)),
        ("anthropic", "claude-haiku-5-5", {}, CacheRule(kind="breakpoints", minimum=512)),
        (
            "anthropic",
            "claude-sonnet-5",
            {"ttl": "1h"},
            CacheRule(kind="breakpoints", minimum=1024, hour=True),
        ),
        ("anthropic", "claude-sonnet-5", {"parameters": {"cache_control": None}}, CacheRule()),
        ("google", "gemini-2.5-pro", {}, CacheRule(kind="prefix", minimum=4096)),
        (
            "google",
            "gemini-2.5-pro",
            {"cache_tokens": 9000},
            CacheRule(kind="prefix", minimum=9000),
        ),
        ("google", "gemini-2.5-pro", {"cache_tokens": None}, CacheRule()),
        ("litellm", "anthropic/claude-sonnet-5", {}, CacheRule(kind="breakpoints", minimum=1024)),
        ("litellm", "openai/gpt-4o", {}, CacheRule(kind="automatic", minimum=1024, unit=128)),
        ("litellm", "openai/gpt-6-sol", {}, CacheRule()),
        ("litellm", "groq/llama", {}, CacheRule()),
        ("local", "llama@http://localhost:1", {}, CacheRule(kind="automatic", unit=16)),
        ("transformers", "/model", {}, CacheRule()),
    ],
)
def test_each_provider_caches_in_its_way(provider, model, settings, rule):
    assert cache_rule(provider, model, settings) == rule


# --- how long episodes are


def test_past_lengths_lie_within_what_their_number_makes_sure():
    found = known_lengths(Counter({10: 2, 20: 2}), "past runs", 25, 10_000)
    assert found.expected == {10: 2, 20: 2}
    assert 8 < mean_steps(found.low) < 11
    assert 19 < mean_steps(found.high) < 22
    assert max(found.high) <= 25
    more = known_lengths(Counter({10: 200, 20: 200}), "past runs", 25, 10_000)
    assert mean_steps(found.low) < mean_steps(more.low) < 15
    assert 15 < mean_steps(more.high) < mean_steps(found.high)


def test_few_episodes_that_are_left_make_it_less_sure():
    many, few = (known_lengths(Counter({10: 8, 20: 8}), "x", 99, left) for left in (160, 16))
    assert mean_steps(few.low) < mean_steps(many.low) < 15
    assert mean_steps(few.high) - 15 == pytest.approx(15 - mean_steps(few.low))
    assert (mean_steps(few.high) - 15) / (mean_steps(many.high) - 15) == pytest.approx(
        (2 / 1.1) ** 0.5
    )


def test_lengths_that_the_horizon_cuts_are_as_unsure_upwards_as_downwards():
    found = known_lengths(Counter({25: 12, 5: 4}), "x", 25, 64)
    assert 20 - mean_steps(found.low) == pytest.approx(mean_steps(found.high) - 20)
    assert max(found.high) == 25
    surely = known_lengths(Counter({25: 3, 5: 1}), "x", 25, 1)
    assert mean_steps(surely.high) == pytest.approx(25)


def test_one_episode_is_all_that_is_known():
    found = known_lengths(Counter({7: 1}), "past runs", 25, 5)
    assert found.low == found.expected == found.high == {7: 1.0}


def test_between_chance_and_the_expert():
    plan = plan_of(episodes=30)
    task = plan.tasks["gridworld"]
    players = {"random": Counter({25: 3, 7: 1}), "expert": Counter({6: 4})}
    found = reference_lengths(task, players)
    assert (found.low, found.expected, found.high) == ({6: 4}, {25: 3, 7: 1}, {25: 3, 7: 1})
    slow = {"random": Counter({2: 1}), "expert": Counter({9: 1})}
    assert reference_lengths(task, slow).high == {9: 1}
    assert reference_lengths(task, {}).high == {task.task.horizon: 1.0}


# --- sizes are those of real prompts


FORMATS = (("gridworld", "coords"), ("gridworld", "rgb"), ("chess", "pgn"), ("crossword", "ascii"))


@pytest.mark.parametrize(("task", "format"), FORMATS)
@pytest.mark.parametrize("layout", ["single", "chat"])
def test_the_sum_of_demonstrations_is_the_prefix(task, format, layout):
    plan = plan_of(task=(task,), format=(format,), demos=(0, 1, 2, 5), layout=layout, episodes=2)
    builder = None
    for cell in model_cells(plan):
        measure = measure_for(cell.agent, cell.agent.tokens)
        if builder is None:
            builder = PromptBuilder(cell.task.task, format, plan.template, cell.options)
            sizes = PrefixSizes(builder, measure)
        for start in plan.starts(cell):
            selection = choose(cell, start, plan.experiment.seed).selection
            found, real = sizes.of(selection), measure(builder.prefix(selection).parts)
            assert found.images == real.images
            assert found.image == pytest.approx(real.image)
            assert found.bytes == pytest.approx(real.bytes)
            # The number that a recording bears may take another token.
            assert found.text == pytest.approx(real.text, abs=5)


def test_demonstrations_that_are_not_rendered_are_guessed_by_their_steps(monkeypatch):
    monkeypatch.setattr("icil.harness.estimates.prefixes._MOST_STEPS", 60)
    plan = plan_of(demos=(64,), episodes=1)
    (cell,) = model_cells(plan)
    builder = PromptBuilder(cell.task.task, "coords", plan.template, cell.options)
    measure = measure_for(cell.agent, cell.agent.tokens)
    sizes = PrefixSizes(builder, measure)
    (start,) = plan.starts(cell)
    selection = choose(cell, start, 0).selection
    found = sizes.of(selection)
    assert len(sizes._alone) < 20
    real = measure(builder.prefix(selection).parts)
    assert found.text == pytest.approx(real.text, rel=0.03)
    assert found.bytes == pytest.approx(real.bytes, rel=0.03)


@pytest.mark.parametrize(("task", "format"), FORMATS)
@pytest.mark.parametrize("past_actions", [True, False])
def test_an_episode_grows_as_its_prompts_do(task, format, past_actions):
    plan = plan_of(
        task=(task,), format=(format,), past_actions=past_actions, legal_actions=True, episodes=1
    )
    (cell,) = model_cells(plan)
    world = cell.task.task
    episode = cell.task.references["random"][0]
    builder = PromptBuilder(world, format, plan.template, cell.options)
    measure = measure_for(cell.agent, cell.agent.tokens)
    steps = measure_episode(builder, episode, measure)
    assert len(steps) == len(episode.steps)
    tails, questions = Tails([steps]).tails(len(steps)), Tails([steps]).questions(len(steps))
    tail = builder.tail(Prefix(()))
    env = world.make_env()
    world.reset(env, episode.opening)
    for number, step in enumerate(episode.steps):
        tail.observe(world.observe(env, format))
        prompt = tail.question(world.legal_actions(env))
        real = measure(prompt.tail)
        assert (tails[number].text, tails[number].images) == (real.text, real.images)
        assert questions[number].text == measure(prompt.question).text
        said = world.express(step.action, env)
        tail.act(said)
        world.step(env, world.parse(said, env).value, step.outcome)
    env.close()


def test_tails_are_means_and_go_on_beyond_what_was_played():
    def step(new, question=1.0):
        return StepSize(new=Size(text=new), question=Size(text=question), action=Size(text=3.0))

    tails = Tails([[step(10), step(4), step(6)], [step(20)], []])
    assert [size.text for size in tails.tails(5)] == [15, 19, 25, 30, 35]
    assert [size.text for size in tails.questions(2)] == [1, 1]
    assert tails.action.text == 3


# --- what a cell takes


def estimate_of(plan, folder=None, **profiles):
    return make_estimate(plan, concurrency=4, folder=folder, profiles=profiles)


def test_players_that_ask_nobody_take_nothing():
    found = estimate_of(plan_of(agent=("random", "expert", "nearest")))
    assert found.cells == ()
    assert found.total.high.calls == 0
    assert found.wall_s == 0


def test_a_plan_needs_no_key_and_asks_nobody(monkeypatch):
    def refuse(*_):
        pytest.fail("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    names = ("anthropic/claude-opus-5", "google/gemini-2.5-pro", "openai/gpt-5.4")
    found = estimate_of(plan_of(agent=names))
    assert {cell.cell.agent for cell in found.cells} == set(names)
    assert all(cell.range.expected.cost_usd > 0 for cell in found.cells)


def test_the_sums_are_of_the_real_prompts_of_episodes_of_a_known_length():
    model = FakeModel("up")
    plan = plan_of({"fake": model}, task=("crossword",), format=("ascii",), episodes=3)
    (cell,) = model_cells(plan)
    mine = profile(caching=CacheRule(kind="breakpoints", minimum=1024))
    (found,) = estimate_of(plan, fake=mine).cells
    # Chance never ends a crossword before its horizon, and the tail is that of real episodes.
    horizon = cell.task.task.horizon
    assert found.range.expected.calls == pytest.approx(3 * horizon)
    assert found.range.high == found.range.expected
    assert found.range.low.calls < found.range.expected.calls
    builder = PromptBuilder(cell.task.task, "ascii", plan.template, cell.options)
    measure = measure_for(model, mine.count)
    prefixes = [
        measure(builder.prefix(choose(cell, start, 0).selection).parts).text
        for start in plan.starts(cell)
    ]
    assert found.prefix_tokens == pytest.approx(sum(prefixes) / 3, rel=0.01)
    amounts = found.range.expected
    assert amounts.input_tokens > horizon * sum(prefixes)
    plain = amounts.input_tokens - amounts.cached_tokens - amounts.written_tokens
    assert amounts.cost_usd == pytest.approx(
        (
            plain * 2
            + amounts.cached_tokens * 0.2
            + amounts.written_tokens * 2.5
            + amounts.output_tokens * 10
        )
        / M
    )
    assert amounts.uncached_usd == pytest.approx(
        (amounts.input_tokens * 2 + amounts.output_tokens * 10) / M
    )


def test_episodes_that_share_their_demonstrations_write_them_once():
    fields = {"episodes": 12, "demos": (16,)}
    mine = profile(caching=CacheRule(kind="breakpoints", minimum=100))
    own, shared = (
        estimate_of(plan_of({"fake": FakeModel("up")}, demo_sets=sets, **fields), fake=mine)
        for sets in (None, 2)
    )
    (own,), (shared,) = own.cells, shared.cells
    apart = own.range.expected.written_tokens - shared.range.expected.written_tokens
    assert apart == pytest.approx(10 * shared.prefix_tokens, rel=0.1)
    assert own.range.expected.input_tokens == pytest.approx(
        shared.range.expected.input_tokens, rel=0.1
    )


def test_without_demonstrations_one_prefix_serves_all():
    mine = profile(caching=CacheRule(kind="breakpoints", minimum=1))
    plan = plan_of({"fake": FakeModel("up")}, demos=(0,), episodes=50)
    (found,) = estimate_of(plan, fake=mine).cells
    steps = found.range.expected.calls
    rest = found.range.expected.input_tokens - found.range.expected.cached_tokens
    # All but the prefix of the first request, and what is new at each step.
    assert rest < found.prefix_tokens + steps * 60


def test_dearer_tiers_hold_for_long_prompts():
    price = Prices().find(("gemini/gemini-2.5-pro",))
    short = call_amounts(Tokens(input=200_000), 10.5, 0, price, 1.0)
    long = call_amounts(Tokens(input=200_001, cached=100_000), 10.5, 0, price, 1.0)
    assert short.cost_usd == pytest.approx((200_000 * 1.25 + 10.5 * 10) / M)
    assert long.cost_usd == pytest.approx((100_001 * 2.5 + 100_000 * 0.25 + 10.5 * 15) / M)
    assert long.uncached_usd == pytest.approx((200_001 * 2.5 + 10.5 * 15) / M)


def test_a_teacher_forced_run_has_known_lengths():
    plan = plan_of(teacher_forced=True, demos=(3,), episodes=9)
    (cell,) = model_cells(plan)
    (found,) = estimate_of(plan).cells
    steps = sum(len(start.forced.steps) for start in plan.starts(cell))
    for amounts in (found.range.low, found.range.expected, found.range.high):
        assert amounts.calls == pytest.approx(steps)


def test_an_unknown_price_is_none_and_in_no_sum():
    plan = plan_of(agent=("openai/gpt-99", "openai/gpt-5.4"))
    found = estimate_of(plan)
    assert found.unpriced == ("openai/gpt-99",)
    unknown, known = found.cells
    assert not unknown.priced
    assert unknown.range.expected.input_tokens > 0
    assert found.total.expected.cost_usd == known.range.expected.cost_usd > 0


def test_a_user_s_price_counts(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text("openai/gpt-99: {input: 1, output: 1}")
    (found,) = estimate_of(plan_of(agent=("openai/gpt-99",), prices=path)).cells
    amounts = found.range.expected
    assert amounts.uncached_usd == pytest.approx((amounts.input_tokens + amounts.output_tokens) / M)


def test_a_model_that_thinks_takes_more():
    plain, asked, unasked = (
        estimate_of(plan).cells[0]
        for plan in (
            plan_of(),
            plan_of(reasoning=True),
            plan_of(agent=("openai/o3",)),
        )
    )
    assert plain.assumptions.output_tokens < 20
    assert "reasoning" in asked.assumptions.output_source
    assert asked.assumptions.output_tokens > plain.assumptions.output_tokens + 100
    assert "thinking" in unasked.assumptions.output_source
    short = estimate_of(plan_of(agent=("openai/o3",), max_output_tokens=50)).cells[0]
    assert short.assumptions.output_tokens == 50


# --- what does not fit


def test_a_prompt_that_never_fits_is_told_and_costs_nothing():
    plan = plan_of({"fake": FakeModel("up", context_tokens=300)}, demos=(0, 16))
    small, large = estimate_of(plan, fake=profile()).cells
    assert small.overlong is None or small.overlong.step > 0
    assert large.overlong.step == 0
    assert "the model takes 300" in large.overlong.reason
    assert large.range.high.calls == 0


def test_a_prompt_that_grows_too_long_is_told_with_the_step():
    limit = 400
    plan = plan_of({"fake": FakeModel("up", context_tokens=limit)}, demos=(0,))
    (found,) = estimate_of(plan, fake=profile()).cells
    assert 0 < found.overlong.step < 25
    assert 0 < found.range.high.calls <= 6 * found.overlong.step


def test_too_many_images_are_told():
    plan = plan_of({"fake": FakeModel("up", max_images=30)}, format=("rgb",), demos=(16,))
    (found,) = estimate_of(plan, fake=profile()).cells
    assert found.overlong.step == 0
    assert "images, the model takes 30" in found.overlong.reason


def test_a_request_that_is_too_large_is_told(monkeypatch):
    model = FakeModel("up")
    model.capabilities = replace(model.capabilities, request_bytes=10_000)
    plan = plan_of({"fake": model}, format=("rgb",), demos=(16,))
    (found,) = estimate_of(plan, fake=profile()).cells
    assert found.overlong.step == 0
    assert "MiB" in found.overlong.reason


# --- what was played already


def answers(turn):
    return turn.legal_actions()[0]


def test_finished_episodes_are_taken_as_they_were(play, tmp_path):
    fields = {"task": ("gridworld",), "format": ("coords",), "demos": (2,), "episodes": 6}
    model = FakeModel(answers, latency_s=0.001, cost_usd=0.5)
    play("run", agents={"fake": model}, **fields)
    plan = plan_of({"fake": model}, **fields)
    found = estimate_of(plan, tmp_path / "run", fake=profile())
    (cell,) = found.cells
    assert (cell.episodes, cell.finished) == (6, 6)
    assert cell.range.low == cell.range.expected == cell.range.high == cell.spent
    assert cell.spent.calls == model.calls
    assert cell.spent.cost_usd == pytest.approx(0.5 * model.calls)
    assert found.wall_s == 0


def test_the_rest_goes_by_the_mean_of_what_was_played(play, tmp_path):
    fields = {"task": ("gridworld",), "format": ("coords",), "demos": (2,), "episodes": 8}

    def stop_late(turn):
        return fail_late(turn) if turn.episode.opening.index > 3 else None

    fail_late = fail_first(1000)
    model = FakeModel(answers, latency_s=0.001, faults=stop_late)
    play("run", agents={"fake": model}, concurrency=1, **fields)
    plan = plan_of({"fake": model}, **fields)
    found = estimate_of(plan, tmp_path / "run", fake=profile())
    (cell,) = found.cells
    assert (cell.episodes, cell.finished) == (8, 4)
    assert cell.steps_source == "this run"
    assert cell.assumptions.input_source == "the provider's count in past runs"
    assert cell.range.expected.calls == pytest.approx(2 * cell.spent.calls)
    assert cell.range.expected.input_tokens == pytest.approx(2 * cell.spent.input_tokens, rel=0.2)
    assert found.wall_s > 0


def test_a_cell_that_was_given_up_takes_no_more(play, tmp_path):
    fields = {"task": ("gridworld",), "format": ("coords",), "demos": (16,), "episodes": 4}
    model = FakeModel(answers, context_tokens=300, latency_s=0.001)
    play("run", agents={"fake": model}, **fields)
    found = estimate_of(plan_of({"fake": model}, **fields), tmp_path / "run", fake=profile())
    (cell,) = found.cells
    assert "the model takes 300" in cell.overlong.reason
    assert cell.range.high == cell.spent


def test_the_folder_of_another_experiment_is_refused(play, tmp_path):
    play("run", agent=("random",))
    with pytest.raises(RunFolderError, match="another experiment"):
        estimate_of(plan_of(seed=1), tmp_path / "run")


def test_past_runs_tell_how_long_episodes_are(play, tmp_path):
    fields = {"task": ("gridworld",), "format": ("coords",), "demos": (2,)}
    model = FakeModel(answers, latency_s=0.25)
    model._latency_s = 0.001
    play("pilot", agents={"fake": model}, episodes=5, **fields)
    store = open_run(tmp_path / "pilot")
    remember(store)
    _, rows = store.rows(
        "SELECT AVG(s.output_tokens), AVG(s.latency_s), COUNT(*) FROM steps s JOIN episodes e "
        "ON e.id = s.episode JOIN cells c ON c.id = e.cell WHERE c.agent = 'fake'"
    )
    store.close()
    plan = plan_of({"fake": model}, episodes=20, **{**fields, "demos": (4,)})
    (found,) = estimate_of(plan, fake=profile(name=ModelName("", "fake"))).cells
    assert found.steps_source == "past runs"
    assert found.steps == pytest.approx(rows[0][2] / 5)
    assert found.assumptions.output_tokens == pytest.approx(rows[0][0])
    assert found.assumptions.latency_s == pytest.approx(rows[0][1])


def test_time_is_of_the_agent_that_takes_longest():
    plan = plan_of(agent=("openai/gpt-5.4", "openai/o3"))
    found = estimate_of(plan)
    alone = [estimate_of(plan_of(agent=(name,))).wall_s for name in plan.experiment.agent]
    assert found.wall_s == pytest.approx(max(alone))
    (cell,) = estimate_of(plan_of()).cells
    assert alone[0] == pytest.approx(cell.range.expected.latency_s / 4)


def test_a_task_without_records_is_played_by_chance(tmp_path):
    plan = plan_of(task=("gym:FrozenLake-v1",), format=("proprio",), demos=(0,), episodes=3)
    (found,) = estimate_of(plan).cells
    assert found.range.expected.calls > 0
    assert found.steps_source == "the random player"


# --- which model it is


def test_a_profile_is_what_the_agent_says():
    plan = plan_of(
        agent=("anthropic/claude-sonnet-5",), set={"anthropic/claude-sonnet-5.ttl": "1h"}
    )
    (cell,) = model_cells(plan)
    found = profile_of(cell.record.agent, cell.agent)
    assert found.name == ("anthropic", "claude-sonnet-5")
    assert found.caching.hour
    assert found.price == cell.agent.price
    assert not found.free
    assert not found.thinks
    local = plan_of(agent=("local/m@http://localhost:9",))
    (cell,) = model_cells(local)
    found = profile_of(cell.record.agent, cell.agent)
    assert found.free
    assert found.name == ("local", "m")


# --- the command


ASK = ("--task", "gridworld", "--format", "coords", "--demos", "0,2", "--episodes", "4")


def test_the_command_prints_a_table(icil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = icil("estimate", *ASK, "--agent", "openai/gpt-5.4")
    assert (said.code, said.err) == (0, "")
    assert "openai/gpt-5.4" in said.out
    assert "without a cache $" in said.out
    assert "the length of an action" in " ".join(said.out.split())
    assert list(Path(tmp_path).iterdir()) == []


def test_the_command_prints_json(icil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = icil("estimate", *ASK, "--agent", "openai/gpt-5.4", "--agent", "openai/gpt-99", "--json")
    assert said.code == 0
    found = json.loads(said.out)
    assert found["unpriced"] == ["openai/gpt-99"]
    assert len(found["cells"]) == 4
    assert found["total"]["expected"]["calls"] == pytest.approx(
        sum(cell["range"]["expected"]["calls"] for cell in found["cells"])
    )
    assert {c["cell"]["demonstrations"] for c in found["cells"]} == {0, 2}


def test_many_cells_are_grouped(icil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    demos = ",".join(map(str, range(45)))
    said = icil("estimate", *ASK, "--demos", demos, "--agent", "openai/gpt-5.4")
    (line,) = (line for line in said.out.splitlines() if line.startswith(" gridworld"))
    assert line.split()[:3] == ["gridworld", "openai/gpt-5.4", "45"]


def test_where_no_model_is_asked_that_is_said(icil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = icil("estimate", *ASK)
    assert said.code == 0
    assert "No model is asked" in said.out


def test_overlong_cells_and_unknown_prices_are_told(icil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "openai/gpt-99"
    said = icil("estimate", *ASK, "--agent", name, "--set", f"{name}.context_tokens=200")
    told = " ".join(said.out.split())
    assert f"overlong: gridworld coords {name} random 2: step 0: the prompt has" in told
    assert "the model takes 200" in told
    assert f"the price of {name} is not known" in told


def test_wrong_usage_is_as_of_run(icil):
    said = icil("estimate", "--task", "gridwold")
    assert said.code == 2
    assert "did you mean 'gridworld'?" in said.err
    assert icil("estimate", "--agent", "openai/gpt-5", "--episodes", "0").code == 2


def test_a_price_file_that_is_wrong_is_told(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text("m: 3")
    with pytest.raises(ExperimentError, match=r"prices\.yaml: m: expected prices"):
        plan_of(prices=path)
