"""The page as a file: what is in it, what cannot get out of it, and what does not fit."""

import base64
import hashlib
import re

import numpy as np
import pytest

from icil.prompt_builders.png import encode_png
from icil.results import Answer, Played, RunStore, Usage
from icil.results.report import write_report

RNG = np.random.default_rng(0)
LONGEST = 20


@pytest.fixture
def run(cell, writer):
    """A run with a model, whose words are hostile, and the built-in players."""

    def run(name="run", *, episodes=2, pictures=0, words="up", agent="acme/model"):
        """Writes episodes of all of them, and of one that sees noise so many."""
        model, nearest = cell(agent), cell("nearest", format="coords")
        seer = cell(agent, format="rgb")
        players = [cell(player, asked=False) for player in ("random", "expert")]
        written = writer(model, nearest, seer, *players, name=name, episodes=episodes)
        for opening in range(episodes):
            shown = [[("You see this:\n",), (f"{words} {number}",)] for number in range(3)]
            written.episode(model, opening, ("up",) * 3, shown=shown, wrong=(words,))
            for one in (nearest, *players):
                written.episode(one, opening, ("left",) * 3)
        for opening in range(pictures):
            noise = [encode_png(RNG.integers(0, 256, (64, 64, 3), np.uint8)) for _ in range(3)]
            shown = [[("picture\n",), (png, "png")] for png in noise]
            written.episode(seer, opening, ("left", "right", "left"), shown=shown)
        return written.store

    return run


def test_the_page_holds_the_run(run, read_page, tmp_path):
    found = write_report([run(pictures=1)], tmp_path / "report.html")
    page = read_page(found.path)
    assert found.size == len(page.text.encode()) == found.path.stat().st_size
    assert found.left_out == ()
    assert (found.episodes, len(page.episodes)) == (9, 9)
    overview = page.overview
    assert overview["live"] is False
    (told,) = overview["runs"]
    assert told["name"] == "run"
    assert ["experiment hash", "e" * 16] in told["provenance"]
    assert ["episodes", "9 done"] in told["facts"]
    rows = {
        tuple(row["shown"][n][0] for n in ("agent", "format")) for row in overview["board"]["rows"]
    }
    assert rows == {("acme/model", "ascii"), ("acme/model", "rgb"), ("nearest", "coords")}
    for cell in overview["cells"]:
        for id, *_, pack, _ in cell["episodes"]:
            assert page.episodes[f"0:{id}"]["cell"] == cell["id"]
            assert pack == 0
    # Every row leads to the cell that it is of.
    cells = {cell["id"]: cell for cell in overview["cells"]}
    for row in overview["board"]["rows"]:
        assert cells[row["cell"]]["label"].startswith(row["shown"]["agent"][0])
        assert cells[row["cell"]]["format"] == row["shown"]["format"][0]
    assert len(page.pictures) == 4  # three that were seen, and the state after them
    places = page.packs("places")
    shown = [
        item["picture"]
        for episode in page.episodes.values()
        for step in (*episode["steps"], episode)
        for item in (*step.get("seen", ()), *step.get("board", ()))
        if isinstance(item, dict)
    ]
    assert {f"0:{key}" for key in shown} == places.keys()


def test_what_a_model_says_is_nowhere_markup(run, read_page, tmp_path, hostile):
    found = write_report([run(words=hostile, agent=f"acme/{hostile}")], tmp_path / "report.html")
    page = read_page(found.path)
    assert any(hostile in step["reply"] for e in page.episodes.values() for step in e["steps"])
    assert not any(tag == "img" for tag, _ in page.tags)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    run_by_browsers = [text for (_, type), text in page.scripts.items() if not type]
    assert len(run_by_browsers) == 1
    assert "alert(1)" not in run_by_browsers[0]
    assert "<!--" not in page.text
    starts = page.text.count("<script")
    assert starts == page.text.count("</script") == len(page.scripts)


def test_the_policy_lets_its_own_script_run_and_nothing_else(run, read_page, tmp_path):
    page = read_page(write_report([run()], tmp_path / "report.html").path)
    rules = dict(rule.strip().split(" ", 1) for rule in page.policy.split(";"))

    def named(content):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        return f"'sha256-{digest}'"

    (script,) = (text for (_, type), text in page.scripts.items() if not type)
    (style,) = page.styles
    assert rules["default-src"] == "'none'"
    assert (rules["script-src"], rules["style-src"]) == (named(script), named(style))
    assert rules["img-src"] == "data:"
    assert "connect-src" not in rules
    assert not any("style" in attributes for _, attributes in page.tags)


def test_the_page_asks_nobody_for_anything(run, read_page, tmp_path):
    page = read_page(write_report([run(pictures=1)], tmp_path / "report.html").path)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"@import|url\(", "".join(page.styles))
    assert not re.search(r'="url\((?!#)', page.text)
    assert str(tmp_path) not in page.text


def test_the_same_run_gives_the_same_page(run, tmp_path):
    store = run(pictures=2)
    pages = [write_report([store], tmp_path / f"{n}.html").path.read_bytes() for n in range(2)]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("episodes", [0, 4])
def test_as_many_episodes_as_were_asked_for(run, read_page, tmp_path, episodes):
    found = write_report([run()], tmp_path / "report.html", episodes=episodes)
    page = read_page(found.path)
    assert found.episodes == len(page.episodes) == episodes
    assert found.left_out == tuple(page.overview["leftOut"])
    assert found.left_out[0].startswith(f"{episodes} of 8 episodes were chosen")
    assert sum(cell["total"] for cell in page.overview["cells"]) == 8


def test_pictures_that_do_not_fit_are_left_out_and_it_is_said(run, read_page, tmp_path):
    store = run(pictures=150, words=RNG.bytes(100).hex())
    whole = write_report([store], tmp_path / "whole.html")
    assert whole.size > 10**6
    found = write_report([store], tmp_path / "report.html", megabytes=1)
    page = read_page(found.path)
    assert found.size <= 10**6
    assert found.episodes == len(page.episodes) == 158  # all the texts
    assert 0 < found.pictures < whole.pictures
    (told,) = found.left_out
    assert re.search(r"pictures of \d+ of 150 episodes", told)
    assert "gridworld rgb acme/model" in told
    assert [told] == page.overview["leftOut"]
    kept = set(page.packs("places").values())
    assert kept == set(range(len(page.pictures)))


def test_texts_that_do_not_fit_are_left_out_episode_by_episode(cell, writer, read_page, tmp_path):
    model = cell()
    written = writer(model, episodes=LONGEST)
    for opening in range(LONGEST):
        shown = [[(RNG.bytes(60_000).hex(),)]]
        written.episode(model, opening, ["up"], shown=shown, status="running")
    found = write_report([written.store], tmp_path / "report.html", megabytes=1)
    page = read_page(found.path)
    assert found.size <= 10**6
    assert 0 < found.episodes == len(page.episodes) < LONGEST
    assert f"{LONGEST - found.episodes} of these were left out" in found.left_out[0]
    (listed,) = (cell for cell in page.overview["cells"])
    assert (len(listed["episodes"]), listed["total"]) == (found.episodes, LONGEST)


def test_where_prompts_are_long_only_some_beginnings_are_kept(cell, writer, read_page, tmp_path):
    model = cell()
    written = writer(model, episodes=200)
    for opening in range(200):
        prefix = [RNG.bytes(4000).hex()]
        written.episode(model, opening, ["up"], shown=[[("a",)]], status="running", prefix=prefix)
    found = write_report([written.store], tmp_path / "report.html", megabytes=1)
    page = read_page(found.path)
    begun = page.packs("beginnings")
    assert 0 < len(begun) < 200
    assert found.left_out == (
        f"how prompts begin is shown of {len(begun)} of 200 episodes, to keep the file below 1 MB",
    )
    entries = page.overview["cells"][0]["episodes"]
    assert sum(entry[-1] is not None for entry in entries) == len(begun)
    assert all(len(one["text"]) == 6000 and not one["whole"] for one in begun.values())


def test_several_runs_in_one_page(run, read_page, tmp_path):
    stores = [run("first"), run("second", episodes=3)]
    page = read_page(write_report(stores, tmp_path / "report.html").path)
    assert [one["name"] for one in page.overview["runs"]] == ["first", "second"]
    assert "run" in page.overview["board"]["filters"]
    assert {key.split(":")[0] for key in page.episodes} == {"0", "1"}
    for row in page.overview["board"]["rows"]:
        assert page.overview["runs"][row["run"]]["name"] == row["shown"]["run"][0]


def test_a_run_that_has_not_begun(cell, writer, read_page, tmp_path):
    written = writer(cell(), cell("random", asked=False))
    found = write_report([written.store], tmp_path / "report.html")
    page = read_page(found.path)
    assert (found.episodes, found.left_out) == (0, ())
    (row,) = page.overview["board"]["rows"]
    assert row["shown"]["score"][0] == "unfinished"


def test_an_episode_in_error_is_there_with_its_message(cell, writer, read_page, tmp_path, hostile):
    model = cell()
    written = writer(model)
    id = written.episode(model, 0, ["up"], shown=[[("a",)]], status="error")
    page = read_page(write_report([written.store], tmp_path / "report.html").path)
    assert page.episodes[f"0:{id}"]["message"] == hostile


def test_a_world_that_cannot_be_drawn_again_is_told_of(cell, writer, read_page, tmp_path):
    nearest = cell("nearest", format="rgb")
    written = writer(nearest)
    written.episode(nearest, 0, ("up", "up"))
    with written.store.resealing() as db:
        db.execute("UPDATE steps SET reward = 0.5 WHERE step = 0")
    found = write_report([written.store], tmp_path / "report.html")
    assert found.left_out == (
        "the pictures of 1 episode cannot be drawn again: step 0: the world answers otherwise than "
        "in the run",
    )
    assert len(read_page(found.path).pictures) == 1


def test_success_and_the_latency_of_policies_are_in_the_page(cell, writer, read_page, tmp_path):
    policy = cell("vla/pi0", format="", selector="", demonstrations=0)
    store = writer(policy).store
    episode = store.begin_episode(store.cells()[policy.hash], 0)
    usage = Usage(latency_s=0.25)  # and no tokens
    store.add_step(episode, 0, Answer(reply="up", status="ok", action="up", usage=usage))
    store.end_episode(episode, "done", score=0.0, last=(0, Played(reward=0.0, success=True)))
    path = tmp_path / "report.html"
    write_report([store], path)
    page = read_page(path)
    assert "In how many episodes the goal was met" in page.text
    assert "<td>100% [21%, 100%]</td>" in page.text
    board = page.overview["board"]
    columns = [name for name, *_ in board["columns"]]
    assert "latency" in columns
    assert not {"tokens", "cost"} & set(columns)
    assert board["rows"][0]["shown"]["latency"] == ["0.25 s", 0.25]
    (shown,) = page.episodes.values()
    assert shown["steps"][0]["success"] == 1


CAR = "gym:MountainCarContinuous-v0"


def test_action_errors_stand_above_the_leaderboard(make_vectors, read_page, tmp_path):
    page = read_page(write_report([make_vectors()], tmp_path / "report.html").path)
    text = page.text
    assert text.index('id="actions"') < text.index('id="leaderboard"')
    assert f">{CAR} · proprio</th>" in text
    assert "<td>0.1250</td>" in text
    assert "to the digit, which says next to nothing of vectors" in text


def test_what_action_errors_lack_is_said(make_vectors, read_page, tmp_path):
    page = read_page(write_report([make_vectors(version=0)], tmp_path / "report.html").path)
    assert f"Not computed for {CAR}: it is not set, or not of the version" in page.text


def test_of_other_runs_there_are_no_action_errors(run, read_page, tmp_path):
    page = read_page(write_report([run()], tmp_path / "report.html").path)
    assert 'id="actions"' not in page.text


@pytest.fixture
def make_vectors(cell, tmp_path):
    """Returns a function that makes a teacher-forced run whose actions are vectors."""
    made = []

    def make_vectors(version=1):
        one = cell("nearest", task=CAR, format="proprio")
        fields = {"episodes": 1, "teacher_forced": True, "task": {CAR: version}, "settings": {}}
        meta = {
            "experiment": {**fields, "pool": {CAR: "ab" * 32}, "set": {}},
            "experiment_hash": "e" * 16,
            "formats": {CAR: ["proprio"]},
        }
        store = RunStore.create(tmp_path / "run.sqlite", meta, [one])
        made.append(store)
        episode = store.begin_episode(store.cells()[one.hash], 0)
        store.add_step(
            episode, 0, Answer(reply="[0.5]", status="ok", action="[0.25]", agrees=False)
        )
        store.end_episode(episode, "done", score=0.0, last=(0, Played(reward=0.0)))
        return store

    yield make_vectors
    for store in made:
        store.close()


def test_each_group_of_the_overall_table_has_its_heading(run, read_page, tmp_path):
    text = read_page(write_report([run()], tmp_path / "report.html").path).text
    overall = text[text.index("Over all tasks</summary>") :].split("</table>")[0]
    headings = re.findall(r'<th scope="rowgroup" colspan="11">([^<]+)</th>', overall)
    assert headings == ["the mean over all numbers of demonstrations", "2 demonstrations"]
