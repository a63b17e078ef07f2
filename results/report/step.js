/* One step of an episode: what the agent saw, what it said, and what came of it. */

const STATUS = { ok: "legal", empty: "empty reply", invalid: "no action of the task", illegal: "not allowed here" };

function number(value, digits) {
  return Number(value).toLocaleString("en", { maximumFractionDigits: digits });
}

/** Draws what was shown: texts as they are, pictures where they were kept. */
function drawItems(items, episode, kind) {
  return items.filter((item) => typeof item !== "string" || item.trim()).flatMap((item) => {
    if (typeof item === "string") return make("pre", { class: kind }, item);
    const src = episode.url(item.picture);
    return src === null ? drawMissing(item.picture, episode)
      : make("img", { src, alt: "What the state looks like" });
  });
}

/** Says why a picture is not there; shows the one before it that is. */
function drawMissing(key, episode) {
  const why = episode.gap || (overview.now.live
    ? "This picture cannot be drawn again." : "This picture was left out to keep the file small.");
  const [, kind, step] = /^(.*\.)(\d+)$/.exec(key) || [];
  for (let before = Number(step) - 1; before >= 0; before--) {
    const src = episode.url(`${kind}${before}`);
    if (src !== null) {
      return [make("img", { src, class: "stale", alt: `What the state looked like at step ${before}` }),
        make("p", { class: "missing" }, `As it was at step ${before}. ${why}`)];
    }
  }
  return make("p", { class: "missing" }, why);
}

function drawSeen(episode, at) {
  const parts = [];
  if (at.seen) {
    const title = episode.prompted ? "New to the agent at this step" : "What the agent saw";
    parts.push(make("h3", {}, title), ...drawItems(at.seen, episode, episode.prompted ? null : "board"));
  }
  if (at.board) {
    parts.push(make("h3", {}, `The state, for you (${episode.views.join(", ")}); not shown to the agent`),
      ...drawItems(at.board, episode, "board"));
  }
  if (at.question) {
    parts.push(make("details", {}, make("summary", {}, "The question that it was asked"),
      ...drawItems(at.question, episode, null)));
  }
  if (!parts.length) parts.push(make("p", { class: "missing" }, episode.unshown
    ? `The state cannot be shown: ${episode.unshown}` : "There is nothing to show of the state."));
  return make("div", {}, ...parts);
}

function chip(kind, text) {
  return make("span", { class: `chip ${kind}` }, text);
}

function verdict(step) {
  const chips = [chip(step.status === "ok" ? "good" : "bad", STATUS[step.status])];
  if (step.otherwise) chips.push(chip("mixed", `read the other way: ${STATUS[step.otherwise]}`));
  if (step.agrees !== undefined) {
    chips.push(step.agrees ? chip("good", "as the expert") : chip("mixed", "not as the expert"));
  }
  if (step.success) chips.push(chip("good", "the goal is met"));
  if (step.copies) chips.push(chip("", "copies the nearest demonstrated state"));
  return make("div", { class: "verdict" }, ...chips);
}

function tokensOf(step) {
  if (!step.input_tokens) return null;
  const more = [[step.cached_input_tokens, "cached"], [step.cache_write_tokens, "written to the cache"]]
    .filter(([count]) => count).map(([count, what]) => `${number(count)} ${what}`);
  return number(step.input_tokens) + (more.length ? ` (${more.join(", ")})` : "");
}

function drawAnswer(episode, position) {
  const step = episode.steps[position];
  const sum = episode.steps.slice(0, position + 1).reduce((total, one) => total + (one.reward || 0), 0);
  const answered = step.reward !== undefined;
  const thought = step.reasoning_tokens ? ` (${number(step.reasoning_tokens)} of them reasoning)` : "";
  const pairs = [
    ["played", step.action + (step.status === "ok" ? "" : " (in its place)")],
    ["why", step.reason],
    ["the expert", step.expected && step.expected.join(", ")],
    ["reward", answered ? number(step.reward, 4) : "not answered yet"],
    ["return so far", answered ? number(sum, 4) : null],
    ["the world", step.outcome !== undefined ? JSON.stringify(step.outcome) : null],
    ["input tokens", tokensOf(step)],
    ["output tokens", step.output_tokens ? number(step.output_tokens) + thought : null],
    ["pictures", step.images ? `${number(step.images)} in the prompt` : null],
    ["cost", step.cost_usd ? `$${number(step.cost_usd, 6)}` : null],
    ["latency", step.latency_s ? `${number(step.latency_s, 2)} s` : null],
    ["model", step.model],
    ["stopped", [step.finish, step.detail].filter(Boolean).join(": ")],
    ["left out", step.dropped && `${step.dropped.join(", ")} (not taken by the model)`],
    ["demonstrations", step.demonstrations && step.demonstrations.join(", ")],
  ].filter(([, text]) => text);
  const short = step.reply.length <= 60 && !/[\n\r]/.test(step.reply);
  return make("div", {},
    make("h3", {}, "What it answered"),
    step.reply === "" ? make("p", { class: "missing" }, "nothing")
      : make(short ? "div" : "pre", { class: short ? "move" : null, id: "reply" }, step.reply),
    verdict(step),
    make("dl", { class: "pairs" },
      ...pairs.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)])));
}

function drawEnd(episode) {
  const parts = [make("h3", {}, "After the last step")];
  if (episode.score !== undefined) parts.push(make("div", { class: "move" }, `score ${number(episode.score, 4)}`));
  else parts.push(make("div", { class: "move" }, episode.status));
  if (episode.message) parts.push(make("pre", {}, episode.message));
  return make("div", {}, ...parts);
}

/** What stands at a position: the steps, then the end. */
function drawStep(episode, position) {
  const ended = position >= episode.steps.length;
  const left = drawSeen(episode, ended ? episode : episode.steps[position]);
  byId("step").replaceChildren(left, ended ? drawEnd(episode) : drawAnswer(episode, position));
}

function kindOf(step) {
  if (step.status !== "ok") return "wrong";
  return step.agrees === undefined ? "plain" : step.agrees ? "as" : "differs";
}
